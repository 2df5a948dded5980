//! Annotations in, a queue and complaints out.

use std::collections::BTreeMap;

use super::*;
use crate::types::Span;

fn annotated(annotations: &[(&str, &str)]) -> Service {
    let mut service = Service::default();
    let pairs = annotations.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    service.metadata.annotations = Some(pairs.collect::<BTreeMap<_, _>>());
    service
}

#[test]
fn a_service_says_how_many_requests_wait_and_how_long() {
    let (queue, problems) = queue(&annotated(&[(FOR, "1m30s"), (REQUESTS, "50")]));
    assert_eq!((queue.time, queue.requests, problems.len()), (Some(Span::secs(90)), Some(50), 0));
}

#[test]
fn what_it_does_not_say_is_left_to_the_defaults() {
    let (queue, problems) = queue(&annotated(&[("example.com/other", "1")]));
    assert_eq!((queue.time, queue.requests, problems.len()), (None, None, 0));
}

#[test]
fn what_makes_no_sense_is_told_and_left_out() {
    let (queue, problems) = queue(&annotated(&[(FOR, "30"), (REQUESTS, "many")]));
    assert_eq!((queue.time, queue.requests), (None, None));
    assert_eq!(
        problems,
        ["weir.dev/queue-requests: `many` is not a whole number", "weir.dev/queue-for: `30` is not a time such as 30s"]
    );
}
