//! An upstream as a process of its own: it says which requests it has executed, and goes wrong as it is told, line by line.
//!
//! It is the program it was started from, started again; see [`serve`]. What it says on standard output survives its death.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socket2::SockRef;

/// How an upstream answers from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// At once, with 200.
    #[default]
    Well,
    /// With 200, after so many milliseconds.
    Slow(u64),
    /// Every second request with 503, and does not execute it.
    Failing,
    /// New connections are reset before a byte is read, and old ones after their next answer.
    ResettingConnections,
    /// Connections are reset when a request has been read, and it is not executed.
    ResettingRequests,
    /// Connections are reset in the middle of every second answer.
    ResettingAnswers,
    /// Connections are closed at a random moment at which they are idle.
    Hasty,
}

/// What became of a POST at the upstreams.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// So many times it was executed.
    pub executed: u32,
    /// So many times it was read and refused.
    pub refused: u32,
}

/// What all upstreams say, by the number of the request.
#[derive(Debug, Default)]
pub struct Journal {
    posts: Mutex<HashMap<u64, Tally>>,
    resets: Mutex<u64>,
}

impl Journal {
    /// What became of POST number `id`.
    pub fn tally(&self, id: u64) -> Tally {
        lock(&self.posts).get(&id).copied().unwrap_or_default()
    }

    /// Connections that were reset before a byte was read: what was on the way to them cannot be known.
    pub fn resets(&self) -> u64 {
        *lock(&self.resets)
    }

    fn note(&self, line: &str) {
        let id = |text: &str| text.trim().parse().unwrap_or_default();
        match line.split_once(' ') {
            Some(("executed", number)) => lock(&self.posts).entry(id(number)).or_default().executed += 1,
            Some(("refused", number)) => lock(&self.posts).entry(id(number)).or_default().refused += 1,
            _ if line == "reset" => *lock(&self.resets) += 1,
            _ => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How this program is started as an upstream: it calls [`serve`] then.
pub type Program = fn() -> Command;

/// A running upstream. Dropping it ends it.
pub struct Upstream {
    /// Where it listens, over all its lives.
    pub address: SocketAddr,
    program: Program,
    journal: Arc<Journal>,
    child: Child,
}

impl Upstream {
    /// Starts one on a free port, which tells `journal` what it does.
    pub fn start(program: Program, journal: &Arc<Journal>) -> Self {
        let (child, address) = spawn(program, SocketAddr::from(([127, 0, 0, 1], 0)), journal);
        Self { address, program, journal: journal.clone(), child }
    }

    /// From now on it behaves so.
    pub fn order(&mut self, behaviour: Behaviour) {
        let orders = self.child.stdin.as_mut().expect("it is piped");
        let line = match behaviour {
            Behaviour::Slow(millis) => format!("{millis}\n"),
            other => format!("{other:?}\n"),
        };
        orders.write_all(line.as_bytes()).expect("it listens to orders");
    }

    /// `kill -9`; tells when.
    pub fn kill(&mut self) -> (Instant, Instant) {
        let before = Instant::now();
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
        (before, Instant::now())
    }

    /// Starts it again at its address.
    pub fn revive(&mut self) {
        self.child = spawn(self.program, self.address, &self.journal).0;
    }

    /// Sends a signal by name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: Program, address: SocketAddr, journal: &Arc<Journal>) -> (Child, SocketAddr) {
    let mut command = program();
    command.env(ADDRESS, address.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("this program can be started again");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let address = loop {
        let line = lines.next().expect("it says where it listens").expect("it writes text");
        if let Some(address) = line.strip_prefix("listening ") {
            break address.parse().expect("an address");
        }
    };
    let journal = journal.clone();
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| journal.note(&line)));
    (child, address)
}

/// Whether this process is to be an upstream.
pub fn is_asked_for() -> bool {
    std::env::var_os(ADDRESS).is_some()
}

/// The upstream itself: serves at the address in the environment until its standard input ends.
pub fn serve() {
    let address = std::env::var(ADDRESS).expect("it is told where to listen");
    let listener = TcpListener::bind(address).expect("its port is free");
    say(&format!("\nlistening {}", listener.local_addr().expect("it is bound")));
    let behaviour = Arc::<Mutex<Behaviour>>::default();
    let shared = behaviour.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if *lock(&shared) == Behaviour::ResettingConnections {
                say("reset");
                reset(stream);
                continue;
            }
            let behaviour = shared.clone();
            std::thread::spawn(move || Serving::new(stream, behaviour).run());
        }
    });
    for order in std::io::stdin().lines().map_while(Result::ok) {
        *lock(&behaviour) = match order.as_str() {
            "Failing" => Behaviour::Failing,
            "ResettingConnections" => Behaviour::ResettingConnections,
            "ResettingRequests" => Behaviour::ResettingRequests,
            "ResettingAnswers" => Behaviour::ResettingAnswers,
            "Hasty" => Behaviour::Hasty,
            other => other.parse().map_or(Behaviour::Well, Behaviour::Slow),
        };
    }
    std::process::exit(0);
}

/// One line, written at once: nothing of it is left in a buffer when the process is killed.
fn say(line: &str) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).expect("somebody listens");
}

fn reset(stream: TcpStream) {
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}

/// A connection.
struct Serving {
    stream: TcpStream,
    behaviour: Arc<Mutex<Behaviour>>,
    input: Vec<u8>,
    has_answered: bool,
    rng: fastrand::Rng,
}

impl Serving {
    fn new(stream: TcpStream, behaviour: Arc<Mutex<Behaviour>>) -> Self {
        let seed = stream.peer_addr().map_or(1, |peer| peer.port().into());
        let _ = stream.set_nodelay(true);
        Self { stream, behaviour, input: Vec::new(), has_answered: false, rng: fastrand::Rng::with_seed(seed) }
    }

    /// Answers requests until the connection ends, one way or the other.
    fn run(mut self) {
        while let Some(request) = self.read() {
            let post = request.strip_prefix("POST /");
            let outcome = |word: &str| post.into_iter().for_each(|id| say(&format!("{word} {id}")));
            let behaviour = *lock(&self.behaviour);
            let coin = self.rng.bool();
            match behaviour {
                Behaviour::ResettingRequests => {
                    outcome("refused");
                    return reset(self.stream);
                }
                Behaviour::Failing if coin => outcome("refused"),
                _ => outcome("executed"),
            }
            std::thread::sleep(match behaviour {
                Behaviour::Slow(millis) => Duration::from_millis(millis),
                _ => SERVICE,
            });
            let status = if behaviour == Behaviour::Failing && coin { "503 Unwell" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len());
            let broken = behaviour == Behaviour::ResettingAnswers && coin;
            let length = if broken { answer.len() - BODY.len() / 2 } else { answer.len() };
            if self.stream.write_all(&answer.as_bytes()[..length]).is_err() {
                return;
            }
            if broken || behaviour == Behaviour::ResettingConnections {
                return reset(self.stream);
            }
            self.has_answered = true;
        }
    }

    /// Method and path of the next request once it is whole; `None` at the end of the connection.
    fn read(&mut self) -> Option<String> {
        loop {
            if let Some((request, length)) = whole(&self.input) {
                self.input.drain(..length);
                return Some(request);
            }
            let idle = self.has_answered && self.input.is_empty();
            let hasty = idle && *lock(&self.behaviour) == Behaviour::Hasty;
            let patience = hasty.then(|| Duration::from_millis(self.rng.u64(1..20)));
            self.stream.set_read_timeout(patience).ok()?;
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
            }
        }
    }
}

/// Method, path and length of the request at the start of `input`, when all of it is there.
fn whole(input: &[u8]) -> Option<(String, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(head) = request.parse(input).expect("proxies send requests") else { return None };
    let length = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let body: usize =
        length.map_or(0, |field| String::from_utf8_lossy(field.value).parse().expect("a length is a number"));
    let line = format!("{} {}", request.method?, request.path?);
    (input.len() >= head + body).then_some((line, head + body))
}

/// What every answer takes: so long that some are always under way.
const SERVICE: Duration = Duration::from_millis(2);

const BODY: &str = "Two roads diverged in a yellow wood, and sorry I could not travel both";

/// The variable with the address to listen on.
const ADDRESS: &str = "WEIR_TEST_UPSTREAM";
