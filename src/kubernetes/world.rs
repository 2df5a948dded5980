//! What the API server said: the objects of the cluster, by kind, namespace and name.
//!
//! Plain ordered maps that somebody else fills ([`super::watch`]) and that pure functions read. A copy of a [`World`] is
//! cheap: a kind's map is copied only when it changes while somebody still looks at the old one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::ResourceExt;

use super::gateway::api::{BackendTLSPolicy, GRPCRoute, Gateway, GatewayClass, HTTPRoute, ListenerSet, ReferenceGrant};
use super::release::{CanaryRelease, CanaryReleaseCommand};

/// Namespace and name. The namespace of what has none is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// Of these two.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object.
    pub fn of(object: &impl ResourceExt) -> Self {
        Self::new(object.namespace().unwrap_or_default(), object.name_any())
    }
}

impl fmt::Display for Key {
    /// `namespace/name`, or `name` alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            return f.write_str(&self.name);
        }
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The objects of one kind.
#[derive(Debug)]
pub struct Objects<K> {
    by_key: Arc<BTreeMap<Key, Arc<K>>>,
    /// The same by who controls them. Made when it is asked for, shared with all copies, and dropped with the first change.
    by_owner: Arc<OnceLock<ByOwner<K>>>,
}

/// Objects by the namespace and the uid of what controls them.
type ByOwner<K> = BTreeMap<(String, String), Vec<Arc<K>>>;

impl<K> Objects<K> {
    /// The one with this name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<K>> {
        self.at(&Key::new(namespace, name))
    }

    /// The one with this key.
    pub fn at(&self, key: &Key) -> Option<&Arc<K>> {
        self.by_key.get(key)
    }

    /// All, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<K>)> {
        self.by_key.iter()
    }

    /// Those of one namespace, in the order of their names.
    pub fn of_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = (&'a Key, &'a Arc<K>)> {
        self.by_key.range(Key::new(namespace, "")..).take_while(move |(key, _)| key.namespace == namespace)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

impl<K: ResourceExt> Objects<K> {
    /// Those of `namespace` that the object with this `uid` controls, in the order of their names.
    pub fn of_owner(&self, namespace: &str, uid: &str) -> &[Arc<K>] {
        let owned = self.by_owner.get_or_init(|| self.index());
        owned.get(&(namespace.to_owned(), uid.to_owned())).map_or(&[], Vec::as_slice)
    }

    fn index(&self) -> ByOwner<K> {
        let mut owned = ByOwner::new();
        for (key, object) in self.iter() {
            let owners = object.owner_references().iter().filter(|owner| owner.controller == Some(true));
            for owner in owners {
                owned.entry((key.namespace.clone(), owner.uid.clone())).or_default().push(object.clone());
            }
        }
        owned
    }

    /// A new object, or a new version of one.
    pub fn put(&mut self, object: K) {
        self.edit().insert(Key::of(&object), Arc::new(object));
    }

    /// An object is gone.
    pub fn remove(&mut self, key: &Key) {
        if self.by_key.contains_key(key) {
            self.edit().remove(key);
        }
    }

    /// This is the one with that key; `None`: there is none.
    pub fn replace_one(&mut self, key: &Key, object: Option<K>) {
        match object {
            Some(object) => self.put(object),
            None => self.remove(key),
        }
    }

    /// These are all there are.
    pub fn replace(&mut self, objects: impl IntoIterator<Item = K>) {
        let objects = objects.into_iter().map(|object| (Key::of(&object), Arc::new(object)));
        *self = Self { by_key: Arc::new(objects.collect()), by_owner: Arc::default() };
    }
}

impl<K> Objects<K> {
    /// This one is as it is in `other`, where it may be missing.
    pub fn put_back(&mut self, key: &Key, other: &Self) {
        let by_key = self.edit();
        match other.at(key) {
            Some(object) => drop(by_key.insert(key.clone(), object.clone())),
            None => drop(by_key.remove(key)),
        }
    }

    /// To change something: copies keep what they have.
    fn edit(&mut self) -> &mut BTreeMap<Key, Arc<K>> {
        self.by_owner = Arc::default();
        Arc::make_mut(&mut self.by_key)
    }
}

impl<K> Clone for Objects<K> {
    fn clone(&self) -> Self {
        Self { by_key: self.by_key.clone(), by_owner: self.by_owner.clone() }
    }
}

impl<K> Default for Objects<K> {
    fn default() -> Self {
        Self { by_key: Arc::default(), by_owner: Arc::default() }
    }
}

/// Everything that weir knows of the cluster.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Classes of Gateways, also those of others.
    pub gateway_classes: Objects<GatewayClass>,
    /// Gateways of every class.
    pub gateways: Objects<Gateway>,
    /// More listeners for them.
    pub listener_sets: Objects<ListenerSet>,
    /// Routes for HTTP.
    pub http_routes: Objects<HTTPRoute>,
    /// Routes for gRPC.
    pub grpc_routes: Objects<GRPCRoute>,
    /// Who may refer across namespaces.
    pub reference_grants: Objects<ReferenceGrant>,
    /// TLS to backends.
    pub backend_tls_policies: Objects<BackendTLSPolicy>,
    /// Classes of Ingresses.
    pub ingress_classes: Objects<IngressClass>,
    /// Ingresses of every class.
    pub ingresses: Objects<Ingress>,
    /// Services.
    pub services: Objects<Service>,
    /// Where the pods of Services are.
    pub endpoint_slices: Objects<EndpointSlice>,
    /// Certificates and their keys: Secrets of the type `kubernetes.io/tls`.
    pub secrets: Objects<Secret>,
    /// Certificates of authorities: only those that something names, and only the key `ca.crt` of them.
    pub config_maps: Objects<ConfigMap>,
    /// What testers have to know: Secrets that releases name.
    pub testers: Objects<Secret>,
    /// Labels of namespaces.
    pub namespaces: Objects<Namespace>,
    /// Pods: metadata, status and where they run; nothing else of their specification is kept.
    pub pods: Objects<Pod>,
    /// The revisions of Deployments.
    pub replica_sets: Objects<ReplicaSet>,
    /// Workloads.
    pub deployments: Objects<Deployment>,
    /// Canaries.
    pub canary_releases: Objects<CanaryRelease>,
    /// What people ask of them.
    pub commands: Objects<CanaryReleaseCommand>,
}

#[cfg(test)]
mod tests;
