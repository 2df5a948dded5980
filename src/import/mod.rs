//! Canaries of other tools, said in weir's terms: a pair of Ingresses with ingress-nginx's canary annotations, a Flagger
//! `Canary`, an Argo `Rollout`.
//!
//! Manifests in, manifests out; nothing is read from a cluster. What has no counterpart, or changes its meaning, is said in a
//! note beside the manifest that would have had it: nothing is left out silently.

mod argo;
mod checks;
mod flagger;
mod ingress;
mod manifest;
mod read;

pub use manifest::{Import, Manifest};

use read::Object;

/// Why nothing could be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Not YAML.
    #[error("this is not YAML: {0}")]
    Syntax(String),
    /// YAML, but no Kubernetes object.
    #[error("document {0} is no Kubernetes object: it has no {1}")]
    NoObject(usize, &'static str),
    /// An object of a known kind that cannot be as it is.
    #[error("{0}: {1}")]
    Wrong(String, String),
    /// Nothing that is a canary.
    #[error(
        "there is no canary here: give it an ingress-nginx canary (both Ingresses), a Flagger Canary or an Argo Rollout; found {0}"
    )]
    NoCanary(String),
}

/// Translates every canary of `text`: one or more YAML or JSON documents, lists as `kubectl get -o yaml` prints them included.
///
/// Objects that are no canary help to understand the others (a Flagger `MetricTemplate`, an Argo `AnalysisTemplate`, a
/// Service's named port), and are otherwise named in a note.
///
/// # Errors
/// See [`ImportError`].
pub fn import(text: &str) -> Result<Import, ImportError> {
    let objects = read::objects(text)?;
    let mut import = ingress::import(&objects)?;
    for object in &objects {
        match (object.group.as_str(), object.kind.as_str()) {
            ("flagger.app", "Canary") => import.add(flagger::import(object, &objects)?),
            ("argoproj.io", "Rollout") => import.add(argo::import(object, &objects)?),
            _ => {}
        }
    }
    if import.manifests.is_empty() {
        return Err(ImportError::NoCanary(found(&objects)));
    }
    import
        .notes
        .extend(objects.iter().filter(|object| !is_known(object)).map(|object| format!("{object} is left as it is")));
    Ok(import)
}

/// The kinds that are read.
fn is_known(object: &Object) -> bool {
    matches!(
        (object.group.as_str(), object.kind.as_str()),
        ("flagger.app", "Canary" | "MetricTemplate")
            | ("argoproj.io", "Rollout" | "AnalysisTemplate" | "ClusterAnalysisTemplate")
            | ("networking.k8s.io", "Ingress")
            | ("", "Service")
    )
}

fn found(objects: &[Object]) -> String {
    if objects.is_empty() {
        return "nothing".to_owned();
    }
    objects.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
