//! The command line: what was typed becomes values, and each command's file does its part. Data goes to standard output,
//! messages to standard error.
//!
//! Exit codes: 0 it went well; 1 errors were found, or the running weir refused; 2 wrong usage, or it could not run; 3
//! inconclusive; 78 `weir run` was started with a bad configuration.

mod change;
mod check;
mod client;
mod crds;
mod explain;
mod generate;
mod history;
mod import;
mod kubectl;
mod kubernetes;
mod options;
mod out;
pub mod render;
pub mod replay;
mod run;
mod schema;
mod simulate;
mod status;

use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use options::{Global, state_dir};

use crate::demo;

/// A canary proxy: sends an exact share of the traffic to a new version, watches every response, promotes or aborts it
#[derive(Debug, Parser)]
#[command(name = "weir", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve: split the traffic by a configuration file and drive its releases
    Run(run::RunArgs),
    /// Serve as the ingress of a Kubernetes cluster: Gateways and their routes
    Kubernetes(kubernetes::KubernetesArgs),
    /// Say everything that is wrong with a configuration file, with line and column
    Check(check::CheckArgs),
    /// Print the JSON schema of the configuration file, for editors
    Schema,
    /// Print the definitions of weir's own kinds, for `kubectl apply --server-side -f -`
    Crds,
    /// Show where releases are: weight, errors, latency, evidence
    Status(status::StatusArgs),
    /// Give the canary all traffic, now
    Promote(change::ReleaseArgs),
    /// Take all traffic from the canary, now
    Abort(change::ReleaseArgs),
    /// Stay at the present weight; evidence is still weighed and may abort
    Pause(change::ReleaseArgs),
    /// Go on after a pause
    Resume(change::ReleaseArgs),
    /// Start an aborted rollout again from its first step
    Retry(change::ReleaseArgs),
    /// Give the canary this share of the traffic and pause there
    SetWeight(change::WeightArgs),
    /// List the decisions so far
    History(history::HistoryArgs),
    /// Tell why a release is where it is: counts, rates, evidence, and what it would have taken
    Explain(explain::ExplainArgs),
    /// Judge recorded traffic: what would have been decided, when and why
    Replay(replay::ReplayArgs),
    /// Translate a canary of ingress-nginx, Flagger or Argo Rollouts into manifests for weir
    Import(import::ImportArgs),
    /// Try a policy: how often would it have been wrong, how long would it have taken, how many users hurt?
    Simulate(simulate::SimulateArgs),
    /// Do what `kubectl weir` does, where there is no kubectl
    Kubectl(kubectl::KubectlArgs),
    /// Watch a canary being promoted or aborted: two versions of an application, visitors, and a weir in front, all here
    Demo(demo::DemoArgs),
    /// Serve the demo's application: a greeting, and faults to order
    DemoApp(demo::app::DemoAppArgs),
    /// Print a completion script for a shell
    Completions(generate::CompletionsArgs),
    /// Print the manual page
    Man(generate::ManArgs),
}

/// Does what the command line of this process asks for.
pub fn main() -> ExitCode {
    let done = if called_as_plugin() { kubectl::main() } else { run() };
    done.unwrap_or_else(|error| {
        if out::is_closed(&error) {
            return ExitCode::SUCCESS;
        }
        eprintln!("weir: {error:#}");
        exit::COULD_NOT_RUN.into()
    })
}

fn run() -> anyhow::Result<ExitCode> {
    let typed = Cli::tree().get_matches();
    let cli = Cli::from_arg_matches(&typed).unwrap_or_else(|error| error.exit());
    cli.set_up_logs()?;
    cli.execute()
}

/// Whether kubectl runs this as its plugin: by the name `kubectl-weir`.
fn called_as_plugin() -> bool {
    let name = std::env::args_os().next().map(std::path::PathBuf::from);
    name.as_ref().and_then(|name| name.file_stem()).is_some_and(|stem| stem == "kubectl-weir")
}

impl Cli {
    /// The whole tree of commands, for completions, manual pages and tests.
    pub fn tree() -> clap::Command {
        with_variables(Self::command())
    }

    /// A daemon tells what it does; a command tells what went wrong.
    fn set_up_logs(&self) -> anyhow::Result<()> {
        let default = if matches!(self.command, Command::Run(_) | Command::Kubernetes(_)) { "info" } else { "warn" };
        Ok(self.global.set_up_logs(default)?)
    }

    fn execute(&self) -> anyhow::Result<ExitCode> {
        let global = &self.global;
        match &self.command {
            Command::Run(args) => run::run(args),
            Command::Kubernetes(args) => kubernetes::run(args),
            Command::Kubectl(args) => kubectl::run(args, global),
            Command::Check(args) => check::run(args),
            Command::Schema => schema::run(),
            Command::Crds => crds::run(),
            Command::Status(args) => status::run(args, global),
            Command::Promote(args) => change::run(args, "promote"),
            Command::Abort(args) => change::run(args, "abort"),
            Command::Pause(args) => change::run(args, "pause"),
            Command::Resume(args) => change::run(args, "resume"),
            Command::Retry(args) => change::run(args, "retry"),
            Command::SetWeight(args) => change::set_weight(args),
            Command::History(args) => history::run(args, global),
            Command::Explain(args) => explain::run(args, global),
            Command::Replay(args) => replay::run(args),
            Command::Import(args) => import::run(args),
            Command::Simulate(args) => simulate::run(args, global),
            Command::Demo(args) => demo::run(args, global.style()),
            Command::DemoApp(args) => demo::app::run(args),
            Command::Completions(args) => generate::completions(args),
            Command::Man(args) => generate::man(args),
        }
    }
}

/// Gives every option its variable, unless it names one: `--state-dir` has `WEIR_STATE_DIR`. A switch is off with `0`, `false`, `no` or nothing.
///
/// Help does not show what variables hold: it would differ from page to page.
fn with_variables(command: clap::Command) -> clap::Command {
    let with_variable = |arg: clap::Arg| {
        let Some(long) = arg.get_long() else { return arg };
        let variable = format!("WEIR_{}", long.to_uppercase().replace('-', "_"));
        let switch = matches!(arg.get_action(), clap::ArgAction::SetTrue);
        let arg = if arg.get_env().is_some() { arg } else { arg.env(variable) }.hide_env_values(true);
        if switch { arg.value_parser(FalseyValueParser::new()) } else { arg }
    };
    command.mut_args(with_variable).mut_subcommands(with_variables)
}

/// What commands end with.
pub mod exit {
    /// It went well; a verdict of Pass.
    pub const GOOD: u8 = 0;
    /// Errors were found, the running weir refused, or a verdict of Fail.
    pub const FOUND_ERRORS: u8 = 1;
    /// Wrong usage, or it could not run.
    pub const COULD_NOT_RUN: u8 = 2;
    /// A verdict of Inconclusive, or not decided in time.
    pub const INCONCLUSIVE: u8 = 3;
    pub use crate::app::BAD_CONFIG;
}

const EXAMPLES: &str = "\
Examples:
  weir demo                           a canary that is promoted before your eyes
  weir check --config weir.yaml       what is wrong with a configuration file
  weir run --config weir.yaml         serve
  weir status -w                      watch the releases of the weir that runs on this machine
  weir set-weight shop 10%            give the canary of release shop a tenth of the traffic
  weir explain                        why the release is where it is

Every option has a variable, shown as [env: ...]. An option counts more than its variable.";

#[cfg(test)]
mod tests;
