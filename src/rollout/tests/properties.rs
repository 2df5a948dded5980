use proptest::prelude::*;

use super::*;
use crate::analysis::{Culprit, Hold};

fn ratio() -> impl Strategy<Value = Ratio> {
    prop_oneof![Just(Ratio::ZERO), Just(Ratio::ONE), (0..=1_000_000u32).prop_map(|ppm| Ratio::from_ppm(ppm).unwrap())]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![4 => Just(Verdict::Pass), 1 => Just(Verdict::Fail), 8 => Just(Verdict::Inconclusive)]
}

fn one_step() -> impl Strategy<Value = Step> {
    (ratio(), 0..20u64, proptest::option::of(0..40u64), any::<bool>()).prop_map(|(weight, least, most, pause)| Step {
        weight,
        at_least: Duration::from_secs(least),
        at_most: most.map(Duration::from_secs),
        pause,
    })
}

fn hold_back() -> impl Strategy<Value = HoldBack> {
    (ratio(), 0..40u64).prop_map(|(weight, seconds)| HoldBack { weight, time: Duration::from_secs(seconds) })
}

fn mirror_first() -> impl Strategy<Value = MirrorFirst> {
    let (share, requests) = ((1..=500_000u32), 0..200u64);
    (share, requests, 0..20u64, proptest::option::of(0..40u64)).prop_map(|(ppm, requests, least, most)| MirrorFirst {
        share: Ratio::from_ppm(ppm).unwrap(),
        requests,
        at_least: Duration::from_secs(least),
        at_most: most.map(Duration::from_secs),
    })
}

/// Also such that the configuration refuses: falling weights, no steps, contradicting times.
fn any_spec() -> impl Strategy<Value = Spec> {
    let rule = prop_oneof![Just(OnNoEvidence::Hold), Just(OnNoEvidence::Promote), Just(OnNoEvidence::Abort)];
    let suspicion = prop_oneof![Just(OnSuspicion::Hold), Just(OnSuspicion::StepBack)];
    let ends = (proptest::option::of(mirror_first()), proptest::option::of(hold_back()));
    (proptest::collection::vec(one_step(), 0..6), rule, suspicion, ends, any::<(bool, bool)>()).prop_map(
        |(mut steps, on_no_evidence, on_suspicion, (mirror_first, hold_back), (sorted, start_by_traffic))| {
            if sorted {
                steps.sort_by_key(|step| step.weight);
            }
            Spec { on_no_evidence, on_suspicion, mirror_first, hold_back, start_by_traffic, ..spec(steps) }
        },
    )
}

#[derive(Clone, Debug)]
enum Event {
    Tick(Verdict, Verdict, Option<Hold>, (u64, Option<f64>), Vec<Verdict>),
    Command(Command),
    Reconfigured(Vec<Step>, Option<MirrorFirst>, Option<HoldBack>),
}

fn event() -> impl Strategy<Value = Event> {
    let hold = proptest::option::of(Just(Hold::Suspicious));
    let seen = (0..200u64, proptest::option::of(0.0..50.0));
    let tick = (verdict(), verdict(), hold, seen, proptest::collection::vec(verdict(), 0..3));
    let command = prop_oneof![
        Just(Command::Promote),
        Just(Command::Abort),
        Just(Command::Pause),
        Just(Command::Resume),
        ratio().prop_map(Command::SetWeight),
        Just(Command::Retry),
    ];
    prop_oneof![
        12 => tick.prop_map(|(verdict, next, hold, seen, checks)| Event::Tick(verdict, next, hold, seen, checks)),
        3 => command.prop_map(Event::Command),
        1 => (
            proptest::collection::vec(one_step(), 0..6),
            proptest::option::of(mirror_first()),
            proptest::option::of(hold_back()),
        )
            .prop_map(|(steps, mirror_first, hold_back)| Event::Reconfigured(steps, mirror_first, hold_back)),
    ]
}

/// What `event` makes of `state`, with every rule checked.
fn go(spec: &mut Spec, state: &State, now: Timestamp, event: &Event) -> Transition {
    let transition = match event {
        Event::Tick(verdict, next, hold, (seen, rate), checks) => {
            let (canary, rate) = ((*seen, 0), *rate);
            let report = Report { verdict: *verdict, next: *next, hold: *hold, canary, rate, ..Report::default() };
            let checks: Vec<_> = checks.iter().map(|&verdict| check(verdict)).collect();
            let input = Input::Tick { report: &report, checks: &checks };
            let transition = step(spec, state, now, input);
            assert_eq!(invariants(spec, state, &transition, Some(input)), Ok(()));
            transition
        }
        Event::Command(command) => {
            let input = Input::Command { command: *command, by: "alice", report: &Report::default() };
            let transition = step(spec, state, now, input);
            assert_eq!(invariants(spec, state, &transition, Some(input)), Ok(()));
            assert_eq!(transition.reason.is_some(), permits(state, *command).is_ok());
            transition
        }
        Event::Reconfigured(steps, mirror_first, hold_back) => {
            spec.steps.clone_from(steps);
            spec.mirror_first = *mirror_first;
            spec.hold_back = *hold_back;
            let transition = reconcile(spec, state, now);
            assert_eq!(invariants(spec, state, &transition, None), Ok(()));
            let again = reconcile(spec, &transition.state, now);
            assert_eq!(again.reason, None, "what has been fitted fits");
            transition
        }
    };
    let scene = Scene {
        release: &name("shop"),
        stable: &name("shop-v1"),
        canary: &name("shop-v2"),
        spec,
        seen: (&Default::default(), &Default::default()),
        at_weight: (&Default::default(), &Default::default()),
        mirrored: state.is_mirrored(),
        copies: (0, 0),
        bounds: &Default::default(),
    };
    if let Some(reason) = &transition.reason {
        sentence(&decision(&scene, state.weight, reason, &transition.state, &Report::default()));
    }
    sentence(&present(&scene, &transition.state, &Report::default(), &[], now));
    transition
}

fn sentence(text: &str) {
    assert!(!text.is_empty() && !text.ends_with('.') && !text.contains("  ") && !text.contains('\n'), "{text:?}");
    assert!(text.starts_with(|c: char| c.is_lowercase()), "{text:?}");
}

proptest! {
    #[test]
    fn no_input_in_any_state_breaks_a_rule(
        mut spec in any_spec(),
        events in proptest::collection::vec((event(), -5..30i64), 0..60),
    ) {
        let mut now = START;
        let mut state = start(&spec, now).state;
        for (event, seconds) in events {
            now = Timestamp::from_secs(now.as_secs() + seconds);
            state = go(&mut spec, &state, now, &event).state;
        }
    }

    #[test]
    fn no_user_is_sent_to_a_canary_that_gets_copies_and_nothing_is_copied_for_one_that_has_users(
        mut spec in any_spec(),
        mirror_first in mirror_first(),
        events in proptest::collection::vec((event(), 0..30u64), 0..60),
    ) {
        spec.mirror_first = Some(mirror_first);
        let mut now = START;
        let mut state = start(&spec, now).state;
        prop_assert_eq!((state.phase, state.weight), (Phase::Mirroring, Ratio::ZERO));
        for (event, seconds) in events {
            now = now + Duration::from_secs(seconds);
            let before = state;
            state = go(&mut spec, &before, now, &event).state;
            prop_assert!(!state.is_mirrored() || state.weight == Ratio::ZERO);
            prop_assert!(state.weight == Ratio::ZERO || spec.mirrored(&state) == Ratio::ZERO);
            let begins = state.attempt != before.attempt;
            prop_assert!(before.is_mirrored() || !state.is_mirrored() || begins, "copies are for the beginning");
        }
    }

    #[test]
    fn a_restart_from_the_persisted_state_equals_no_restart(
        mut spec in any_spec(),
        events in proptest::collection::vec((event(), 0..30u64, any::<bool>()), 0..60),
    ) {
        let mut other = spec.clone();
        let mut now = START;
        let (mut kept, mut restarted) = (start(&spec, now).state, start(&spec, now).state);
        for (event, seconds, restart) in events {
            now = now + Duration::from_millis(seconds * 997);
            kept = go(&mut spec, &kept, now, &event).state;
            restarted = go(&mut other, &restarted, now, &event).state;
            if restart {
                let line = serde_json::to_string(&restarted).unwrap();
                restarted = serde_json::from_str(&line).unwrap();
            }
            prop_assert_eq!(&kept, &restarted);
        }
    }

    #[test]
    fn the_rules_catch_what_breaks_them(mut spec in any_spec(), to in ratio(), verdict in verdict()) {
        spec.on_no_evidence = OnNoEvidence::Hold;
        spec.mirror_first = None;
        let before = start(&spec, START).state;
        prop_assume!(to > before.weight && before.weight < Ratio::ONE && verdict != Verdict::Pass);
        let report = report(verdict);
        let input = Input::Tick { report: &report, checks: &[] };
        let state = State { weight: to, step_started: at(1000), ..before.clone() };
        let risen = Transition { state, reason: Some(Reason::StepPassed) };
        prop_assert!(invariants(&spec, &before, &risen, Some(input)).is_err());
        prop_assert_eq!(invariants(&spec, &before, &risen, None), Err(Violation::RoseByConfiguration));
        let promoted = end_of(&before, Phase::Promoted, Ratio::ONE);
        let revived = Transition { state: before.clone(), reason: Some(Reason::Started) };
        prop_assert_eq!(invariants(&spec, &promoted, &revived, Some(input)), Err(Violation::LeftPromoted));
        let aborted = end_of(&before, Phase::Aborted, Ratio::ZERO);
        prop_assert_eq!(invariants(&spec, &aborted, &revived, Some(input)), Err(Violation::LeftAborted));
        let silent = Transition { reason: None, ..risen };
        prop_assert_eq!(invariants(&spec, &before, &silent, Some(input)), Err(Violation::Reason));
    }
}

fn end_of(state: &State, phase: Phase, weight: Ratio) -> State {
    State { phase, weight, ended: Some(at(5)), ..state.clone() }
}

#[test]
fn a_conviction_without_an_abort_is_a_violation() {
    let spec = spec(vec![plain(5), plain(50)]);
    let before = start(&spec, START).state;
    let report = Report { culprit: Some(Culprit::Errors), ..report(Verdict::Fail) };
    let stay = Transition { state: before.clone(), reason: None };
    let input = Input::Tick { report: &report, checks: &[] };
    assert_eq!(invariants(&spec, &before, &stay, Some(input)), Err(Violation::NotAborted));
}
