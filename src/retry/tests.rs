use proptest::prelude::*;

use super::*;

fn policy(attempts: u32) -> RetryPolicy {
    RetryPolicy::new(attempts, RetryPolicy::DEFAULT_STATUSES, Ratio::percent(20))
}

/// The first attempt of a GET at a plain backend, on a fresh connection.
fn attempt(ended: Ended) -> Attempt<'static> {
    Attempt {
        number: 1,
        side: None,
        method: &Method::GET,
        sent: Sent::Maybe,
        connection: Connection::Fresh,
        replay: Replay::Possible,
        ended,
    }
}

fn status(status: u16) -> Ended {
    Ended::Status(StatusCode::from_u16(status).unwrap())
}

fn decide(attempt: Attempt<'_>) -> Decision {
    policy(2).decide(&attempt)
}

#[test]
fn good_answers_are_final() {
    for code in [200, 204, 301, 404, 429] {
        for side in [None, Some(Side::Stable), Some(Side::Canary)] {
            assert_eq!(decide(Attempt { side, ..attempt(status(code)) }), Decision::Stop, "{code}");
        }
    }
}

#[test]
fn several_endpoints_may_be_out_of_reach() {
    let nth = |number, attempts| {
        let unreached = attempt(Ended::Fault(Fault::ConnectTimeout));
        policy(attempts).decide(&Attempt { number, sent: Sent::Nothing, ..unreached })
    };
    assert_eq!([nth(2, 2), nth(3, 2), nth(4, 2)], [Decision::Again, Decision::Again, Decision::Stop]);
    assert_eq!([nth(4, 5), nth(5, 5)], [Decision::Again, Decision::Stop]);
    assert_eq!(nth(1, 1), Decision::Stop, "who wants no repeats gets none");
}

#[test]
fn a_backend_is_asked_again_after_502_503_504_and_connection_faults() {
    for side in [None, Some(Side::Stable)] {
        for code in [502, 503, 504] {
            assert_eq!(decide(Attempt { side, ..attempt(status(code)) }), Decision::Again, "{code}");
        }
        for code in [500, 501, 505] {
            assert_eq!(decide(Attempt { side, ..attempt(status(code)) }), Decision::Stop, "{code}");
        }
        for fault in [
            Fault::ConnectRefused,
            Fault::ConnectTimeout,
            Fault::TlsFailed,
            Fault::UpstreamClosed,
            Fault::UpstreamReset,
        ] {
            assert_eq!(decide(Attempt { side, ..attempt(Ended::Fault(fault)) }), Decision::Again, "{fault:?}");
        }
    }
}

#[test]
fn every_failure_of_the_canary_is_repeated_on_stable() {
    for code in 500..600 {
        assert_eq!(decide(Attempt { side: Some(Side::Canary), ..attempt(status(code)) }), Decision::OnStable, "{code}");
    }
    for fault in
        Fault::ALL.into_iter().filter(|fault| fault.blame() == Blame::Upstream && *fault != Fault::RequestTimeout)
    {
        let attempt = Attempt { side: Some(Side::Canary), ..attempt(Ended::Fault(fault)) };
        assert_eq!(decide(attempt), Decision::OnStable, "{fault:?}");
    }
}

#[test]
fn no_side_is_asked_again_for_what_is_not_its_doing() {
    for side in [None, Some(Side::Stable), Some(Side::Canary)] {
        for fault in Fault::ALL.into_iter().filter(|fault| fault.blame() != Blame::Upstream) {
            assert_eq!(decide(Attempt { side, ..attempt(Ended::Fault(fault)) }), Decision::Stop, "{fault:?}");
        }
        assert_eq!(decide(Attempt { side, ..attempt(Ended::Fault(Fault::RequestTimeout)) }), Decision::Stop);
    }
}

#[test]
fn too_much_load_is_not_repeated() {
    for fault in [Fault::Overflow, Fault::NoEndpoint] {
        assert_eq!(decide(attempt(Ended::Fault(fault))), Decision::Stop, "{fault:?}");
    }
}

#[test]
fn a_slow_backend_is_asked_again_where_504_is() {
    assert_eq!(decide(attempt(Ended::Fault(Fault::ResponseTimeout))), Decision::Again);
    let only_503 = RetryPolicy::new(2, [StatusCode::SERVICE_UNAVAILABLE], Ratio::ZERO);
    assert_eq!(only_503.decide(&attempt(Ended::Fault(Fault::ResponseTimeout))), Decision::Stop);
    assert_eq!(only_503.decide(&attempt(Ended::Fault(Fault::ConnectRefused))), Decision::Again);
}

#[test]
fn what_may_have_been_applied_is_not_repeated() {
    let post = |sent| decide(Attempt { method: &Method::POST, sent, ..attempt(Ended::Fault(Fault::UpstreamClosed)) });
    assert_eq!(post(Sent::Maybe), Decision::Stop);
    assert_eq!(post(Sent::Nothing), Decision::Again);
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE] {
        assert_eq!(decide(Attempt { method: &method, ..attempt(status(503)) }), Decision::Again, "{method}");
    }
    for method in [Method::POST, Method::PATCH, Method::TRACE, Method::CONNECT] {
        assert_eq!(decide(Attempt { method: &method, ..attempt(status(503)) }), Decision::Stop, "{method}");
        let attempt = Attempt { method: &method, side: Some(Side::Canary), ..attempt(status(500)) };
        assert_eq!(decide(attempt), Decision::Stop, "{method}");
    }
}

#[test]
fn attempts_have_a_most() {
    let nth = |number, attempts| policy(attempts).decide(&Attempt { number, ..attempt(status(503)) });
    assert_eq!(nth(1, 1), Decision::Stop);
    assert_eq!(nth(1, 0), Decision::Stop);
    assert_eq!([nth(1, 3), nth(2, 3), nth(3, 3)], [Decision::Again, Decision::Again, Decision::Stop]);
}

#[test]
fn a_connection_that_died_while_idle_costs_no_attempt() {
    let stale = Attempt { connection: Connection::Reused, number: 2, ..attempt(Ended::Fault(Fault::UpstreamClosed)) };
    assert_eq!(decide(stale), Decision::AgainFresh);
    assert_eq!(decide(Attempt { side: Some(Side::Canary), ..stale }), Decision::AgainFresh, "not the canary's failure");
    assert_eq!(decide(Attempt { connection: Connection::Fresh, ..stale }), Decision::Stop);
    assert_eq!(decide(Attempt { method: &Method::POST, ..stale }), Decision::Stop);
    assert_eq!(decide(Attempt { method: &Method::POST, sent: Sent::Nothing, ..stale }), Decision::AgainFresh);
    let reset = Attempt { ended: Ended::Fault(Fault::UpstreamReset), ..stale };
    assert_eq!(decide(reset), Decision::Stop, "a reset is an answer of a live endpoint");
}

#[test]
fn a_written_status_is_repeated_on_either_side() {
    let policy = RetryPolicy::new(2, [StatusCode::TOO_MANY_REQUESTS], Ratio::ZERO);
    assert_eq!(policy.decide(&attempt(status(429))), Decision::Again);
    assert_eq!(policy.decide(&attempt(status(503))), Decision::Stop);
    assert_eq!(policy.decide(&Attempt { side: Some(Side::Canary), ..attempt(status(429)) }), Decision::OnStable);
}

fn any_attempt() -> impl Strategy<Value = Attempt<'static>> {
    let method = prop::sample::select(vec![&Method::GET, &Method::POST, &Method::PUT, &Method::PATCH]);
    let ended = prop_oneof![
        (100..600u16).prop_map(status),
        prop::sample::select(Fault::ALL.to_vec()).prop_map(Ended::Fault),
        Just(Ended::PassedOn),
    ];
    let side = prop::sample::select(vec![None, Some(Side::Stable), Some(Side::Canary)]);
    (1..5u32, side, method, any::<[bool; 3]>(), ended).prop_map(
        |(number, side, method, [sent, fresh, whole], ended)| Attempt {
            number,
            side,
            method,
            sent: if sent { Sent::Nothing } else { Sent::Maybe },
            connection: if fresh { Connection::Fresh } else { Connection::Reused },
            replay: if whole { Replay::Possible } else { Replay::Impossible },
            ended,
        },
    )
}

proptest! {
    #[test]
    fn nothing_harmful_is_ever_repeated(attempt in any_attempt(), attempts in 0..5u32) {
        let decision = policy(attempts).decide(&attempt);
        if decision != Decision::Stop {
            prop_assert!(attempt.ended != Ended::PassedOn);
            prop_assert!(attempt.replay == Replay::Possible);
            prop_assert!(attempt.sent == Sent::Nothing || ![Method::POST, Method::PATCH].contains(attempt.method));
        }
        if matches!(decision, Decision::Again | Decision::OnStable) {
            let most = if attempt.sent == Sent::Nothing { attempts.max(CONNECTS) } else { attempts };
            prop_assert!(attempt.number < most);
        }
        prop_assert_eq!(decision == Decision::OnStable, attempt.side == Some(Side::Canary) && matches!(decision, Decision::Again | Decision::OnStable));
        prop_assert!(decision != Decision::AgainFresh || attempt.connection == Connection::Reused);
    }
}
