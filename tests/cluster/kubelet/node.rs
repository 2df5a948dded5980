//! The Node object, and the Lease that says it is alive.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use super::super::network::NODE;
use super::super::programs::KUBERNETES;
use super::{NAME, logs};

/// Says that the node is there and ready.
pub(super) async fn register(client: &Client) -> anyhow::Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let resources = json!({"cpu": "64", "memory": "64Gi", "pods": "1000", "ephemeral-storage": "64Gi"});
    let now = Timestamp::now().to_string();
    let condition = |kind: &str, status: &str| {
        json!({"type": kind, "status": status, "reason": "Cluster", "message": "",
               "lastHeartbeatTime": now, "lastTransitionTime": now})
    };
    let metadata = json!({"name": NAME, "labels": {
        "kubernetes.io/hostname": NAME, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/zone": "zone-1",
    }});
    let status = json!({
        "capacity": resources,
        "allocatable": resources,
        "conditions": [
            condition("Ready", "True"), condition("MemoryPressure", "False"),
            condition("DiskPressure", "False"), condition("PIDPressure", "False"),
        ],
        "addresses": [{"type": "InternalIP", "address": NODE.to_string()}, {"type": "Hostname", "address": NAME}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": logs::PORT}},
        "nodeInfo": {"kubeletVersion": KUBERNETES, "osImage": "this machine", "containerRuntimeVersion": "process://1",
            "operatingSystem": "linux", "architecture": "amd64", "kernelVersion": "", "kubeProxyVersion": "",
            "machineID": "", "systemUUID": "", "bootID": ""},
    });
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status});
    nodes.create(&Default::default(), &serde_json::from_value(node)?).await?;
    nodes.patch_status(NAME, &PatchParams::default(), &Patch::Merge(json!({"status": status}))).await?;
    Ok(())
}

/// Renews the node's Lease as long as the cluster lives.
pub(super) async fn renew(client: Client) {
    let leases: Api<Lease> = Api::namespaced(client, "kube-node-lease");
    loop {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": NAME},
            "spec": {"holderIdentity": NAME, "leaseDurationSeconds": 40, "renewTime": micro_time()},
        });
        let renewed = leases.patch(NAME, &PatchParams::apply("kubelet").force(), &Patch::Apply(lease)).await;
        // The namespace of the Leases comes a little later than the API server.
        let pause = if renewed.is_ok() { RENEWAL } else { Duration::from_millis(200) };
        tokio::time::sleep(pause).await;
    }
}

fn micro_time() -> String {
    k8s_openapi::jiff::fmt::temporal::DateTimePrinter::new().precision(Some(6)).timestamp_to_string(&Timestamp::now())
}

/// As the kubelet's.
const RENEWAL: Duration = Duration::from_secs(10);
