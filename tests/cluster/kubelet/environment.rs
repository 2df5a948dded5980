//! A container's command and environment variables.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVarSource, PodSpec, Secret, Service};
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::super::images::Image;
use super::super::network::NODE;
use super::NAME;
use super::container::Place;

/// The image's variables, then Kubernetes', then `envFrom`, then `env`: a later one overrides.
pub(super) async fn resolve(
    place: &Place,
    spec: &PodSpec,
    container: &Container,
    image: &Image,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut env = Variables(Vec::new());
    env.set("PATH", "/app:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    env.set("HOME", "/root");
    env.set("HOSTNAME", &place.pod.name_any());
    env.set("KUBERNETES_SERVICE_HOST", "10.96.0.1");
    env.set("KUBERNETES_SERVICE_PORT", "443");
    if spec.enable_service_links != Some(false) {
        services(place, &mut env).await?;
    }
    for (name, value) in &image.env {
        env.set(name, value);
    }
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let mut values = BTreeMap::new();
        if let Some(map) = &source.config_map_ref {
            values.extend(config_map(place, &map.name, map.optional).await?);
        }
        if let Some(secret) = &source.secret_ref {
            values.extend(self::secret(place, &secret.name, secret.optional).await?);
        }
        for (name, value) in values {
            env.set(&format!("{prefix}{name}"), &text(value)?);
        }
    }
    for variable in container.env.iter().flatten() {
        match &variable.value_from {
            Some(source) => {
                if let Some(value) = value_from(place, spec, source).await? {
                    env.set(&variable.name, &value);
                }
            }
            None => {
                let value = env.expand(variable.value.as_deref().unwrap_or_default());
                env.set(&variable.name, &value);
            }
        }
    }
    Ok(env.0)
}

/// Where each Service of the namespace is.
async fn services(place: &Place, env: &mut Variables) -> anyhow::Result<()> {
    let services: Api<Service> = Api::namespaced(place.shared.client.clone(), &place.namespace());
    for service in services.list(&ListParams::default()).await? {
        let Some(spec) = &service.spec else { continue };
        let address = spec.cluster_ip.as_deref().filter(|address| *address != "None");
        let port = spec.ports.iter().flatten().next();
        if let (Some(address), Some(port)) = (address, port) {
            let name = service.name_any().to_uppercase().replace('-', "_");
            env.set(&format!("{name}_SERVICE_HOST"), address);
            env.set(&format!("{name}_SERVICE_PORT"), &port.port.to_string());
        }
    }
    Ok(())
}

/// What runs: `command` replaces the image's entrypoint and arguments, `args` its arguments.
pub(super) fn command(container: &Container, image: &Image, env: &[(String, String)]) -> Vec<String> {
    let variables = Variables(env.to_vec());
    let given = |words: &Option<Vec<String>>| words.clone().filter(|words| !words.is_empty());
    let (command, args) = (given(&container.command), given(&container.args));
    let default = if command.is_some() { Vec::new() } else { image.arguments.clone() };
    let words = command.unwrap_or_else(|| image.entrypoint.clone()).into_iter().chain(args.unwrap_or(default));
    words.map(|word| variables.expand(&word)).collect()
}

/// The values of a ConfigMap; nothing when it is optional and not there.
pub(super) async fn config_map(
    place: &Place,
    name: &str,
    optional: Option<bool>,
) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let maps: Api<ConfigMap> = Api::namespaced(place.shared.client.clone(), &place.namespace());
    let Some(map) = maps.get_opt(name).await? else { return absent("ConfigMap", name, optional) };
    let texts = map.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes()));
    let bytes = map.binary_data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0));
    Ok(texts.chain(bytes).collect())
}

/// The values of a Secret; nothing when it is optional and not there.
pub(super) async fn secret(
    place: &Place,
    name: &str,
    optional: Option<bool>,
) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let secrets: Api<Secret> = Api::namespaced(place.shared.client.clone(), &place.namespace());
    let Some(secret) = secrets.get_opt(name).await? else { return absent("Secret", name, optional) };
    Ok(secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect())
}

/// What the pod knows of itself, by path.
pub(super) fn field(place: &Place, spec: &PodSpec, path: &str) -> anyhow::Result<String> {
    let pod = &place.pod;
    let keyed = |prefix: &str, values: &BTreeMap<String, String>| {
        let key = path.strip_prefix(prefix)?.strip_prefix("['")?.strip_suffix("']")?;
        Some(values.get(key).cloned().unwrap_or_default())
    };
    Ok(match path {
        "metadata.name" => pod.name_any(),
        "metadata.namespace" => place.namespace(),
        "metadata.uid" => pod.uid().unwrap_or_default(),
        "spec.nodeName" => NAME.to_owned(),
        "spec.serviceAccountName" => spec.service_account_name.clone().unwrap_or_default(),
        "status.podIP" | "status.podIPs" => place.address.to_string(),
        "status.hostIP" | "status.hostIPs" => NODE.to_string(),
        "metadata.labels" => lines(pod.labels()),
        "metadata.annotations" => lines(pod.annotations()),
        _ => keyed("metadata.labels", pod.labels())
            .or_else(|| keyed("metadata.annotations", pod.annotations()))
            .with_context(|| format!("fieldRef {path} is not supported"))?,
    })
}

impl Place {
    pub(super) fn namespace(&self) -> String {
        self.pod.namespace().unwrap_or_default()
    }
}

struct Variables(Vec<(String, String)>);

impl Variables {
    fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// Puts values in place of `$(NAME)`; `$$(NAME)` and unknown names stay.
    fn expand(&self, text: &str) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("$(") {
            let (before, reference) = rest.split_at(at);
            let end = reference.find(')').map_or(reference.len(), |end| end + 1);
            let (reference, after) = reference.split_at(end);
            let name = reference.trim_start_matches("$(").trim_end_matches(')');
            let known = self.0.iter().find(|(known, _)| known == name);
            expanded.push_str(before);
            expanded.push_str(known.map_or(reference, |(_, value)| value));
            rest = after;
        }
        expanded + rest
    }
}

async fn value_from(place: &Place, spec: &PodSpec, source: &EnvVarSource) -> anyhow::Result<Option<String>> {
    let (values, key, optional) = if let Some(field_ref) = &source.field_ref {
        return field(place, spec, &field_ref.field_path).map(Some);
    } else if let Some(reference) = &source.config_map_key_ref {
        (config_map(place, &reference.name, reference.optional).await?, &reference.key, reference.optional)
    } else if let Some(reference) = &source.secret_key_ref {
        (secret(place, &reference.name, reference.optional).await?, &reference.key, reference.optional)
    } else {
        bail!("only fieldRef, configMapKeyRef and secretKeyRef are supported");
    };
    match values.get(key) {
        Some(value) => text(value.clone()).map(Some),
        None if optional == Some(true) => Ok(None),
        None => bail!("there is no key {key}"),
    }
}

fn absent(kind: &str, name: &str, optional: Option<bool>) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    if optional == Some(true) { Ok(BTreeMap::new()) } else { bail!("{kind} {name} not found") }
}

fn lines(values: &BTreeMap<String, String>) -> String {
    values.iter().map(|(key, value)| format!("{key}={value:?}\n")).collect()
}

fn text(value: Vec<u8>) -> anyhow::Result<String> {
    String::from_utf8(value).context("an environment variable has to be text")
}
