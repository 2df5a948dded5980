//! What the replica that leads does for releases: writes the status, holds and restores Deployments, carries out commands.
//! Every other replica goes by the status, and writes there only what it cut itself and whoever leads did not hear.
//!
//! When weir itself is deleted, every replica lets go of all Deployments: nobody comes after it who would.

mod act;
mod commands;
mod leave;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::commands::Progress;
use self::leave::held;
use super::book::{self, Book};
use super::command::CommandStatus;
use super::crd::CanaryRelease;
use super::hold::{self, is_conflict, is_held};
use super::report::{Known, no_route, put_own_pods};
use super::revision::{Fields, Plan, Workload, plan};
use super::status::CanaryReleaseStatus;
use super::{claim, decided, is_present, last_decision, leader, name_of, owned, rival};
use crate::clock::Clock;
use crate::engine::{Control, JournalEntry, Ledger, ReleaseStatus};
use crate::kubernetes::events::Events;
use crate::kubernetes::gateway::conditions::Refused;
use crate::kubernetes::home::Home;
use crate::kubernetes::lease::Leadership;
use crate::kubernetes::settings::Settings;
use crate::kubernetes::world::{Key, World};
use crate::rollout::{Input, OnNoEvidence, OnSuspicion, Phase, Reason, Scene, Spec, decision, step};
use crate::stats::{Bounds, Tally};
use crate::types::Timestamp;

/// The cluster, and which of its releases are this weir's: those with a route to them.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The objects.
    pub world: World,
    /// The releases.
    pub ours: BTreeSet<Key>,
    /// Releases that cannot be compiled, and why.
    pub refused: BTreeMap<Key, Refused>,
}

/// Follows the releases of the cluster, and leads them when this replica leads.
pub struct Controller {
    client: Client,
    control: Control,
    book: Arc<Book>,
    leadership: Arc<Leadership>,
    clock: Arc<dyn Clock>,
    events: Events,
    settings: Settings,
    home: Home,
    /// What the cluster was told here to be held, since this replica leads.
    told: Option<BTreeSet<Key>>,
    /// Since when this replica leads.
    leads_since: Option<Timestamp>,
    /// Since when weir itself seems to be deleted.
    given_up: Option<Instant>,
    /// What was written here, until the watch shows it.
    written: BTreeMap<Key, CanaryRelease>,
    /// When the evidence in a status was written last.
    evidence: BTreeMap<Key, Instant>,
    /// How far commands are that were taken up here, by uid, until these are gone.
    progress: BTreeMap<String, Progress>,
}

impl std::fmt::Debug for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller").field("leadership", &self.leadership).finish_non_exhaustive()
    }
}

impl Controller {
    /// For the engine behind `control`, whose ledger is `book`, in the replica that `settings` describe.
    pub fn new(
        client: Client,
        control: Control,
        book: Arc<Book>,
        leadership: Arc<Leadership>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        let events = Events::new(client.clone(), "weir", Some(settings.pod.clone()), "Release");
        let (home, told, leads_since, given_up, written, evidence, progress) = Default::default();
        Self {
            client,
            control,
            book,
            leadership,
            clock,
            events,
            settings,
            home,
            told,
            leads_since,
            given_up,
            written,
            evidence,
            progress,
        }
    }

    /// Follows `views` until `stop`.
    pub async fn run(mut self, mut views: watch::Receiver<View>, stop: CancellationToken) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let book = self.book.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                changed = views.changed() => if changed.is_err() { break },
                () = book.rung.notified() => {}
                _ = second.tick() => {}
            }
            let view = views.borrow_and_update().clone();
            self.look(view).await;
        }
        let view = views.borrow().clone();
        self.end(view).await;
    }

    /// Tells the engine what is decided in `world` and not in force here, but where a decision of its own is on its way there.
    async fn adopt(&self, world: &World) {
        for (key, release) in world.canary_releases.iter() {
            self.adopt_one(key, release).await;
        }
    }

    async fn adopt_one(&self, key: &Key, release: &CanaryRelease) {
        let last = release.status.as_ref().and_then(CanaryReleaseStatus::last);
        let Some((name, last)) = name_of(key).zip(last) else { return };
        let engine = self.control.subscribe().borrow().clone();
        let Ok(at) = engine.binary_search_by(|status| status.name.cmp(&name)) else { return };
        let there = &engine[at];
        let in_force = there.last.as_ref() == Some(last) && there.weight == last.state.weight;
        if !in_force && self.book.waiting(&name).noted.is_empty() {
            self.control.adopt(last.clone()).await;
        }
    }

    /// The releases that this weir carries out: those with a route to them, and those that had one and now none.
    fn known(&self, View { world, ours, refused }: &View) -> BTreeSet<Key> {
        let me = Some(self.settings.controller.as_str());
        let mine =
            |release: &CanaryRelease| release.status.as_ref().and_then(|status| status.controller.as_deref()) == me;
        let had = world.canary_releases.iter().filter(|(_, release)| mine(release)).map(|(key, _)| key);
        ours.iter().chain(refused.keys()).chain(had).cloned().collect()
    }

    async fn look(&mut self, mut view: View) {
        self.overlay(&mut view.world);
        let known = self.known(&view);
        let View { mut world, refused, .. } = view;
        if self.is_given_up(&world) {
            return self.leave(&world, &known).await;
        }
        self.adopt(&world).await;
        if !self.leadership.leads() {
            self.book.withdraw();
            (self.told, self.leads_since) = (None, None);
            self.settle(&world);
            return self.insist(&world).await;
        }
        // Whoever led before may have told something else; what is held here is told before it is.
        let (really, first) = (held(&world, &known), self.told.is_none());
        self.tell_held(|told| if first { *told = really } else { told.retain(|key| really.contains(key)) }).await;
        self.leads_since.get_or_insert(self.clock.now());
        self.book.keep(|release| world.canary_releases.iter().any(|(key, _)| name_of(key).as_ref() == Some(release)));
        self.commands(&world, &known).await;
        // Whoever leads lets a deleted one go, even when it is nobody's.
        let nobodys = world.canary_releases.iter().filter(|(_, release)| is_nobodys(release, self.clock.now()));
        let keys: BTreeSet<Key> = nobodys.map(|(key, _)| key.clone()).chain(known.iter().cloned()).collect();
        for key in keys {
            // It may have taken a while to come here.
            if !self.leadership.leads() {
                return;
            }
            let mine = known.contains(&key);
            match timeout(PATIENCE, self.lead(&mut world, &key, mine, refused.get(&key))).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) if is_conflict(&error) => self.forget(&key),
                Ok(Err(error)) => tracing::warn!(release = %key, "not done, tried again: {error}"),
                Err(_) => tracing::warn!(release = %key, "the API server does not answer, tried again"),
            }
        }
        self.commands_again(&world, &known).await;
    }

    /// Forgets what whoever leads has written, and what time has overtaken.
    fn settle(&self, world: &World) {
        for (key, release) in world.canary_releases.iter() {
            let kept = release.status.as_ref().map_or(&[][..], |status| &status.decisions);
            if let Some(name) = name_of(key) {
                let waiting = self.book.waiting(&name);
                if book::merged(kept, &waiting).is_none() {
                    self.book.written(&name, &waiting);
                }
            }
        }
    }

    /// Writes down which canaries were cut here, where whoever leads has not done so for a while: nobody may lead, or hear it.
    async fn insist(&mut self, world: &World) {
        let now = self.clock.now();
        for (key, release) in world.canary_releases.iter() {
            let Some(waiting) = name_of(key).map(|name| self.book.waiting(&name)) else { continue };
            let overdue = waiting.noted.first().is_some_and(|first| now.since(first.time) >= UNHEARD);
            let before = release.status.clone().unwrap_or_default();
            let Some(decisions) = book::merged(&before.decisions, &waiting).filter(|_| overdue) else { continue };
            let status = CanaryReleaseStatus { decisions, ..before };
            match timeout(PATIENCE, self.write(key, release, status)).await {
                Ok(Ok(written)) => {
                    self.announce(release, &written);
                    self.written.insert(key.clone(), written);
                }
                Ok(Err(error)) if is_conflict(&error) => self.forget(key),
                failed => tracing::warn!(release = %key, "the canary is cut here alone; it is told again: {failed:?}"),
            }
        }
    }

    /// Puts what was written here over what the watch has not shown yet.
    fn overlay(&mut self, world: &mut World) {
        let version = |release: &CanaryRelease| release.metadata.resource_version.as_ref()?.parse::<u64>().ok();
        self.written.retain(|key, ours| match world.canary_releases.at(key) {
            Some(theirs) => version(theirs) < version(ours),
            None => false,
        });
        for ours in self.written.values() {
            world.canary_releases.put(ours.clone());
        }
    }

    /// Somebody else wrote it: the watch tells what.
    fn forget(&mut self, key: &Key) {
        self.written.remove(key);
    }

    /// Brings one release on that is `mine`; one that is `refused`, or nobody's, is told so, and left where it is.
    async fn lead(
        &mut self,
        world: &mut World,
        key: &Key,
        mine: bool,
        refused: Option<&Refused>,
    ) -> Result<(), kube::Error> {
        let Some(release) = world.canary_releases.at(key).cloned() else { return Ok(()) };
        if release.metadata.deletion_timestamp.is_some() {
            return self.let_go(world, key, &release).await;
        }
        let now = self.clock.now();
        let controller = mine.then(|| self.settings.controller.clone());
        let barred = barred(world, key, &release, mine);
        let refused = refused.or(barred.as_ref());
        if refused.is_some() {
            return self.tell(world, key, &release, Present { controller, plan: None, refused, now }).await;
        }
        let deployment = release.spec.target_ref.as_ref();
        let deployment = deployment.and_then(|target| world.deployments.get(&key.namespace, &target.name)).cloned();
        let owned = deployment.as_ref().map(|deployment| owned(world, &key.namespace, deployment));
        let plan = deployment.as_ref().zip(owned.as_ref()).map(|(deployment, (replica_sets, pods))| {
            let known = release.status.as_ref().and_then(|status| status.revisions.as_ref());
            plan(Workload { deployment, replica_sets, pods }, known, decided(world, key), now)
        });
        let holds = plan.as_ref().is_some_and(|plan| matches!(plan.fields, Fields::Hold(_)));
        let release = if holds { self.sign(world, key, release).await? } else { release };
        self.tell(world, key, &release, Present { controller, plan: plan.as_ref(), refused, now }).await?;
        if let (Some(plan), Some(deployment), Some((sets, _))) = (plan, deployment, owned) {
            self.act(world, key, &plan, &deployment, &sets).await?;
        }
        Ok(())
    }

    /// Writes the status where it says something new; what was decided is in it before anything is done.
    async fn tell(
        &mut self,
        world: &mut World,
        key: &Key,
        release: &CanaryRelease,
        Present { controller, plan, refused, now }: Present<'_>,
    ) -> Result<(), kube::Error> {
        let Some(name) = name_of(key) else { return Ok(()) };
        let waiting = self.book.waiting(&name);
        let kept = release.status.as_ref().map_or(&[][..], |status| &status.decisions);
        let mut decisions = book::merged(kept, &waiting).unwrap_or_else(|| kept.to_vec());
        if let Some(end) = gone(release, plan, last_decision(world, key), decisions.last(), now) {
            if end.release == name {
                decisions.push(end);
            } else {
                // Of a group: whoever leads it ends with this one.
                self.book.note(&end);
            }
        }
        let live = self.live(world, key);
        let latest = if leader(world, key) == *key { decisions.last() } else { last_decision(world, key) };
        let last = latest.filter(|latest| is_present(world, key, latest)).cloned();
        let group = last.clone().filter(|last| last.release != name);
        let mut status =
            Known { controller, release, plan, refused, decisions, last, live: live.as_ref(), now }.status();
        if let Some(plan) = plan.filter(|_| leader(world, key) != *key) {
            put_own_pods(&mut status, plan);
        }
        if self.is_news(key, release.status.as_ref(), &status) {
            let written = self.write(key, release, status).await?;
            self.announce(release, &written);
            if let Some(decided) = group {
                self.announce_with_group(release, &written, &decided);
            }
            world.canary_releases.put(written.clone());
            self.written.insert(key.clone(), written);
            self.evidence.insert(key.clone(), Instant::now());
        }
        self.book.written(&name, &waiting);
        if let Some(release) = world.canary_releases.at(key) {
            self.adopt_one(key, release).await;
        }
        Ok(())
    }

    /// What the engine says of the release, or of the one that leads its group.
    fn live(&self, world: &World, key: &Key) -> Option<ReleaseStatus> {
        let name = name_of(&leader(world, key))?;
        let engine = self.control.subscribe().borrow().clone();
        let at = engine.binary_search_by(|status| status.name.cmp(&name)).ok()?;
        Some(engine[at].clone())
    }

    /// Evidence alone is written every few seconds; all else at once.
    fn is_news(&self, key: &Key, before: Option<&CanaryReleaseStatus>, now: &CanaryReleaseStatus) -> bool {
        let Some(before) = before else { return true };
        let essence = |status: &CanaryReleaseStatus| {
            let reasons: Vec<_> =
                status.conditions.iter().map(|one| (one.status.clone(), one.reason.clone())).collect();
            (status.decisions.last().cloned(), status.revisions.clone(), reasons, status.observed_generation)
        };
        let recent = self.evidence.get(key).is_some_and(|at| at.elapsed() < BETWEEN_EVIDENCE);
        essence(before) != essence(now) || (before != now && !recent)
    }
}

/// A release at a moment.
struct Present<'a> {
    /// The weir that carries it out; `None`: none does.
    controller: Option<String>,
    /// With `targetRef`, while there is the Deployment.
    plan: Option<&'a Plan>,
    /// Why it cannot be compiled, if it cannot.
    refused: Option<&'a Refused>,
    now: Timestamp,
}

/// Whether no weir has ever carried it out, though it is there for a while, or nobody needs to any more.
fn is_nobodys(release: &CanaryRelease, now: Timestamp) -> bool {
    let created = release.metadata.creation_timestamp.as_ref().map(|at| Timestamp::from_secs(at.0.as_second()));
    let settled = created.is_some_and(|created| now.since(created) >= NEW);
    let claimed = release.status.as_ref().is_some_and(|status| status.controller.is_some());
    release.metadata.deletion_timestamp.is_some() || (settled && !claimed)
}

/// Why a release cannot be carried out, whatever it says: it is not `mine`, or another one has its Deployment.
fn barred(world: &World, key: &Key, release: &CanaryRelease, mine: bool) -> Option<Refused> {
    let (namespace, spec) = (&key.namespace, &release.spec);
    if let Some((rival, (kind, name))) = rival(world, key).zip(claim(release)) {
        let message =
            format!("the CanaryRelease {} has the same {kind} {name}, and is older: delete one of them", rival.name);
        return Some(Refused::new(if kind == "Service" { "ServiceTaken" } else { "DeploymentTaken" }, message));
    }
    if let Some(target) = &spec.target_ref
        && world.deployments.get(namespace, &target.name).is_none()
    {
        let message = format!("there is no Deployment {} in the namespace {namespace}", target.name);
        return Some(Refused::new("DeploymentNotFound", message));
    }
    let mut services = spec.stable.iter().chain(&spec.canary).map(|side| &side.service);
    if let Some(missing) = services.find(|service| world.services.get(namespace, service).is_none()) {
        let message = format!("there is no Service {missing} in the namespace {namespace}");
        return Some(Refused::new("ServiceNotFound", message));
    }
    (!mine).then(no_route)
}

/// The end of an open rollout whose canary is gone: undone by whoever deploys it, or not started in time.
fn gone(
    release: &CanaryRelease,
    plan: Option<&Plan>,
    last: Option<&JournalEntry>,
    latest: Option<&JournalEntry>,
    now: Timestamp,
) -> Option<JournalEntry> {
    let (plan, last) = (plan?, last?);
    // A decision that is being written with this one comes first.
    let last = latest.filter(|latest| latest.state.rollout == last.state.rollout).unwrap_or(last);
    let late = |plan: &Plan| {
        let since = plan.revisions.as_ref().filter(|revisions| revisions.canary.is_some())?.since?;
        // Who tries again gives it as long again.
        let since = if last.state.attempt > 1 { since.max(last.state.started) } else { since };
        let detail = plan.trouble.as_ref()?.to_string();
        (now.since(since) >= release.spec.start_deadline()).then_some(Reason::CannotStart { detail })
    };
    let reason = if plan.undone { Reason::Undone } else { late(plan)? };
    let spec = Spec {
        rollout: last.state.rollout.clone(),
        mirror_first: None,
        steps: Vec::new(),
        on_no_evidence: OnNoEvidence::Hold,
        on_suspicion: OnSuspicion::Hold,
        hold_back: None,
        start_by_traffic: false,
    };
    let transition = step(&spec, &last.state, now, Input::Gone { reason: &reason, report: &last.report });
    let reason = transition.reason?;
    let (none, bounds) = (Tally::default(), Bounds::default());
    let (stable, canary) = (&last.stable, &last.canary);
    let (seen, at_weight) = ((&none, &none), (&none, &none));
    let (mirrored, copies) = (last.state.is_mirrored(), last.state.of_copies(&last.report));
    let release = &last.release;
    let scene = Scene { release, stable, canary, spec: &spec, seen, at_weight, mirrored, copies, bounds: &bounds };
    let message = decision(&scene, last.state.weight, &reason, &transition.state, &last.report);
    let (time, from, state) = (now, last.state.weight, transition.state);
    Some(JournalEntry { time, from, state, reason, message, ..last.clone() })
}

/// Whoever leads hears of a decision within a second, and writes it at once.
const UNHEARD: Duration = Duration::from_secs(3);

/// As long as a release is new, its routes may be on their way.
const NEW: Duration = Duration::from_secs(10);

/// The longest time for one release.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two writes of evidence alone.
const BETWEEN_EVIDENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
