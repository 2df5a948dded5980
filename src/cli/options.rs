//! Options that several commands share, and what they mean.

use std::env;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::render::{Colour, Style};
use crate::clock::{Clock, SystemClock};
use crate::telemetry::logs;

/// Options that every command has.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options for every command")]
pub struct Global {
    /// Which log lines to write to standard error: a level, or levels by module such as `weir::engine=debug,info`
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// How log lines are written
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// Whether output is coloured; `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

impl Global {
    /// Sends log lines to standard error, by the filter given or `default`.
    pub fn set_up_logs(&self, default: &str) -> Result<(), logs::LogError> {
        let format = match self.log_format {
            LogFormat::Text => logs::Format::Text,
            LogFormat::Json => logs::Format::Json,
        };
        let colour = match self.color {
            When::Auto => logs::Colour::Auto,
            When::Always => logs::Colour::Always,
            When::Never => logs::Colour::Never,
        };
        logs::init(self.log.as_deref().unwrap_or(default), format, colour)
    }

    /// How to draw on standard output, now.
    pub fn style(&self) -> Style {
        let style = Style::stdout(SystemClock.now());
        match self.color {
            When::Auto => style,
            When::Always => Style { colour: Colour::On, ..style },
            When::Never => Style { colour: Colour::Off, ..style },
        }
    }
}

/// Where weir keeps its state.
#[derive(Clone, Debug, Args)]
pub(super) struct StateDir {
    /// Where weir keeps its journal, and the address and token for commands. Default: systemd's STATE_DIRECTORY, else
    /// $XDG_STATE_HOME/weir, else ~/.local/state/weir
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

impl StateDir {
    /// The folder; nothing says that it exists.
    pub(super) fn path(&self) -> anyhow::Result<PathBuf> {
        match &self.state_dir {
            Some(path) => Ok(path.clone()),
            None => state_dir().context("neither --state-dir nor HOME is set, so there is no place for state"),
        }
    }
}

/// The state directory unless told otherwise; `None` when the environment names none.
///
/// systemd may give several folders: the first counts.
pub fn state_dir() -> Option<PathBuf> {
    let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let systemd = env::var_os("STATE_DIRECTORY").and_then(|list| env::split_paths(&list).next());
    systemd
        .filter(|path| !path.as_os_str().is_empty())
        .or_else(|| folder("XDG_STATE_HOME").map(|base| base.join("weir")))
        .or_else(|| folder("HOME").map(|home| home.join(".local/state/weir")))
}

/// How data is printed: for people, or for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    #[default]
    Text,
    Json,
}

/// The option for how data is printed.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Output {
    /// How to print: for people or for programs
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(super) output: Format,
}

/// How to find the running weir.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Finding the running weir")]
pub(super) struct Target {
    #[command(flatten)]
    pub(super) state_dir: StateDir,
    /// Ask the weir at this address instead, such as `http://127.0.0.1:9180`
    #[arg(long, value_name = "URL")]
    pub(super) admin: Option<String>,
    /// A file with the token for it
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
}
