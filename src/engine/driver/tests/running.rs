//! The loop itself, in real time.

use super::*;

/// An engine on a thread of its own, as in the real house; the time is the machine's.
fn running(bench: &mut Bench) -> (Control, CancellationToken, std::thread::JoinHandle<()>) {
    let (engine, current) = (bench.engine.take().unwrap(), current(bench));
    let (control, cancel) = (bench.control().clone(), CancellationToken::new());
    let end = cancel.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(engine.run(current, end));
    });
    (control, cancel, thread)
}

/// From the convicting response to the weight, in one of many tries: the machine may have other things to do.
#[test]
fn a_convicted_canary_is_out_within_ten_milliseconds() {
    let mut best = Duration::MAX;
    for _ in 0..100 {
        if best < Duration::from_millis(10) {
            break;
        }
        let mut bench = Bench::new(Wish::default());
        bench.seconds(5, GOOD);
        let live = bench.live();
        let (_, cancel, thread) = running(&mut bench);
        let (stable, canary) = (live.side(Side::Stable).of(0), live.side(Side::Canary).of(0));
        let begun = std::time::Instant::now();
        let mut last = begun;
        while live.weight() > Ratio::ZERO {
            assert!(begun.elapsed() < Duration::from_secs(20), "it is not convicted");
            if last.elapsed() > Duration::from_millis(5) {
                // The next failure, among as much traffic as fits the weight; the one that convicts is the last one.
                (0..19).for_each(|_| stable.record(3, false, false));
                last = std::time::Instant::now();
                canary.record(3, true, true);
                live.failed.notify_one();
            }
            std::thread::yield_now();
        }
        best = best.min(last.elapsed());
        cancel.cancel();
        thread.join().unwrap();
    }
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("convicting response to weight 0: {best:?}\n").as_bytes(),
    );
    assert!(best < Duration::from_millis(10), "{best:?}");
}

#[tokio::test]
async fn the_running_engine_ticks_obeys_and_ends_its_trace_whole() {
    let mut bench = Bench::new(Wish::default());
    let live = bench.live();
    let (control, cancel, thread) = running(&mut bench);
    let mut changes = control.subscribe();
    let done = control.command("shop", Command::SetWeight(Ratio::percent(30)), "alice").await.unwrap();
    assert_eq!((done.weight, live.weight()), (Ratio::percent(30), Ratio::percent(30)));
    live.side(Side::Stable).of(1).record(3, false, false);
    changes.wait_for(|all| all[0].stable.requests == 1).await.unwrap();
    // In the middle of a second: it must be in the trace all the same.
    live.side(Side::Canary).of(0).record(3, false, false);
    cancel.cancel();
    thread.join().unwrap();
    let report = replay(&bench.traces()[0]);
    assert_eq!((report.stable.0, report.canary.0), (1, 1));
    let stopped = control.command("shop", Command::Abort, "alice").await;
    assert_eq!(stopped, Err(CommandError::Stopped));
}

#[tokio::test]
async fn a_reload_is_followed() {
    let mut bench = Bench::new(Wish::default());
    let engine = bench.engine.take().unwrap();
    let (current, cancel) = (current(&bench), CancellationToken::new());
    let run = engine.run(current.clone(), cancel.clone());
    let test = async {
        let wish = Wish { canary: "shop-v3", ..Wish::default() };
        current.store(snapshot([wish.release(&bench.leaves)]));
        bench.control().reloaded().await;
        assert_eq!(bench.status().canary.backend.as_str(), "shop-v3");
        assert_eq!(wish.release(&bench.leaves).live.weight(), Ratio::percent(5));
        cancel.cancel();
    };
    tokio::join!(run, test);
}
