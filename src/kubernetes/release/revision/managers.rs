//! Who else writes the fields that weir holds, as `managedFields` tell it.

use std::fmt;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use serde_json::{Value, json};

use crate::kubernetes::release::fields::MANAGER;

/// A field that weir holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `minReadySeconds`.
    MinReadySeconds,
    /// `progressDeadlineSeconds`.
    ProgressDeadlineSeconds,
    /// `strategy.rollingUpdate.maxSurge`.
    MaxSurge,
}

impl Field {
    /// Each of them.
    pub(super) const ALL: [Self; 3] = [Self::MinReadySeconds, Self::ProgressDeadlineSeconds, Self::MaxSurge];

    /// Where it is in the specification.
    const fn path(self) -> &'static str {
        match self {
            Self::MinReadySeconds => "minReadySeconds",
            Self::ProgressDeadlineSeconds => "progressDeadlineSeconds",
            Self::MaxSurge => "strategy.rollingUpdate.maxSurge",
        }
    }

    /// Where it is in what `managedFields` have for a manager.
    fn pointer(self) -> String {
        format!("/f:spec/f:{}", self.path().replace('.', "/f:"))
    }

    /// Whether `entry` is of a manager that has the field.
    fn is_of(self, entry: &ManagedFieldsEntry) -> bool {
        entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer(&self.pointer()).is_some())
    }

    /// Whether weir has the field.
    pub(super) fn is_weirs(self, deployment: &Deployment) -> bool {
        entries(deployment).any(|entry| entry.manager.as_deref() == Some(MANAGER) && self.is_of(entry))
    }
}

/// That another manager writes held fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    fields: Vec<Field>,
    by: Option<String>,
}

impl Pin {
    /// Of these `fields`; `None` when there are none.
    pub(super) fn of(fields: &[Field], deployment: &Deployment) -> Option<Self> {
        let is_other = |entry: &&ManagedFieldsEntry| entry.manager.as_deref() != Some(MANAGER);
        let writers =
            entries(deployment).filter(is_other).filter(|entry| fields.iter().any(|field| field.is_of(entry)));
        let by = writers.max_by_key(|entry| entry.time.clone()).and_then(|latest| latest.manager.clone());
        (!fields.is_empty()).then(|| Self { fields: fields.to_vec(), by })
    }

    /// Whether it is about `maxSurge` and nothing else: the rolling update is held without it, so weir can write it back.
    pub const fn is_of_surge_alone(&self) -> bool {
        matches!(self.fields.as_slice(), [Field::MaxSurge])
    }
}

impl fmt::Display for Pin {
    /// What it comes to and what to do, in one sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = self.by.as_ref().map_or_else(|| "another manager".to_owned(), |by| format!("the manager {by}"));
        let paths: Vec<_> = self.fields.iter().map(|field| field.path()).collect();
        let paths = paths.join(" and ");
        let effect = if self.is_of_surge_alone() {
            "by which the canary has as many pods as its share needs, so weir writes it back each time"
        } else {
            "by which weir holds the rolling update, so it goes on by itself"
        };
        write!(
            f,
            "{by} writes {paths}, {effect}: leave {paths} out of the manifest, or let the GitOps tool ignore the difference"
        )
    }
}

/// Takes away what `managedFields` say of all but the held fields: it is large, and nobody looks at it.
pub fn only_of_held_fields(deployment: &mut Deployment) {
    let Some(entries) = &mut deployment.metadata.managed_fields else { return };
    entries.retain_mut(|entry| {
        let mut kept = Value::Null;
        for field in Field::ALL.into_iter().filter(|field| field.is_of(entry)) {
            let at = field.pointer().split('/').skip(1).fold(&mut kept, |at, part| &mut at[part]);
            *at = json!({});
        }
        let any = !kept.is_null();
        entry.fields_v1 = Some(FieldsV1(kept));
        any
    });
}

fn entries(deployment: &Deployment) -> impl Iterator<Item = &ManagedFieldsEntry> {
    deployment.metadata.managed_fields.iter().flatten()
}
