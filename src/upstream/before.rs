//! What an endpoint says before its response.

use std::rc::Rc;

use http::{HeaderMap, StatusCode};

use super::body::{Informed, RequestBody};
use crate::outcome::Fault;

/// Informational responses before the response.
pub(super) struct Before {
    count: usize,
    informed: Option<Rc<dyn Informed>>,
}

impl Before {
    /// Those that come before the response to a request with `body`.
    pub(super) fn response_to(body: &RequestBody) -> Self {
        Self { count: 0, informed: body.informed() }
    }

    /// Passes one on, within bounds. 100 is between two neighbours, and weir has told its own client.
    pub(super) fn add(&mut self, status: StatusCode, headers: HeaderMap) -> Result<(), Fault> {
        self.count += 1;
        if self.count > MAX_INFORMATIONAL {
            return Err(Fault::UpstreamProtocol);
        }
        if let Some(client) = self.informed.as_ref().filter(|_| status != StatusCode::CONTINUE) {
            client.inform(status, headers);
        }
        Ok(())
    }
}

/// More of them are a flood.
const MAX_INFORMATIONAL: usize = 16;
