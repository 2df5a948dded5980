//! Everything that changes something. Each is logged with who, what, old, new and the request's id, whatever becomes of it.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::AdminState;
use super::answer::{Body, Refusal, json};
use super::guard::Ends;
use crate::engine::{CommandError, ReleaseStatus};
use crate::rollout::{Command, Phase};
use crate::types::Ratio;

/// The field by which callers say who they are, such as `alice@laptop`. Whoever has the token is believed.
pub const USER_FIELD: &str = "x-weir-user";

/// The answer to a command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Changed {
    /// What happened, in one sentence.
    pub message: String,
    /// The release from now on.
    pub release: ReleaseStatus,
}

/// What may be done with a release: the last part of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Promote,
    Abort,
    Pause,
    Resume,
    Retry,
    Weight,
}

impl Action {
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "promote" => Self::Promote,
            "abort" => Self::Abort,
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "retry" => Self::Retry,
            "weight" => Self::Weight,
            _ => return None,
        })
    }

    fn command(self, body: &[u8]) -> Result<Command, Refusal> {
        let command = match self {
            Self::Promote => Command::Promote,
            Self::Abort => Command::Abort,
            Self::Pause => Command::Pause,
            Self::Resume => Command::Resume,
            Self::Retry => Command::Retry,
            Self::Weight => return parse::<NewWeight>(body, WEIGHT_HINT).map(|wish| Command::SetWeight(wish.weight)),
        };
        nothing_more(body).map(|()| command)
    }
}

/// The body of `POST /releases/NAME/weight`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewWeight {
    weight: Ratio,
}

/// A body of `{}`, for clients that cannot send none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Who asks, for the journal and the log.
#[derive(Clone, Debug)]
pub(super) struct Caller<'a> {
    user: &'a str,
    peer: IpAddr,
    request_id: &'a str,
}

impl<'a> Caller<'a> {
    pub(super) fn new(head: &'a Parts, ends: &Ends, request_id: &'a str) -> Self {
        let named = head.headers.get(USER_FIELD).and_then(|value| value.to_str().ok());
        let plain = |name: &&str| {
            let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'@' | b'+');
            (1..=64).contains(&name.len()) && name.bytes().all(good)
        };
        Self { user: named.filter(plain).unwrap_or("an operator"), peer: ends.peer, request_id }
    }
}

/// The release called `name`.
pub(super) fn find(state: &AdminState, name: &str) -> Result<ReleaseStatus, Refusal> {
    let releases = state.control.status();
    let names: Vec<_> = releases.iter().map(|release| release.name.to_string()).collect();
    releases.into_iter().find(|release| release.name.as_str() == name).ok_or_else(|| {
        let hint = if names.is_empty() { "there is none".to_owned() } else { format!("there is {}", names.join(", ")) };
        Refusal::not_found(format!("no release `{name}`"), hint)
    })
}

/// Carries out `action` on the release called `name`.
pub(super) async fn release(
    state: &AdminState,
    name: &str,
    action: Action,
    body: Incoming,
    caller: &Caller<'_>,
) -> Result<Response<Body>, Refusal> {
    let wish = action.command(&read(body).await?)?;
    let old = find(state, name)?;
    let done = state.control.command(name, wish, caller.user).await;
    let command = word(wish);
    let Caller { user, peer, request_id } = caller;
    match done {
        Ok(new) => {
            let message = sentence(&old, &new);
            let (old, new_standing) = (standing(&old), standing(&new));
            tracing::info!(user, %peer, request_id, release = name, command, old, new = new_standing, "{message}");
            Ok(json(StatusCode::OK, &Changed { message, release: new }))
        }
        Err(error) => {
            let old = standing(&old);
            tracing::warn!(user, %peer, request_id, release = name, command, old, %error, "refused a command");
            Err(refused(&error))
        }
    }
}

/// Reads the configuration again.
pub(super) async fn reload(state: &AdminState, body: Incoming, caller: &Caller<'_>) -> Result<Response<Body>, Refusal> {
    nothing_more(&read(body).await?)?;
    let stopping = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "weir is stopping", "start it again");
    let old = state.current.load().generation;
    let (reply, answer) = oneshot::channel();
    state.reload.send(reply).await.map_err(|_| stopping())?;
    let done = answer.await.map_err(|_| stopping())?;
    let Caller { user, peer, request_id } = caller;
    match done {
        Ok(new) => {
            tracing::info!(user, %peer, request_id, old, new, "reloaded the configuration");
            Ok(json(StatusCode::OK, &state.metrics.reloads.last()))
        }
        Err(problems) => {
            tracing::warn!(user, %peer, request_id, old, new = old, "refused to reload the configuration");
            let hint = "the old configuration stays in force: `weir check` says the same before";
            Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, problems, hint))
        }
    }
}

/// A command as people type it.
fn word(command: Command) -> String {
    match command {
        Command::Promote => "promote".to_owned(),
        Command::Abort => "abort".to_owned(),
        Command::Pause => "pause".to_owned(),
        Command::Resume => "resume".to_owned(),
        Command::Retry => "retry".to_owned(),
        Command::SetWeight(weight) => format!("set-weight {weight}"),
    }
}

/// `progressing at 5%`.
fn standing(status: &ReleaseStatus) -> String {
    format!("{} at {}", phase(status.phase), status.weight)
}

/// What a command did, for the one who gave it.
fn sentence(old: &ReleaseStatus, new: &ReleaseStatus) -> String {
    let (name, canary, weight) = (&new.name, &new.canary.backend, new.weight);
    let share = if old.weight == weight {
        format!("its canary {canary} stays at {weight} of the traffic")
    } else {
        format!("its canary {canary} has {weight} of the traffic now, {} before", old.weight)
    };
    format!("{name} is {}: {share}", phase(new.phase))
}

const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Mirroring => "mirrored, without users yet",
        Phase::Progressing => "progressing",
        Phase::Paused => "paused",
        Phase::HoldingBack => "holding back",
        Phase::Promoted => "promoted",
        Phase::Aborted => "aborted",
    }
}

/// The whole body, within [`LARGEST`] bytes and [`BODY_PATIENCE`].
async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    let whole = tokio::time::timeout(BODY_PATIENCE, Limited::new(body, LARGEST).collect()).await;
    match whole {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let hint = format!("send at most {LARGEST} bytes");
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", hint))
        }
        Ok(Err(_)) => Err(Refusal::new(StatusCode::BAD_REQUEST, "the body broke off", "send it again")),
        Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body came too slowly", "send it at once")),
    }
}

fn nothing_more(body: &[u8]) -> Result<(), Refusal> {
    if body.is_empty() {
        return Ok(());
    }
    parse::<Nothing>(body, "send no body").map(|_| ())
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8], hint: &str) -> Result<T, Refusal> {
    let wrong =
        |error: serde_json::Error| Refusal::new(StatusCode::BAD_REQUEST, format!("the body is wrong: {error}"), hint);
    serde_json::from_slice(body).map_err(wrong)
}

const WEIGHT_HINT: &str = r#"send {"weight": "10%"}"#;

/// The largest command is some 20 bytes.
const LARGEST: usize = 16 * 1024;

/// For a body that fits into one packet.
const BODY_PATIENCE: Duration = Duration::from_secs(5);

fn refused(error: &CommandError) -> Refusal {
    let (status, hint) = match error {
        CommandError::Unknown(_) => (StatusCode::NOT_FOUND, "`weir status` lists the releases"),
        CommandError::Refused { .. } => (StatusCode::CONFLICT, "`weir status` says where it is"),
        CommandError::Journal(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "make room in the state directory, then try again")
        }
        CommandError::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "start it again"),
    };
    Refusal::new(status, error.to_string(), hint)
}
