//! References across namespaces: only with a ReferenceGrant where the object is.

use super::api::ObjectRef;
use crate::kubernetes::world::World;

/// Who refers.
#[derive(Clone, Copy, Debug)]
pub struct Referrer<'a> {
    /// The kind, of the Gateway API.
    pub kind: &'a str,
    /// The namespace.
    pub namespace: &'a str,
}

/// An object that is referred to, with everything that the reference may leave out.
#[derive(Clone, Copy, Debug)]
pub struct Referred<'a> {
    /// The group; empty for the core group.
    pub group: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
}

impl<'a> Referrer<'a> {
    /// What `object` means, where `kind` of the core group is meant unless it says otherwise.
    pub fn refers(self, object: &'a ObjectRef, kind: &'a str) -> Referred<'a> {
        Referred {
            group: object.group.as_deref().unwrap_or_default(),
            kind: object.kind.as_deref().unwrap_or(kind),
            namespace: object.namespace.as_deref().filter(|name| !name.is_empty()).unwrap_or(self.namespace),
            name: &object.name,
        }
    }

    /// Whether the reference is allowed: in one namespace always.
    pub fn may_refer(self, to: Referred<'_>, world: &World) -> bool {
        self.namespace == to.namespace
            || world.reference_grants.of_namespace(to.namespace).any(|(_, grant)| {
                let from = grant.spec.from.iter().any(|from| {
                    from.group == super::api::GROUP && from.kind == self.kind && from.namespace == self.namespace
                });
                let named =
                    |name: &Option<String>| name.as_deref().is_none_or(|name| name.is_empty() || name == to.name);
                from && grant.spec.to.iter().any(|t| t.group == to.group && t.kind == to.kind && named(&t.name))
            })
    }
}
