//! A backend that speaks HTTP/1.1 by hand, so that it can do what no library would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// A server that answers by a function. Ends with the test.
pub struct Backend {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub line: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<String>,
    /// Which connection it came on, from 0.
    pub connection: usize,
}

impl Seen {
    /// The value of a field; several are joined by ` | `.
    pub fn field(&self, name: &str) -> Option<String> {
        let all: Vec<&str> =
            self.fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect();
        (!all.is_empty()).then(|| all.join(" | "))
    }

    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    pub fn method(&self) -> &str {
        self.line.split(' ').next().unwrap()
    }
}

impl Backend {
    /// Answers every whole request with the bytes that `answer` gives; none closes the connection.
    pub fn answering(answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::serving(move |request, stream| {
            let bytes = answer(request);
            bytes.is_empty() || stream.write_all(&bytes).is_err()
        })
    }

    /// Answers with `body`.
    pub fn saying(body: &'static str) -> Self {
        Self::answering(move |_| ok(body))
    }

    /// Has `serve` write the answer to every whole request, and say whether the connection ends with it.
    pub fn serving(serve: impl Fn(&Seen, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        let (seen, serve) = (Arc::new(Mutex::new(Vec::new())), Arc::new(serve));
        let log = seen.clone();
        Self::raw(seen, move |stream, connection| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut stream = stream;
            while let Some(request) = read(&mut reader, connection) {
                log.lock().unwrap().push(request.clone());
                if serve(&request, &mut stream) {
                    return;
                }
            }
        })
    }

    /// Hands every connection to `serve` as it is.
    pub fn connecting(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::raw(Arc::default(), move |stream, _| serve(stream))
    }

    fn raw(seen: Arc<Mutex<Vec<Seen>>>, serve: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (serve, stream) = (serve.clone(), stream.unwrap());
                stream.set_nodelay(true).unwrap();
                std::thread::spawn(move || serve(stream, connection));
            }
        });
        Self { address, seen }
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request so far.
    pub fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

/// An address at which nothing answers, not even to refuse: a listener whose queue is full, so that the kernel drops every
/// further SYN. The way to it is the same as to a machine that is gone.
pub struct Hole {
    pub address: SocketAddr,
    _listener: Socket,
    _queue: Vec<TcpStream>,
}

impl Hole {
    pub fn dig() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        // What fits into the queue, and no more than that.
        let more = || TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
        let queue = std::iter::from_fn(more).take(64).collect::<Vec<_>>();
        assert!(queue.len() < 64, "its queue has an end");
        Self { address, _listener: listener, _queue: queue }
    }
}

/// An address where nobody listens.
pub fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A response of 200 with `body`.
pub fn ok(body: &str) -> Vec<u8> {
    status("200 OK", body)
}

/// A response.
pub fn status(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn read(reader: &mut BufReader<TcpStream>, connection: usize) -> Option<Seen> {
    let line = line(reader).filter(|line| !line.is_empty())?;
    let fields = fields(reader)?;
    let mut seen = Seen { line, fields, body: Vec::new(), trailers: Vec::new(), connection };
    if seen.field("transfer-encoding").is_some() {
        loop {
            let size = usize::from_str_radix(&self::line(reader)?, 16).ok()?;
            if size == 0 {
                break;
            }
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            seen.body.extend_from_slice(&chunk[..size]);
        }
        seen.trailers = self::fields(reader)?.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
    } else if let Some(length) = seen.field("content-length") {
        seen.body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut seen.body).ok()?;
    }
    Some(seen)
}

fn fields(reader: &mut BufReader<TcpStream>) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = line(reader)?;
        let Some((name, value)) = line.split_once(':') else { return Some(fields) };
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    match reader.read_line(&mut line) {
        Ok(count) if count > 0 => Some(line.trim_end().to_owned()),
        _ => None,
    }
}
