//! Log lines on standard error: text for people, JSON for machines, and panics among them.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::SubscriberInitExt;

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether log text is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal, without `NO_COLOR`.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always.
    Always,
}

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is wrong.
    #[error("`{0}` is not a log filter ({1}): write it like info, debug or weir::engine=debug,info")]
    Filter(String, ParseError),
    /// Somebody else has set up logs in this process.
    #[error("logs are set up already")]
    Twice,
}

/// Sends log lines that `filter` lets through to standard error from now on, and panics too.
///
/// The filter is a level, or levels by module: `info`, `weir::engine=debug,info`.
pub fn init(filter: &str, format: Format, colour: Colour) -> Result<(), LogError> {
    let parsed = EnvFilter::try_new(filter).map_err(|error| LogError::Filter(filter.to_owned(), error))?;
    let lines = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    match format {
        Format::Text => lines.with_ansi(coloured(colour)).finish().try_init(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).finish().try_init(),
    }
    .map_err(|_| LogError::Twice)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn coloured(colour: Colour) -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match colour {
        Colour::Auto => std::io::stderr().is_terminal() && !no_color,
        Colour::Never => false,
        Colour::Always => true,
    }
}

/// Panics so far. Of the whole process, as the hook that counts them is.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// How many panics have been logged.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// A panic is a defect of weir: it goes where the other lines go, with the place and, with `RUST_BACKTRACE=1`, the way there.
fn log_panic(panic: &PanicHookInfo<'_>) {
    PANICS.fetch_add(1, Ordering::Relaxed);
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let message = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let backtrace = std::backtrace::Backtrace::capture();
    tracing::error!(place, thread = thread.name().unwrap_or("unnamed"), %backtrace, "panic: {message}");
}
