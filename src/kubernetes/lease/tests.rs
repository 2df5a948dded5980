use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn election() -> Election {
    Election { me: "weir-a".to_owned(), seen: None }
}

fn held_by(holder: &str, version: &str) -> Lease {
    let spec = LeaseSpec {
        holder_identity: Some(holder.to_owned()),
        lease_duration_seconds: Some(15),
        ..LeaseSpec::default()
    };
    let metadata = ObjectMeta { resource_version: Some(version.to_owned()), ..ObjectMeta::default() };
    Lease { metadata, spec: Some(spec) }
}

#[test]
fn a_lease_that_is_nobodys_is_taken() {
    assert_eq!(election().look(None, SECOND), Move::Take);
    assert_eq!(election().look(Some(&held_by("", "1")), SECOND), Move::Take);
}

#[test]
fn ones_own_lease_is_renewed() {
    assert_eq!(election().look(Some(&held_by("weir-a", "1")), SECOND), Move::Renew);
}

#[test]
fn anothers_lease_is_taken_only_after_its_whole_term_without_renewal_by_ones_own_clock() {
    let mut election = election();
    for second in 100..=115 {
        assert_eq!(election.look(Some(&held_by("weir-b", "1")), SECOND * second), Move::Wait, "at {second} s");
    }
    assert_eq!(election.look(Some(&held_by("weir-b", "1")), SECOND * 116), Move::Take);
}

#[test]
fn a_renewal_begins_the_term_again_whatever_time_is_written_in_it() {
    let mut election = election();
    assert_eq!(election.look(Some(&held_by("weir-b", "1")), SECOND), Move::Wait);
    assert_eq!(election.look(Some(&held_by("weir-b", "2")), SECOND * 15), Move::Wait);
    assert_eq!(election.look(Some(&held_by("weir-b", "2")), SECOND * 30), Move::Wait);
    assert_eq!(election.look(Some(&held_by("weir-b", "2")), SECOND * 31), Move::Take);
}

#[test]
fn a_short_term_written_by_another_is_not_believed() {
    let mut lease = held_by("weir-b", "1");
    lease.spec.as_mut().unwrap().lease_duration_seconds = Some(1);
    let mut election = election();
    assert_eq!(election.look(Some(&lease), SECOND), Move::Wait);
    assert_eq!(election.look(Some(&lease), SECOND * 10), Move::Wait);
}

#[test]
fn a_holder_gives_up_before_others_take_over() {
    let leadership = Leadership::default();
    assert!(!leadership.leads());
    leadership.renewed(uptime());
    assert!(leadership.leads());
    leadership.end();
    assert!(!leadership.leads());
    assert!(
        HOLD + ANSWER < TERM,
        "a write that is on its way when the holder gives up comes too early for the next one"
    );
}

#[test]
fn what_is_written_fails_when_another_one_wrote_in_between() {
    let lease = election().write("weir", Some(held_by("weir-b", "7")), "weir-a");
    assert_eq!(lease.metadata.resource_version.as_deref(), Some("7"));
    let spec = lease.spec.unwrap();
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("weir-a"), Some(1)));
}
