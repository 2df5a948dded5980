use super::*;

#[test]
fn every_fault_has_an_error_status_a_flag_and_a_line() {
    for fault in Fault::ALL {
        assert!(fault.status().as_u16() >= 400, "{fault:?}");
        assert!(fault.flag().bytes().all(|b| b.is_ascii_uppercase()) && fault.flag().len() >= 2, "{fault:?}");
        assert!(!fault.message().ends_with('.') && !fault.message().is_empty(), "{fault:?}");
    }
}

#[test]
fn the_list_of_faults_is_complete_and_without_repeats() {
    let distinct: std::collections::HashSet<_> = Fault::ALL.into_iter().collect();
    assert_eq!(distinct.len(), Fault::ALL.len());
    assert_eq!(Fault::Internal as usize + 1, Fault::ALL.len(), "the last variant closes the list");
}

#[test]
fn statuses_say_who_is_to_blame() {
    for fault in Fault::ALL {
        match fault.blame() {
            Blame::Client => assert!(fault.status().is_client_error(), "{fault:?}"),
            Blame::Upstream | Blame::Weir => assert!(fault.status().is_server_error(), "{fault:?}"),
        }
    }
}

#[test]
fn only_the_upstreams_faults_count_against_a_version() {
    let policy = FailurePolicy::default();
    assert_eq!(policy.classify_fault(Fault::ConnectRefused), Outcome::Failure);
    assert_eq!(policy.classify_fault(Fault::UpstreamTruncated), Outcome::Failure);
    assert_eq!(policy.classify_fault(Fault::Overflow), Outcome::Failure);
    assert_eq!(policy.classify_fault(Fault::ClientGone), Outcome::Ignored);
    assert_eq!(policy.classify_fault(Fault::BodyTooLarge), Outcome::Ignored);
    assert_eq!(policy.classify_fault(Fault::Draining), Outcome::Ignored);
}

#[test]
fn by_default_every_5xx_fails_and_nothing_else() {
    let policy = FailurePolicy::default();
    for status in 100..=999 {
        let outcome = policy.classify_head(StatusCode::from_u16(status).unwrap(), Semantics::Http);
        let expected = if (500..600).contains(&status) { Outcome::Failure } else { Outcome::Success };
        assert_eq!(outcome, expected, "{status}");
    }
}

#[test]
fn a_written_list_replaces_the_default() {
    let policy = FailurePolicy::new([429..=429, 503..=504], [8]);
    let head = |status| policy.classify_head(StatusCode::from_u16(status).unwrap(), Semantics::Http);
    assert_eq!(head(429), Outcome::Failure);
    assert_eq!(head(500), Outcome::Success);
    assert_eq!(head(504), Outcome::Failure);
    assert_eq!(policy.classify_grpc(8), Outcome::Failure);
    assert_eq!(policy.classify_grpc(13), Outcome::Success);
}

#[test]
fn grpc_callers_mistakes_do_not_count_and_server_faults_do() {
    let policy = FailurePolicy::default();
    for code in 0..=u8::MAX {
        let fails = matches!(code, 2 | 4 | 12..=15) || code > 16;
        let expected = if fails { Outcome::Failure } else { Outcome::Success };
        assert_eq!(policy.classify_grpc(code), expected, "{code}");
    }
}

#[test]
fn a_grpc_response_that_is_not_200_counts_as_its_caller_sees_it() {
    let policy = FailurePolicy::default();
    let head = |status, semantics| policy.classify_head(StatusCode::from_u16(status).unwrap(), semantics);
    assert_eq!(head(200, Semantics::Grpc), Outcome::Success);
    assert_eq!(head(302, Semantics::Grpc), Outcome::Failure, "unknown");
    assert_eq!(head(404, Semantics::Grpc), Outcome::Failure, "unimplemented");
    assert_eq!(head(404, Semantics::Http), Outcome::Success);
    assert_eq!(head(429, Semantics::Grpc), Outcome::Failure, "unavailable");
    assert_eq!(head(401, Semantics::Grpc), Outcome::Success, "unauthenticated");
    assert_eq!(head(500, Semantics::Grpc), Outcome::Failure);
}

#[test]
fn grpc_codes_out_of_range_are_left_out_of_a_policy() {
    assert_eq!(FailurePolicy::new([], [200]), FailurePolicy::new([], []));
}
