//! Commands: carried out once, answered in their status, deleted after a while.

use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::super::command::{CanaryReleaseCommand, Outcome};
use super::super::fields::MANAGER;
use super::*;
use crate::engine::CommandError;
use crate::kubernetes::release::book::{Waiting, is_asked};
use crate::rollout::Command;

impl Controller {
    /// Carries out what has no answer yet.
    pub(super) async fn commands(&mut self, world: &World, known: &BTreeSet<Key>) {
        let open: BTreeSet<_> = world.commands.iter().filter_map(|(_, command)| command.metadata.uid.clone()).collect();
        self.progress.retain(|uid, _| open.contains(uid));
        let of_ours = |key: &Key, command: &CanaryReleaseCommand| {
            let release = Key::new(&key.namespace, &command.spec.release);
            known.contains(&release) || world.canary_releases.at(&release).is_none()
        };
        for (key, command) in world.commands.iter().filter(|(key, command)| of_ours(key, command)) {
            let answered = command.status.as_ref().and_then(|status| status.outcome).is_some();
            let done = async {
                if answered { self.clear(key, command).await } else { self.carry_out(world, key, command).await }
            };
            match timeout(PATIENCE, done).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) if is_conflict(&error) => {}
                Ok(Err(error)) => tracing::warn!(command = %key, "not answered, tried again: {error}"),
                Err(_) => tracing::warn!(command = %key, "the API server does not answer, tried again"),
            }
        }
    }

    /// The same for what had no answer since its decision was being written.
    pub(super) async fn commands_again(&mut self, world: &World, known: &BTreeSet<Key>) {
        if self.progress.values().any(|progress| matches!(progress, Progress::Asked { .. })) {
            self.commands(world, known).await;
        }
    }

    async fn carry_out(&mut self, world: &World, key: &Key, command: &CanaryReleaseCommand) -> Result<(), kube::Error> {
        let uid = command.metadata.uid.clone().unwrap_or_default();
        let status = match self.progress.get(&uid) {
            Some(Progress::Told) => return Ok(()),
            Some(Progress::Answered(status)) => status.clone(),
            Some(Progress::Asked { .. }) | None => {
                let Some(answer) = self.answer(world, key, command).await else { return Ok(()) };
                let (outcome, message) = match answer {
                    Ok(message) => (Outcome::Done, message),
                    Err(message) => (Outcome::Refused, message),
                };
                CommandStatus { outcome: Some(outcome), message: Some(message), at: Some(self.clock.now()) }
            }
        };
        self.progress.insert(uid.clone(), Progress::Answered(status.clone()));
        // The version holds it to one answer, whoever leads.
        let patch = json!({ "metadata": { "resourceVersion": command.metadata.resource_version }, "status": status });
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        self.of(key).patch_status(&key.name, &params, &Patch::Merge(patch)).await?;
        self.progress.insert(uid, Progress::Told);
        Ok(())
    }

    /// What became of it, or why nothing was done; `None` while its decision, or that of one before it, is being written.
    async fn answer(
        &mut self,
        world: &World,
        key: &Key,
        command: &CanaryReleaseCommand,
    ) -> Option<Result<String, String>> {
        let release = Key::new(&key.namespace, &command.spec.release);
        let leader = leader(world, &release);
        let Some((wanted, name)) = command.spec.command().zip(name_of(&leader)) else {
            return Some(Err("this is no command".to_owned()));
        };
        let (uid, now) = (command.metadata.uid.clone().unwrap_or_default(), self.clock.now());
        let created = command.metadata.creation_timestamp.as_ref().map(|at| Timestamp::from_secs(at.0.as_second()));
        let questions = match self.progress.get(&uid) {
            Some(Progress::Asked { first, last }) => Some((*first, *last)),
            _ => None,
        };
        // Whoever led before may have had it written, by another clock.
        let before = created.filter(|created| self.leads_since.is_some_and(|since| *created <= since));
        let since =
            questions.map(|(first, _)| first).or(before.map(|created| Timestamp::from_secs(created.as_secs() - SKEW)));
        let asked = Asked { command: &wanted, by: &command.spec.by, since, here: questions.is_some() };
        let kept = world.canary_releases.at(&leader).and_then(|leader| leader.status.as_ref());
        let kept = kept.map_or(&[][..], |status| &status.decisions);
        match asked.standing(kept, &self.book.waiting(&name)) {
            Standing::Done(message) => return Some(Ok(message)),
            Standing::Overtaken(message) => return Some(Err(format!("something else was asked for since: {message}"))),
            Standing::Waiting => return None,
            Standing::Open => {}
        }
        // The moment that it was meant for may be over.
        if created.is_some_and(|created| now.since(created) > LATE) {
            return Some(Err(TOO_LATE.to_owned()));
        }
        if questions.is_some_and(|(_, last)| now.since(last) < BETWEEN_QUESTIONS) {
            return None;
        }
        let first = questions.map_or(now, |(first, _)| first);
        self.progress.insert(uid, Progress::Asked { first, last: now });
        match self.control.command(name.as_str(), wanted, &command.spec.by).await {
            Ok(_) => {
                // What is in force by now is noted; what is not is proposed.
                let asked = Asked { since: Some(first), command: &wanted, ..asked };
                let waiting = self.book.waiting(&name);
                waiting.noted.iter().find(|entry| asked.is_of(entry)).map(|entry| Ok(entry.message.clone()))
            }
            Err(CommandError::Unknown(_)) => Some(Err(nothing_to_do(world, &release))),
            Err(other) => Some(Err(other.to_string())),
        }
    }

    async fn clear(&self, key: &Key, command: &CanaryReleaseCommand) -> Result<(), kube::Error> {
        let at = command.status.as_ref().and_then(|status| status.at).unwrap_or_default();
        if self.clock.now().since(at) > KEPT {
            self.of(key).delete(&key.name, &DeleteParams::default()).await?;
        }
        Ok(())
    }

    fn of(&self, key: &Key) -> Api<CanaryReleaseCommand> {
        Api::namespaced(self.client.clone(), &key.namespace)
    }
}

/// How far a command is that has no answer in its status, as far as the watch shows.
#[derive(Debug)]
pub(super) enum Progress {
    /// The engine was asked.
    Asked {
        /// For the first time.
        first: Timestamp,
        /// For the last time.
        last: Timestamp,
    },
    /// This is to be written.
    Answered(CommandStatus),
    /// That is written.
    Told,
}

/// A command, and what may have come of it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    command: &'a Command,
    by: &'a str,
    /// Since when its decision may be there; `None` when it cannot be yet.
    since: Option<Timestamp>,
    /// Whether the engine was asked here, at that time.
    here: bool,
}

/// Where a command stands.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// It is decided, by this sentence.
    Done(String),
    /// Somebody asked for this since, and had it.
    Overtaken(String),
    /// Its decision, or that of one before it, has yet to be written.
    Waiting,
    /// The engine is to be asked, or asked again: what it decided was dropped.
    Open,
}

impl Asked<'_> {
    /// With these decisions in the status, and what is `waiting` to be there.
    fn standing(&self, kept: &[JournalEntry], waiting: &Waiting) -> Standing {
        let since = |entry: &&JournalEntry| self.since.is_some_and(|since| entry.time >= since);
        let decided = || kept.iter().chain(&waiting.noted).filter(since).filter(|entry| is_asked(entry));
        if let Some(own) = decided().find(|entry| self.is_of(entry)) {
            return Standing::Done(own.message.clone());
        }
        if let Some(other) = decided().next_back().filter(|_| self.here) {
            return Standing::Overtaken(other.message.clone());
        }
        // One after the other, but for what is not to wait.
        let waits = !matches!(self.command, Command::Abort | Command::Pause);
        let pending = waiting.proposed.as_ref().is_some_and(is_asked);
        if pending && waits { Standing::Waiting } else { Standing::Open }
    }

    fn is_of(&self, entry: &JournalEntry) -> bool {
        let Reason::Command { command, by } = &entry.reason else { return false };
        (command, by.as_str()) == (self.command, self.by) && self.since.is_some_and(|since| entry.time >= since)
    }
}

/// Why the engine does not know a release of the cluster.
fn nothing_to_do(world: &World, key: &Key) -> String {
    let Some(release) = world.canary_releases.at(key) else {
        return format!("there is no CanaryRelease {} in the namespace {}", key.name, key.namespace);
    };
    let status = release.status.clone().unwrap_or_default();
    let unready = status.conditions.iter().find(|one| one.type_ == "Ready" && one.status == "False");
    if let Some(unready) = unready.filter(|one| !one.message.is_empty()) {
        return format!("{} has no canary at present: {}", key.name, unready.message);
    }
    let since = status.last().map_or_else(String::new, |last| format!("; the last one was {}", last.message));
    format!("{} has no canary at present: the next change of its pods' template starts one{since}", key.name)
}

/// How long an answer can be read.
const KEPT: Duration = Duration::from_secs(600);

const TOO_LATE: &str = "not done: no weir led when it was asked for; ask again if it is still wanted";

/// A command that is older waits no more: two minutes leave room for clocks that differ.
const LATE: Duration = Duration::from_secs(120);

/// Between two questions of one command to the engine.
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(1);

/// How much the clocks of replicas and of the API server differ at most, in seconds.
const SKEW: i64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    /// A decision of `second` at 25%, by whoever is named.
    fn entry(second: i64, reason: serde_json::Value) -> JournalEntry {
        serde_json::from_value(json!({
            "time": Timestamp::from_secs(second), "release": "shop/app", "stable": "shop/app/v1", "canary": "shop/app/v2",
            "reason": reason, "from": "5%", "message": "at 25%", "report": crate::analysis::Report::default(),
            "state": {
                "rollout": "r", "attempt": 1, "phase": "progressing", "step": 0, "weight": "25%", "ended": null,
                "started": Timestamp::from_secs(0), "stepStarted": Timestamp::from_secs(0),
            },
        }))
        .unwrap()
    }

    fn promoted(second: i64, by: &str) -> JournalEntry {
        entry(second, json!({ "kind": "command", "command": "promote", "by": by }))
    }

    fn kept(entries: &[&JournalEntry]) -> Vec<JournalEntry> {
        entries.iter().copied().cloned().collect()
    }

    #[test]
    fn a_command_is_done_when_its_decision_is_written_and_open_again_when_that_was_dropped() {
        let asked =
            Asked { command: &Command::Promote, by: "alice", since: Some(Timestamp::from_secs(10)), here: true };
        let standing = |entries: &[&JournalEntry], proposed: Option<&JournalEntry>| {
            asked.standing(&kept(entries), &Waiting { noted: Vec::new(), proposed: proposed.cloned() })
        };
        let (passed, before, own) =
            (entry(10, json!({ "kind": "stepPassed" })), promoted(9, "alice"), promoted(10, "alice"));
        let done = Standing::Done("at 25%".to_owned());
        assert_eq!(standing(&[], None), Standing::Open);
        assert_eq!(standing(&[&passed], Some(&own)), Standing::Waiting);
        assert_eq!(standing(&[&own], None), done);
        assert_eq!(standing(&[&own, &passed], None), done, "whatever came then");
        assert_eq!(standing(&[&own], Some(&promoted(11, "bob"))), done, "whoever asks next");
        assert_eq!(standing(&[&passed], None), Standing::Open, "something else was written");
        assert_eq!(standing(&[&before], None), Standing::Open, "that was for another one");
        assert_eq!(standing(&[&passed], Some(&passed)), Standing::Open, "the engine is to be asked");
        assert_eq!(standing(&[&passed], Some(&promoted(9, "bob"))), Standing::Waiting, "one after the other");
        let bobs = Standing::Overtaken("at 25%".to_owned());
        assert_eq!(standing(&[&promoted(11, "bob")], None), bobs, "it is not done over what was asked for later");
        let elsewhere = Asked { here: false, ..asked };
        assert_eq!(elsewhere.standing(&kept(&[&promoted(11, "bob")]), &Waiting::default()), Standing::Open);
        assert_eq!(elsewhere.standing(&kept(&[&own]), &Waiting::default()), done, "whoever led then");
        let new = Asked { since: None, ..asked };
        assert_eq!(new.standing(&kept(&[&own]), &Waiting::default()), Standing::Open, "that was for one before it");
    }

    #[test]
    fn an_abort_does_not_wait_for_a_promotion_that_is_being_written() {
        let waiting = Waiting { noted: Vec::new(), proposed: Some(promoted(9, "alice")) };
        for (command, standing) in
            [(Command::Abort, Standing::Open), (Command::Pause, Standing::Open), (Command::Resume, Standing::Waiting)]
        {
            assert_eq!(
                Asked { command: &command, by: "bob", since: None, here: false }.standing(&[], &waiting),
                standing
            );
        }
    }
}
