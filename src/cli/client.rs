//! Asks the running weir, which is found through the state directory or by its address.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::options::Target;
use crate::admin::{Overview, Secret, Token, USER_FIELD};

/// Why the running weir gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// None runs.
    #[error("{0}")]
    NotRunning(String),
    /// It runs, and does not want to.
    #[error("{error} ({hint})")]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// What is wrong.
        error: String,
        /// What to do.
        hint: String,
    },
    /// Something in between is broken.
    #[error("weir at {address} does not answer as it should: {problem}")]
    Broken {
        /// Whom was asked.
        address: String,
        /// What came instead.
        problem: String,
    },
    /// The token cannot be had, or the address is none.
    #[error("{0}")]
    Setup(String),
}

impl ClientError {
    /// Whether no weir runs where it was looked for.
    pub(super) fn is_not_running(&self) -> bool {
        matches!(self, Self::NotRunning(_))
    }
}

/// A caller of one weir.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// `host:port`.
    address: String,
    token: Token,
    /// What to say when nobody listens there.
    absent: String,
}

/// The body of a refusal.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    hint: String,
}

impl Client {
    /// Finds the weir that `target` means.
    pub(super) fn find(target: &Target) -> Result<Self, ClientError> {
        match &target.admin {
            Some(url) => Self::at(url, target.token_file.as_deref()),
            None => {
                let folder = target.state_dir.path().map_err(|error| ClientError::Setup(format!("{error:#}")))?;
                Self::in_state_dir(&folder, target.token_file.as_deref())
            }
        }
    }

    fn at(url: &str, token_file: Option<&Path>) -> Result<Self, ClientError> {
        let address = authority(url).map_err(ClientError::Setup)?;
        let absent = format!("nothing answers at {address}: is weir running there, and is the address right?");
        let file = token_file.ok_or_else(|| ClientError::Setup("--admin needs --token-file".to_owned()))?;
        Ok(Self { address, token: read_token(file)?, absent })
    }

    fn in_state_dir(folder: &Path, token_file: Option<&Path>) -> Result<Self, ClientError> {
        let shown = folder.display();
        let secret = Secret::read(folder).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ClientError::NotRunning(format!(
                "weir is not running with state directory {shown}: start it with `weir run --config FILE`, or name its \
                 folder with --state-dir (or its address with --admin)"
            )),
            io::ErrorKind::PermissionDenied => ClientError::Setup(format!(
                "{} is readable by the user that weir runs as alone: try again as that user",
                Secret::path(folder).display()
            )),
            _ => ClientError::Setup(format!("{} cannot be read: {error}", Secret::path(folder).display())),
        })?;
        let token = match (token_file.map(PathBuf::from).or(secret.token_file), secret.token) {
            (Some(file), _) => read_token(&file)?,
            (None, Some(text)) => Token::from_text(text),
            (None, None) => return Err(ClientError::Setup(format!("{shown}/admin.json has no token"))),
        };
        let absent = format!(
            "weir is not running: nothing answers at {}, which {shown}/admin.json names; start it with `weir run --config FILE`",
            secret.address
        );
        Ok(Self { address: secret.address.to_string(), token, absent })
    }

    /// All releases and the state of the configuration.
    pub(super) async fn overview(&self) -> Result<Overview, ClientError> {
        self.get("/releases").await
    }

    /// GETs JSON.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.whole(self.request(Method::GET, path, None)?).await
    }

    /// POSTs JSON, or nothing.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Result<T, ClientError> {
        self.whole(self.request(Method::POST, path, body)?).await
    }

    /// Follows `path`: each line of the answer, as it comes.
    pub(super) async fn follow(&self, path: &str) -> Result<Lines, ClientError> {
        let response = self.send(self.request(Method::GET, path, None)?).await?;
        Ok(Lines { client: self.clone(), body: response.into_body(), rest: Vec::new() })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let secret = HeaderValue::from_str(&format!("Bearer {}", self.token.reveal()));
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.address)
            .header(ACCEPT, "application/json, application/x-ndjson")
            .header(USER_FIELD, user())
            .header(AUTHORIZATION, secret.map_err(|_| ClientError::Setup("the token has strange characters".into()))?);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        request.body(Full::new(body)).map_err(|error| ClientError::Setup(error.to_string()))
    }

    async fn whole<T: DeserializeOwned>(&self, request: Request<Full<Bytes>>) -> Result<T, ClientError> {
        let response = self.send(request).await?;
        let body = timeout(PATIENCE, Limited::new(response.into_body(), LARGEST).collect()).await;
        let body = body.map_err(|_| self.broken("the answer does not end"))?;
        let body = body.map_err(|error| self.broken(error))?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| self.broken(error))
    }

    /// Sends a request on a connection of its own; what is not good becomes an error.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        let connected = timeout(PATIENCE, TcpStream::connect(&self.address)).await;
        let stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) | Err(_) => return Err(ClientError::NotRunning(self.absent.clone())),
        };
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.broken(error))?;
        tokio::spawn(connection); // ends with the answer, or with this command's runtime
        let response = timeout(PATIENCE, sender.send_request(request)).await;
        let response = response.map_err(|_| self.broken("no answer in time"))?.map_err(|error| self.broken(error))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response).await) }
    }

    async fn refused(&self, response: Response<Incoming>) -> ClientError {
        let status = response.status();
        let body = timeout(PATIENCE, Limited::new(response.into_body(), LARGEST).collect()).await;
        let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
        match serde_json::from_slice::<Refusal>(&body) {
            Ok(Refusal { error, hint }) => ClientError::Refused { status, error, hint },
            Err(_) => self.broken(status),
        }
    }

    fn broken(&self, problem: impl ToString) -> ClientError {
        ClientError::Broken { address: self.address.clone(), problem: problem.to_string() }
    }
}

/// The lines of an answer that goes on.
pub(super) struct Lines {
    client: Client,
    body: Incoming,
    rest: Vec<u8>,
}

impl Lines {
    /// The next line that is not empty; `None` when the answer has ended.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            let frame = timeout(SILENCE, self.body.frame()).await;
            match frame.map_err(|_| self.client.broken("it has become silent"))? {
                None => return Ok(None),
                Some(frame) => {
                    let frame = frame.map_err(|error| self.client.broken(error))?;
                    self.rest.extend(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
                }
            }
        }
    }
}

/// Runs a command that asks the network.
pub(super) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the runtime cannot start")?.block_on(work)
}

fn read_token(file: &Path) -> Result<Token, ClientError> {
    Token::read(file).map_err(|error| ClientError::Setup(error.to_string()))
}

/// `host:port` of an address such as `http://127.0.0.1:9180` or `127.0.0.1:9180`.
fn authority(url: &str) -> Result<String, String> {
    let wrong = || format!("`{url}` is not an address: write it like http://127.0.0.1:9180");
    if url.starts_with("https://") {
        return Err(format!(
            "{url}: weir's control surface speaks plain HTTP; reach it through a tunnel, such as ssh -L"
        ));
    }
    let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let uri: Uri = full.parse().map_err(|_| wrong())?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(wrong)?;
    if !matches!(uri.path(), "" | "/") || authority.as_str().contains('@') {
        return Err(wrong());
    }
    Ok(format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(9180)))
}

/// Who types, for the journal: `alice@laptop`.
fn user() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("SUDO_USER").or_else(|| variable("USER")).or_else(|| variable("LOGNAME"));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| variable("HOSTNAME"));
    let plain = |text: String| {
        let good = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
        text.trim().chars().take(31).map(good).collect::<String>()
    };
    let user = user.map_or_else(number, plain);
    host.map(plain).filter(|host| !host.is_empty()).map_or_else(|| user.clone(), |host| format!("{user}@{host}"))
}

/// Who owns this process, where no variable says a name.
fn number() -> String {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").map_or_else(|_| "somebody".to_owned(), |process| format!("uid{}", process.uid()))
}

/// For each part of a call to a weir that is near.
const PATIENCE: Duration = Duration::from_secs(10);

/// weir says every 10 s that it is still there.
const SILENCE: Duration = Duration::from_secs(25);

/// The largest answer: a long history.
const LARGEST: usize = 256 * 1024 * 1024;

#[cfg(test)]
mod tests;
