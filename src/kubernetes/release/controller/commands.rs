//! Commands: carried out once, answered in their status, deleted after a while.

use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::super::command::{CanaryReleaseCommand, Outcome};
use super::super::fields::MANAGER;
use super::*;
use crate::engine::CommandError;

impl Controller {
    /// Carries out what has no answer yet.
    pub(super) async fn commands(&mut self, world: &World, known: &BTreeSet<Key>) {
        let open: BTreeSet<_> = world.commands.iter().filter_map(|(_, command)| command.metadata.uid.clone()).collect();
        self.answered.retain(|uid, _| open.contains(uid));
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

    async fn carry_out(&mut self, world: &World, key: &Key, command: &CanaryReleaseCommand) -> Result<(), kube::Error> {
        let uid = command.metadata.uid.clone().unwrap_or_default();
        let status = match self.answered.get(&uid) {
            // The watch may not show the answer yet, or it could not be written.
            Some((told, _)) if *told => return Ok(()),
            Some((_, status)) => status.clone(),
            None => self.answer(world, key, command).await,
        };
        self.answered.insert(uid.clone(), (false, status.clone()));
        // The version holds it to one answer, whoever leads.
        let patch = json!({ "metadata": { "resourceVersion": command.metadata.resource_version }, "status": status });
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        self.of(key).patch_status(&key.name, &params, &Patch::Merge(patch)).await?;
        self.answered.insert(uid, (true, status));
        Ok(())
    }

    /// Does what is asked, but for what was asked of nobody: the moment that it was meant for may be over.
    async fn answer(&self, world: &World, key: &Key, command: &CanaryReleaseCommand) -> CommandStatus {
        let now = self.clock.now();
        let asked = command.metadata.creation_timestamp.as_ref().map(|at| Timestamp::from_secs(at.0.as_second()));
        let release = Key::new(&key.namespace, &command.spec.release);
        let answer = match (command.spec.command(), name_of(&leader(world, &release))) {
            _ if asked.is_some_and(|asked| now.since(asked) > LATE) => {
                Err("not done: no weir led when it was asked for; ask again if it is still wanted".to_owned())
            }
            (Some(wanted), Some(name)) => {
                let answer = self.control.command(name.as_str(), wanted, &command.spec.by).await;
                answer.map_err(|error| match error {
                    CommandError::Unknown(_) => nothing_to_do(world, &release),
                    other => other.to_string(),
                })
            }
            _ => Err("this is no command".to_owned()),
        };
        let (outcome, message) = match answer {
            Ok(status) => (Outcome::Done, self.done(status)),
            Err(message) => (Outcome::Refused, message),
        };
        CommandStatus { outcome: Some(outcome), message: Some(message), at: Some(now) }
    }

    /// What was decided, which may not be in force yet.
    fn done(&self, status: ReleaseStatus) -> String {
        let waiting = self.book.waiting(&status.name);
        let decided = waiting.proposed.or_else(|| waiting.noted.into_iter().last()).or(status.last);
        decided.map_or(status.message, |decided| decided.message)
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

/// A command that is older waits no more: two minutes leave room for clocks that differ.
const LATE: Duration = Duration::from_secs(120);
