//! A control without an engine, for tests of those who use one.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::rollout::{Phase, permits};
use crate::types::Ratio;

impl Control {
    /// Shows `statuses`, and obeys commands by the letter: phase and weight change, nothing else. Its thread ends with the
    /// last handle.
    pub(crate) fn fixed(statuses: Vec<ReleaseStatus>) -> Self {
        let (control, mut desk) = Self::new(Arc::default(), PathBuf::new());
        desk.statuses.send_replace(Arc::new(statuses));
        std::thread::spawn(move || {
            while let Some(request) = desk.requests.blocking_recv() {
                match request {
                    Request::Command { release, command, reply, .. } => {
                        let mut statuses = desk.statuses.borrow().to_vec();
                        let status = statuses.iter_mut().find(|status| status.name.as_str() == release);
                        let done = status.ok_or(CommandError::Unknown(release)).and_then(|status| {
                            obey(status, command)?;
                            Ok(status.clone())
                        });
                        desk.statuses.send_replace(Arc::new(statuses));
                        let _ = reply.send(done);
                    }
                    Request::Reloaded { reply } => drop(reply.send(())),
                }
            }
        });
        control
    }
}

fn obey(status: &mut ReleaseStatus, command: Command) -> Result<(), CommandError> {
    let state = crate::rollout::State {
        rollout: String::new(),
        attempt: 1,
        phase: status.phase,
        pause: None,
        step: status.step,
        weight: status.weight,
        started: status.started,
        step_started: status.step_started,
        ended: None,
    };
    permits(&state, command).map_err(|refusal| CommandError::Refused { release: status.name.clone(), refusal })?;
    (status.phase, status.weight) = match command {
        Command::Promote => (Phase::Promoted, Ratio::ONE),
        Command::Abort => (Phase::Aborted, Ratio::ZERO),
        Command::Pause => (Phase::Paused, status.weight),
        Command::Resume => (Phase::Progressing, status.weight),
        Command::SetWeight(weight) => (Phase::Paused, weight),
        Command::Retry => (Phase::Progressing, status.steps.first().copied().unwrap_or_default()),
    };
    Ok(())
}
