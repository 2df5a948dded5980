//! How long requests for a Service wait while it has no endpoint, by its annotations.

use std::str::FromStr;

use k8s_openapi::api::core::v1::Service;

use crate::config::schema::Queue;

/// What the annotations of `service` say, and what of them is nonsense and left out.
pub fn queue(service: &Service) -> (Queue, Vec<String>) {
    let mut problems = Vec::new();
    let queue = Queue {
        requests: read(service, REQUESTS, "is not a whole number", &mut problems),
        time: read(service, FOR, "is not a time such as 30s", &mut problems),
    };
    (queue, problems)
}

fn read<T: FromStr>(service: &Service, name: &str, wrong: &str, problems: &mut Vec<String>) -> Option<T> {
    let text = service.metadata.annotations.as_ref()?.get(name)?;
    let value = text.parse().ok();
    if value.is_none() {
        problems.push(format!("{name}: `{text}` {wrong}"));
    }
    value
}

/// `backends.*.queue.requests` of the file.
const REQUESTS: &str = "weir.dev/queue-requests";

/// `backends.*.queue.for` of the file.
const FOR: &str = "weir.dev/queue-for";

#[cfg(test)]
mod tests;
