use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use futures_util::stream;
use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::*;
use crate::kubernetes::testing::put;

/// A millisecond, the resolution of timers.
const TICK: Duration = Duration::from_millis(1);

/// Longer than anything is put off: only virtual time.
const FOREVER: Duration = Duration::from_secs(60);

/// Watches whose changes the test tells, beside an API server that takes connections and says nothing.
struct Bench {
    watches: Watches,
    sender: mpsc::Sender<Change>,
    _silent: TcpListener,
}

impl Bench {
    /// Nothing has been listed yet of `kinds`.
    fn unlisted(kinds: &[&'static str]) -> Self {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}", silent.local_addr().unwrap()).parse().unwrap();
        let (sender, changes) = mpsc::channel(QUEUE);
        let starter = Starter {
            client: Client::try_from(kube::Config::new(uri)).unwrap(),
            controller: "weir.dev/gateway-controller".to_owned(),
            contact: watch::channel(0).1,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            sender: sender.clone(),
        };
        Self { watches: Watches::new(starter, changes, kinds.iter().copied().collect()), sender, _silent: silent }
    }

    /// Everything has been listed and told.
    async fn known() -> Self {
        let mut bench = Self::unlisted(&["Service"]);
        bench.tell(json!([])).await;
        bench.watches.changed().await;
        bench
    }

    /// A policy has come that names a ConfigMap which has not.
    async fn without(authority: &str) -> Self {
        let mut bench = Self::known().await;
        bench.tell(policy(authority)).await;
        bench.waited().await;
        bench
    }

    /// These objects are new, or newly so.
    async fn tell(&self, objects: Value) {
        tell(&self.sender, Watched::Kind("Service"), objects).await;
    }

    /// The ConfigMap of this name comes, and is soon told.
    async fn show(&mut self, authority: &str) {
        let of = Watched::One(Named::ConfigMap(Key::new("shop", authority)));
        let object = json!([{ "kind": "ConfigMap", "metadata": { "name": authority, "namespace": "shop" } }]);
        tell(&self.sender, of, object).await;
        assert!(self.waited().await <= GATHER + TICK);
    }

    /// How long it took until something was told.
    async fn waited(&mut self) -> Duration {
        let since = Instant::now();
        timeout(FOREVER, self.watches.changed()).await.expect("it is told");
        since.elapsed()
    }

    async fn tells_nothing(&mut self) -> bool {
        timeout(FOREVER, self.watches.changed()).await.is_err()
    }

    /// The Services that were told of last.
    fn services(&self) -> Vec<String> {
        self.watches.told().services.iter().map(|(key, _)| key.name.clone()).collect()
    }

    /// The ConfigMap that the told policy names.
    fn policy(&self) -> Option<String> {
        let policy = self.watches.told().backend_tls_policies.get("shop", "tls")?;
        Some(policy.spec.validation.ca_certificate_refs[0].name.clone())
    }
}

async fn tell(sender: &mpsc::Sender<Change>, of: Watched, objects: Value) {
    let apply = move |world: &mut World| objects.as_array().unwrap().iter().for_each(|one| put(world, one.clone()));
    sender.send(Change { of, apply: Box::new(apply) }).await.unwrap();
}

fn service(name: impl Into<String>) -> Value {
    json!([{ "kind": "Service", "metadata": { "name": name.into(), "namespace": "shop" } }])
}

/// A policy that names a ConfigMap.
fn policy(authority: &str) -> Value {
    let validation = json!({
        "hostname": "app.test", "caCertificateRefs": [{ "group": "", "kind": "ConfigMap", "name": authority }],
    });
    let targets = json!([{ "group": "", "kind": "Service", "name": "app" }]);
    json!([{
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "BackendTLSPolicy",
        "metadata": { "name": "tls", "namespace": "shop" },
        "spec": { "targetRefs": targets, "validation": validation },
    }])
}

#[tokio::test(start_paused = true)]
async fn a_change_is_told_soon_also_where_changes_never_end() {
    let mut bench = Bench::known().await;
    let sender = bench.sender.clone();
    let busy = tokio::spawn(async move {
        for count in 0.. {
            tell(&sender, Watched::Kind("Service"), service(format!("app-{count}"))).await;
            sleep(TICK).await;
        }
    });
    for told in 1..=20 {
        let waited = bench.waited().await;
        assert!(waited <= GATHER + 2 * TICK, "the {told}th time after {waited:?}");
        assert!(bench.services().len() >= told * 40, "what came meanwhile is in it");
    }
    busy.abort();
}

#[tokio::test(start_paused = true)]
async fn what_waits_to_be_taken_in_does_not_put_off_what_is_due() {
    let mut bench = Bench::known().await;
    for round in 0..10 {
        bench.tell(service(format!("due-{round}"))).await;
        assert!(timeout(GATHER / 2, bench.watches.changed()).await.is_err());
        sleep(GATHER).await;
        for count in 0..20 {
            bench.tell(service(format!("late-{round}-{count}"))).await;
        }
        assert!(bench.waited().await <= TICK);
        assert_eq!(bench.services().len(), round * 21 + 1, "only what was due");
        assert!(bench.waited().await <= GATHER + TICK);
        assert_eq!(bench.services().len(), round * 21 + 21);
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_together_is_told_once() {
    let mut bench = Bench::known().await;
    let sender = bench.sender.clone();
    tokio::spawn(async move {
        for name in ["a", "b", "c"] {
            tell(&sender, Watched::Kind("Service"), service(name)).await;
            sleep(GATHER / 4).await;
        }
    });
    assert!(bench.waited().await <= GATHER + TICK);
    assert_eq!(bench.services(), ["a", "b", "c"]);
    assert!(bench.tells_nothing().await);
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_loses_nothing_and_is_told_no_later() {
    let mut bench = Bench::known().await;
    bench.tell(service("a")).await;
    let since = Instant::now();
    let mut stopped = 0;
    while timeout(7 * TICK, bench.watches.changed()).await.is_err() {
        stopped += 1;
        assert!(stopped < 20, "it is told");
        bench.tell(service(format!("b-{stopped}"))).await;
    }
    assert!(stopped >= 6 && since.elapsed() <= GATHER + 8 * TICK, "{stopped} times in {:?}", since.elapsed());
    assert_eq!(bench.services().len(), stopped + 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_before_everything_has_been_listed() {
    let mut bench = Bench::unlisted(&["Service", "Pod"]);
    bench.tell(service("app")).await;
    assert!(bench.tells_nothing().await && !bench.watches.is_known());
    tell(&bench.sender, Watched::Kind("Pod"), policy("authority")).await;
    assert!(bench.tells_nothing().await && !bench.watches.is_known(), "nor what that names");
    bench.show("authority").await;
    assert!(bench.watches.is_known());
    assert_eq!(bench.policy().as_deref(), Some("authority"));
}

#[tokio::test(start_paused = true)]
async fn what_the_api_server_is_slow_to_show_keeps_back_what_names_it_and_nothing_else() {
    let mut bench = Bench::known().await;
    bench.tell(policy("old")).await;
    bench.tell(service("a")).await;
    assert!(bench.waited().await <= GATHER + TICK);
    assert_eq!((bench.services(), bench.policy()), (vec!["a".to_owned()], None));
    bench.show("old").await;
    assert_eq!(bench.policy().as_deref(), Some("old"));

    bench.tell(policy("new")).await;
    for count in 0..20 {
        bench.tell(service(format!("b-{count}"))).await;
        assert!(bench.waited().await <= GATHER + TICK);
        assert_eq!((bench.services().len(), bench.policy().as_deref()), (count + 2, Some("old")));
    }
    bench.show("new").await;
    assert_eq!(bench.policy().as_deref(), Some("new"));
    assert!(bench.watches.told().config_maps.get("shop", "new").is_some());
    assert!(bench.tells_nothing().await);
}

#[tokio::test(start_paused = true)]
async fn what_is_never_shown_keeps_back_what_names_it_only_for_so_long() {
    let mut bench = Bench::without("lost").await;
    assert_eq!(bench.policy(), None);
    let waited = bench.waited().await;
    assert!(waited <= PATIENCE + TICK, "{waited:?}");
    assert_eq!(bench.policy().as_deref(), Some("lost"));
    assert!(bench.tells_nothing().await);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_named_any_more_is_not_waited_for() {
    let mut bench = Bench::without("lost").await;
    let key = Key::new("shop", "tls");
    let gone =
        Change { of: Watched::Kind("Service"), apply: Box::new(move |world| world.backend_tls_policies.remove(&key)) };
    bench.sender.send(gone).await.unwrap();
    assert!(bench.waited().await <= GATHER + TICK);
    assert!(bench.tells_nothing().await);
}

/// A watch of Services whose runs the test feeds.
struct Fed {
    contact: watch::Sender<u64>,
    changes: mpsc::Receiver<Change>,
    runs: Arc<Mutex<Vec<mpsc::UnboundedSender<Event<Service>>>>>,
    world: World,
}

impl Fed {
    fn start() -> Self {
        let (sender, changes) = mpsc::channel(QUEUE);
        let (contact, told) = watch::channel(0);
        let runs = Arc::<Mutex<Vec<_>>>::default();
        let begun = runs.clone();
        let begin = move || {
            let (feed, events) = mpsc::unbounded_channel();
            begun.lock().unwrap().push(feed);
            stream::unfold(events, async |mut events| Some((Ok(events.recv().await?), events))).boxed()
        };
        let watch = Watch {
            of: Watched::Kind("Service"),
            begin: Box::new(begin),
            objects: |world| &mut world.services,
            trim: without_managers,
            contact: told,
            sender,
            failing: false,
        };
        tokio::spawn(watch.run());
        Self { contact, changes, runs, world: World::default() }
    }

    /// The API server was reached again; how often the watch has begun by then.
    async fn contact(&self) -> usize {
        self.contact.send_modify(|count| *count += 1);
        sleep(TICK).await;
        self.runs.lock().unwrap().len()
    }

    /// Feeds the run of this number. Whether it is still listened to.
    async fn feed(&mut self, run: usize, event: Event<Service>) -> bool {
        let is_heard = self.runs.lock().unwrap()[run].send(event).is_ok();
        sleep(TICK).await;
        while let Ok(change) = self.changes.try_recv() {
            (change.apply)(&mut self.world);
        }
        is_heard
    }

    async fn list(&mut self, run: usize, names: &[&str]) {
        self.feed(run, Event::Init).await;
        for name in names {
            self.feed(run, Event::InitApply(of_name(name))).await;
        }
        self.feed(run, Event::InitDone).await;
    }

    fn names(&self) -> Vec<&str> {
        self.world.services.iter().map(|(key, _)| key.name.as_str()).collect()
    }
}

fn of_name(name: &str) -> Service {
    let mut service = Service::default();
    service.metadata.name = Some(name.to_owned());
    service
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_begins_anew_tells_on_until_its_new_list_is_whole() {
    let mut fed = Fed::start();
    sleep(TICK).await;
    fed.list(0, &["a", "b"]).await;
    assert_eq!(fed.contact().await, 2);
    assert!(fed.feed(0, Event::Apply(of_name("c"))).await);
    assert_eq!(fed.names(), ["a", "b", "c"]);
    assert!(fed.feed(1, Event::Init).await && fed.feed(1, Event::InitApply(of_name("b"))).await);
    assert!(fed.feed(0, Event::Delete(of_name("a"))).await);
    assert_eq!(fed.names(), ["b", "c"], "the new list is not whole");
    fed.feed(1, Event::InitDone).await;
    assert_eq!(fed.names(), ["b"]);
    assert!(!fed.feed(0, Event::Apply(of_name("d"))).await, "the old one is gone");
    fed.feed(1, Event::Apply(of_name("e"))).await;
    assert_eq!(fed.names(), ["b", "e"]);
}

#[tokio::test(start_paused = true)]
async fn contact_that_comes_again_and_again_does_not_keep_a_list_from_becoming_whole() {
    let mut fed = Fed::start();
    sleep(TICK).await;
    fed.list(0, &["a"]).await;
    assert_eq!(fed.contact().await, 2);
    fed.feed(1, Event::Init).await;
    for name in ["b", "c", "d", "e"] {
        sleep(SILENT / 2).await;
        assert_eq!(fed.contact().await, 2, "it goes on");
        fed.feed(1, Event::InitApply(of_name(name))).await;
    }
    fed.feed(1, Event::InitDone).await;
    assert_eq!(fed.names(), ["b", "c", "d", "e"]);
    assert_eq!(fed.contact().await, 3);
    sleep(SILENT).await;
    assert_eq!(fed.contact().await, 4, "of the third nothing has come at all");
}
