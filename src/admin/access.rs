//! Who may ask: the token, and the names by which the control surface may be called.

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use super::throttle::Throttle;

/// The secret that callers must show. Its text appears nowhere but in [`Token::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new one: 256 random bits.
    pub fn generate() -> Result<Self, AccessError> {
        let mut bytes = [0; 32];
        let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
        random.fill(&mut bytes).map_err(|_| AccessError::NoRandomness)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The first line of a file, without the space around it; 16 characters or more.
    pub fn read(path: &Path) -> Result<Self, AccessError> {
        let unreadable = |source| AccessError::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let token = text.lines().next().unwrap_or_default().trim();
        if token.len() < SHORTEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AccessError::Weak { path: path.to_owned() });
        }
        Ok(Self(token.to_owned()))
    }

    /// Puts it into `path`, whose folder is made where there is none: readable by its owner alone, and never seen half written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(self.0.as_bytes())?;
        file.persist(path).map(drop).map_err(|error| error.error)
    }

    /// A token that somebody has handed over, such as the running weir to the command line.
    pub fn from_text(text: String) -> Self {
        Self(text)
    }

    /// The secret.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `text` is the secret. The time that takes tells at most its length.
    pub(super) fn is(&self, text: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(text).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why there is no [`Access`].
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The token file cannot be read.
    #[error("token file {path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The token is too short, or has characters that a header cannot carry.
    #[error(
        "token file {path} must begin with a token of 16 printable characters or more, such as `openssl rand -hex 32` gives"
    )]
    Weak {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gives no random numbers.
    #[error("no random numbers for a token: set admin.tokenFile")]
    NoRandomness,
    /// Others could reach it, and no token was agreed on.
    #[error("admin.address {0} is reachable from other machines: set admin.tokenFile, or use 127.0.0.1")]
    Open(SocketAddr),
}

/// Who may ask.
#[derive(Debug)]
pub struct Access {
    /// As it was read last.
    token: Mutex<Arc<Token>>,
    /// Where it is, unless weir has made it: what is there at the time of a call holds.
    file: Option<PathBuf>,
    pub(super) hosts: Vec<String>,
    /// Guards who showed wrong tokens; taken for those requests alone.
    pub(super) throttle: Mutex<Throttle>,
}

impl Access {
    /// For a control surface at `address`: with the token in `token_file`, or with a new one, which is for loopback only.
    pub fn open(address: SocketAddr, token_file: Option<&Path>) -> Result<Self, AccessError> {
        let token = match token_file {
            Some(path) => Token::read(path)?,
            None if address.ip().is_loopback() => Token::generate()?,
            None => return Err(AccessError::Open(address)),
        };
        let file = token_file.map(Path::to_owned);
        Ok(Self { token: Mutex::new(Arc::new(token)), file, hosts: Vec::new(), throttle: Mutex::default() })
    }

    /// Answers to these names too, beside `localhost` and the address itself.
    #[must_use]
    pub fn with_hosts(self, hosts: Vec<String>) -> Self {
        Self { hosts: hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect(), ..self }
    }

    /// The secret as it is now. While its file cannot be read, or has no good token, the last one holds.
    pub fn token(&self) -> Arc<Token> {
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        match self.file.as_deref().map(Token::read) {
            Some(Ok(read)) if read != **token => *token = Arc::new(read),
            Some(Err(error)) => tracing::warn!("the last token of the control surface holds on: {error}"),
            Some(Ok(_)) | None => {}
        }
        token.clone()
    }
}

/// Fewer characters can be guessed.
const SHORTEST: usize = 16;
