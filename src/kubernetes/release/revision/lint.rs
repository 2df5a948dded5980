//! What people should know about a Deployment.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::managers::Pin;
use super::strategy;

/// What people should know about a Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lint {
    /// `strategy: Recreate` replaces all pods at once: there is no canary.
    Recreate,
    /// While it is paused no template takes effect.
    Paused,
    /// `maxUnavailable` is not 0: old pods go before new ones are proven.
    MaxUnavailable,
    /// A pod is available as soon as it is ready: a rollout may be some pods ahead before it is held.
    NoMinReadySeconds,
    /// Another manager writes the fields that weir holds.
    Pinned(Pin),
}

impl Lint {
    /// The reason of the event and of the condition.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Recreate => "RecreateStrategy",
            Self::Paused => "DeploymentPaused",
            Self::MaxUnavailable => "MaxUnavailable",
            Self::NoMinReadySeconds => "NoMinReadySeconds",
            Self::Pinned(pin) if pin.is_of_surge_alone() => MAX_SURGE_PINNED,
            Self::Pinned(_) => "FieldsPinned",
        }
    }

    /// Whether there is no canary because of it.
    pub const fn bars(&self) -> bool {
        matches!(self, Self::Recreate | Self::Paused)
    }

    /// Whether it is about how the Deployment is written, and not about what happens at present.
    pub const fn is_advice(&self) -> bool {
        matches!(self, Self::MaxUnavailable | Self::NoMinReadySeconds)
    }

    /// What it is and what to do, in one sentence.
    pub fn message(&self) -> String {
        let message = match self {
            Self::Recreate => {
                "the strategy Recreate stops all old pods before a new one starts, so there is no canary: use RollingUpdate"
            }
            Self::Paused => "the Deployment is paused: no new revision starts until `kubectl rollout resume`",
            Self::MaxUnavailable => {
                "maxUnavailable is not 0, so the rolling update takes old pods away while the canary is judged: set it to 0"
            }
            Self::NoMinReadySeconds => {
                "minReadySeconds is 0, so a new pod may replace an old one before the rollout is held: set it to 5 or more"
            }
            Self::Pinned(pin) => return pin.to_string(),
        };
        message.to_owned()
    }
}

/// Of a Deployment as it is written.
pub(super) fn of(deployment: &Deployment) -> Vec<Lint> {
    let Some(spec) = &deployment.spec else { return Vec::new() };
    let recreate = strategy(deployment) == Some("Recreate");
    let found = [
        (recreate, Lint::Recreate),
        (spec.paused == Some(true), Lint::Paused),
        (!recreate && loses_pods(deployment), Lint::MaxUnavailable),
        (!recreate && spec.min_ready_seconds.unwrap_or(0) == 0, Lint::NoMinReadySeconds),
    ];
    found.into_iter().filter(|(is, _)| *is).map(|(_, lint)| lint).collect()
}

/// Whether a rolling update may take old pods away at once. A percentage counts rounded down, as Kubernetes does it.
pub(super) fn loses_pods(deployment: &Deployment) -> bool {
    let Some(spec) = &deployment.spec else { return false };
    let rolling = spec.strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
    let replicas = spec.replicas.unwrap_or(1);
    match rolling.and_then(|rolling| rolling.max_unavailable.as_ref()) {
        Some(IntOrString::Int(pods)) => *pods > 0,
        Some(IntOrString::String(share)) => share.trim_end_matches('%').parse().is_ok_and(|n: i32| n * replicas >= 100),
        None => 25 * replicas >= 100,
    }
}

/// The reason of a lint about `maxSurge`, which weir writes back: by the time people look, it may be weir's again.
pub const MAX_SURGE_PINNED: &str = "MaxSurgePinned";
