//! Events about objects of the cluster, as `kubectl describe` shows them.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use super::apply::is_ending;

/// Writes events, all by one reporter.
pub struct Events {
    client: Client,
    reporter: Reporter,
    action: &'static str,
}

impl Events {
    /// Events of what `controller` does in its replica `instance`, each of which is told as `action`.
    pub fn new(client: Client, controller: &str, instance: Option<String>, action: &'static str) -> Self {
        Self { client, reporter: Reporter { controller: controller.to_owned(), instance }, action }
    }

    /// Tells `note` of `object`, cut to what an event can hold. Where the namespace is being deleted nothing is to be told.
    ///
    /// # Errors
    /// What the API server said.
    pub async fn tell(
        &self,
        object: &ObjectReference,
        type_: EventType,
        reason: &str,
        note: &str,
    ) -> Result<(), kube::Error> {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note[..note.floor_char_boundary(MOST_OF_A_NOTE)].to_owned()),
            action: self.action.to_owned(),
            secondary: None,
        };
        // A recorder counts up the event that it wrote of the same reason, whose note is another one, or which is gone.
        let fresh = Recorder::new(self.client.clone(), self.reporter.clone());
        fresh.publish(&event, object).await.or_else(|error| if is_ending(&error) { Ok(()) } else { Err(error) })
    }
}

/// What an event can hold, in bytes.
const MOST_OF_A_NOTE: usize = 1000;
