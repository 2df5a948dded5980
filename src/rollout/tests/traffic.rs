use super::*;
use crate::analysis::{Culprit, Hold};

/// weir's own steps.
fn shop() -> Spec {
    Spec { start_by_traffic: true, ..spec(vec![plain(1), plain(5), plain(25), plain(50)]) }
}

/// So many requests a second, and no canary response yet.
fn seen(rate: f64) -> Report {
    Report { rate: Some(rate), hold: Some(Hold::NoCanaryTraffic), stable: (40, 0), ..Report::default() }
}

fn begun(spec: &Spec) -> State {
    start(spec, START).state
}

fn go(spec: &Spec, state: &State, report: &Report, checks: &[CheckResult]) -> Transition {
    let input = Input::Tick { report, checks };
    let transition = step(spec, state, at(10), input);
    assert_eq!(invariants(spec, state, &transition, Some(input)), Ok(()));
    transition
}

fn weight(spec: &Spec, report: &Report) -> Ratio {
    go(spec, &begun(spec), report, &[]).state.weight
}

#[test]
fn little_traffic_begins_at_a_larger_step_and_much_at_the_first() {
    let begins = go(&shop(), &begun(&shop()), &seen(4.0), &[]);
    assert_eq!((begins.state.weight, begins.state.step), (Ratio::percent(5), 1));
    assert_eq!((begins.reason, begins.state.step_started), (Some(Reason::LittleTraffic), at(10)));
    assert_eq!(weight(&shop(), &seen(10.0)), Ratio::percent(5));
    assert_eq!(weight(&shop(), &seen(10.1)), Ratio::percent(1), "5% would be more than a request in two seconds");
    assert_eq!(weight(&shop(), &seen(0.01)), Ratio::percent(5), "never beyond a small step");
    let fine = Spec { start_by_traffic: true, ..spec(vec![plain(1), plain(2), plain(4), plain(5), plain(50)]) };
    assert_eq!(weight(&fine, &seen(12.0)), Ratio::percent(4), "the largest of those that are small enough");
}

#[test]
fn who_wants_the_first_step_gets_it() {
    assert_eq!(weight(&Spec { start_by_traffic: false, ..shop() }, &seen(4.0)), Ratio::percent(1));
    for first in [Step { pause: true, ..plain(1) }, Step { at_least: Duration::from_secs(5), ..plain(1) }] {
        let spec = Spec { steps: vec![first, plain(2), plain(5)], ..shop() };
        assert_eq!(weight(&spec, &seen(4.0)), Ratio::percent(1), "its conditions hold");
        let second = Spec { steps: vec![plain(1), Step { weight: Ratio::percent(2), ..first }, plain(5)], ..shop() };
        assert_eq!(weight(&second, &seen(4.0)), Ratio::percent(2), "up to the step that has conditions");
    }
}

#[test]
fn nothing_is_passed_over_without_data_or_with_a_doubt() {
    assert_eq!(weight(&shop(), &Report { rate: None, ..seen(0.0) }), Ratio::percent(1), "no data means hold");
    for hold in [Hold::WarmUp, Hold::Suspicious, Hold::StableIll, Hold::NoStableTraffic, Hold::ShareMismatch] {
        assert_eq!(weight(&shop(), &Report { hold: Some(hold), ..seen(4.0) }), Ratio::percent(1), "{hold}");
    }
    let silent = Report { canary: (1, 0), ..seen(4.0) };
    assert_eq!(weight(&shop(), &silent), Ratio::percent(1), "it may be warming up");
    assert_eq!(weight(&shop(), &Report { hold: Some(Hold::MoreEvidence), ..silent }), Ratio::percent(5));
    let accused = Report { culprit: Some(Culprit::Errors), hold: Some(Hold::MoreEvidence), ..seen(4.0) };
    assert_eq!(weight(&shop(), &accused), Ratio::percent(1), "something speaks against it");
    let state = go(&shop(), &begun(&shop()), &seen(4.0), &[check(Verdict::Inconclusive)]).state;
    assert_eq!(state.weight, Ratio::percent(1), "a check has not said yes");
    let failed = Report { culprit: Some(Culprit::Errors), verdict: Verdict::Fail, ..seen(4.0) };
    assert_eq!(weight(&shop(), &failed), Ratio::ZERO);
}

#[test]
fn it_is_done_once_and_only_at_the_very_beginning() {
    let spec = shop();
    let second = go(&spec, &begun(&spec), &seen(9.0), &[]).state;
    assert_eq!(go(&spec, &second, &seen(0.1), &[]).reason, None);
    // Somebody was here.
    let paused = command(&spec, &begun(&spec), at(3), Command::Pause).state;
    assert_eq!(go(&spec, &paused, &seen(4.0), &[]).reason, None);
    let resumed = command(&spec, &paused, at(4), Command::Resume).state;
    assert_eq!((resumed.weight, go(&spec, &resumed, &seen(4.0), &[]).reason), (Ratio::percent(1), None));
    // A new attempt is a new beginning.
    let aborted = command(&spec, &second, at(5), Command::Abort).state;
    let again = command(&spec, &aborted, at(6), Command::Retry).state;
    assert_eq!(go(&spec, &again, &seen(4.0), &[]).reason, Some(Reason::LittleTraffic));
}

/// At the first step after copies, which ended at second 10.
fn after_copies(spec: &mut Spec) -> State {
    let mirror = MirrorFirst { share: Ratio::percent(10), requests: 20, at_least: Duration::ZERO, at_most: None };
    spec.mirror_first = Some(mirror);
    let answered = Report { hold: Some(Hold::MoreEvidence), canary: (20, 1), ..seen(4.0) };
    let first = go(spec, &begun(spec), &answered, &[]);
    assert_eq!((first.state.weight, first.reason), (Ratio::percent(1), Some(Reason::Mirrored)));
    assert_eq!(first.state.copies, Some(Copies { until: at(10), answers: 20, failed: 1 }));
    first.state
}

#[test]
fn after_copies_little_traffic_begins_at_a_larger_step_once_users_have_shown_how_little() {
    let mut spec = shop();
    let state = after_copies(&mut spec);
    let go_at = |second, state: &State, report: &Report| {
        let input = Input::Tick { report, checks: &[] };
        let transition = step(&spec, state, at(second), input);
        assert_eq!(invariants(&spec, state, &transition, Some(input)), Ok(()));
        transition
    };
    // The canary has answered copies, and no user yet.
    let silent = Report { canary: (20, 0), ..seen(4.0) };
    assert_eq!(go_at(29, &state, &silent).reason, None, "copies are made of some requests alone");
    let begins = go_at(30, &state, &silent);
    assert_eq!((begins.state.weight, begins.reason), (Ratio::percent(5), Some(Reason::LittleTraffic)));
    assert_eq!(go_at(30, &state, &Report { canary: (20, 0), ..seen(10.1) }).reason, None, "much traffic");
    let accused = Report { culprit: Some(Culprit::Errors), ..silent.clone() };
    assert_eq!(go_at(30, &state, &accused).reason, None, "something speaks against it");
    let second = go_at(40, &begins.state, &Report { rate: Some(0.1), ..silent.clone() });
    assert_eq!(second.reason, None, "it is done once");
    let paused = command(&spec, &state, at(11), Command::Pause).state;
    let resumed = command(&spec, &paused, at(12), Command::Resume).state;
    assert_eq!((resumed.weight, go_at(60, &resumed, &silent).reason), (Ratio::percent(1), None), "somebody was here");
}

#[test]
fn a_start_after_copies_before_the_traffic_is_known_is_a_violation() {
    let mut spec = shop();
    let before = after_copies(&mut spec);
    let broken = |second| {
        let state = State { step: 1, weight: Ratio::percent(5), step_started: at(second), ..before.clone() };
        let risen = Transition { state, reason: Some(Reason::LittleTraffic) };
        invariants(&spec, &before, &risen, Some(Input::Tick { report: &seen(4.0), checks: &[] }))
    };
    assert_eq!(broken(30), Ok(()));
    assert_eq!(broken(29), Err(Violation::RoseEarly));
    let forgotten = Transition { state: State { copies: None, ..before.clone() }, reason: Some(Reason::StepPassed) };
    let input = Input::Tick { report: &seen(4.0), checks: &[] };
    assert_eq!(invariants(&spec, &before, &forgotten, Some(input)), Err(Violation::Copies));
}

#[test]
fn a_start_beyond_its_bounds_is_a_violation() {
    let (spec, before) = (shop(), begun(&shop()));
    let broken = |index: usize, report: &Report| {
        let weight = spec.step(index).weight;
        let state = State { step: index, weight, step_started: at(10), ..before.clone() };
        let risen = Transition { state, reason: Some(Reason::LittleTraffic) };
        invariants(&spec, &before, &risen, Some(Input::Tick { report, checks: &[] }))
    };
    assert_eq!(broken(1, &seen(4.0)), Ok(()));
    assert_eq!(broken(2, &seen(1.0)), Err(Violation::RoseTooFar), "25% is no small step");
    assert_eq!(broken(1, &seen(11.0)), Err(Violation::RoseTooFar));
    assert_eq!(broken(1, &Report::default()), Err(Violation::RoseTooFar), "no data");
    let suspicious = Report { hold: Some(Hold::Suspicious), ..seen(4.0) };
    assert_eq!(broken(1, &suspicious), Err(Violation::RoseWithoutEvidence));
}

#[test]
fn little_traffic_is_told_in_words() {
    let spec = shop();
    let names = ["shop", "shop-v1", "shop-v2"].map(name);
    let nothing = Default::default();
    let [release, stable, canary] = &names;
    let (seen_so_far, at_weight) = ((&nothing, &nothing), (&nothing, &nothing));
    let scene = Scene {
        release,
        stable,
        canary,
        spec: &spec,
        seen: seen_so_far,
        at_weight,
        mirrored: false,
        copies: (0, 0),
        bounds: &Default::default(),
    };
    let state = go(&spec, &begun(&spec), &seen(4.0), &[]).state;
    let told = |rate| decision(&scene, Ratio::percent(1), &Reason::LittleTraffic, &state, &seen(rate));
    assert_eq!(told(4.3), "only 4 requests a second: shop-v2 starts at 5% instead of 1%, step 2 of 4");
    assert_eq!(told(1.0), "only 1 request a second: shop-v2 starts at 5% instead of 1%, step 2 of 4");
    let rare = "only a request about every 20 seconds: shop-v2 starts at 5% instead of 1%, step 2 of 4";
    assert_eq!(told(0.05), rare);
}
