//! weir is taken away in the middle of a canary, in each of the ways in which people do so: the Deployment is left as it was
//! found, and nothing of weir stays.

use crate::cluster::Cluster;
use crate::harness::{Namespace, Result};
use crate::walk::{self, FOUND, HELD, KINDS, NOTHING_IS_LEFT, commands_of_the_readme, fields_become};

pub async fn however_weir_is_deleted_in_mid_canary_it_gives_back_first_and_leaves_nothing_behind(
    _ns: Namespace,
) -> Result {
    walk::begin(WAY).await
}

/// One way of removal after the other. None of them deletes the release first.
pub fn walk(cluster: &Cluster) -> anyhow::Result<()> {
    let helm = commands_of_the_readme("helm install weir-crds")?.join(" && ");
    let kustomize = format!("{KINDS} && {BASE}");
    let kustomize = kustomize.as_str();
    let ways = [
        (helm.as_str(), "v2", uninstalled()),
        (kustomize, "v1", refused_at_first("kubectl delete -k deploy/kustomize/base")),
        (kustomize, "v2", namespace_first()),
        (kustomize, "v1", nobody_to_give_back()),
        // Its kinds, and with them the release, go, too.
        (kustomize, "v2", refused_at_first("kubectl delete -k deploy/kustomize")),
    ];
    let mut commands = Vec::new();
    for (install, version, removal) in ways {
        // Applied again it would be v1 again.
        let app = if commands.is_empty() { APP } else { RELEASE };
        commands.extend([install.to_owned(), app.to_owned(), READY.to_owned()]);
        commands.push(format!("kubectl set image deployment/app app=weir/demo-app:{version}"));
        commands.push("kubectl wait --for=condition=Progressing canaryrelease/app --timeout=180s".to_owned());
        commands.push(fields_become(HELD));
        commands.extend(removal);
        commands.push(fields_become(FOUND));
        commands.push("kubectl rollout status deployment/app --timeout=180s".to_owned());
        commands.push(NOTHING_RUNS.to_owned());
    }
    commands.push(NOTHING_IS_LEFT.to_owned());
    walk::follow(cluster, commands)
}

/// A `delete` of all at once: what it takes to give back is refused, with the reason. Said again, it goes.
fn refused_at_first(delete: &str) -> Vec<String> {
    vec![refused(delete), fields_become(FOUND), format!("{delete} --ignore-not-found --timeout=180s")]
}

/// Helm waits until everything is given back. It leaves the namespace, and what is only weir's own business in it.
fn uninstalled() -> Vec<String> {
    vec![
        "helm uninstall weir --namespace weir-system --timeout 2m".to_owned(),
        fields_become(FOUND),
        "helm uninstall weir-crds --namespace weir-system".to_owned(),
        "kubectl delete namespace weir-system --timeout=180s".to_owned(),
    ]
}

fn namespace_first() -> Vec<String> {
    vec![
        refused("kubectl delete namespace weir-system"),
        "kubectl weir give-back | grep -x 'the Deployment of the release default/app: as it was found'".to_owned(),
        fields_become(FOUND),
        "kubectl delete namespace weir-system --timeout=180s".to_owned(),
        "kubectl delete -k deploy/kustomize/base --ignore-not-found --timeout=180s".to_owned(),
    ]
}

/// weir has no pod, and nothing is done until somebody asks for it.
fn nobody_to_give_back() -> Vec<String> {
    vec![
        "kubectl -n weir-system scale deployment/weir --replicas=0".to_owned(),
        "kubectl -n weir-system wait --for=delete pod -l app.kubernetes.io/name=weir --timeout=180s".to_owned(),
        fields_become(HELD),
        "kubectl weir give-back".to_owned(),
        "kubectl delete -k deploy/kustomize/base --ignore-not-found --timeout=180s".to_owned(),
    ]
}

fn refused(delete: &str) -> String {
    let reason = "weir holds the Deployments of the releases default/app in mid-canary";
    format!("said=$({delete} 2>&1) && exit 1; echo \"$said\" | grep \"{reason}\"")
}

/// Its name.
pub const WAY: &str = "removal";

const BASE: &str = "kubectl apply --server-side -k deploy/kustomize/base && kubectl -n weir-system rollout status deployment/weir --timeout=180s";

const APP: &str = "kubectl apply -f deploy/examples/deployment.yaml";

const RELEASE: &str = r#"echo '{"apiVersion":"weir.dev/v1alpha1","kind":"CanaryRelease","metadata":{"name":"app"},"spec":{"targetRef":{"kind":"Deployment","name":"app"}}}' | kubectl apply -f -"#;

const READY: &str = "kubectl wait --for=condition=Ready canaryrelease/app --timeout=180s";

/// All but the kinds has gone.
const NOTHING_RUNS: &str = "! kubectl get namespaces,clusterroles,clusterrolebindings,gatewayclasses,ingressclasses,validatingadmissionpolicies -o name | grep weir";
