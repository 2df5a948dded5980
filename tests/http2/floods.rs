//! Floods: the connection is ended with GOAWAY, the process stays small, and other clients do not notice.

use std::sync::atomic::Ordering;

use super::frames::*;
use crate::e2e::app::App;
use crate::e2e::weir::Weir;
use crate::e2e::{QUICK, shop};

/// A weir with one worker, so that a flood and its bystander share it.
struct Scene {
    weir: Weir,
    stable: App,
    canary: App,
    before: u64,
}

impl Scene {
    async fn set() -> Self {
        let (stable, canary) = (App::start("v1").await, App::start("v2").await);
        let weir = Weir::start(&shop(&stable, &canary, 1, QUICK)).await;
        // What weir needs for its first requests is not the flood's doing.
        flood(weir.address("web"), &[], 100, |round| get(stream(round), "/")).await;
        let before = memory(&weir);
        Self { weir, stable, canary, before }
    }

    /// Floods, while a bystander asks.
    async fn flood(&self, prelude: &[u8], most: u32, round: impl Fn(u32) -> Vec<u8>) -> Flood {
        let mut bystander = self.weir.client().await;
        let flood = flood(self.weir.address("web"), prelude, most, round);
        let mut flood = std::pin::pin!(flood);
        loop {
            tokio::select! {
                biased;
                ended = flood.as_mut() => return ended,
                reply = bystander.get("/") => assert_eq!(reply.status, 200),
            }
            let grown = memory(&self.weir).saturating_sub(self.before);
            assert!(grown < MOST_GROWTH, "weir has grown by {} KiB", grown >> 10);
        }
    }

    /// [`Scene::flood`], which weir must end before all of it is sent.
    async fn is_ended(&self, prelude: &[u8], round: impl Fn(u32) -> Vec<u8>) -> Flood {
        let ended = self.flood(prelude, 500_000, round).await;
        assert!(ended.goaway, "no GOAWAY: {ended:?}");
        assert!(ended.sent < 4 << 20, "it took long to be ended: {ended:?}");
        assert_eq!(self.weir.client().await.get("/").await.status, 200);
        ended
    }

    /// Requests that reached an application.
    fn requests(&self) -> u64 {
        self.stable.requests() + self.canary.requests()
    }
}

/// Resident bytes of the process.
fn memory(weir: &Weir) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", weir.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// Generous: what 100 streams may hold by the limits, and as much again.
const MOST_GROWTH: u64 = 48 << 20;

#[tokio::test]
async fn rapid_resets_are_ended_before_they_make_work_for_applications() {
    let scene = Scene::set().await;
    scene.stable.faults.hang.store(true, Ordering::Relaxed);
    scene.canary.faults.hang.store(true, Ordering::Relaxed);
    let before = scene.requests();
    let cancel = 8_u32.to_be_bytes();
    let ended = flood(scene.weir.address("web"), &[], 500_000, |round| {
        [get(stream(round), "/"), frame(RST_STREAM, 0, stream(round), &cancel)].concat()
    });
    let ended = ended.await;
    assert!(ended.goaway && ended.sent < 1 << 20, "{ended:?}");
    assert!(scene.requests() - before < 500, "{} requests reached an application", scene.requests() - before);
    scene.stable.faults.hang.store(false, Ordering::Relaxed);
    scene.canary.faults.hang.store(false, Ordering::Relaxed);
    assert_eq!(scene.weir.client().await.get("/").await.status, 200);
}

#[tokio::test]
async fn whoever_makes_weir_reset_its_streams_is_ended() {
    let scene = Scene::set().await;
    // An increment of nothing is an error of the stream, which weir has to reset.
    scene
        .is_ended(&[], |round| [get(stream(round), "/"), frame(WINDOW_UPDATE, 0, stream(round), &[0; 4])].concat())
        .await;
    // So is a body for a stream whose request has ended.
    scene
        .is_ended(&[], |round| [get(stream(round), "/"), frame(DATA, END_STREAM, stream(round), b"more")].concat())
        .await;
}

#[tokio::test]
async fn header_blocks_without_end_are_ended() {
    let scene = Scene::set().await;
    let begun = frame(HEADERS, END_STREAM, 1, &block("GET", "/"));
    let field = [&[0, 1, b'x', 100][..], &[b'y'; 100]].concat();
    scene.is_ended(&begun, |_| frame(CONTINUATION, 0, 1, &field)).await;
    scene.is_ended(&begun, |_| frame(CONTINUATION, 0, 1, &[])).await;
}

#[tokio::test]
async fn floods_of_frames_that_carry_nothing_are_ended() {
    let scene = Scene::set().await;
    let upload = frame(HEADERS, END_HEADERS, 1, &block("POST", "/"));
    scene.is_ended(&[], |_| frame(PING, 0, 0, &[0; 8])).await;
    scene.is_ended(&[], |_| frame(SETTINGS, 0, 0, &[])).await;
    scene.is_ended(&[], |_| frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1])).await;
    scene.is_ended(&[], |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])).await;
    scene.is_ended(&upload, |_| frame(DATA, 0, 1, &[])).await;
    scene.is_ended(&[], |round| frame(HEADERS, END_STREAM | END_HEADERS, stream(round), &[])).await;
    scene.is_ended(&[], |_| frame(200, 0, 0, b"unknown")).await;
}

#[tokio::test]
async fn a_window_that_overflows_is_an_error() {
    let scene = Scene::set().await;
    let most = 0x7fff_ffff_u32.to_be_bytes();
    scene.is_ended(&[], |_| frame(WINDOW_UPDATE, 0, 0, &most)).await;
}

#[tokio::test]
async fn a_window_that_is_opened_byte_by_byte_is_given_up() {
    let scene = Scene::set().await;
    let window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let one = [0, 0, 0, 1];
    scene.is_ended(&[window, get(1, "/large")].concat(), |_| frame(WINDOW_UPDATE, 0, 1, &one)).await;
}

#[tokio::test]
async fn a_hundred_streams_without_window_hold_little() {
    let scene = Scene::set().await;
    let window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let stuck = scene.flood(&window, 100, |round| get(stream(round), "/large")).await;
    assert_eq!((stuck.frames[usize::from(HEADERS)], stuck.frames[usize::from(DATA)]), (100, 0), "{stuck:?}");
}

#[tokio::test]
async fn header_bombs_are_refused() {
    let scene = Scene::set().await;
    // A field of 4,000 bytes goes into the table, and is then named again and again by one byte.
    let name = [&[0x40, 1, b'x', 127, 0xa1, 0x1e][..], &[b'y'; 4000]].concat();
    let learn = frame(HEADERS, END_STREAM | END_HEADERS, 1, &[block("GET", "/"), name].concat());
    let bomb = [block("GET", "/"), vec![0x80 | 62; 8000]].concat();
    let before = scene.requests();
    let ended =
        scene.flood(&learn, 300, |round| frame(HEADERS, END_STREAM | END_HEADERS, stream(round + 1), &bomb)).await;
    assert!(scene.requests() < before + 1000, "{ended:?}");
    let crumbs = vec![0x80 | 32; 8000];
    let bomb = [block("GET", "/"), crumbs].concat();
    scene.flood(&[], 300, |round| frame(HEADERS, END_STREAM | END_HEADERS, stream(round), &bomb)).await;
}
