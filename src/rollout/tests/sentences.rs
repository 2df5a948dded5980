use super::*;
use crate::analysis::{Culprit, Hold};
use crate::stats::{Bounds, Tally};
use crate::types::Span;

/// Steps of 1%, 5%, 25% and 50%; the third waits for a human.
fn shop() -> Spec {
    spec(vec![plain(1), plain(5), Step { pause: true, ..plain(25) }, plain(50)])
}

fn standing(spec: &Spec, step: usize) -> State {
    State { step, weight: spec.step(step).weight, ..start(spec, START).state }
}

/// The release `shop`, with nothing seen at the present weight yet.
fn scene<'a>(spec: &'a Spec, names: &'a [Name; 3], seen: (&'a Tally, &'a Tally), bounds: &'a Bounds) -> Scene<'a> {
    let [release, stable, canary] = names;
    Scene {
        release,
        stable,
        canary,
        spec,
        seen,
        at_weight: (&NOTHING, &NOTHING),
        mirrored: false,
        copies: (0, 0),
        bounds,
    }
}

const NOTHING: Tally = Tally { requests: 0, errors: 0, err_clients: 0, buckets: [0; crate::stats::BUCKETS] };

fn names() -> [Name; 3] {
    [name("shop"), name("shop-v1"), name("shop-v2")]
}

/// What is told of going to `state` for `reason`.
fn told(spec: &Spec, from: u32, reason: Reason, state: &State, report: &Report) -> String {
    let (names, bounds) = (names(), Bounds::default());
    let mut slow = Tally { requests: 41, ..Tally::default() };
    (slow.buckets[5], slow.buckets[8]) = (4, 37);
    let mut fast = Tally { requests: 780, ..Tally::default() };
    (fast.buckets[3], fast.buckets[19]) = (768, 12);
    let scene = scene(spec, &names, (&fast, &slow), &bounds);
    decision(&scene, Ratio::percent(from), &reason, state, report)
}

fn shown(spec: &Spec, state: &State, report: &Report, checks: &[CheckResult], seconds: u64) -> String {
    let (names, bounds, tally) = (names(), Bounds::default(), Tally::default());
    present(&scene(spec, &names, (&tally, &tally), &bounds), state, report, checks, at(seconds))
}

fn bad() -> Report {
    Report { canary: (41, 9), stable: (780, 2), log_e: 4.7, log_e_limit: 100f64.ln(), ..report(Verdict::Fail) }
}

#[test]
fn an_abort_tells_counts_rates_and_chance() {
    let spec = shop();
    let state = State { phase: Phase::Aborted, weight: Ratio::ZERO, ..standing(&spec, 1) };
    let convicted = |culprit| told(&spec, 5, Reason::Convicted { culprit }, &state, &bad());
    assert_eq!(
        convicted(Culprit::Errors),
        "aborted at 5%: shop-v2 failed 9 of 41 requests (22%), shop-v1 2 of 780 (0.3%); \
         a difference like this comes up by chance in fewer than 1 in 100 releases"
    );
    assert_eq!(
        convicted(Culprit::Latency(80)),
        "aborted at 5%: 37 of 41 responses (90%) of shop-v2 took longer than 80ms, of shop-v1 12 of 780 (1.5%); \
         a difference like this comes up by chance in fewer than 1 in 100 releases"
    );
    assert_eq!(
        convicted(Culprit::Route("/cart".into())),
        "aborted at 5%: shop-v2 fails too often on route /cart; in all shop-v2 failed 9 of 41 requests (22%), \
         shop-v1 2 of 780 (0.3%); a difference like this comes up by chance in fewer than 1 in 100 releases"
    );
    let failed = Reason::CheckFailed { check: name("slo"), detail: "0.2 is not below 0.1".to_owned() };
    assert_eq!(
        told(&spec, 5, failed, &state, &Report::default()),
        "aborted at 5%: the check slo failed: 0.2 is not below 0.1"
    );
}

#[test]
fn the_way_up_is_told_with_what_was_seen() {
    let spec = shop();
    let good = Report {
        canary: (1204, 0),
        stable: (98_000, 120),
        log_promote: 5.0,
        log_promote_limit: 100f64.ln(),
        ..report(Verdict::Pass)
    };
    let none = Report::default();
    let second = standing(&spec, 1);
    let started = told(&spec, 0, Reason::Started, &standing(&spec, 0), &none);
    assert_eq!(started, "started: shop-v2 gets 1% of the traffic, step 1 of 4");
    assert_eq!(
        told(&spec, 1, Reason::StepPassed, &second, &good),
        "shop-v2 goes from 1% to 5% (step 2 of 4): shop-v2 failed none of 1,204 requests, shop-v1 120 of 98,000 (0.1%)"
    );
    let waiting = State { phase: Phase::Paused, pause: Some(Pause::Approval), ..standing(&spec, 2) };
    assert_eq!(
        told(&spec, 25, Reason::AwaitingApproval, &waiting, &good),
        "paused at 25%: step 3 of 4 has passed and waits for a human; \
         `weir resume shop` goes on to 50%, `weir promote shop` to 100%"
    );
    let promoted = State { phase: Phase::Promoted, weight: Ratio::ONE, ..standing(&spec, 3) };
    assert_eq!(
        told(&spec, 50, Reason::Healthy, &promoted, &good),
        "promoted: shop-v2 gets all traffic; shop-v2 failed none of 1,204 requests, shop-v1 120 of 98,000 (0.1%); \
         a bad version gets this far in fewer than 1 in 100 releases"
    );
}

#[test]
fn a_hold_back_is_told_from_its_beginning_to_its_end() {
    let hold_back = HoldBack { weight: Ratio::percent(5), time: Duration::from_secs(1800) };
    let spec = Spec { hold_back: Some(hold_back), ..shop() };
    let good = Report { canary: (1204, 0), stable: (98_000, 120), ..report(Verdict::Pass) };
    let state = State { phase: Phase::HoldingBack, weight: Ratio::percent(95), ..standing(&spec, 3) };
    let compared = "shop-v2 failed none of 1,204 requests, shop-v1 120 of 98,000 (0.1%)";
    assert_eq!(
        told(&spec, 50, Reason::Healthy, &state, &good),
        format!("shop-v2 has won and gets 95%; shop-v1 keeps 5% for 30m, to return to at once; {compared}")
    );
    assert_eq!(
        shown(&spec, &state, &good, &[], 600),
        "at 95%: shop-v2 has won; shop-v1 keeps 5% for about 20 minutes more, to return to at once"
    );
    let promoted = State { phase: Phase::Promoted, weight: Ratio::ONE, ..state.clone() };
    assert_eq!(
        told(&spec, 95, Reason::HoldBackOver, &promoted, &good),
        format!("promoted: shop-v2 gets all traffic, after 30m in which it had 95% and was still watched; {compared}")
    );
    let resumed = Reason::Command { command: Command::Resume, by: "alice".to_owned() };
    assert_eq!(
        told(&spec, 95, resumed, &state, &good),
        "resumed by alice: shop-v2 goes on at 95%, and is watched for another 30m"
    );
}

#[test]
fn like_is_compared_with_like() {
    let (spec, names, bounds) = (shop(), names(), Bounds::default());
    let (stable, canary) =
        (Tally { requests: 700, errors: 7, ..NOTHING }, Tally { requests: 702, errors: 6, ..NOTHING });
    let scene = Scene { at_weight: (&stable, &canary), ..scene(&spec, &names, (&NOTHING, &NOTHING), &bounds) };
    // An outage while the canary had half of the traffic, after quiet times while it had little.
    let whole = Report { canary: (752, 6), stable: (9700, 9), ..report(Verdict::Pass) };
    let promoted = State { phase: Phase::Promoted, weight: Ratio::ONE, ..standing(&spec, 3) };
    assert_eq!(
        decision(&scene, Ratio::percent(50), &Reason::Healthy, &promoted, &whole),
        "promoted: shop-v2 gets all traffic; shop-v2 failed 6 of 702 requests (0.9%) at this weight, shop-v1 7 of 700 (1%)"
    );
}

#[test]
fn commands_are_told_with_who_gave_them() {
    let spec = shop();
    let told = |from, command, state: &State| {
        let reason = Reason::Command { command, by: "alice@laptop".to_owned() };
        super::sentences::told(&spec, from, reason, state, &Report::default())
    };
    let at_5 = standing(&spec, 1);
    let aborted = State { phase: Phase::Aborted, weight: Ratio::ZERO, ..at_5.clone() };
    assert_eq!(told(5, Command::Abort, &aborted), "aborted by alice@laptop at 5%: shop-v2 gets no traffic any more");
    let set = State { phase: Phase::Paused, weight: Ratio::percent(7), ..at_5.clone() };
    assert_eq!(
        told(5, Command::SetWeight(set.weight), &set),
        "set from 5% to 7% by alice@laptop, and held there until resumed"
    );
    let again = State { attempt: 2, ..standing(&spec, 0) };
    assert_eq!(
        told(0, Command::Retry, &again),
        "tried again by alice@laptop (attempt 2), with fresh evidence: shop-v2 gets 1% of the traffic, step 1 of 4"
    );
}

#[test]
fn the_present_says_what_is_awaited_and_for_how_long() {
    let spec = shop();
    let state = standing(&spec, 1);
    let held = |hold, report: Report| shown(&spec, &state, &Report { hold: Some(hold), ..report }, &[], 60);
    let few = Report { canary: (4, 0), eta: Some(Span::secs(890)), needed: Some(310), ..Report::default() };
    assert_eq!(
        held(Hold::MoreEvidence, few.clone()),
        "at 5% (step 2 of 4): 4 canary responses so far, some 310 more needed; at this rate about 15 minutes to a decision"
    );
    assert_eq!(
        held(Hold::NoCanaryTraffic, Report::default()),
        "at 5% (step 2 of 4): no request has come to shop yet, so there is nothing to judge"
    );
    assert_eq!(
        held(Hold::StableIll, Report { stable: (1000, 140), ..few.clone() }),
        "at 5% (step 2 of 4): shop-v1 itself is ill (14% of its requests failed so far), \
         so shop-v2 goes no further until it is well"
    );
    let suspicious =
        Report { canary: (40, 3), stable: (760, 2), log_e: 3.1, culprit: Some(Culprit::Errors), ..Report::default() };
    assert_eq!(
        held(Hold::Suspicious, suspicious),
        "at 5% (step 2 of 4): shop-v2 failed 3 of 40 requests (7.5%), shop-v1 2 of 760 (0.3%); there is some evidence \
         against it because of its errors (by chance in fewer than 1 in 20 releases), too little to abort; \
         40 canary responses so far"
    );
}

#[test]
fn the_present_says_when_the_evidence_is_there_and_something_else_is_not() {
    let least = Step { at_least: Duration::from_secs(600), at_most: Some(Duration::from_secs(900)), ..plain(5) };
    let spec = spec(vec![least, plain(50)]);
    let state = standing(&spec, 0);
    let pass = report(Verdict::Pass);
    assert_eq!(
        shown(&spec, &state, &pass, &[check(Verdict::Pass)], 360),
        "at 5% (step 1 of 2): the evidence is there; this step lasts at least 10m, about 4 minutes more"
    );
    let waits = CheckResult { detail: "not asked yet".to_owned(), ..check(Verdict::Inconclusive) };
    assert_eq!(
        shown(&spec, &state, &pass, &[waits], 360),
        "at 5% (step 1 of 2): the evidence is there; waiting for the check slo: not asked yet"
    );
    assert_eq!(
        shown(&spec, &state, &Report::default(), &[], 900),
        "at 5% (step 1 of 2): no canary response yet; atMost (15m) is over, and onNoEvidence is hold"
    );
}

#[test]
fn little_traffic_is_told_from_none_and_from_silence() {
    let (spec, names, bounds) = (shop(), names(), Bounds::default());
    let state = standing(&spec, 1);
    let silent = |stable: u64, canary: u64, needed| {
        let tally = |requests| Tally { requests, ..NOTHING };
        let (seen, requests) = ((tally(stable), tally(canary)), (stable, 0));
        let hold = Some(Hold::NoCanaryTraffic);
        let report = Report { hold, stable: requests, canary: (canary, 0), needed, ..Report::default() };
        let scene = scene(&spec, &names, (&seen.0, &seen.1), &bounds);
        (present(&scene, &state, &report, &[], at(600)), eta(&scene, &state, &report, &[], at(600)))
    };
    assert_eq!(
        silent(0, 0, None).0,
        "at 5% (step 2 of 4): no request has come to shop yet, so there is nothing to judge"
    );
    assert_eq!(
        silent(200, 0, None),
        (
            "at 5% (step 2 of 4): no canary response yet; at this rate and 5% one comes about every 60 seconds"
                .to_owned(),
            None
        )
    );
    assert_eq!(
        silent(196, 4, Some(90)),
        (
            "at 5% (step 2 of 4): 4 canary responses so far, some 90 more needed; at this rate about 2 hours to a \
             decision; one comes about every 60 seconds"
                .to_owned(),
            Some(Span::secs(5400))
        )
    );
    // With so many requests the canary should have had some.
    assert_eq!(
        silent(100_000, 40, Some(90)),
        (
            "at 5% (step 2 of 4): shop-v2 gets no requests at the moment, so there is nothing to judge \
             (40 canary responses so far)"
                .to_owned(),
            None
        )
    );
}

#[test]
fn a_move_is_foreseen_only_where_traffic_and_time_alone_are_missing() {
    let step = Step { at_least: Duration::from_secs(600), at_most: Some(Duration::from_secs(900)), ..plain(5) };
    let holding = spec(vec![step, plain(50)]);
    let (names, bounds) = (names(), Bounds::default());
    let foreseen = |spec: &Spec, state: &State, report: &Report, checks: &[CheckResult], seconds| {
        let eta = eta(&scene(spec, &names, (&NOTHING, &NOTHING), &bounds), state, report, checks, at(seconds));
        eta.map(|eta| eta.0.as_secs())
    };
    let state = standing(&holding, 0);
    let more = Report { hold: Some(Hold::MoreEvidence), eta: Some(Span::secs(60)), ..Report::default() };
    assert_eq!(foreseen(&holding, &state, &more, &[], 10), Some(590), "not before the step's time");
    assert_eq!(foreseen(&holding, &state, &more, &[], 590), Some(60));
    assert_eq!(foreseen(&holding, &state, &report(Verdict::Pass), &[], 360), Some(240));
    assert_eq!(foreseen(&holding, &state, &report(Verdict::Pass), &[check(Verdict::Inconclusive)], 360), None);
    let ill = Report { hold: Some(Hold::StableIll), ..more.clone() };
    assert_eq!(foreseen(&holding, &state, &ill, &[], 590), None, "frozen");
    let aborting = Spec { on_no_evidence: OnNoEvidence::Abort, ..holding.clone() };
    assert_eq!(foreseen(&aborting, &state, &ill, &[], 590), Some(310), "the end of its time is an end");
    let far = Report { eta: Some(Span::secs(7200)), ..more.clone() };
    assert_eq!(foreseen(&aborting, &state, &far, &[], 590), Some(310));
    for phase in [Phase::Paused, Phase::Promoted, Phase::Aborted] {
        let state = State { phase, ..state.clone() };
        assert_eq!(foreseen(&holding, &state, &more, &[], 590), None, "{phase:?}");
    }
}

#[test]
fn numbers_are_written_as_people_say_them() {
    use crate::rollout::words::*;
    let shares = [(0, 0), (0, 9), (9, 9), (9, 41), (2, 780), (1, 30), (3, 40), (1, 250_000), (9999, 10_000), (1, 100)];
    let shown: Vec<_> = shares.iter().map(|&(part, whole)| percent(part, whole)).collect();
    assert_eq!(shown, ["0%", "0%", "100%", "22%", "0.3%", "3.3%", "7.5%", "0.0004%", "over 99%", "1%"]);
    assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    let odds = [0.5, 0.7, 100f64.ln(), 4.7, 8.0, 60.0, f64::NEG_INFINITY, f64::NAN].map(one_in);
    let odds: Vec<_> = odds.iter().map(|number| number.as_deref().unwrap_or("-")).collect();
    assert_eq!(odds, ["-", "2", "100", "100", "2,000", "1,000,000,000", "-", "-"]);
    let times = [0, 1, 59, 200, 890, 5 * 3600, 90 * 3600].map(|seconds| about(Duration::from_secs(seconds)));
    assert_eq!(
        times,
        [
            "about a second",
            "about a second",
            "about 59 seconds",
            "about 3 minutes",
            "about 15 minutes",
            "about 5 hours",
            "about 4 days"
        ]
    );
}

#[test]
fn copies_are_told_as_copies_from_the_beginning_to_the_first_user() {
    let at_least = Duration::from_secs(30);
    let mirror_first = MirrorFirst { share: Ratio::percent(10), requests: 100, at_least, at_most: Some(at_least * 10) };
    let spec = Spec { mirror_first: Some(mirror_first), ..shop() };
    let state = start(&spec, START).state;
    let told = |reason, state: &State, report: &Report| {
        let (names, bounds) = (names(), Bounds::default());
        let scene = Scene { mirrored: true, ..scene(&spec, &names, (&NOTHING, &NOTHING), &bounds) };
        decision(&scene, Ratio::ZERO, &reason, state, report)
    };
    let some = |hold| Report { canary: (37, 0), stable: (333, 0), hold, ..Report::default() };
    assert_eq!(
        told(Reason::Started, &state, &Report::default()),
        "started: shop-v2 gets copies of 10% of the requests, and no user yet"
    );
    assert_eq!(
        shown(&spec, &state, &some(Some(Hold::MoreEvidence)), &[], 40),
        "mirrored: 37 of 100 mirrored answers, none failed; no user is sent to shop-v2 yet"
    );
    assert_eq!(
        shown(&spec, &state, &some(Some(Hold::MoreEvidence)), &[], 10),
        "mirrored: 37 of 100 mirrored answers, none failed; this lasts at least 30s, about 20 seconds more; \
         no user is sent to shop-v2 yet"
    );
    let suspicious = Report { canary: (37, 2), log_e: 1.7, hold: Some(Hold::Suspicious), ..Report::default() };
    assert_eq!(
        shown(&spec, &state, &suspicious, &[], 300),
        "mirrored: 37 of 100 mirrored answers, 2 failed; there is evidence against it (by chance in fewer than 1 in 5 \
         releases); no user is sent to shop-v2 yet; atMost (5m) is over, and onNoEvidence is hold"
    );
    assert_eq!(
        told(
            Reason::Mirrored,
            &standing(&Spec { mirror_first: None, ..spec.clone() }, 0),
            &Report { canary: (100, 0), ..some(None) }
        ),
        "shop-v2 goes from 0% to 1% (step 1 of 4): shop-v2 failed none of 100 mirrored requests, shop-v1 none of 333"
    );
    let aborted = State { phase: Phase::Aborted, ..state.clone() };
    assert_eq!(
        told(Reason::Convicted { culprit: Culprit::Errors }, &aborted, &bad()),
        "aborted before its first user: shop-v2 failed 9 of 41 mirrored requests (22%), shop-v1 2 of 780 (0.3%); \
         a difference like this comes up by chance in fewer than 1 in 100 releases"
    );
    let paused = State { phase: Phase::Paused, pause: Some(Pause::Mirroring), ..state.clone() };
    let by = |command| Reason::Command { command, by: "alice".to_owned() };
    assert_eq!(
        told(by(Command::Pause), &paused, &Report::default()),
        "paused by alice: shop-v2 gets copies of requests and no user until resumed, and is still watched"
    );
    assert_eq!(
        told(by(Command::Resume), &state, &Report::default()),
        "resumed by alice: shop-v2 gets copies of 10% of the requests, and no user yet"
    );
}

#[test]
fn a_share_that_one_client_makes_too_large_is_told_with_the_ways_on() {
    let spec = shop();
    let of = |canary| Report { canary, stable: (400, 0), hold: Some(Hold::ShareMismatch), ..Report::default() };
    let present = |canary| shown(&spec, &standing(&spec, 0), &of(canary), &[], 90);
    assert_eq!(
        present((600, 0)),
        "at 1% (step 1 of 4): shop-v2 got 60% of the requests so far, which does not fit its weight: not going on like this \
         (with affinity a single client that sends most of them does this, and its answers say little of the others': send \
         it to stable by an override, or go on by hand with `weir set-weight shop 5%`)"
    );
    assert_eq!(
        present((1, 0)),
        "at 1% (step 1 of 4): shop-v2 got 0.2% of the requests so far, which does not fit its weight: not going on like this"
    );
}

#[test]
fn users_are_counted_apart_from_the_copies_before_them() {
    let (spec, names, bounds) = (shop(), names(), Bounds::default());
    let scene = Scene { copies: (100, 1), ..scene(&spec, &names, (&NOTHING, &NOTHING), &bounds) };
    let copies = Some(Copies { until: at(60), answers: 100, failed: 1 });
    let state = State { copies, ..standing(&spec, 1) };
    let report =
        |canary, hold| Report { canary, stable: (900, 2), hold: Some(hold), needed: Some(300), ..Report::default() };
    let told = |report: &Report| present(&scene, &state, report, &[], at(90));
    assert_eq!(
        told(&report((140, 1), Hold::MoreEvidence)),
        "at 5% (step 2 of 4): 40 canary responses and 100 answers to copies so far, some 300 more needed"
    );
    assert_eq!(
        told(&report((100, 1), Hold::NoCanaryTraffic)),
        "at 5% (step 2 of 4): shop-v2 gets no requests, so there is nothing to judge"
    );
    let passed = Report { next: Verdict::Pass, ..report((140, 3), Hold::MoreEvidence) };
    assert_eq!(
        decision(&scene, Ratio::percent(1), &Reason::StepPassed, &state, &passed),
        "shop-v2 goes from 1% to 5% (step 2 of 4): shop-v2 failed 2 of 40 requests (5%), shop-v1 2 of 900 (0.2%)"
    );
}
