//! The listeners of a Gateway, its own and those of ListenerSets: which of them are served, and why others are not.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt;

use super::api::{FromNamespaces, GROUP, Gateway, Listener, ListenerSet, RouteKind};
use super::conditions::Refused;
use super::grants::Referrer;
use super::{clients, tls};
use crate::config::Files;
use crate::config::schema::{Certificate, ClientCertificates};
use crate::kubernetes::world::{Key, World};

/// A Gateway of weir's with all that it listens on.
#[derive(Debug)]
pub struct Front<'a> {
    /// Which one.
    pub key: &'a Key,
    /// As it was written.
    pub gateway: &'a Gateway,
    /// Why it is not served at all.
    pub refused: Option<Refused>,
    /// What it shows to backends, or why it cannot.
    pub identity: Option<Result<Certificate, Refused>>,
    /// In the order of precedence.
    pub listeners: Vec<Bound<'a>>,
    /// The ListenerSets that name it, and why those that are not attached are not.
    pub sets: Vec<(&'a Key, &'a ListenerSet, Option<Refused>)>,
}

/// A listener.
#[derive(Debug)]
pub struct Bound<'a> {
    /// The ListenerSet that it comes from; `None`: the Gateway itself.
    pub set: Option<&'a Key>,
    /// As it was written.
    pub spec: &'a Listener,
    /// The kinds of routes that it takes.
    pub kinds: Vec<RouteKind>,
    /// Why it is not served at all.
    pub refused: Option<Refused>,
    /// Another listener was here before.
    pub conflicted: bool,
    /// A reference that does not lead anywhere.
    pub unresolved: Option<Refused>,
    /// What it shows to clients.
    pub certificates: Vec<Certificate>,
    /// What clients have to show.
    pub clients: Option<ClientCertificates>,
    /// The routes that have been attached, each by kind and key.
    pub attached: BTreeSet<(&'static str, Key)>,
}

impl Bound<'_> {
    /// Whether clients are served.
    pub fn is_served(&self) -> bool {
        self.refused.is_none() && !(self.is_https() && self.certificates.is_empty())
    }

    /// Whether weir speaks its protocol.
    fn is_spoken(&self) -> bool {
        matches!(self.spec.protocol.as_str(), "HTTP" | "HTTPS")
    }

    /// Whether clients speak TLS.
    pub fn is_https(&self) -> bool {
        self.spec.protocol == "HTTPS"
    }

    /// The hosts that it is for; `None` for all.
    pub fn hostname(&self) -> Option<&str> {
        self.spec.hostname.as_deref().filter(|host| !host.is_empty())
    }

    /// The namespace of the object that it is written in.
    pub fn namespace<'a>(&'a self, gateway: &'a Key) -> &'a str {
        self.set.map_or(&gateway.namespace, |set| &set.namespace)
    }

    /// Whether routes of `kind` in `namespace` may attach.
    pub fn allows(&self, kind: &str, namespace: &str, gateway: &Key, world: &World) -> bool {
        let rule = self.spec.allowed_routes.as_ref().and_then(|allowed| allowed.namespaces.as_ref());
        self.kinds.iter().any(|known| known.kind == kind)
            && selects(rule, "Same", namespace, self.namespace(gateway), world)
    }
}

/// The Gateway `key` with its listeners, and with those that ListenerSets add to it.
pub fn front<'a>(world: &'a World, key: &'a Key, gateway: &'a Gateway, files: &mut Files) -> Front<'a> {
    let mut sets: Vec<_> = world.listener_sets.iter().filter(|(set_key, set)| names(set_key, set, key)).collect();
    sets.sort_by_key(|(set_key, set)| (set.creation_timestamp(), *set_key));
    let rule = gateway.spec.allowed_listeners.as_ref().and_then(|allowed| allowed.namespaces.as_ref());
    let sets: Vec<_> = sets
        .into_iter()
        .map(|(set_key, set)| {
            let allowed = selects(rule, "None", &set_key.namespace, &key.namespace, world);
            let message = format!("allowedListeners of the Gateway `{key}` does not let this namespace add to it");
            (set_key, &**set, (!allowed).then(|| Refused::new("NotAllowed", message)))
        })
        .collect();
    let mut listeners: Vec<Bound<'a>> =
        gateway.spec.listeners.iter().map(|spec| bound(world, key, None, spec, files)).collect();
    for (set_key, set, _) in sets.iter().filter(|(_, _, refused)| refused.is_none()) {
        listeners.extend(set.spec.listeners.iter().map(|spec| bound(world, key, Some(set_key), spec, files)));
    }
    settle(&mut listeners);
    for bound in listeners.iter_mut().filter(|bound| bound.is_https() && bound.refused.is_none()) {
        clients::ask(world, key, gateway, bound, files);
    }
    let tls = gateway.spec.tls.as_ref();
    let reference = tls.and_then(|tls| tls.backend.as_ref()).and_then(|tls| tls.client_certificate_ref.as_ref());
    let from = Referrer { kind: "Gateway", namespace: &key.namespace };
    let identity = reference.map(|object| tls::certificate(world, from, object, "InvalidClientCertificateRef", files));
    Front { key, gateway, refused: refused(gateway), identity, listeners, sets }
}

/// Why a Gateway cannot be served as a whole.
fn refused(gateway: &Gateway) -> Option<Refused> {
    let parameters = gateway.spec.infrastructure.as_ref().and_then(|wanted| wanted.parameters_ref.as_ref());
    if parameters.is_some() {
        return Some(no_parameters());
    }
    let mut kinds = gateway.spec.addresses.iter().filter_map(|address| address.kind.as_deref());
    let odd = kinds.find(|kind| *kind != "IPAddress")?;
    Some(Refused::new("UnsupportedAddress", format!("weir asks for addresses of the kind IPAddress, not {odd}")))
}

/// Parameters are something that weir does not have.
pub fn no_parameters() -> Refused {
    Refused::new("InvalidParameters", "weir takes no parametersRef")
}

impl Front<'_> {
    /// What it shows to backends, and whose it is.
    pub fn identity(&self) -> Option<(Key, Certificate)> {
        let certificate = self.identity.as_ref()?.as_ref().ok()?;
        Some((self.key.clone(), certificate.clone()))
    }
}

/// Whether a ListenerSet names the Gateway `key`.
fn names(set_key: &Key, set: &ListenerSet, key: &Key) -> bool {
    let parent = &set.spec.parent_ref;
    parent.kind.as_deref().unwrap_or("Gateway") == "Gateway"
        && parent.group.as_deref().unwrap_or(GROUP) == GROUP
        && parent.name == key.name
        && parent.namespace.as_deref().unwrap_or(&set_key.namespace) == key.namespace
}

fn bound<'a>(world: &World, gateway: &Key, set: Option<&'a Key>, spec: &'a Listener, files: &mut Files) -> Bound<'a> {
    let mut bound = Bound {
        set,
        spec,
        kinds: Vec::new(),
        refused: None,
        conflicted: false,
        unresolved: None,
        certificates: Vec::new(),
        clients: None,
        attached: BTreeSet::new(),
    };
    if !bound.is_spoken() {
        let message = format!("weir serves HTTP and HTTPS, not {}", spec.protocol);
        bound.refused = Some(Refused::new("UnsupportedProtocol", message));
        return bound;
    }
    let asked = spec.allowed_routes.as_ref().map_or(&[][..], |allowed| &allowed.kinds);
    bound.kinds = KINDS.iter().filter(|kind| asked.is_empty() || asked.iter().any(|a| is(a, kind))).map(kind).collect();
    if let Some(unknown) = asked.iter().find(|asked| !KINDS.iter().any(|kind| is(asked, kind))) {
        let message = format!("a listener for {} takes HTTPRoute and GRPCRoute, not {}", spec.protocol, unknown.kind);
        bound.unresolved = Some(Refused::new("InvalidRouteKinds", message));
    }
    if bound.is_https() {
        certificates(world, gateway, &mut bound, files);
    }
    bound
}

/// The certificates of a listener for HTTPS.
fn certificates(world: &World, gateway: &Key, bound: &mut Bound<'_>, files: &mut Files) {
    let Some(tls) = &bound.spec.tls else {
        let message = "a listener for HTTPS needs tls.certificateRefs";
        bound.unresolved.get_or_insert(Refused::new("InvalidCertificateRef", message));
        return;
    };
    if tls.mode.as_deref().is_some_and(|mode| mode != "Terminate") {
        bound.refused = Some(Refused::new("UnsupportedValue", "HTTPS is terminated: the mode must be Terminate"));
        return;
    }
    let kind = if bound.set.is_some() { "ListenerSet" } else { "Gateway" };
    let namespace = bound.set.map_or(&gateway.namespace, |set| &set.namespace);
    let from = Referrer { kind, namespace };
    for object in &tls.certificate_refs {
        match tls::certificate(world, from, object, "InvalidCertificateRef", files) {
            Ok(certificate) => bound.certificates.push(certificate),
            Err(refused) => drop(bound.unresolved.get_or_insert(refused)),
        }
    }
    if tls.certificate_refs.is_empty() {
        let message = "a listener for HTTPS needs tls.certificateRefs";
        bound.unresolved.get_or_insert(Refused::new("InvalidCertificateRef", message));
    }
}

/// Who was here first keeps a port's protocol, and a host on a port; the others are told.
fn settle(listeners: &mut [Bound<'_>]) {
    let mut protocols: BTreeMap<u16, String> = BTreeMap::new();
    let mut hosts: BTreeSet<(u16, String)> = BTreeSet::new();
    for bound in listeners.iter_mut().filter(|bound| bound.refused.is_none() || !bound.is_spoken()) {
        let port = bound.spec.port;
        if !bound.is_spoken() && !protocols.contains_key(&port) {
            continue;
        }
        let protocol = protocols.entry(port).or_insert_with(|| bound.spec.protocol.clone());
        let refused = if *protocol != bound.spec.protocol {
            Refused::new("ProtocolConflict", format!("port {port} is already for {protocol}"))
        } else if !hosts.insert((port, bound.hostname().unwrap_or_default().to_owned())) {
            let host = bound.hostname().unwrap_or("every host");
            Refused::new("HostnameConflict", format!("port {port} already has a listener for {host}"))
        } else {
            continue;
        };
        bound.refused = Some(refused);
        bound.conflicted = true;
    }
}

/// Whether a choice of namespaces takes `namespace`, seen from `own`. `default` is what it says when it says nothing.
fn selects(rule: Option<&FromNamespaces>, default: &str, namespace: &str, own: &str, world: &World) -> bool {
    match rule.and_then(|rule| rule.from.as_deref()).unwrap_or(default) {
        "All" => true,
        "Same" => namespace == own,
        "Selector" => {
            let labels = world.namespaces.get("", namespace).and_then(|namespace| namespace.metadata.labels.as_ref());
            let selector = rule.and_then(|rule| rule.selector.as_ref());
            selector.is_some_and(|selector| matches(selector, labels.unwrap_or(&BTreeMap::new())))
        }
        _ => false,
    }
}

/// Whether a label selector takes these labels.
fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let holds = |expression: &k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement| {
        let value = labels.get(&expression.key);
        let listed = value.is_some_and(|value| expression.values.iter().flatten().any(|listed| listed == value));
        match expression.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    };
    equal && selector.match_expressions.iter().flatten().all(holds)
}

fn kind(name: &&str) -> RouteKind {
    RouteKind { group: Some(GROUP.to_owned()), kind: (*name).to_owned() }
}

fn is(asked: &RouteKind, kind: &str) -> bool {
    asked.group.as_deref().unwrap_or(GROUP) == GROUP && asked.kind == kind
}

/// The kinds of routes for HTTP.
const KINDS: [&str; 2] = ["HTTPRoute", "GRPCRoute"];
