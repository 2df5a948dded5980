//! Who may refer to what, and how backends are spoken to with TLS.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::{ObjectRef, ParentRef};

/// Who in other namespaces may refer to what is here.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "gateway.networking.k8s.io", version = "v1beta1", kind = "ReferenceGrant", namespaced)]
#[kube(schema = "disabled", derive = "Default", derive = "PartialEq")]
pub struct ReferenceGrantSpec {
    /// Who.
    #[serde(default)]
    pub from: Vec<GrantFrom>,
    /// To what.
    #[serde(default)]
    pub to: Vec<GrantTo>,
}

/// Who may refer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GrantFrom {
    /// The group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
}

/// What may be referred to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GrantTo {
    /// The group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// The kind.
    pub kind: String,
    /// Only this one. Default: all.
    pub name: Option<String>,
}

/// How backends are spoken to with TLS.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "gateway.networking.k8s.io", version = "v1", kind = "BackendTLSPolicy", namespaced)]
#[kube(schema = "disabled", status = "PolicyStatus", derive = "Default", derive = "PartialEq")]
#[serde(rename_all = "camelCase")]
pub struct BackendTLSPolicySpec {
    /// Which backends.
    #[serde(default)]
    pub target_refs: Vec<PolicyTarget>,
    /// What they have to show.
    pub validation: BackendValidation,
}

/// A target of a policy in its own namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTarget {
    /// The group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// Only this port, by its name.
    pub section_name: Option<String>,
}

/// What backends have to show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendValidation {
    /// The authorities of their certificates.
    #[serde(default)]
    pub ca_certificate_refs: Vec<ObjectRef>,
    /// `System` for the authorities of the machine.
    pub well_known_ca_certificates: Option<String>,
    /// The name to ask for (SNI), which the certificate must carry unless there are other names.
    pub hostname: String,
    /// Names of which the certificate must carry one.
    #[serde(default)]
    pub subject_alt_names: Vec<SubjectAltName>,
}

/// A name that a certificate must carry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SubjectAltName {
    /// `Hostname` or `URI`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// For `Hostname`.
    pub hostname: Option<String>,
    /// For `URI`.
    pub uri: Option<String>,
}

/// What controllers say of a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// One for each Gateway that it matters to.
    #[serde(default)]
    pub ancestors: Vec<PolicyAncestorStatus>,
}

/// What a controller says of a policy at one Gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAncestorStatus {
    /// The Gateway.
    pub ancestor_ref: ParentRef,
    /// Who says so.
    pub controller_name: String,
    /// Accepted, ResolvedRefs.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}
