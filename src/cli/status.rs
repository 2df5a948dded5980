//! `weir status`: where releases are.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use console::Term;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::client::{Client, ClientError, Lines, block_on};
use super::options::{Format, Global, Output, Target};
use super::render::{self, Style};
use super::{exit, out};
use crate::admin::Overview;
use crate::clock::{Clock, SystemClock};
use crate::engine::ReleaseStatus;

/// Which releases to show, and how.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The release; all when left out
    release: Option<String>,
    /// Go on showing: redraws on a terminal, prints lines otherwise; Ctrl-C ends it
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

/// Shows the releases of the running weir.
pub(super) fn run(args: &StatusArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let client = Client::find(&args.target)?;
    let style = global.style();
    block_on(async {
        if args.watch {
            return watch(args, &client, style).await;
        }
        let overview = client.overview().await?;
        print(args, &select(overview, args.release.as_deref())?, &style)?;
        Ok(exit::GOOD.into())
    })
}

/// Only the release that was asked for.
fn select(mut overview: Overview, named: Option<&str>) -> anyhow::Result<Overview> {
    let Some(name) = named else { return Ok(overview) };
    let names: Vec<_> = overview.releases.iter().map(|release| release.name.to_string()).collect();
    overview.releases.retain(|release| release.name.as_str() == name);
    if overview.releases.is_empty() {
        bail!(
            "there is no release `{name}`; there is {}",
            if names.is_empty() { "none".into() } else { names.join(", ") }
        );
    }
    Ok(overview)
}

fn print(args: &StatusArgs, overview: &Overview, style: &Style) -> anyhow::Result<()> {
    match (args.output.output, overview.releases.as_slice()) {
        (Format::Text, _) => out::lines(&draw(overview, style)),
        (Format::Json, [release]) if args.release.is_some() => out::json(release),
        (Format::Json, _) => out::json(overview),
    }
}

/// The state of the configuration where somebody must know, then the releases.
fn draw(overview: &Overview, style: &Style) -> Vec<String> {
    let mut lines = render::config(&overview.config, style);
    lines.extend(match overview.releases.as_slice() {
        [] => vec!["weir is running and has no release: add one under `releases` in its configuration".to_owned()],
        [one] => render::release(one, style),
        several => render::overview(several, style),
    });
    lines
}

/// Shows every change until the user ends it. When weir goes away, waits for it to come back.
async fn watch(args: &StatusArgs, client: &Client, style: Style) -> anyhow::Result<ExitCode> {
    let mut lines = client.follow(WATCH).await?;
    let mut screen = Screen::new(args, style);
    loop {
        let ended = follow(&mut lines, args, &mut screen).await;
        screen
            .message(&ended.map_or_else(|error| format!("{error:#}"), |()| "weir has stopped; waiting".to_owned()))?;
        lines = loop {
            sleep(RETRY).await;
            // A weir that starts again has a new token: it is looked up anew each time.
            let found = Client::find(&args.target);
            match async { found?.follow(WATCH).await }.await {
                Ok(lines) => break lines,
                Err(error @ ClientError::Refused { .. }) => return Err(error.into()),
                Err(_) => {}
            }
        };
    }
}

async fn follow(lines: &mut Lines, args: &StatusArgs, screen: &mut Screen) -> anyhow::Result<()> {
    let mut shown: Option<Overview> = None;
    loop {
        let tick = Instant::now() + TICK;
        match timeout_at(tick, lines.next()).await {
            Ok(line) => {
                let Some(line) = line? else { return Ok(()) };
                let overview = select(serde_json::from_slice(&line)?, args.release.as_deref())?;
                screen.show(&overview)?;
                shown = Some(overview);
                if screen.is_terminal() { continue } else { sleep_until(tick).await }
            }
            // Ages go on even when nothing happens.
            Err(_) if screen.is_terminal() => shown.iter().try_for_each(|overview| screen.show(overview))?,
            Err(_) => {}
        }
    }
}

/// Where a watch draws: in place on a terminal, line by line elsewhere.
struct Screen {
    style: Style,
    format: Format,
    terminal: Option<Term>,
    drawn: usize,
    last: Vec<ReleaseStatus>,
}

impl Screen {
    fn new(args: &StatusArgs, style: Style) -> Self {
        let in_place = args.output.output == Format::Text && std::io::stdout().is_terminal();
        let terminal = in_place.then(Term::buffered_stdout);
        Self { style, format: args.output.output, terminal, drawn: 0, last: Vec::new() }
    }

    fn is_terminal(&self) -> bool {
        self.terminal.is_some()
    }

    fn show(&mut self, overview: &Overview) -> anyhow::Result<()> {
        let style = self.style.at(SystemClock.now());
        match (&self.terminal, self.format) {
            (Some(_), _) => self.redraw(&draw(overview, &style)),
            (None, Format::Json) => out::lines(&[serde_json::to_string(overview)?]),
            (None, Format::Text) => {
                let mut lines = render::config(&overview.config, &style);
                for status in &overview.releases {
                    lines.extend(self.decision(status, &style));
                    lines.push(render::one_line(status, &style));
                }
                self.last.clone_from(&overview.releases);
                out::lines(&lines)
            }
        }
    }

    /// The line for a decision that was not there before.
    fn decision(&self, status: &ReleaseStatus, style: &Style) -> Option<String> {
        let before = self.last.iter().find(|before| before.name == status.name)?;
        let decision = status.last.as_ref().filter(|last| before.last.as_ref() != Some(last))?;
        Some(render::entry(decision, style))
    }

    /// Replaces what was drawn. Lines are cut at the terminal's edge: one that wraps could not be taken back.
    fn redraw(&mut self, lines: &[String]) -> anyhow::Result<()> {
        let Some(terminal) = &mut self.terminal else { return Ok(()) };
        let (rows, columns) = terminal.size();
        terminal.clear_last_lines(self.drawn)?;
        let visible = lines.len().min(usize::from(rows).saturating_sub(1).max(1));
        for line in &lines[..visible] {
            writeln!(terminal, "{}", console::truncate_str(line, usize::from(columns), ""))?;
        }
        self.drawn = visible;
        Ok(terminal.flush()?)
    }

    /// Says something that is not data.
    fn message(&mut self, text: &str) -> anyhow::Result<()> {
        if self.is_terminal() {
            return self.redraw(&[text.to_owned()]);
        }
        eprintln!("weir: {text}");
        Ok(())
    }
}

const WATCH: &str = "/releases?watch=1";

/// How often ages are drawn anew, and the least time between two lines that are not drawn in place.
const TICK: Duration = Duration::from_secs(1);

/// Between two attempts to reach a weir that went away.
const RETRY: Duration = Duration::from_secs(1);
