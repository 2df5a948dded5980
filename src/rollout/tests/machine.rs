use super::*;
use crate::analysis::{Culprit, Hold};

fn started(spec: &Spec) -> State {
    start(spec, START).state
}

#[test]
fn a_good_canary_goes_up_step_by_step_and_is_promoted() {
    let spec = spec(vec![plain(1), plain(5), plain(50)]);
    let mut state = started(&spec);
    let mut weights = vec![state.weight];
    for second in 1..=3 {
        let transition = tick(&spec, &state, at(second), Verdict::Pass);
        assert_eq!(transition.reason == Some(Reason::Healthy), second == 3);
        state = transition.state;
        weights.push(state.weight);
    }
    assert_eq!(weights, [Ratio::percent(1), Ratio::percent(5), Ratio::percent(50), Ratio::ONE]);
    assert_eq!((state.phase, state.ended), (Phase::Promoted, Some(at(3))));
}

#[test]
fn without_evidence_nothing_moves() {
    let spec = spec(vec![plain(1), plain(5)]);
    let state = started(&spec);
    let transition = tick(&spec, &state, at(1_000_000), Verdict::Inconclusive);
    assert_eq!(transition, Transition { state, reason: None });
}

#[test]
fn before_the_last_step_the_evidence_for_the_next_weight_suffices() {
    let spec = spec(vec![plain(1), plain(5)]);
    let report = Report { next: Verdict::Pass, ..Report::default() };
    let second = step(&spec, &started(&spec), at(1), Input::Tick { report: &report, checks: &[] }).state;
    assert_eq!(second.weight, Ratio::percent(5));
    let third = step(&spec, &second, at(2), Input::Tick { report: &report, checks: &[] });
    assert_eq!(third.reason, None, "the last step needs the whole verdict");
}

#[test]
fn a_convicted_canary_is_out_even_while_paused() {
    let spec = spec(vec![plain(5)]);
    let paused = command(&spec, &started(&spec), at(1), Command::Pause).state;
    for state in [started(&spec), paused] {
        let report = Report { culprit: Some(Culprit::Latency(80)), ..report(Verdict::Fail) };
        let transition = step(&spec, &state, at(2), Input::Tick { report: &report, checks: &[] });
        assert_eq!(transition.reason, Some(Reason::Convicted { culprit: Culprit::Latency(80) }));
        assert_eq!((transition.state.phase, transition.state.weight), (Phase::Aborted, Ratio::ZERO));
    }
}

#[test]
fn a_failed_check_aborts_and_an_inconclusive_one_holds() {
    let spec = spec(vec![plain(5)]);
    let state = started(&spec);
    let pass = report(Verdict::Pass);
    let go = |verdict| step(&spec, &state, at(1), Input::Tick { report: &pass, checks: &[check(verdict)] });
    assert_eq!(go(Verdict::Pass).state.phase, Phase::Promoted);
    assert_eq!(go(Verdict::Inconclusive).reason, None);
    let failed = go(Verdict::Fail);
    assert_eq!(failed.state.phase, Phase::Aborted);
    assert!(matches!(failed.reason, Some(Reason::CheckFailed { .. })));
}

#[test]
fn at_least_is_waited_for_however_good_the_evidence() {
    let spec = spec(vec![Step { at_least: Duration::from_secs(60), ..plain(5) }]);
    let state = started(&spec);
    assert_eq!(tick(&spec, &state, at(59), Verdict::Pass).reason, None);
    assert_eq!(tick(&spec, &state, at(60), Verdict::Pass).reason, Some(Reason::Healthy));
}

#[test]
fn a_clock_that_goes_backwards_passes_no_time() {
    let spec = spec(vec![Step { at_least: Duration::from_secs(60), ..plain(5) }]);
    let earlier = Timestamp::from_secs(START.as_secs() - 3600);
    assert_eq!(tick(&spec, &started(&spec), earlier, Verdict::Pass).reason, None);
}

#[test]
fn at_most_without_evidence_does_what_the_configuration_says() {
    let step = Step { at_most: Some(Duration::from_secs(60)), ..plain(5) };
    let end = |rule, second, hold| {
        let spec = Spec { on_no_evidence: rule, ..spec(vec![step, plain(20)]) };
        let report = Report { hold, ..Report::default() };
        let input = Input::Tick { report: &report, checks: &[] };
        super::step(&spec, &started(&spec), at(second), input).state
    };
    assert_eq!(end(OnNoEvidence::Abort, 59, None).phase, Phase::Progressing);
    assert_eq!(end(OnNoEvidence::Abort, 60, None).phase, Phase::Aborted);
    assert_eq!(end(OnNoEvidence::Hold, 60, None).weight, Ratio::percent(5));
    assert_eq!(end(OnNoEvidence::Promote, 59, None).weight, Ratio::percent(5));
    assert_eq!(end(OnNoEvidence::Promote, 60, None).weight, Ratio::percent(20));
    let suspicious = end(OnNoEvidence::Promote, 60, Some(Hold::Suspicious));
    assert_eq!(suspicious.weight, Ratio::percent(5), "evidence against it is not no evidence");
}

#[test]
fn a_step_that_pauses_waits_for_approval_and_resume_goes_on() {
    let spec = spec(vec![Step { pause: true, ..plain(5) }, plain(50)]);
    let waiting = tick(&spec, &started(&spec), at(1), Verdict::Pass);
    assert_eq!(waiting.reason, Some(Reason::AwaitingApproval));
    let state = waiting.state;
    assert_eq!((state.phase, state.pause, state.weight), (Phase::Paused, Some(Pause::Approval), Ratio::percent(5)));
    assert_eq!(tick(&spec, &state, at(2), Verdict::Pass).reason, None, "it waits");
    let resumed = command(&spec, &state, at(3), Command::Resume).state;
    assert_eq!((resumed.phase, resumed.weight), (Phase::Progressing, Ratio::percent(50)));
}

#[test]
fn approving_the_last_step_promotes() {
    let spec = spec(vec![Step { pause: true, ..plain(5) }]);
    let waiting = tick(&spec, &started(&spec), at(1), Verdict::Pass).state;
    assert_eq!(command(&spec, &waiting, at(2), Command::Resume).state.phase, Phase::Promoted);
}

#[test]
fn resuming_a_pause_that_somebody_asked_for_skips_no_step() {
    let spec = spec(vec![Step { pause: true, ..plain(5) }, plain(50)]);
    let paused = command(&spec, &started(&spec), at(1), Command::Pause).state;
    let resumed = command(&spec, &paused, at(9), Command::Resume).state;
    assert_eq!((resumed.weight, resumed.step_started), (Ratio::percent(5), at(9)));
    assert_eq!(tick(&spec, &resumed, at(10), Verdict::Pass).reason, Some(Reason::AwaitingApproval));
}

#[test]
fn a_weight_set_by_hand_holds_until_resumed_at_the_step_that_fits() {
    let spec = spec(vec![plain(1), plain(5), plain(25)]);
    let set = |percent| command(&spec, &started(&spec), at(1), Command::SetWeight(Ratio::percent(percent))).state;
    let state = set(7);
    assert_eq!((state.phase, state.weight, state.step), (Phase::Paused, Ratio::percent(7), 1));
    assert_eq!(tick(&spec, &state, at(2), Verdict::Pass).reason, None);
    let resume = |state| command(&spec, &state, at(3), Command::Resume).state.weight;
    assert_eq!(resume(state), Ratio::percent(5));
    assert_eq!(resume(set(0)), Ratio::percent(1));
    assert_eq!(resume(set(100)), Ratio::percent(25));
}

#[test]
fn promoted_is_final_and_aborted_until_a_retry() {
    let spec = spec(vec![plain(1), plain(5)]);
    let promoted = command(&spec, &started(&spec), at(1), Command::Promote).state;
    let aborted = command(&spec, &started(&spec), at(1), Command::Abort).state;
    let every = [Command::Promote, Command::Abort, Command::Pause, Command::Resume, Command::SetWeight(Ratio::ONE)];
    for state in [&promoted, &aborted] {
        for one in every {
            assert_eq!(command(&spec, state, at(2), one).reason, None, "{one:?}");
            assert!(permits(state, one).is_err());
        }
        assert_eq!(tick(&spec, state, at(2), Verdict::Fail).reason, None);
        assert_eq!(tick(&spec, state, at(2), Verdict::Pass).reason, None);
    }
    assert_eq!(permits(&promoted, Command::Retry), Err(Refusal::Promoted));
    let again = command(&spec, &aborted, at(3), Command::Retry).state;
    assert_eq!((again.attempt, again.phase, again.weight), (2, Phase::Progressing, Ratio::percent(1)));
    assert_eq!((again.started, again.ended), (at(3), None));
}

#[test]
fn other_steps_never_raise_the_weight() {
    let before = spec(vec![plain(1), plain(5), plain(25)]);
    let state = State { step: 2, weight: Ratio::percent(25), ..started(&before) };
    let fitted = |steps: Vec<Step>| reconcile(&spec(steps), &state, at(9));
    assert_eq!(fitted(before.steps.clone()).reason, None);
    let lower = fitted(vec![plain(2), plain(10), plain(50)]);
    assert_eq!(lower.reason, Some(Reason::StepsChanged));
    assert_eq!((lower.state.step, lower.state.weight, lower.state.step_started), (1, Ratio::percent(10), at(9)));
    let inserted = fitted(vec![plain(1), plain(2), plain(5), plain(25), plain(50)]).state;
    assert_eq!((inserted.step, inserted.weight, inserted.step_started), (3, Ratio::percent(25), START));
    let above = fitted(vec![plain(30), plain(50)]).state;
    assert_eq!((above.step, above.weight), (0, Ratio::percent(25)), "it stays below the first step");
    let spec = spec(vec![plain(30), plain(50)]);
    assert_eq!(tick(&spec, &above, at(10), Verdict::Pass).state.weight, Ratio::percent(30));
}

#[test]
fn a_step_that_no_longer_pauses_no_longer_waits() {
    let asks = spec(vec![Step { pause: true, ..plain(5) }, plain(50)]);
    let waiting = tick(&asks, &started(&asks), at(1), Verdict::Pass).state;
    assert_eq!(reconcile(&asks, &waiting, at(2)).reason, None);
    let freed = reconcile(&spec(vec![plain(5), plain(50)]), &waiting, at(2)).state;
    assert_eq!((freed.phase, freed.pause, freed.weight), (Phase::Progressing, None, Ratio::percent(5)));
}

#[test]
fn another_rollout_starts_from_the_beginning() {
    let old = spec(vec![plain(50)]);
    let new = Spec { rollout: "v2>v3#".to_owned(), ..spec(vec![plain(1)]) };
    let transition = reconcile(&new, &started(&old), at(5));
    assert_eq!(transition, start(&new, at(5)));
    assert_eq!(
        step(&new, &started(&old), at(5), Input::Tick { report: &report(Verdict::Fail), checks: &[] }).reason,
        None
    );
}

#[test]
fn a_spec_without_steps_sends_nothing_and_promotes_nothing_by_itself() {
    let spec = spec(Vec::new());
    let state = started(&spec);
    assert_eq!(state.weight, Ratio::ZERO);
    let waiting = tick(&spec, &state, at(1), Verdict::Pass);
    assert_eq!((waiting.state.phase, waiting.state.weight), (Phase::Paused, Ratio::ZERO));
}

#[test]
fn every_label_is_listed_once_and_is_snake_case() {
    let culprits = [Culprit::Errors, Culprit::Latency(5), Culprit::Route("/".into())];
    let convicted = culprits.into_iter().map(|culprit| Reason::Convicted { culprit });
    let commands = [
        Command::Promote,
        Command::Abort,
        Command::Pause,
        Command::Resume,
        Command::SetWeight(Ratio::ZERO),
        Command::Retry,
    ];
    let commands = commands.into_iter().map(|command| Reason::Command { command, by: String::new() });
    let mut labels: Vec<_> = convicted.chain(commands).map(|reason| reason.label()).collect();
    let failed = Reason::CheckFailed { check: name("slo"), detail: String::new() };
    let plain = [Reason::Started, Reason::StepPassed, Reason::SteppedBack, Reason::Healthy, failed, Reason::NoEvidence];
    labels.extend(plain.iter().map(Reason::label));
    labels.extend([Reason::AwaitingApproval.label(), Reason::StepsChanged.label(), Reason::Undone.label()]);
    labels.extend([Reason::Mirrored.label(), Reason::HoldBackOver.label(), Reason::LittleTraffic.label()]);
    labels.push(Reason::CannotStart { detail: String::new() }.label());
    let mut listed = Reason::LABELS.to_vec();
    labels.sort_unstable();
    listed.sort_unstable();
    assert_eq!(labels, listed);
    assert!(labels.iter().all(|label| label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
}

#[test]
fn a_canary_that_is_gone_is_aborted_whatever_the_evidence_says_and_only_while_it_is_open() {
    let spec = spec(vec![plain(5), plain(50)]);
    let open = started(&spec);
    let reason = Reason::CannotStart { detail: "ErrImagePull".to_owned() };
    let gone = step(&spec, &open, at(9), Input::Gone { reason: &reason, report: &Report::default() });
    assert_eq!((gone.state.phase, gone.state.weight, gone.reason), (Phase::Aborted, Ratio::ZERO, Some(reason)));
    let promoted = command(&spec, &open, at(8), Command::Promote).state;
    let undone = Input::Gone { reason: &Reason::Undone, report: &Report::default() };
    assert_eq!(step(&spec, &promoted, at(9), undone).reason, None);
}

#[test]
fn a_suspicious_canary_goes_back_to_a_small_step_where_that_is_asked_for() {
    let suspicious = Report { hold: Some(crate::analysis::Hold::Suspicious), ..Report::default() };
    let holding = spec(vec![plain(1), plain(5), plain(50)]);
    let stepping = Spec { on_suspicion: OnSuspicion::StepBack, ..holding.clone() };
    let mut state = start(&stepping, START).state;
    (state.step, state.weight) = (2, Ratio::percent(50));
    let input = Input::Tick { report: &suspicious, checks: &[] };
    assert_eq!(step(&holding, &state, at(9), input).reason, None);
    let back = step(&stepping, &state, at(9), input);
    assert_eq!((back.reason, back.state.weight, back.state.step), (Some(Reason::SteppedBack), Ratio::percent(5), 1));
    assert_eq!(back.state.step_started, at(9));
    // From there it is no way back any more; and the way up asks for evidence as ever.
    assert_eq!(step(&stepping, &back.state, at(10), input).reason, None);
    assert_eq!(tick(&stepping, &back.state, at(11), Verdict::Pass).state.weight, Ratio::percent(50));
    let large = Spec { on_suspicion: OnSuspicion::StepBack, ..spec(vec![plain(20), plain(50)]) };
    assert_eq!(large.way_back(Ratio::percent(50)), Some(0));
    assert_eq!(large.way_back(Ratio::percent(20)), None);
}

/// 5% and 50%, after which stable keeps 5% for a minute.
fn held_back() -> Spec {
    let hold_back = HoldBack { weight: Ratio::percent(5), time: Duration::from_secs(60) };
    Spec { hold_back: Some(hold_back), ..spec(vec![plain(5), plain(50)]) }
}

/// The canary of `spec` has won at second 2.
fn won(spec: &Spec) -> State {
    let second = tick(spec, &started(spec), at(1), Verdict::Pass).state;
    let won = tick(spec, &second, at(2), Verdict::Pass);
    assert_eq!(won.reason, Some(Reason::Healthy));
    won.state
}

#[test]
fn stable_keeps_a_share_for_a_time_after_the_canary_has_won() {
    let spec = held_back();
    let state = won(&spec);
    assert_eq!((state.phase, state.weight, state.ended), (Phase::HoldingBack, Ratio::percent(95), None));
    assert_eq!(tick(&spec, &state, at(61), Verdict::Pass).reason, None, "not before the time is over");
    // No further proof is needed, only that nothing speaks against it.
    let last = tick(&spec, &state, at(62), Verdict::Inconclusive);
    assert_eq!(last.reason, Some(Reason::HoldBackOver));
    assert_eq!((last.state.phase, last.state.weight), (Phase::Promoted, Ratio::ONE));
    let suspicious = Report { hold: Some(Hold::Suspicious), ..Report::default() };
    let waits = step(&spec, &state, at(1000), Input::Tick { report: &suspicious, checks: &[] });
    assert_eq!(waits.reason, None, "what is suspected is not promoted");
}

#[test]
fn a_canary_that_turns_bad_while_stable_keeps_a_share_is_aborted() {
    let spec = held_back();
    let aborted = tick(&spec, &won(&spec), at(10), Verdict::Fail);
    assert_eq!((aborted.state.phase, aborted.state.weight), (Phase::Aborted, Ratio::ZERO));
    let failed = step(
        &spec,
        &won(&spec),
        at(10),
        Input::Tick { report: &report(Verdict::Inconclusive), checks: &[check(Verdict::Fail)] },
    );
    assert_eq!(failed.state.phase, Phase::Aborted);
}

#[test]
fn a_hold_back_can_be_ended_paused_and_resumed_by_hand() {
    let spec = held_back();
    let state = won(&spec);
    assert_eq!(command(&spec, &state, at(3), Command::Promote).state.phase, Phase::Promoted);
    assert_eq!(command(&spec, &state, at(3), Command::Abort).state.phase, Phase::Aborted);
    assert_eq!(permits(&state, Command::Resume), Err(Refusal::NotPaused));
    let paused = command(&spec, &state, at(3), Command::Pause).state;
    assert_eq!((paused.phase, paused.weight), (Phase::Paused, state.weight));
    assert_eq!(tick(&spec, &paused, at(1000), Verdict::Pass).reason, None);
    assert_eq!(reconcile(&spec, &paused, at(1000)).reason, None);
    let resumed = command(&spec, &paused, at(1000), Command::Resume).state;
    assert_eq!((resumed.phase, resumed.step_started), (Phase::HoldingBack, at(1000)));
    // A weight that somebody set has proven nothing.
    let set = command(&spec, &started(&spec), at(3), Command::SetWeight(state.weight)).state;
    let resumed = command(&spec, &set, at(4), Command::Resume).state;
    assert_eq!((resumed.phase, resumed.weight), (Phase::Progressing, Ratio::percent(50)));
}

#[test]
fn an_approval_of_the_last_step_leads_to_the_hold_back() {
    let spec = Spec { steps: vec![Step { pause: true, ..plain(50) }], ..held_back() };
    let waiting = tick(&spec, &started(&spec), at(1), Verdict::Pass).state;
    assert_eq!(waiting.pause, Some(Pause::Approval));
    assert_eq!(command(&spec, &waiting, at(2), Command::Resume).state.phase, Phase::HoldingBack);
}

#[test]
fn another_hold_back_in_the_configuration_never_raises_the_weight() {
    let spec = held_back();
    let state = won(&spec);
    let with = |percent| {
        let weight = Ratio::percent(percent);
        Spec { hold_back: spec.hold_back.map(|hold_back| HoldBack { weight, ..hold_back }), ..spec.clone() }
    };
    assert_eq!(reconcile(&with(1), &state, at(9)).reason, None);
    let fallen = reconcile(&with(20), &state, at(9)).state;
    assert_eq!((fallen.phase, fallen.weight), (Phase::HoldingBack, Ratio::percent(80)));
    let none = Spec { hold_back: None, ..spec.clone() };
    assert_eq!(reconcile(&none, &state, at(9)).reason, None);
    assert_eq!(tick(&none, &state, at(9), Verdict::Inconclusive).state.phase, Phase::Promoted, "it has won already");
}

/// Copies of a tenth of the requests, until 100 were answered and 30 s are over, before 5% and 50%.
fn mirrored_first() -> Spec {
    let at_least = Duration::from_secs(30);
    let mirror_first = MirrorFirst { share: Ratio::percent(10), requests: 100, at_least, at_most: None };
    Spec { mirror_first: Some(mirror_first), ..spec(vec![plain(5), plain(50)]) }
}

/// What comes at `second` of `answers` to copies, when the judge holds back for `hold`.
fn copies(spec: &Spec, state: &State, second: u64, answers: u64, hold: Option<Hold>) -> Transition {
    let report = Report { canary: (answers, 0), hold, ..Report::default() };
    step(spec, state, at(second), Input::Tick { report: &report, checks: &[check(Verdict::Inconclusive)] })
}

#[test]
fn a_canary_gets_copies_until_enough_were_answered_and_then_its_first_users() {
    let spec = mirrored_first();
    let state = started(&spec);
    assert_eq!((state.phase, state.weight, spec.share(&state)), (Phase::Mirroring, Ratio::ZERO, Ratio::percent(10)));
    assert_eq!(copies(&spec, &state, 40, 99, Some(Hold::MoreEvidence)).reason, None, "one is missing");
    assert_eq!(copies(&spec, &state, 29, 500, Some(Hold::MoreEvidence)).reason, None, "a second is missing");
    let first = copies(&spec, &state, 30, 100, Some(Hold::MoreEvidence));
    assert_eq!(first.reason, Some(Reason::Mirrored));
    assert_eq!((first.state.phase, first.state.step, first.state.weight), (Phase::Progressing, 0, Ratio::percent(5)));
    assert_eq!((first.state.step_started, spec.share(&first.state)), (at(30), Ratio::percent(5)));
}

#[test]
fn nobody_is_sent_to_a_canary_while_the_judge_has_a_doubt_or_cannot_see() {
    let spec = mirrored_first();
    for doubt in [
        Hold::Suspicious,
        Hold::ShareMismatch,
        Hold::StableIll,
        Hold::WarmUp,
        Hold::NoStableTraffic,
        Hold::NoCanaryTraffic,
    ] {
        assert_eq!(copies(&spec, &started(&spec), 1000, 1000, Some(doubt)).reason, None, "{doubt}");
    }
    for none in [None, Some(Hold::MinimumTime)] {
        assert_eq!(copies(&spec, &started(&spec), 1000, 1000, none).reason, Some(Reason::Mirrored));
    }
}

#[test]
fn a_canary_that_fails_its_copies_is_aborted_before_its_first_user_even_while_paused() {
    let spec = mirrored_first();
    let paused = command(&spec, &started(&spec), at(1), Command::Pause).state;
    for state in [started(&spec), paused] {
        let aborted = tick(&spec, &state, at(2), Verdict::Fail);
        assert!(matches!(aborted.reason, Some(Reason::Convicted { .. })));
        assert_eq!((aborted.state.phase, spec.share(&aborted.state)), (Phase::Aborted, Ratio::ZERO));
        let again = command(&spec, &aborted.state, at(3), Command::Retry).state;
        assert_eq!((again.phase, again.attempt), (Phase::Mirroring, 2), "a retry begins with copies, too");
    }
}

#[test]
fn copies_without_enough_answers_in_time_are_no_evidence() {
    let after = |rule, hold| {
        let mut spec = Spec { on_no_evidence: rule, ..mirrored_first() };
        spec.mirror_first.as_mut().unwrap().at_most = Some(Duration::from_secs(60));
        assert_eq!(copies(&spec, &started(&spec), 59, 99, hold).reason, None);
        copies(&spec, &started(&spec), 60, 99, hold)
    };
    assert_eq!(after(OnNoEvidence::Hold, None).reason, None);
    assert_eq!(after(OnNoEvidence::Abort, None).state.phase, Phase::Aborted);
    let promoted = after(OnNoEvidence::Promote, None);
    assert_eq!((promoted.reason, promoted.state.weight), (Some(Reason::NoEvidence), Ratio::percent(5)));
    assert_eq!(after(OnNoEvidence::Promote, Some(Hold::Suspicious)).reason, None);
}

#[test]
fn copies_can_be_paused_resumed_and_ended_by_hand() {
    let spec = mirrored_first();
    let state = started(&spec);
    assert_eq!(permits(&state, Command::Resume), Err(Refusal::NotPaused));
    assert_eq!(command(&spec, &state, at(3), Command::Promote).state.phase, Phase::Promoted);
    assert_eq!(command(&spec, &state, at(3), Command::Abort).state.phase, Phase::Aborted);
    let paused = command(&spec, &state, at(3), Command::Pause).state;
    assert_eq!((paused.phase, paused.pause), (Phase::Paused, Some(Pause::Mirroring)));
    assert_eq!(spec.share(&paused), Ratio::percent(10), "it is still watched");
    assert_eq!(copies(&spec, &paused, 1000, 1000, None).reason, None);
    let resumed = command(&spec, &paused, at(1000), Command::Resume).state;
    assert_eq!((resumed.phase, resumed.weight, resumed.step_started), (Phase::Mirroring, Ratio::ZERO, at(1000)));
    let set = command(&spec, &state, at(3), Command::SetWeight(Ratio::percent(5))).state;
    assert_eq!((set.phase, spec.mirrored(&set)), (Phase::Paused, Ratio::ZERO), "it has users: nothing is copied");
    assert_eq!(command(&spec, &set, at(4), Command::Resume).state.phase, Phase::Progressing);
    let nothing = command(&spec, &state, at(3), Command::SetWeight(Ratio::ZERO)).state;
    assert_eq!((nothing.pause, spec.share(&nothing)), (Some(Pause::Weight), Ratio::ZERO));
}

#[test]
fn copies_that_are_no_longer_configured_give_way_to_the_first_step_and_new_ones_change_nothing_under_way() {
    let spec = mirrored_first();
    let none = Spec { mirror_first: None, ..spec.clone() };
    let state = started(&spec);
    assert_eq!(reconcile(&none, &state, at(9)).reason, None, "a reload raises no weight by itself");
    assert_eq!(none.mirrored(&state), Ratio::ZERO);
    let first = copies(&none, &state, 9, 0, Some(Hold::NoCanaryTraffic));
    assert_eq!((first.reason, first.state.weight), (Some(Reason::Mirrored), Ratio::percent(5)));
    assert_eq!(reconcile(&spec, &started(&none), at(9)).reason, None);
    assert_eq!(reconcile(&spec, &state, at(9)).reason, None);
}
