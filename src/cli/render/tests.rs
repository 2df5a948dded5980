use super::*;
use crate::analysis::RouteTally;
use crate::analysis::{Culprit, Hold, Verdict};
use crate::failures::{FailedRequest, FailureCount, Failures};
use crate::rollout::{CheckResult, Reason, State};
use crate::types::{Span, Timestamp};

const START: Timestamp = Timestamp::from_secs(1_795_269_600);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(START.as_secs() + seconds)
}

fn style() -> Style {
    Style::plain(at(72))
}

fn report() -> Report {
    Report {
        log_e: 1.0,
        log_e_limit: 4.605,
        log_promote: 2.0,
        log_promote_limit: 4.605,
        next_progress: 0.415,
        hold: Some(Hold::MoreEvidence),
        stable: (12_345, 12),
        canary: (650, 1),
        excess: Some((-0.001, 0.0021)),
        needed: Some(380),
        eta: Some(Span::secs(38)),
        ..Report::default()
    }
}

fn side(backend: &str, requests: u64, errors: u64, rate: f64) -> SideStatus {
    SideStatus {
        backend: backend.parse().unwrap(),
        requests,
        errors,
        copies: 0,
        failed_copies: 0,
        rate,
        p50: Some(Span::millis(12)),
        p99: Some(Span::millis(1250)),
        available: 2,
        endpoints: 2,
    }
}

fn status() -> ReleaseStatus {
    ReleaseStatus {
        name: "shop".parse().unwrap(),
        phase: Phase::Progressing,
        weight: Ratio::percent(5),
        step: 1,
        steps: [1, 5, 25, 50].map(Ratio::percent).to_vec(),
        started: START,
        step_started: at(40),
        message: "weighing the canary at 5%".to_owned(),
        last: None,
        stable: side("shop-v1", 12_345, 12, 190.2),
        canary: side("shop-v2", 650, 1, 9.53),
        report: report(),
        eta: Some(Span::secs(38)),
        failures: Default::default(),
        routes: Vec::new(),
        checks: Vec::new(),
        late: false,
    }
}

fn decision(seconds: i64, from: u32, to: u32, phase: Phase, reason: Reason, message: &str) -> JournalEntry {
    JournalEntry {
        time: at(seconds),
        release: "shop".parse().unwrap(),
        stable: "shop-v1".parse().unwrap(),
        canary: "shop-v2".parse().unwrap(),
        reason,
        from: Ratio::percent(from),
        state: State {
            rollout: "shop-v1/shop-v2/".to_owned(),
            attempt: 1,
            phase,
            pause: None,
            step: 1,
            weight: Ratio::percent(to),
            started: START,
            step_started: at(seconds),
            ended: None,
            copies: None,
        },
        report: report(),
        failures: Default::default(),
        routes: Vec::new(),
        message: message.to_owned(),
    }
}

fn aborted() -> Vec<JournalEntry> {
    let reason = Reason::Convicted { culprit: Culprit::Errors };
    let message = "the canary failed 14 of 212 requests (6.6%), stable 12 of 4,030 (0.3%)";
    let mut end = decision(72, 5, 0, Phase::Aborted, reason, message);
    end.report = Report {
        verdict: Verdict::Fail,
        culprit: Some(Culprit::Errors),
        log_e: 7.2,
        log_e_limit: 4.605,
        log_promote_limit: 4.605,
        log_promote: f64::NEG_INFINITY,
        stable: (4030, 12),
        canary: (212, 14),
        excess: Some((0.039, 0.098)),
        ..Report::default()
    };
    vec![
        decision(0, 0, 1, Phase::Progressing, Reason::Started, "the rollout began"),
        decision(40, 1, 5, Phase::Progressing, Reason::StepPassed, "1% passed"),
        end,
    ]
}

#[test]
fn a_release_under_way_reads_like_this() {
    let expected = "\
shop  progressing  canary at 5%, step 2 of 4 for 32s, 1m12s in all
  1% -> [5%] -> 25% -> 50% -> 100%

          backend  share  requests  per second  errors  error rate   p50    p99  endpoints
  stable  shop-v1    95%    12,345       190/s      12       0.10%  12ms  1.25s     2/2 up
  canary  shop-v2     5%       650       9.5/s       1       0.15%  12ms  1.25s     2/2 up

  towards 25%    ########............   41%  ~380 more canary requests, ~38s
  towards abort  ####................   21%
  the canary's error rate is -0.10 to +0.21 points from stable's

  weighing the canary at 5%";
    assert_eq!(release(&status(), &style()).join("\n"), expected);
}

#[test]
fn the_last_step_works_towards_promotion() {
    let last = ReleaseStatus { step: 3, weight: Ratio::percent(50), ..status() };
    let text = release(&last, &style()).join("\n");
    assert!(text.contains("\n  towards promotion  #########...........   43%  ~380"), "{text}");
    assert!(text.contains("1% -> 5% -> 25% -> [50%] -> 100%"), "{text}");
}

#[test]
fn an_aborted_release_shows_no_bars() {
    let text = release(&ReleaseStatus { phase: Phase::Aborted, weight: Ratio::ZERO, ..status() }, &style()).join("\n");
    assert!(text.contains("[aborted: 0%]"), "{text}");
    assert!(!text.contains("towards"), "{text}");
}

#[test]
fn nothing_seen_yet_is_a_dash_and_not_a_number() {
    let mut fresh = status();
    for side in [&mut fresh.stable, &mut fresh.canary] {
        *side = SideStatus { requests: 0, errors: 0, rate: 0.0, p50: None, p99: None, ..side.clone() };
    }
    fresh.report = Report::default();
    let text = release(&fresh, &style()).join("\n");
    assert!(text.contains("0/s       0           -    -    -"), "{text}");
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
}

#[test]
fn a_side_without_endpoints_stands_out() {
    let mut down = status();
    down.canary.available = 0;
    let coloured = release(&down, &Style { colour: Colour::On, ..style() }).join("\n");
    assert!(coloured.contains("\u{1b}[31m0/2 up"), "{coloured:?}");
}

#[test]
fn checks_stand_below_the_evidence() {
    let check = CheckResult {
        name: "p95".parse().unwrap(),
        verdict: Verdict::Pass,
        detail: "histogram_quantile(...) is 0.02, below 0.05".to_owned(),
    };
    let text = release(&ReleaseStatus { checks: vec![check], ..status() }, &style()).join("\n");
    assert!(text.contains("\n  check p95  pass  histogram_quantile(...) is 0.02, below 0.05\n"), "{text}");
}

#[test]
fn several_releases_are_a_line_each() {
    let second = ReleaseStatus { name: "cart".parse().unwrap(), message: String::new(), ..status() };
    let expected = "\
RELEASE  PHASE        CANARY    STEP  REQUESTS  ERRORS STABLE  ERRORS CANARY    AGE
shop     progressing      5%  2 of 4       650          0.10%          0.15%  1m12s
cart     progressing      5%  2 of 4       650          0.10%          0.15%  1m12s

shop: weighing the canary at 5%";
    assert_eq!(overview(&[status(), second], &style()).join("\n"), expected);
}

#[test]
fn one_line_says_the_same_in_short() {
    let expected = "14:01:12  shop  progressing at 5% (2 of 4)  stable 12,345 req, 0.10% err, p99 1.25s  \
                    canary 650 req, 0.15% err, p99 1.25s  promote 41%, abort 21%";
    assert_eq!(one_line(&status(), &style()), expected);
}

#[test]
fn a_refused_file_is_told_and_a_good_one_is_not() {
    let good = Reload { generation: 3, loaded: START, failed: None, problems: None };
    assert!(config(&good, &style()).is_empty());
    let problems = "weir.yaml:3:1: no backend `shop-v3`\n  3 | canary: shop-v3\n\n1 error\n".to_owned();
    let bad = Reload { failed: Some(at(60)), problems: Some(problems), ..good };
    let expected = "\
The configuration file was refused 12s ago; weir goes on with the one before:
  weir.yaml:3:1: no backend `shop-v3`
    3 | canary: shop-v3

  1 error
";
    assert_eq!(config(&bad, &style()).join("\n"), expected);
}

#[test]
fn a_decision_is_time_change_and_sentence() {
    let text = entry(&aborted()[1], &style());
    assert!(text.ends_with("  1% -> 5%      1% passed"), "{text}");
    let stays = decision(3, 5, 5, Phase::Paused, Reason::AwaitingApproval, "waits");
    assert!(entry(&stays, &style()).contains("  at 5%         waits"));
}

#[test]
fn history_has_a_line_for_each_day() {
    let mut entries = aborted();
    entries[2].time = at(90_000);
    let lines = history(&entries, &style());
    let days: Vec<_> = lines.iter().filter(|line| line.ends_with("(UTC)")).collect();
    assert_eq!((lines.len(), days.len()), (5, 2), "{lines:?}");
    assert!(history(&[], &style()).is_empty());
}

#[test]
fn the_story_of_an_abort_has_counts_rates_evidence_and_the_way_out() {
    let text = explain(None, &aborted(), &style()).join("\n");
    for expected in [
        "shop: aborted, canary shop-v2 at 0%",
        "1m12s after the start: 5% -> 0%",
        "canary  shop-v2       212      14  6.60%",
        "As good as stable, about 0.6 of the canary's 212 requests would have failed; 14 did.",
        "Most likely the canary's error rate is +3.90 to +9.80 points from stable's.",
        "against the canary  ####################  1,339 to 1  decides at 100 to 1  (ln 7.20 of 4.61)",
        "none  decides at 100 to 1  (ln - of 4.61)",
        "at most 1% of good canaries",
        "comes from failed requests",
        "What it would have taken",
        "weir retry shop",
        "How it came to this",
        "the rollout began",
    ] {
        assert!(text.contains(expected), "missing {expected:?} in\n{text}");
    }
}

#[test]
fn the_story_of_an_abort_names_what_failed_and_requests_to_look_for() {
    let mut journal = aborted();
    let row = |side, route: Option<&str>, requests| FailureCount {
        side,
        route: route.map(|name| name.parse().unwrap()),
        cause: "status 500".to_owned(),
        requests,
    };
    let sample = FailedRequest { time: at(70), id: "0af7".to_owned(), route: None, cause: "status 500".to_owned() };
    let last = journal.last_mut().unwrap();
    last.failures = Failures {
        counts: vec![row(Side::Canary, Some("cart"), 13), row(Side::Stable, None, 1)],
        others: 2,
        samples: vec![sample],
    };
    let route = |route: &str, stable, canary| RouteTally { route: route.into(), stable, canary };
    last.routes = vec![route("cart", (950, 0), (50, 13)), route("rest", (50, 1), (10, 0))];
    let text = explain(None, &journal, &style()).join("\n");
    let elsewhere = last_errors(&journal) - 16;
    for expected in [
        "By route\n",
        "  cart      950       0     0%      50      13  26.0%\n",
        "What failed\n",
        "  canary  cart         13  status 500\n",
        "  stable  -             1  status 500\n",
        "  and 2 by other causes\n",
        &format!("  and {elsewhere} that another replica saw"),
        "  14:01:10  0af7  -  status 500\n",
    ] {
        assert!(text.contains(expected), "missing {expected:?} in\n{text}");
    }
    let unknown = explain(None, &aborted(), &style()).join("\n");
    assert!(!unknown.contains("What failed") && !unknown.contains("By route"), "nothing is known to have");
}

/// What the judge counted in all.
fn last_errors(journal: &[JournalEntry]) -> u64 {
    let report = &journal.last().unwrap().report;
    report.stable.1 + report.canary.1
}

#[test]
fn the_story_of_an_open_rollout_says_what_is_missing() {
    let journal = &aborted()[..2];
    let text = explain(Some(&status()), journal, &style()).join("\n");
    assert!(text.contains("What it waits for\n  weighing the canary at 5%\n"), "{text}");
    let offline = explain(None, journal, &style()).join("\n");
    assert!(offline.contains("a decision takes ~380 more canary requests, ~38s"), "{offline}");
    assert!(text.contains("What weir sees"), "{text}");
}

#[test]
fn the_story_leaves_out_earlier_attempts() {
    let mut journal = aborted();
    let mut again = decision(100, 0, 1, Phase::Progressing, Reason::Started, "tried again");
    again.state.attempt = 2;
    journal.push(again);
    let text = explain(None, &journal, &style()).join("\n");
    assert!(text.contains("attempt 2"), "{text}");
    assert!(!text.contains("1% passed"), "{text}");
}

#[test]
fn no_journal_and_no_release_is_no_story() {
    assert!(explain(None, &[], &style()).is_empty());
}

#[test]
fn bars_are_full_only_at_one_and_empty_only_at_zero() {
    let bar = |fraction| style().bar(Tone::Good, fraction, 4);
    assert_eq!([bar(0.0), bar(0.001), bar(0.5), bar(0.999), bar(1.0)], ["....", "#...", "##..", "###.", "####"]);
    assert_eq!([bar(f64::NAN), bar(-1.0), bar(7.0)], ["....", "....", "####"]);
}

#[test]
fn plain_style_has_no_escape_codes() {
    let text = release(&status(), &style()).join("\n") + &explain(None, &aborted(), &style()).join("\n");
    assert!(text.is_ascii() && !text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn colour_changes_no_column() {
    let coloured = release(&status(), &Style { colour: Colour::On, ..style() }).join("\n");
    assert_ne!(coloured, release(&status(), &style()).join("\n"));
    assert_eq!(console::strip_ansi_codes(&coloured), release(&status(), &style()).join("\n"));
}

#[test]
fn sentences_keep_within_the_width() {
    let narrow = Style { width: 40, ..style() };
    assert!(narrow.wrap(2, &"word ".repeat(60)).iter().all(|line| line.len() <= 40));
}

#[test]
fn numbers_read_well() {
    assert_eq!([0, 999, 1000, 1_234_567].map(format::count), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!([0.0, 0.00001, 0.0015, 0.1234, 1.0].map(format::percent), ["0%", "<0.01%", "0.15%", "12.3%", "100.0%"]);
    assert_eq!([0.0, 0.3, 9.53, 190.2, f64::NAN].map(format::per_second), ["0/s", "0.30/s", "9.5/s", "190/s", "0/s"]);
    let spans = [0, 42, 180, 192, 7500, 273_600].map(|seconds| format::span(std::time::Duration::from_secs(seconds)));
    assert_eq!(spans, ["0s", "42s", "3m", "3m12s", "2h05m", "3d04h"]);
    assert_eq!([f64::NEG_INFINITY, 1.0, 4.605, 60.0].map(format::odds), ["none", "2.7 to 1", "100 to 1", "10^26 to 1"]);
}
