//! How many requests a canary still gets once the answer has come that convicts it, and for how long.
//!
//! A real weir, two backends in this process, and requests at a fixed rate; the canary fails every request, from the start
//! or from half-way on. Which failure crossed the line is told by the judge itself: it is shown the trace that weir wrote, and
//! for the last tick as few failures as convict, with what stable had answered by then. Times are those of the canary: from
//! when it has written that answer to when the last request arrives that was sent to it.
//!
//! `cargo bench --bench crossing [-- ROUNDS]`; see benches/README.md.

#[path = "program.rs"]
mod program;

use std::fs::{self, File};
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use weir::analysis::trace::Reader;
use weir::analysis::{Judge, Tick};
use weir::stats::Tally;
use weir::types::Ratio;

/// One line of the table.
struct Case {
    name: &'static str,
    /// Requests a second.
    rate: u32,
    /// Requests that the canary answers well before it fails.
    good: usize,
}

const CASES: [Case; 8] = [
    Case { name: "fails from the start", rate: 20, good: 0 },
    Case { name: "fails from the start", rate: 100, good: 0 },
    Case { name: "fails from the start", rate: 1000, good: 0 },
    Case { name: "fails from the start", rate: 4000, good: 0 },
    Case { name: "fails half-way", rate: 100, good: 20 },
    Case { name: "fails half-way", rate: 1000, good: 100 },
    Case { name: "fails half-way", rate: 2000, good: 300 },
    Case { name: "fails half-way", rate: 4000, good: 600 },
];

/// What one round gave.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Failures until the line was crossed.
    convicting: usize,
    /// Requests that came to the canary after that.
    after: usize,
    /// The time until the last of them; zero without one.
    last: Duration,
}

fn main() -> anyhow::Result<()> {
    let rounds = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(5);
    println!("| canary | requests/s | failures that convict | requests after that | the last of them after |");
    println!("|---|---|---|---|---|");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for case in &CASES {
        let played = (0..rounds).map(|_| runtime.block_on(play(case))).collect::<Result<Vec<_>, _>>()?;
        let millis = |round: &Round| round.last.as_secs_f64() * 1e3;
        println!(
            "| {} | {} | {:.0} | {:.0} (most {:.0}) | {:.1} ms (most {:.1}) |",
            case.name,
            case.rate,
            median(&played, |round| round.convicting as f64),
            median(&played, |round| round.after as f64),
            most(&played, |round| round.after as f64),
            median(&played, millis),
            most(&played, millis),
        );
    }
    Ok(())
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn most(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    rounds.iter().map(of).fold(0.0, f64::max)
}

async fn play(case: &Case) -> anyhow::Result<Round> {
    let (stable, canary) = (Backend::start(usize::MAX).await?, Backend::start(case.good).await?);
    let folder = tempfile::tempdir()?;
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let weir = Weir::start(folder.path(), address, &stable, &canary).await?;
    let decided = load(address, case.rate, folder.path()).await;
    drop(weir);
    decided?;
    let (seen, stable) = (canary.seen(), stable.seen());
    let failed: Vec<Instant> = seen.iter().filter(|visit| visit.failed).map(|visit| visit.answered).collect();
    // What stable had answered by then; what was asked of it again, after the canary failed it, is no evidence.
    let stable_by = |failures: u64| {
        let moment = failed.get(usize::try_from(failures).ok()?.checked_sub(1)?)?;
        let answered = stable.iter().filter(|visit| visit.answered <= *moment).count() as u64;
        Some(answered.saturating_sub(failures))
    };
    let crossing = crossing(&folder.path().join("state/traces"), stable_by)?;
    let crossed = *failed.get(crossing - 1).context("the canary failed fewer requests than weir counted")?;
    let after: Vec<_> = seen.iter().filter(|visit| visit.arrived > crossed).collect();
    let last = after.iter().map(|visit| visit.arrived - crossed).max().unwrap_or_default();
    Ok(Round { convicting: crossing, after: after.len(), last })
}

/// The number of the failure that crossed the line, in the only trace of `folder`. `stable_by` is how many answers stable had
/// given when that many requests had failed.
fn crossing(folder: &Path, stable_by: impl Fn(u64) -> Option<u64>) -> anyhow::Result<usize> {
    let path = fs::read_dir(folder)?.next().context("weir wrote no trace")??.path();
    let mut reader = Reader::new(BufReader::new(File::open(path)?))?;
    let stages: Vec<_> = reader.header().meta.stages.iter().map(|&stage| Ratio::from_fraction(stage)).collect();
    let (mut judge, mut tick, mut before) = (Judge::of_trace(reader.header()), Tick::default(), (0, 0));
    while reader.next_tick(&mut tick)? {
        let all = tick.canary.errors;
        let with = |failures: u64| {
            let mut part = tick.clone();
            let stable = stable_by(before.0 + failures).map_or(u64::MAX, |stable| stable.saturating_sub(before.1));
            leave_out(&mut part.stable, tick.stable.requests.saturating_sub(stable));
            leave_out(&mut part.canary, all - failures);
            part.canary.errors = failures;
            part
        };
        if let Some(failures) = (1..=all).find(|&failures| judge.convicts(&with(failures))) {
            return Ok(usize::try_from(before.0 + failures)?);
        }
        // What stable answered after the last failure may be what was missing: the regular look of the second finds it.
        if all > 0 && judge.convicts(&tick) {
            return Ok(usize::try_from(before.0 + all)?);
        }
        before = (before.0 + all, before.1 + tick.stable.requests);
        judge.observe(&tick, stages.iter().copied().find(|&stage| stage > tick.weight));
    }
    bail!("the trace convicts nobody")
}

/// Leaves `count` requests out of `tally`: such as were answered as most were.
fn leave_out(tally: &mut Tally, count: u64) {
    tally.requests -= count;
    let most = tally.buckets.iter_mut().max().expect("there are buckets");
    *most = most.saturating_sub(count);
}

/// Asks at `rate` until the release of the weir in `folder` is aborted, and a little longer.
async fn load(address: SocketAddr, rate: u32, folder: &Path) -> anyhow::Result<()> {
    let begun = Instant::now();
    let clients = (rate / 20).clamp(4, 64);
    let every = Duration::from_secs(1) * clients / rate;
    let mut asking = JoinSet::new();
    for number in 0..clients {
        let mut next = tokio::time::Instant::now() + every * number / clients;
        asking.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut buffer = Vec::new();
            loop {
                tokio::time::sleep_until(next).await;
                next += every;
                stream.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await?;
                if !head(&mut stream, &mut buffer).await? {
                    return anyhow::Ok(());
                }
            }
        });
    }
    let journal = folder.join("state/journal.jsonl");
    while !fs::read_to_string(&journal).unwrap_or_default().contains(r#""phase":"aborted""#) {
        if begun.elapsed() > LONGEST {
            bail!("not aborted within {LONGEST:?}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(())
}

/// A backend that notes who comes.
struct Backend {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Visit>>>,
}

#[derive(Clone, Copy)]
struct Visit {
    arrived: Instant,
    answered: Instant,
    failed: bool,
}

impl Backend {
    /// Answers `good` requests well, and fails all that follow.
    async fn start(good: usize) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, seen) = (listener.local_addr()?, Arc::<Mutex<Vec<Visit>>>::default());
        let visits = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, visits.clone(), good));
            }
        });
        Ok(Self { address, seen })
    }

    fn seen(&self) -> Vec<Visit> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<Visit>>>, good: usize) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while head(&mut stream, &mut buffer).await? {
        let now = Instant::now();
        let (place, failed) = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let failed = seen.len() >= good;
            seen.push(Visit { arrived: now, answered: now, failed });
            (seen.len() - 1, failed)
        };
        let status = if failed { "500 Internal Server Error" } else { "200 OK" };
        stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await?;
        seen.lock().unwrap_or_else(PoisonError::into_inner)[place].answered = Instant::now();
    }
    Ok(())
}

/// Takes a head without a body off the wire; whether there was one.
async fn head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<bool> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            buffer.drain(..end + 4);
            return Ok(true);
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(false);
        }
    }
}

/// A running weir; dropping it ends it.
struct Weir(Child);

impl Weir {
    async fn start(folder: &Path, address: SocketAddr, stable: &Backend, canary: &Backend) -> anyhow::Result<Self> {
        let config = format!(
            "listeners: [{{ name: web, address: \"{address}\" }}]
admin: {{ address: \"127.0.0.1:0\" }}
routes: [{{ release: shop }}]
backends:
  v1: {{ endpoints: [\"{}\"], outlier: {{ enabled: false }} }}
  v2: {{ endpoints: [\"{}\"], outlier: {{ enabled: false }} }}
releases:
  shop: {{ stable: v1, canary: v2, steps: [5%], analysis: {{ warmUp: 0s }} }}
",
            stable.address, canary.address
        );
        fs::write(folder.join("weir.yaml"), config)?;
        let log = File::create(folder.join("log"))?;
        let mut command = Command::new(program::weir());
        command.current_dir(folder).args(["run", "--config", "weir.yaml", "--state-dir", "state"]);
        let weir = Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?);
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if begun.elapsed() > LONGEST {
                bail!("weir does not start:\n{}", fs::read_to_string(folder.join("log"))?);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(weir)
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The longest that anything may take.
const LONGEST: Duration = Duration::from_secs(60);
