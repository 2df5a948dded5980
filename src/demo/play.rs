//! The demo from its first to its last line.

use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::app::{App, serve};
use super::gateway::Gateway;
use super::ledger::Ledger;
use super::screen::{Screen, hanging};
use super::summary::{End, summary};
use super::visitors::{Seen, come};
use super::{DemoArgs, cast, interrupted};
use crate::cli::render::{self, Style, Tone, format};
use crate::clock::{Clock, SystemClock};
use crate::engine::{JournalEntry, ReleaseStatus};
use crate::rollout::Phase;
use crate::types::Side;

/// Plays it. Whatever ends it, visitors leave first, then weir drains, then the applications end, then the folder goes.
pub(crate) async fn play(args: &DemoArgs, style: Style) -> anyhow::Result<()> {
    let interrupted = interrupted()?;
    let folder = tempfile::Builder::new().prefix("weir-demo-").tempdir().context("cannot make a temporary folder")?;
    let ledger = Arc::<Ledger>::default();
    let (apps, closing) = (TaskTracker::new(), CancellationToken::new());
    let addresses = start_apps(args, &ledger, &apps, &closing).await?;
    let gateway = Gateway::start(folder.path(), &cast::configuration(addresses)).await?;

    let (seen, leaving) = (Rc::<RefCell<Seen>>::default(), CancellationToken::new());
    let plan = cast::visitors(gateway.address(), args);
    let visitors = tokio::task::spawn_local(come(plan, ledger, seen.clone(), leaving.clone()));
    let mut show = Show::new(args, seen, style);
    let watched = show.watch(&gateway, interrupted).await;

    leaving.cancel();
    let _ = visitors.await;
    let history = gateway.history();
    gateway.stop().await;
    closing.cancel();
    apps.close();
    apps.wait().await;
    show.finish(watched?, &history)
}

/// Starts both versions of the application; gives their addresses, stable first.
async fn start_apps(
    args: &DemoArgs,
    ledger: &Arc<Ledger>,
    apps: &TaskTracker,
    closing: &CancellationToken,
) -> anyhow::Result<[SocketAddr; 2]> {
    let stable = TcpListener::bind("127.0.0.1:0").await.context("no port for the stable version")?;
    let canary = TcpListener::bind("127.0.0.1:0").await.context("no port for the canary version")?;
    let addresses = [stable.local_addr()?, canary.local_addr()?];
    for (side, listener) in Side::BOTH.into_iter().zip([stable, canary]) {
        let app = Arc::new(App::new(cast::behaviour(side, args), Some(ledger.clone())));
        apps.spawn(serve(listener, app, closing.clone()));
    }
    Ok(addresses)
}

/// What is shown while the demo runs.
struct Show<'a> {
    args: &'a DemoArgs,
    seen: Rc<RefCell<Seen>>,
    screen: Screen,
    style: Style,
    begun: Instant,
    /// Decisions that were told.
    told: usize,
    next_line: Instant,
}

impl<'a> Show<'a> {
    fn new(args: &'a DemoArgs, seen: Rc<RefCell<Seen>>, style: Style) -> Self {
        let begun = Instant::now();
        Self { args, seen, screen: Screen::stdout(), style, begun, told: 0, next_line: begun + LINE }
    }

    /// Shows what happens until it is decided, the time is up, or somebody interrupts.
    async fn watch(&mut self, gateway: &Gateway, interrupted: impl Future<Output = ()>) -> anyhow::Result<End> {
        self.screen.say(&self.opening(gateway.address()))?;
        let time_up = tokio::time::sleep(self.args.duration.0);
        tokio::pin!(interrupted, time_up);
        let mut ticks = tokio::time::interval(FRAME);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut decided: Option<Instant> = None;
        loop {
            tokio::select! {
                () = &mut interrupted => return Ok(End::Interrupted),
                () = &mut time_up => return Ok(End::TimeUp),
                _ = ticks.tick() => {}
            }
            self.style.now = SystemClock.now();
            self.tell(&gateway.history())?;
            let Some(status) = gateway.status() else { continue };
            self.picture(&status)?;
            if matches!(status.phase, Phase::Promoted | Phase::Aborted) {
                let since = decided.get_or_insert_with(Instant::now);
                if since.elapsed() >= LINGER {
                    return Ok(End::Decided);
                }
            }
        }
    }

    fn opening(&self, address: SocketAddr) -> Vec<String> {
        let [stable, canary] = cast::GREETINGS;
        vec![
            self.style
                .paint(Tone::Strong, &format!("weir at http://{address} in front of two versions of an application")),
            format!("  stable answers \"{stable}\", the canary \"{canary}\""),
            format!("  {} visitors a second; weir decides by itself; Ctrl-C ends the demo", self.args.rps),
            String::new(),
        ]
    }

    /// Tells the decisions that were not told yet.
    fn tell(&mut self, history: &[JournalEntry]) -> anyhow::Result<()> {
        let told = |entry: &JournalEntry| {
            let head = render::entry(&JournalEntry { message: String::new(), ..entry.clone() }, &self.style);
            hanging(&head, &entry.message, &self.style)
        };
        let news: Vec<_> = history.iter().skip(self.told).flat_map(told).collect();
        self.told = self.told.max(history.len());
        if !news.is_empty() {
            self.screen.say(&news)?;
        }
        Ok(())
    }

    /// The release and the visitors at this moment: drawn on a terminal, a line now and then elsewhere.
    fn picture(&mut self, status: &ReleaseStatus) -> anyhow::Result<()> {
        if self.screen.is_live() {
            let mut lines = vec![String::new()];
            lines.extend(render::release(status, &self.style));
            lines.extend([String::new(), format!("  {}", self.visitors())]);
            self.screen.draw(&lines)?;
        } else if Instant::now() >= self.next_line {
            self.next_line += LINE;
            self.screen.say(&[render::one_line(status, &self.style), format!("{:10}{}", "", self.visitors())])?;
        }
        Ok(())
    }

    fn visitors(&self) -> String {
        let seen = self.seen.borrow();
        let tone = if seen.hurt() > 0 { Tone::Warn } else { Tone::Plain };
        let hurt = self.style.paint(tone, &format!("{} saw an error", format::count(seen.hurt())));
        format!(
            "visitors  {} answered, {hurt}, {} saved by asking stable again",
            format::count(seen.visits()),
            format::count(seen.saved)
        )
    }

    /// The last lines.
    fn finish(mut self, end: End, history: &[JournalEntry]) -> anyhow::Result<()> {
        self.tell(history)?;
        let lines = summary(self.args, end, history, &self.seen.borrow(), self.begun.elapsed(), &self.style);
        self.screen.say(&lines)?;
        Ok(())
    }
}

/// Between two pictures: often enough to see a decision when it is made, seldom enough to read the numbers.
const FRAME: Duration = Duration::from_millis(200);

/// Between two lines of output that is not a terminal.
const LINE: Duration = Duration::from_secs(5);

/// How long the demo goes on after the decision, to see what visitors get then.
const LINGER: Duration = Duration::from_secs(4);
