//! Events about objects of the cluster, as `kubectl describe` shows them.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::apply::is_ending;

/// Events by one reporter. They are told in their order by a task of their own: nothing else waits for them.
pub struct Events {
    action: &'static str,
    untold: mpsc::Sender<(ObjectReference, Event)>,
}

impl Events {
    /// Events of what `controller` does in its replica `instance`, each of which is told as `action`.
    pub fn new(client: Client, controller: &str, instance: Option<String>, action: &'static str) -> Self {
        let reporter = Reporter { controller: controller.to_owned(), instance };
        let (untold, mut events) = mpsc::channel(MOST_UNTOLD);
        tokio::spawn(async move {
            while let Some((object, event)) = events.recv().await {
                tell(&client, &reporter, &object, &event).await;
            }
        });
        Self { action, untold }
    }

    /// Tells `note` of `object`, cut to what an event can hold.
    pub fn tell(&self, object: ObjectReference, type_: EventType, reason: &str, note: &str) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note[..note.floor_char_boundary(MOST_OF_A_NOTE)].to_owned()),
            action: self.action.to_owned(),
            secondary: None,
        };
        if self.untold.try_send((object, event)).is_err() {
            tracing::warn!(reason, "an event is lost: too many wait for the API server");
        }
    }
}

/// Tells one event, for as long as somebody may want to know.
async fn tell(client: &Client, reporter: &Reporter, object: &ObjectReference, event: &Event) {
    let begun = Instant::now();
    loop {
        // A recorder counts up the event that it wrote of the same reason, whose note is another one, or which is gone.
        let fresh = Recorder::new(client.clone(), reporter.clone());
        let failed = match timeout(PATIENCE, fresh.publish(event, object)).await {
            Ok(Ok(())) => return,
            // All that is in the namespace goes by itself.
            Ok(Err(error)) if is_ending(&error) => return,
            failed => failed,
        };
        let refused = matches!(&failed, Ok(Err(error)) if is_final(error));
        if refused || begun.elapsed() >= LONGEST {
            tracing::warn!(reason = event.reason, "an event is lost: {failed:?}");
            return;
        }
        tracing::warn!(reason = event.reason, "no event can be written, tried again: {failed:?}");
        sleep(AGAIN).await;
    }
}

/// Whether the API server would say so again.
fn is_final(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400 | 403..=407 | 410..=428))
}

/// What an event can hold, in bytes.
const MOST_OF_A_NOTE: usize = 1000;

/// How many wait for the API server.
const MOST_UNTOLD: usize = 1000;

/// The longest time for one request.
const PATIENCE: Duration = Duration::from_secs(5);

/// The time until what could not be told is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// The longest time for one event.
const LONGEST: Duration = Duration::from_secs(600);

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
        let events = Events::new(client, "weir", None, "Release");
        let object = ObjectReference { namespace: Some("shop".to_owned()), ..ObjectReference::default() };
        let long = "ö".repeat(600);
        for note in ["at 5%", "at 25%", "at 50%", &long] {
            events.tell(object.clone(), EventType::Normal, "StepPassed", note);
        }
        while told.lock().unwrap().len() < 5 {
            sleep(Duration::from_millis(10)).await;
        }
        let long = "ö".repeat(500);
        let all = [(201, "at 5%"), (500, "at 25%"), (201, "at 25%"), (403, "at 50%"), (201, &long)];
        assert_eq!(
            *told.lock().unwrap(),
            all.map(|(status, note)| (status, note.to_owned())),
            "what is refused is lost"
        );
    }
}
