//! One pod, from the scheduler's choice of this node to its deletion.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::super::network;
use super::container::{self, Place};
use super::status::{Record, Report, folder};
use super::{Shared, volumes};

/// What is known of the containers, in the order init containers, containers. Each container's task writes its own record.
pub(super) type Board = watch::Sender<Vec<Record>>;

/// When a pod's containers have to end.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending {
    /// They get SIGTERM and their time of grace.
    pub(super) asked: CancellationToken,
    /// They get SIGKILL.
    pub(super) forced: CancellationToken,
    /// Time of grace, set before `asked`.
    pub(super) grace: Arc<std::sync::OnceLock<Duration>>,
}

/// Runs `pod` until it is deleted; `changes` has its newest state, and `None` once it is gone.
pub(super) async fn run(shared: Arc<Shared>, pod: Arc<Pod>, mut changes: watch::Receiver<Option<Arc<Pod>>>) {
    let uid = pod.uid().unwrap_or_default();
    let address = shared.address();
    if let Err(error) = network::add_pod(uid.clone(), address).await {
        eprintln!("cluster: no network for pod {}: {error:#}", pod.name_any());
        return;
    }
    let spec = pod.spec.clone().unwrap_or_default();
    let board = Arc::new(Board::new(records(&spec)));
    let ending = Ending::default();
    let report = report(shared.client.clone(), changes.clone(), Report::new(address), board.subscribe());
    let mut tasks = JoinSet::new();
    let reporter = tokio::spawn(report);
    let place = Place { shared: shared.clone(), pod: pod.clone(), address, folder: folder(&pod) };
    tasks.spawn_local(run_containers(place, spec, board.clone(), ending.clone()));
    let gone = wait_for_deletion(&mut changes, &ending).await;
    if gone {
        ending.forced.cancel();
    }
    tokio::select! {
        _ = tasks.join_all() => {}
        () = forced_deletion(&mut changes, &ending) => {}
    }
    reporter.abort();
    if let Err(error) = network::remove_pod(uid.clone(), address).await {
        eprintln!("cluster: {error:#}");
    }
    let _ = std::fs::remove_dir_all(folder(&pod));
    if !gone {
        delete(&shared.client, &pod, uid).await;
    }
}

fn records(spec: &PodSpec) -> Vec<Record> {
    let init = spec.init_containers.iter().flatten().map(|container| Record::new(container, true));
    init.chain(spec.containers.iter().map(|container| Record::new(container, false))).collect()
}

/// Volumes, then init containers one after the other, then all others at once, until they have ended.
async fn run_containers(place: Place, spec: PodSpec, board: Arc<Board>, ending: Ending) {
    let made = async {
        while let Err(error) = volumes::make(&place, &spec).await {
            let message = format!("{error:#}");
            board.send_if_modified(|records| container::wait_all(records, "ContainerCreating", &message));
            sleep(RETRY).await;
        }
    };
    if ending.asked.run_until_cancelled(made).await.is_none() {
        return;
    }
    let place = Arc::new(place);
    let spec = Arc::new(spec);
    let init = spec.init_containers.as_ref().map_or(0, Vec::len);
    for index in 0..init {
        container::run(place.clone(), spec.clone(), index, board.clone(), ending.clone()).await;
        if ending.asked.is_cancelled() || !board.borrow()[index].is_done() {
            return;
        }
    }
    let mut tasks = JoinSet::new();
    for index in init..init + spec.containers.len() {
        tasks.spawn_local(container::run(place.clone(), spec.clone(), index, board.clone(), ending.clone()));
    }
    tokio::select! {
        _ = tasks.join_all() => {}
        () = volumes::follow(&place, &spec) => {}
    }
}

/// Waits until the pod is being deleted, asks its containers to end, and says whether it is gone already.
async fn wait_for_deletion(changes: &mut watch::Receiver<Option<Arc<Pod>>>, ending: &Ending) -> bool {
    let deleted = |pod: &Option<Arc<Pod>>| pod.as_ref().is_none_or(|pod| pod.metadata.deletion_timestamp.is_some());
    let Ok(pod) = changes.wait_for(deleted).await.map(|pod| pod.clone()) else { return true };
    let grace = pod.as_ref().and_then(|pod| pod.metadata.deletion_grace_period_seconds).unwrap_or_default();
    let _ = ending.grace.set(Duration::from_secs(u64::try_from(grace).unwrap_or_default()));
    ending.asked.cancel();
    pod.is_none()
}

/// Kills what is left when the pod's object is gone before its containers are; never ends.
async fn forced_deletion(changes: &mut watch::Receiver<Option<Arc<Pod>>>, ending: &Ending) {
    let _ = changes.wait_for(Option::is_none).await.map(drop);
    ending.forced.cancel();
    std::future::pending().await
}

/// Tells the API server whenever a container's record or the pod itself changes.
async fn report(
    client: Client,
    mut changes: watch::Receiver<Option<Arc<Pod>>>,
    mut report: Report,
    mut board: watch::Receiver<Vec<Record>>,
) {
    let mut told = None;
    loop {
        let Some(pod) = changes.borrow_and_update().clone() else { return };
        let records = board.borrow_and_update().clone();
        let status = report.status(&pod, &records, Timestamp::now());
        if told.as_ref() != Some(&status) {
            match tell(&client, &pod, &status).await {
                Ok(()) => told = Some(status),
                Err(error) if is_gone(&error) => return,
                Err(_) => {
                    sleep(RETRY).await;
                    continue;
                }
            }
        }
        tokio::select! {
            changed = board.changed() => if changed.is_err() { return },
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

async fn tell(client: &Client, pod: &Pod, status: &serde_json::Value) -> kube::Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(status)).await.map(drop)
}

/// The last word on a pod that is being deleted: the node is done with it.
async fn delete(client: &Client, pod: &Pod, uid: String) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let params = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(Preconditions { uid: Some(uid), resource_version: None }),
        ..DeleteParams::default()
    };
    while let Err(error) = pods.delete(&pod.name_any(), &params).await {
        if is_gone(&error) {
            return;
        }
        sleep(RETRY).await;
    }
}

/// Not found, or another pod of the same name.
fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 404 | 409))
}

/// Between two attempts at something that others have to make possible.
pub(super) const RETRY: Duration = Duration::from_millis(250);
