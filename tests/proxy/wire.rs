//! A client that writes bytes and reads what comes back.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// One connection.
pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body was delimited by the end of the connection, or cut off by it.
    pub cut: bool,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a field; several are joined by ` | `.
    pub fn field(&self, name: &str) -> Option<String> {
        let all: Vec<&str> =
            self.fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect();
        (!all.is_empty()).then(|| all.join(" | "))
    }
}

impl Wire {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        // The other side may have closed already: what it said before is what counts.
        let _ = self.stream.write_all(bytes.as_ref());
        self
    }

    pub fn shutdown(&mut self) -> &mut Self {
        self.stream.shutdown(Shutdown::Write).unwrap();
        self
    }

    /// Reads one response to a request that was no HEAD.
    pub fn reply(&mut self) -> Reply {
        self.try_reply(true).expect("a response")
    }

    /// Reads one response to a HEAD.
    pub fn reply_to_head(&mut self) -> Reply {
        self.try_reply(false).expect("a response")
    }

    /// Reads one response; `None` when the connection ends before there is a head.
    pub fn try_reply(&mut self, has_body: bool) -> Option<Reply> {
        let head = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                let rest = self.read.split_off(end + 4);
                let head = String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
                if head.starts_with("HTTP/1.1 100") {
                    continue;
                }
                break head;
            }
            if !self.fill() {
                return None;
            }
        };
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap()[9..12].parse().unwrap();
        let fields: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut reply = Reply { status, fields, body: Vec::new(), cut: false };
        if has_body && status >= 200 && status != 204 && status != 304 {
            self.body(&mut reply);
        }
        Some(reply)
    }

    fn body(&mut self, reply: &mut Reply) {
        if reply.field("transfer-encoding").is_some() {
            loop {
                let Some(line) = self.line() else { break reply.cut = true };
                let size = usize::from_str_radix(line.trim(), 16).unwrap();
                if size == 0 {
                    while let Some(trailer) = self.line().filter(|line| !line.is_empty()) {
                        let (name, value) = trailer.split_once(':').unwrap();
                        reply.fields.push((format!("trailer:{}", name.to_ascii_lowercase()), value.trim().to_owned()));
                    }
                    return;
                }
                let chunk = self.bytes(size + 2);
                reply.body.extend_from_slice(&chunk[..chunk.len().min(size)]);
                if chunk.len() < size + 2 {
                    break reply.cut = true;
                }
            }
        } else if let Some(length) = reply.field("content-length") {
            let length: usize = length.parse().unwrap();
            reply.body = self.bytes(length);
            reply.cut = reply.body.len() < length;
        } else {
            while self.fill() {}
            reply.body = std::mem::take(&mut self.read);
            reply.cut = true;
        }
    }

    /// Up to `count` bytes; fewer when the connection ends.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count && self.fill() {}
        let rest = self.read.split_off(count.min(self.read.len()));
        std::mem::replace(&mut self.read, rest)
    }

    /// A line without its end; `None` when the connection ends.
    pub fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.read, b"\r\n") {
                let rest = self.read.split_off(end + 2);
                let line = std::mem::replace(&mut self.read, rest);
                return Some(String::from_utf8(line[..end].to_vec()).unwrap());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Whether the other side closes without saying anything more.
    pub fn is_closed(&mut self) -> bool {
        self.read.is_empty() && !self.fill()
    }

    /// Closes at once, with a reset.
    pub fn abort(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing comes: {error}"),
        }
    }
}

/// GETs `path` on a connection of its own.
pub fn get(address: SocketAddr, path: &str) -> Reply {
    get_with(address, path, "")
}

/// As [`get`], with further field lines, each with its end.
pub fn get_with(address: SocketAddr, path: &str, fields: &str) -> Reply {
    let request = format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n{fields}\r\n");
    Wire::connect(address).send(request).reply()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
