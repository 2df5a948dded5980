//! A pod's volumes: folders of files, kept up to date as a kubelet does, by swapping a symbolic link.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{
    Container, KeyToPath, PodSpec, ServiceAccount, ServiceAccountTokenProjection, Volume,
};
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::time::sleep;

use super::container::Place;
use super::environment::{config_map, field, secret};

/// One file system to show in a container.
#[derive(Debug)]
pub(super) struct Mount {
    source: PathBuf,
    target: String,
    read_only: bool,
}

impl Mount {
    /// As `container.sh` takes it.
    pub(super) fn arguments(&self) -> [String; 3] {
        let mode = if self.read_only { "ro" } else { "rw" };
        [self.source.display().to_string(), self.target.clone(), mode.to_owned()]
    }
}

type Files = BTreeMap<String, Vec<u8>>;

/// Makes all volumes.
pub(super) async fn make(place: &Place, spec: &PodSpec) -> anyhow::Result<()> {
    for volume in spec.volumes.iter().flatten() {
        update(place, spec, volume).await?;
    }
    Ok(())
}

/// Follows the ConfigMaps and Secrets in volumes; never ends.
pub(super) async fn follow(place: &Place, spec: &PodSpec) {
    let volumes = spec.volumes.iter().flatten();
    let volumes: Vec<_> = volumes.filter(|volume| volume.config_map.is_some() || volume.secret.is_some()).collect();
    if volumes.is_empty() {
        return std::future::pending().await;
    }
    loop {
        sleep(REFRESH).await;
        for volume in &volumes {
            // What cannot be read now stays as it was.
            let _ = update(place, spec, volume).await;
        }
    }
}

async fn update(place: &Place, spec: &PodSpec, volume: &Volume) -> anyhow::Result<()> {
    let folder = folder(place, &volume.name);
    fs::create_dir_all(&folder)?;
    match files(place, spec, volume).await.with_context(|| format!("volume {}", volume.name))? {
        Some(files) => write(&folder, &files),
        None => Ok(()),
    }
}

/// What `container` mounts.
pub(super) fn mounts(place: &Place, container: &Container) -> anyhow::Result<Vec<Mount>> {
    let mounts = container.volume_mounts.iter().flatten().map(|mount| {
        ensure!(MOUNTABLE.iter().all(|folder| !mount.mount_path.starts_with(folder)), "no mounts below {MOUNTABLE:?}");
        let folder = folder(place, &mount.name);
        let source = mount.sub_path.as_ref().map_or(folder.clone(), |path| folder.join(path));
        ensure!(source.exists(), "there is no {} in volume {}", source.display(), mount.name);
        let target = mount.mount_path.trim_end_matches('/').to_owned();
        Ok(Mount { source, target, read_only: mount.read_only.unwrap_or_default() })
    });
    mounts.collect()
}

fn folder(place: &Place, volume: &str) -> PathBuf {
    Path::new(&place.folder).join("volumes").join(volume)
}

/// The files of a volume; `None` for one that containers fill themselves.
async fn files(place: &Place, spec: &PodSpec, volume: &Volume) -> anyhow::Result<Option<Files>> {
    if volume.empty_dir.is_some() {
        return Ok(None);
    }
    let files = if let Some(source) = &volume.config_map {
        select(config_map(place, &source.name, source.optional).await?, source.items.as_deref())?
    } else if let Some(source) = &volume.secret {
        let name = source.secret_name.as_deref().unwrap_or_default();
        select(secret(place, name, source.optional).await?, source.items.as_deref())?
    } else if let Some(source) = &volume.downward_api {
        let mut files = Files::new();
        for item in source.items.iter().flatten() {
            let path = item.field_ref.as_ref().map(|field| field.field_path.clone()).unwrap_or_default();
            files.insert(item.path.clone(), field(place, spec, &path)?.into_bytes());
        }
        files
    } else if volume.projected.is_some() {
        projected(place, spec, volume).await?
    } else {
        bail!("only emptyDir, configMap, secret, downwardAPI and projected volumes are supported");
    };
    Ok(Some(files))
}

async fn projected(place: &Place, spec: &PodSpec, volume: &Volume) -> anyhow::Result<Files> {
    let mut files = Files::new();
    let sources = volume.projected.iter().filter_map(|projected| projected.sources.as_ref()).flatten();
    for source in sources {
        if let Some(token) = &source.service_account_token {
            files.insert(token.path.clone(), self::token(place, spec, token).await?.into_bytes());
        }
        if let Some(source) = &source.config_map {
            files.extend(select(config_map(place, &source.name, source.optional).await?, source.items.as_deref())?);
        }
        if let Some(source) = &source.secret {
            files.extend(select(secret(place, &source.name, source.optional).await?, source.items.as_deref())?);
        }
        for item in source.downward_api.iter().filter_map(|source| source.items.as_ref()).flatten() {
            let path = item.field_ref.as_ref().map(|field| field.field_path.clone()).unwrap_or_default();
            files.insert(item.path.clone(), field(place, spec, &path)?.into_bytes());
        }
    }
    Ok(files)
}

/// A token of the pod's own ServiceAccount, good as long as the pod is there.
async fn token(place: &Place, spec: &PodSpec, source: &ServiceAccountTokenProjection) -> anyhow::Result<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(place.shared.client.clone(), &place.namespace());
    let audiences: Vec<_> = source.audience.iter().collect();
    let request: TokenRequest = serde_json::from_value(json!({"metadata": {}, "spec": {
        "audiences": audiences,
        // Longer than any test: nothing renews it.
        "expirationSeconds": 86_400,
        "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": place.pod.name_any(), "uid": place.pod.uid()},
    }}))?;
    let account = spec.service_account_name.as_deref().unwrap_or("default");
    let answer = accounts.create_token_request(account, &PostParams::default(), &request).await?;
    Ok(answer.status.context("the API server gave no token")?.token)
}

/// The chosen keys under their paths; all of them when none are chosen.
fn select(mut values: Files, items: Option<&[KeyToPath]>) -> anyhow::Result<Files> {
    let Some(items) = items else { return Ok(values) };
    let chosen = items.iter().map(|item| {
        let value = values.remove(&item.key).with_context(|| format!("there is no key {}", item.key))?;
        Ok((item.path.clone(), value))
    });
    chosen.collect()
}

/// Writes `files` into a new folder and lets `..data` name it, so that readers see all changes at once.
fn write(folder: &Path, files: &Files) -> anyhow::Result<()> {
    let data = folder.join("..data");
    if read(&data, files.keys()).as_ref() == Some(files) {
        return Ok(());
    }
    let old = fs::read_link(&data).ok();
    let new = format!("..{:016x}", fastrand::u64(..));
    for (path, value) in files {
        let file = folder.join(&new).join(path);
        fs::create_dir_all(file.parent().context("it is in a folder")?)?;
        fs::write(file, value)?;
        let top = path.split('/').next().unwrap_or_default();
        let link = folder.join(top);
        if fs::symlink_metadata(&link).is_err() {
            std::os::unix::fs::symlink(Path::new("..data").join(top), link)?;
        }
    }
    fs::create_dir_all(folder.join(&new))?;
    let swap = folder.join("..data_tmp");
    std::os::unix::fs::symlink(&new, &swap)?;
    fs::rename(swap, &data)?;
    if let Some(old) = old {
        let _ = fs::remove_dir_all(folder.join(old));
    }
    Ok(())
}

fn read<'a>(folder: &Path, names: impl Iterator<Item = &'a String>) -> Option<Files> {
    names.map(|name| Some((name.clone(), fs::read(folder.join(name)).ok()?))).collect()
}

/// A real kubelet takes up to a minute.
const REFRESH: Duration = Duration::from_secs(1);

/// Folders of the machine that containers share.
const MOUNTABLE: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/dev", "/proc"];
