//! The demo application: a small HTTP server that greets, and has faults to order.
//!
//! It stands for any service that is being released. What it does wrong follows from its arguments, the number of the
//! request and the time since its start alone, so that two runs with the same arguments go alike.

mod behaviour;
mod serve;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) use self::behaviour::{Behaviour, Faults, Outage};
pub(crate) use self::serve::{App, VISIT_FIELD, serve};
use crate::types::{Ratio, Span};

/// Arguments of `weir demo-app`.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoAppArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, env = "WEIR_DEMO_APP_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// What it answers
    #[arg(long, env = "WEIR_DEMO_APP_GREETING", value_name = "TEXT", default_value = "Hello World!")]
    pub greeting: String,
    /// The version it says it is, in the field x-version and at /version
    #[arg(long, env = "WEIR_DEMO_APP_VERSION", value_name = "TEXT", default_value = "v1")]
    pub version: String,
    /// Share of the requests that fail with 500
    #[arg(long, env = "WEIR_DEMO_APP_ERROR_RATE", value_name = "SHARE", default_value_t = Ratio::ZERO)]
    pub error_rate: Ratio,
    /// Time that every answer takes
    #[arg(long, env = "WEIR_DEMO_APP_LATENCY", value_name = "TIME", default_value_t = Span::millis(0))]
    pub latency: Span,
    /// Time that an answer takes beyond that at most, differently for each
    #[arg(long, env = "WEIR_DEMO_APP_JITTER", value_name = "TIME", default_value_t = Span::millis(0))]
    pub jitter: Span,
    /// Be well until this time after the start; without a rate or a latency every request fails from then on
    #[arg(long, env = "WEIR_DEMO_APP_BREAKS_AT", value_name = "TIME")]
    pub breaks_at: Option<Span>,
    /// Time after the start at which an outage begins: every second request fails with 503
    #[arg(long, env = "WEIR_DEMO_APP_OUTAGE_FROM", value_name = "TIME")]
    pub outage_from: Option<Span>,
    /// How long the outage lasts
    #[arg(long, env = "WEIR_DEMO_APP_OUTAGE_FOR", value_name = "TIME", default_value_t = Span::secs(10))]
    pub outage_for: Span,
    /// What it asks for every greeting, as host:port: while nobody accepts connections there, requests fail with 503
    #[arg(long, env = "WEIR_DEMO_APP_DATABASE", value_name = "ADDRESS")]
    pub database: Option<String>,
    /// Which of the requests fail, and how long each takes: another number, other requests
    #[arg(long, env = "WEIR_DEMO_APP_SEED", value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

impl DemoAppArgs {
    fn behaviour(&self) -> Behaviour {
        Behaviour {
            greeting: self.greeting.clone(),
            version: self.version.clone(),
            jitter: self.jitter.0,
            faults: Faults::ordered(self.error_rate, self.latency.0, self.breaks_at.map(|span| span.0)),
            outage: self.outage_from.map(|from| Outage::new(from.0, self.outage_for.0)),
            seed: self.seed,
        }
    }
}

/// Serves until SIGINT or SIGTERM. Its first line of output is `listening on ADDRESS`.
///
/// # Errors
/// When the address cannot be had.
pub fn run(args: &DemoAppArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "listening on {}", listener.local_addr()?).and_then(|()| stdout.flush())?;
        let cancel = CancellationToken::new();
        let interrupted = super::interrupted()?;
        let app = Arc::new(App::new(args.behaviour(), None).with_database(args.database.clone()));
        tokio::join!(serve(listener, app, cancel.clone()), async {
            interrupted.await;
            cancel.cancel();
        });
        Ok(ExitCode::SUCCESS)
    })
}

#[cfg(test)]
mod tests;
