//! Follows the objects of the cluster: one watch for each kind, and for each object that another one names ([`named`]), all
//! into one [`World`].
//!
//! While the API server is away, or answers that a watch is too old, the last world stays; a watch begins again by itself,
//! with back-off, and a new list replaces the old one as a whole. A watch that was silent while the API server could not be
//! reached may be silent for ever: it begins again, too, once somebody has reached it ([`Contact`]), and the old one tells on
//! until the new list is there. A kind that the cluster does not have, or that weir may not read, is as good as empty until
//! that changes: it must not keep the others from being served. Nor must an object that the API server is slow to show: only
//! what names it waits for it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Display};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret};
use kube::api::Api;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_kind};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::named::{Named, held_back, named};
use super::release::revision::only_of_held_fields;
use super::world::{Key, Objects, World};

/// How often the API server was reached again after it could not be.
pub type Contact = watch::Receiver<u64>;

/// The world as it is followed.
#[derive(Debug)]
pub struct Watches {
    world: World,
    /// The same as it was told last.
    told: World,
    changes: mpsc::Receiver<Change>,
    starter: Starter,
    /// What is followed only because something names it.
    named: BTreeMap<Named, AbortOnDropHandle<()>>,
    /// Kinds of which nothing has been heard yet.
    unlisted: BTreeSet<&'static str>,
    /// What is named and nothing has been heard of yet; and until when what names it is held back.
    unheard: BTreeMap<Named, Instant>,
    /// When to tell of what has changed.
    due: Option<Instant>,
    /// Whether everything has been listed once.
    known: bool,
}

/// What one watch is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Watched {
    /// All objects of a kind.
    Kind(&'static str),
    /// One object.
    One(Named),
}

impl Display for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kind(kind) => f.write_str(kind),
            Self::One(Named::ConfigMap(key)) => write!(f, "ConfigMap {key}"),
            Self::One(Named::Secret(key)) => write!(f, "Secret {key}"),
        }
    }
}

/// What one watch has to tell.
struct Change {
    of: Watched,
    apply: Box<dyn FnOnce(&mut World) + Send>,
}

impl Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Change").field("of", &self.of).finish_non_exhaustive()
    }
}

impl Watches {
    /// Begins to watch everything, until `stop`; anew at every `contact`. Of Gateways, what those of `controller` name.
    pub fn start(
        client: Client,
        controller: &str,
        contact: Contact,
        (tasks, stop): (&TaskTracker, &CancellationToken),
    ) -> Self {
        let (sender, changes) = mpsc::channel(QUEUE);
        let (tasks, stop, controller) = (tasks.clone(), stop.clone(), controller.to_owned());
        let starter = Starter { client, controller, contact, tasks, stop, sender };
        let unlisted = starter.all();
        Self::new(starter, changes, unlisted)
    }

    fn new(starter: Starter, changes: mpsc::Receiver<Change>, unlisted: BTreeSet<&'static str>) -> Self {
        let (world, told, named, unheard) = Default::default();
        Self { world, told, changes, starter, named, unlisted, unheard, due: None, known: false }
    }

    /// Waits for the world to change, and for what changes together with it: 50 ms from the first change on, whatever
    /// else comes. Nothing is lost when this is cancelled.
    ///
    /// The first time this returns, everything has been listed.
    pub async fn changed(&mut self) -> &World {
        loop {
            tokio::select! {
                // However much comes, it is told in time.
                biased;
                () = sleep_until(self.due.unwrap_or_else(Instant::now)), if self.due.is_some() => {
                    self.due = None;
                    self.follow_named();
                    if self.known || self.unheard.is_empty() {
                        break;
                    }
                }
                change = self.changes.recv() => match change {
                    Some(change) => self.apply(change),
                    // Only when weir ends: nothing changes any more.
                    None => std::future::pending().await,
                },
            }
        }
        self.known = true;
        self.tell();
        &self.told
    }

    /// Whether everything has been listed.
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// The world as it was told last.
    pub fn told(&self) -> &World {
        &self.told
    }

    fn apply(&mut self, change: Change) {
        match &change.of {
            Watched::Kind(kind) => drop(self.unlisted.remove(kind)),
            Watched::One(named) if self.named.contains_key(named) => drop(self.unheard.remove(named)),
            Watched::One(_) => return,
        }
        (change.apply)(&mut self.world);
        if self.unlisted.is_empty() {
            let soon = Instant::now() + GATHER;
            self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
        }
    }

    /// Follows what the world names now, and nothing else.
    fn follow_named(&mut self) {
        let wanted = named(&self.world, &self.starter.controller);
        let world = &mut self.world;
        self.named.retain(|named, _| {
            let stays = wanted.contains(named);
            match named {
                Named::ConfigMap(key) if !stays => world.config_maps.remove(key),
                Named::Secret(key) if !stays => world.testers.remove(key),
                Named::ConfigMap(_) | Named::Secret(_) => {}
            }
            stays
        });
        self.unheard.retain(|named, _| wanted.contains(named));
        for new in wanted {
            if let Entry::Vacant(place) = self.named.entry(new) {
                self.unheard.insert(place.key().clone(), Instant::now() + PATIENCE);
                let watch = self.starter.one(place.key());
                place.insert(watch);
            }
        }
    }

    /// What names something that has not been heard of yet is told as it was: it would only seem to be broken. But not for
    /// ever, and nothing else waits.
    fn tell(&mut self) {
        let now = Instant::now();
        self.unheard.retain(|_, until| *until > now);
        let unheard: BTreeSet<Named> = self.unheard.keys().cloned().collect();
        self.told = held_back(&self.world, &self.told, &self.starter.controller, &unheard);
        self.due = self.unheard.values().min().copied();
    }
}

/// Starts the watches.
struct Starter {
    client: Client,
    controller: String,
    contact: Contact,
    tasks: TaskTracker,
    stop: CancellationToken,
    sender: mpsc::Sender<Change>,
}

impl Debug for Starter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Starter").field("controller", &self.controller).finish_non_exhaustive()
    }
}

impl Starter {
    /// One watch for each kind of the world: which there are.
    fn all(&self) -> BTreeSet<&'static str> {
        let tls = watcher::Config::default().fields("type=kubernetes.io/tls");
        self.secrets(tls);
        BTreeSet::from([
            self.kind("GatewayClass", |world| &mut world.gateway_classes, without_managers),
            self.kind("Gateway", |world| &mut world.gateways, without_managers),
            self.kind("ListenerSet", |world| &mut world.listener_sets, without_managers),
            self.kind("HTTPRoute", |world| &mut world.http_routes, without_managers),
            self.kind("GRPCRoute", |world| &mut world.grpc_routes, without_managers),
            self.kind("ReferenceGrant", |world| &mut world.reference_grants, without_managers),
            self.kind("BackendTLSPolicy", |world| &mut world.backend_tls_policies, without_managers),
            self.kind("IngressClass", |world| &mut world.ingress_classes, without_managers),
            self.kind("Ingress", |world| &mut world.ingresses, without_managers),
            self.kind("Service", |world| &mut world.services, without_managers),
            self.kind("EndpointSlice", |world| &mut world.endpoint_slices, without_managers),
            self.kind("Namespace", |world| &mut world.namespaces, without_specification),
            self.kind("Pod", |world| &mut world.pods, without_containers),
            self.kind("ReplicaSet", |world| &mut world.replica_sets, without_managers),
            self.kind("Deployment", |world| &mut world.deployments, only_of_held_fields),
            self.kind("CanaryRelease", |world| &mut world.canary_releases, without_managers),
            self.kind("CanaryReleaseCommand", |world| &mut world.commands, without_managers),
            "Secret",
        ])
    }

    /// Watches the kind `K`. `objects` says where it is in the world; `trim` takes away what nobody looks at.
    fn kind<K: Watchable>(&self, kind: &'static str, objects: In<K>, trim: fn(&mut K)) -> &'static str {
        let api = Api::all(self.client.clone());
        drop(self.watch(Watched::Kind(kind), api, watcher::Config::default(), objects, trim));
        kind
    }

    /// Watches the Secrets with certificates.
    fn secrets(&self, config: watcher::Config) {
        let api = Api::all(self.client.clone());
        drop(self.watch(Watched::Kind("Secret"), api, config, |world| &mut world.secrets, only_tls));
    }

    /// Watches one object, as long as the handle is kept.
    fn one(&self, named: &Named) -> AbortOnDropHandle<()> {
        let (client, of) = (self.client.clone(), Watched::One(named.clone()));
        let only = |key: &Key| watcher::Config::default().fields(&format!("metadata.name={}", key.name));
        AbortOnDropHandle::new(match named {
            Named::ConfigMap(key) => {
                let api = Api::namespaced(client, &key.namespace);
                self.watch(of, api, only(key), |world| &mut world.config_maps, only_authorities)
            }
            Named::Secret(key) => {
                let api = Api::namespaced(client, &key.namespace);
                self.watch(of, api, only(key), |world| &mut world.testers, without_managers)
            }
        })
    }

    fn watch<K: Watchable>(
        &self,
        of: Watched,
        api: Api<K>,
        config: watcher::Config,
        objects: In<K>,
        trim: fn(&mut K),
    ) -> JoinHandle<()> {
        let begin = move || watch_kind(api.clone(), config.clone()).default_backoff().boxed();
        let (contact, sender) = (self.contact.clone(), self.sender.clone());
        let watch = Watch { of, begin: Box::new(begin), objects, trim, contact, sender, failing: false };
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(watch.run()).await;
        })
    }
}

/// Where the objects of a kind are.
type In<K> = fn(&mut World) -> &mut Objects<K>;

/// What can be watched.
trait Watchable: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static {}

impl<K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static> Watchable for K {}

/// One watch.
struct Watch<K> {
    of: Watched,
    /// Lists, and watches from there.
    begin: Box<dyn Fn() -> Events<K> + Send + Sync>,
    objects: In<K>,
    trim: fn(&mut K),
    contact: Contact,
    sender: mpsc::Sender<Change>,
    /// Whether it was said that it cannot be watched.
    failing: bool,
}

/// What the API server says of a kind.
type Events<K> = BoxStream<'static, Result<Event<K>, watcher::Error>>;

/// A list, and what comes after it.
struct Run<K> {
    events: Events<K>,
    listed: Vec<K>,
    /// When the last event came.
    heard: Instant,
}

impl<K> Run<K> {
    async fn next(&mut self) -> Option<Result<Event<K>, watcher::Error>> {
        let event = self.events.next().await;
        self.heard = Instant::now();
        event
    }
}

/// What an event came to.
#[derive(PartialEq, Eq)]
enum Went {
    /// It goes on.
    On,
    /// The list is whole.
    Listed,
    /// There is nothing but a new list to go on from.
    Over,
}

impl<K: Watchable> Watch<K> {
    async fn run(mut self) {
        let mut contact = self.contact.clone();
        contact.mark_unchanged();
        let mut run = self.begin();
        loop {
            tokio::select! {
                event = run.next() => if self.take(event, &mut run.listed).await == Went::Over {
                    sleep(AGAIN).await;
                    run = self.begin();
                },
                Ok(()) = contact.changed() => run = self.renew(run, &mut contact).await,
            }
        }
    }

    /// Begins again. The `old` one tells on until the new list is whole, which may take long where the API server is slow.
    async fn renew(&mut self, mut old: Run<K>, contact: &mut Contact) -> Run<K> {
        let mut new = self.begin();
        loop {
            tokio::select! {
                event = old.next() => match event {
                    Some(Ok(event)) => self.tell(event, &mut old.listed).await,
                    _ => return new,
                },
                event = new.next() => match self.take(event, &mut new.listed).await {
                    Went::On => {}
                    Went::Listed | Went::Over => return new,
                },
                // What has just begun is let go on: where contact is lost again and again it would never be whole.
                Ok(()) = contact.changed() => if new.heard.elapsed() > SILENT {
                    new = self.begin();
                }
            }
        }
    }

    fn begin(&self) -> Run<K> {
        Run { events: (self.begin)(), listed: Vec::new(), heard: Instant::now() }
    }

    async fn take(&mut self, event: Option<Result<Event<K>, watcher::Error>>, listed: &mut Vec<K>) -> Went {
        match event {
            Some(Ok(event)) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!(of = %self.of, "watching again");
                }
                let is_whole = matches!(event, Event::InitDone);
                self.tell(event, listed).await;
                if is_whole { Went::Listed } else { Went::On }
            }
            Some(Err(error)) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(of = %self.of, "cannot be watched, tried again: {error}");
                }
                if is_refused(&error) {
                    self.change(|_| {}).await;
                }
                // As an event of a watch the same is known to the watcher itself.
                if code(&error) == Some(410) { Went::Over } else { Went::On }
            }
            None => Went::Over,
        }
    }

    async fn tell(&self, event: Event<K>, listed: &mut Vec<K>) {
        let (objects, trim) = (self.objects, self.trim);
        let event = event.modify(trim);
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(object) => listed.push(object),
            Event::InitDone => {
                let all = std::mem::take(listed);
                match &self.of {
                    Watched::Kind(_) => self.change(move |world| objects(world).replace(all)).await,
                    Watched::One(named) => {
                        let key = named.key().clone();
                        self.change(move |world| objects(world).replace_one(&key, all.into_iter().next())).await;
                    }
                }
            }
            Event::Apply(object) => self.change(move |world| objects(world).put(object)).await,
            Event::Delete(object) => {
                let key = Key::of(&object);
                self.change(move |world| objects(world).remove(&key)).await;
            }
        }
    }

    async fn change(&self, apply: impl FnOnce(&mut World) + Send + 'static) {
        // Nobody listens any more when weir ends.
        let _ = self.sender.send(Change { of: self.of.clone(), apply: Box::new(apply) }).await;
    }
}

/// Whether the cluster has no such kind, or weir may not read it.
fn is_refused(error: &watcher::Error) -> bool {
    matches!(code(error), Some(403..=405))
}

/// What the API server answered instead of a list or a watch.
fn code(error: &watcher::Error) -> Option<u16> {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status)) => Some(status.code),
        _ => None,
    }
}

fn without_managers<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}

fn without_specification(namespace: &mut Namespace) {
    without_managers(namespace);
    namespace.spec = None;
}

fn only_tls(secret: &mut Secret) {
    without_managers(secret);
    if let Some(data) = &mut secret.data {
        data.retain(|key, _| matches!(key.as_str(), "tls.crt" | "tls.key" | "ca.crt"));
    }
}

fn only_authorities(map: &mut ConfigMap) {
    without_managers(map);
    map.binary_data = None;
    if let Some(data) = &mut map.data {
        data.retain(|key, _| key == "ca.crt");
    }
}

fn without_containers(pod: &mut Pod) {
    without_managers(pod);
    let node = pod.spec.take().and_then(|spec| spec.node_name);
    pod.spec = Some(k8s_openapi::api::core::v1::PodSpec { node_name: node, ..Default::default() });
}

/// How long something that is named may be unheard of before what names it is told nevertheless.
const PATIENCE: Duration = Duration::from_secs(10);

/// A new list of which nothing has come for so long is as likely lost as slow.
const SILENT: Duration = Duration::from_secs(10);

/// Before a new list in place of a watch that cannot go on.
const AGAIN: Duration = Duration::from_secs(1);

/// Changes that wait to be taken in.
const QUEUE: usize = 1024;

/// What changes within this time is looked at together: a rollout of many pods, an `apply` of many objects.
const GATHER: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
