//! Events about objects of the cluster, as `kubectl describe` shows them.

use std::collections::VecDeque;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::time::timeout;

use super::apply::is_ending;

/// Events by one reporter, told in their order.
pub struct Events {
    client: Client,
    reporter: Reporter,
    action: &'static str,
    untold: VecDeque<(ObjectReference, Event)>,
}

impl Events {
    /// Events of what `controller` does in its replica `instance`, each of which is told as `action`.
    pub fn new(client: Client, controller: &str, instance: Option<String>, action: &'static str) -> Self {
        let reporter = Reporter { controller: controller.to_owned(), instance };
        Self { client, reporter, action, untold: VecDeque::new() }
    }

    /// `note` of `object` is to be told, cut to what an event can hold.
    pub fn add(&mut self, object: ObjectReference, type_: EventType, reason: &str, note: &str) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note[..note.floor_char_boundary(MOST_OF_A_NOTE)].to_owned()),
            action: self.action.to_owned(),
            secondary: None,
        };
        if self.untold.len() == MOST_UNTOLD {
            self.untold.pop_front();
        }
        self.untold.push_back((object, event));
    }

    /// Tells what is to be told. Whether that is all; the rest is told by the next call.
    pub async fn tell(&mut self) -> bool {
        while let Some((object, event)) = self.untold.front() {
            // A recorder counts up the event that it wrote of the same reason, whose note is another one, or which is gone.
            let fresh = Recorder::new(self.client.clone(), self.reporter.clone());
            match timeout(PATIENCE, fresh.publish(event, object)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) if is_ending(&error) => {}
                Ok(Err(error)) if is_final(&error) => {
                    tracing::warn!(reason = event.reason, "an event is refused: {error}")
                }
                failed => {
                    tracing::warn!(reason = event.reason, "no event can be written, tried again: {failed:?}");
                    return false;
                }
            }
            self.untold.pop_front();
        }
        true
    }
}

/// Whether the API server would say so again.
fn is_final(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if (400..500).contains(&status.code) && status.code != 429)
}

/// What an event can hold, in bytes.
const MOST_OF_A_NOTE: usize = 1000;

/// How many wait for the API server; then the oldest are lost.
const MOST_UNTOLD: usize = 1000;

/// The longest time for one event.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};
    use hyper::body::Incoming;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::TokioIo;
    use serde_json::{Value, json};
    use tokio::net::TcpListener;

    use super::*;

    /// An API server that answers with these statuses, one after the other, and keeps what it was told with each.
    async fn api_server(statuses: &'static [u16]) -> (Client, Arc<Mutex<Vec<(u16, String)>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let told = Arc::<Mutex<Vec<_>>>::default();
        let seen = told.clone();
        let answer = move |request: Request<Incoming>| {
            let seen = seen.clone();
            async move {
                assert_eq!(request.method(), "POST", "each event is a new one");
                let body: Value =
                    serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
                let mut seen = seen.lock().unwrap();
                let status = statuses[seen.len()];
                seen.push((status, body["note"].as_str().unwrap().to_owned()));
                let body =
                    if status == 201 { body } else { json!({ "kind": "Status", "status": "Failure", "code": status }) };
                let response = Response::builder().status(status).body(Full::new(Bytes::from(body.to_string())));
                Ok::<_, Infallible>(response.unwrap())
            }
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer.clone())));
            }
        });
        (Client::try_from(kube::Config::new(uri)).unwrap(), told)
    }

    #[tokio::test]
    async fn what_could_not_be_told_is_told_later_and_in_its_order() {
        let (client, told) = api_server(&[201, 500, 201, 403, 201]).await;
        let mut events = Events::new(client, "weir", None, "Release");
        let object = ObjectReference { namespace: Some("shop".to_owned()), ..ObjectReference::default() };
        for note in ["at 5%", "at 25%", "at 50%"] {
            events.add(object.clone(), EventType::Normal, "StepPassed", note);
        }
        assert!(!events.tell().await);
        events.add(object, EventType::Normal, "Healthy", &"ö".repeat(600));
        assert!(events.tell().await, "what is refused is not told again");
        assert!(events.tell().await);
        let long = "ö".repeat(500);
        let all = [(201, "at 5%"), (500, "at 25%"), (201, "at 25%"), (403, "at 50%"), (201, &long)];
        assert_eq!(*told.lock().unwrap(), all.map(|(status, note)| (status, note.to_owned())));
    }
}
