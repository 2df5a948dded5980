//! `weir demo`: two versions of a small application, a real weir in front of them, visitors, and a view of what happens.
//!
//! Everything runs in this process and over loopback: applications, visitors and weir's control on one thread, weir's workers
//! on threads of their own. weir has a configuration file and a state folder like any other. Nothing is acted: what the
//! view shows is what weir says of itself and what visitors saw.

pub mod app;
mod cast;
mod gateway;
mod ledger;
mod play;
mod screen;
mod summary;
mod visitors;

use std::future::Future;
use std::io;
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use crate::cli::render::Style;
use crate::types::{Ratio, Span};

/// Arguments of `weir demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// Let this share of the canary's requests fail
    #[arg(long, env = "WEIR_DEMO_CANARY_ERROR_RATE", value_name = "SHARE", default_value_t = Ratio::ZERO)]
    pub canary_error_rate: Ratio,
    /// Let the canary take this much longer for each answer
    #[arg(long, env = "WEIR_DEMO_CANARY_LATENCY", value_name = "TIME", default_value_t = Span::millis(0))]
    pub canary_latency: Span,
    /// Let the canary be well until this time; without a rate or a latency it fails every request from then on
    #[arg(long, env = "WEIR_DEMO_CANARY_BREAKS_AT", value_name = "TIME")]
    pub canary_breaks_at: Option<Span>,
    /// Let the database that both versions need fail every second request from this time on
    #[arg(long, env = "WEIR_DEMO_SHARED_OUTAGE_AT", value_name = "TIME")]
    pub shared_outage_at: Option<Span>,
    /// How long that lasts
    #[arg(long, env = "WEIR_DEMO_SHARED_OUTAGE_FOR", value_name = "TIME", default_value_t = Span::secs(10))]
    pub shared_outage_for: Span,
    /// Visitors a second
    #[arg(long, env = "WEIR_DEMO_RPS", value_name = "NUMBER", default_value_t = 300)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=2000))]
    pub rps: u32,
    /// End after this time, decided or not
    #[arg(long, env = "WEIR_DEMO_DURATION", value_name = "TIME", default_value_t = Span::secs(180))]
    pub duration: Span,
    /// Which visitors come when, and which requests fail: another number, another run
    #[arg(long, env = "WEIR_DEMO_SEED", value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

/// Plays the demo until the rollout is decided, the time is up or a signal ends it, and draws it in `style`.
///
/// Success however the rollout ends: an abort is what some demos are for.
///
/// # Errors
/// When it could not run (no port, no temporary folder, weir does not start), and when standard output is closed.
pub fn run(args: &DemoArgs, style: Style) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, play::play(args, style)).context("the demo could not go on")?;
    Ok(ExitCode::SUCCESS)
}

/// Listens for SIGINT and SIGTERM from now on; the future ends at the first of them.
fn interrupted() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
