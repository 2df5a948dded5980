//! `weir completions` and `weir man`: made from the same tree of commands that reads the command line.

use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Cli, exit, out};

/// For which shell.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Which page.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The page of this command; weir's own when left out
    command: Option<String>,
}

/// Prints a completion script.
pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::tree(), "weir", &mut script);
    out::text(&script)?;
    Ok(exit::GOOD.into())
}

/// Prints a manual page in roff.
pub(super) fn man(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let mut tree = Cli::tree();
    tree.build();
    let page = match &args.command {
        None => Man::new(tree),
        Some(name) => {
            let found = tree.find_subcommand(name).cloned();
            Man::new(found.ok_or_else(|| anyhow::anyhow!("there is no command `{name}`: see `weir --help`"))?)
        }
    };
    let mut roff = Vec::new();
    page.render(&mut roff)?;
    out::text(&roff)?;
    Ok(exit::GOOD.into())
}
