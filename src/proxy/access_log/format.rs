//! Rendering: what is kept of a request for its line, and the line.

use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::clock::{Clock, SystemClock};
use crate::log_template::{Field, FieldName, Operator, Part, Template};
use crate::proxy::account::Account;
use crate::proxy::connection::Connection;
use crate::proxy::forwarded::X_REQUEST_ID;
use crate::snapshot::Listener;
use crate::types::Timestamp;

/// How lines look: compiled.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Format(Rc<Compiled>);

#[derive(Debug)]
struct Compiled {
    style: Style,
    parts: Vec<(String, Vec<Part>)>,
    request: Vec<HeaderName>,
    response: Vec<HeaderName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Text,
    Json,
}

/// What the line wants to know of one exchange and that is gone by its end.
#[derive(Debug)]
pub(in crate::proxy) struct Entry {
    start: Timestamp,
    /// Nothing where the head could not be read.
    line: Option<(Method, Uri)>,
    version: Version,
    host: Option<HeaderValue>,
    request: Vec<Option<HeaderValue>>,
    response: Vec<Option<HeaderValue>>,
}

impl Entry {
    /// Keeps what `format` wants of `request`.
    pub(in crate::proxy) fn begin<B>(format: &Format, request: &Request<B>) -> Self {
        Self {
            start: SystemClock.now(),
            line: Some((request.method().clone(), request.uri().clone())),
            version: request.version(),
            host: request.headers().get(http::header::HOST).cloned(),
            request: pick(&format.0.request, request.headers()),
            response: Vec::new(),
        }
    }

    /// What a client sent over HTTP/1 that is no request.
    pub(in crate::proxy) fn unread() -> Self {
        let start = SystemClock.now();
        Self { start, line: None, version: Version::HTTP_11, host: None, request: Vec::new(), response: Vec::new() }
    }

    /// Keeps what `format` wants of the response.
    pub(in crate::proxy) fn answered(&mut self, format: &Format, headers: &HeaderMap) {
        self.response = pick(&format.0.response, headers);
    }

    /// The id that the request got, whether from its client or from weir.
    pub(in crate::proxy) fn identified(&mut self, format: &Format, id: &HeaderValue) {
        let place = format.0.request.iter().position(|name| *name == X_REQUEST_ID);
        if let Some(slot) = place.and_then(|place| self.request.get_mut(place)) {
            *slot = Some(id.clone());
        }
    }
}

/// The parts of one of weir's own templates, which a test parses.
fn own(template: &str) -> Vec<Part> {
    Template::parse(template).map_or_else(|_| Vec::new(), |template| template.parts().to_vec())
}

fn pick(names: &[HeaderName], headers: &HeaderMap) -> Vec<Option<HeaderValue>> {
    names.iter().map(|name| headers.get(name).cloned()).collect()
}

impl Format {
    /// Lines by `template`.
    pub(in crate::proxy) fn text(template: &Template) -> Self {
        Self::compile(Style::Text, vec![(String::new(), template.parts().to_vec())])
    }

    /// One JSON object in each line.
    pub(in crate::proxy) fn json() -> Self {
        let parts = JSON.iter().map(|(key, operator)| ((*key).to_owned(), own(operator)));
        Self::compile(Style::Json, parts.collect())
    }

    fn compile(style: Style, parts: Vec<(String, Vec<Part>)>) -> Self {
        let all = || parts.iter().flat_map(|(_, parts)| parts);
        let request = all().filter_map(|part| if let Part::Request(field) = part { Some(field) } else { None });
        let response = all().filter_map(|part| if let Part::Response(field) = part { Some(field) } else { None });
        let (request, response) = (fields(request), fields(response));
        Self(Rc::new(Compiled { style, parts, request, response }))
    }

    /// Appends the line of an exchange on `connection`, served by `listener`, that took so long.
    pub(in crate::proxy) fn render(
        &self,
        line: &mut Vec<u8>,
        entry: &Entry,
        (connection, listener): (&Connection, Option<&Listener>),
        account: &Account,
        took: Duration,
    ) {
        let facts = Facts { format: self, entry, connection, listener, account, took };
        match self.0.style {
            Style::Text => {
                for part in self.0.parts.iter().flat_map(|(_, parts)| parts) {
                    match part {
                        Part::Text(text) => line.extend_from_slice(text.as_bytes()),
                        part => escape(line, facts.value(part).as_deref().unwrap_or("-")),
                    }
                }
            }
            Style::Json => {
                line.push(b'{');
                for (index, (key, parts)) in self.0.parts.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    let value = parts.first().and_then(|part| facts.json(part));
                    let _ = write!(line, "{comma}\"{key}\":{}", value.unwrap_or(serde_json::Value::Null));
                }
                line.push(b'}');
            }
        }
        line.push(b'\n');
    }
}

/// The names of plain fields, each once.
fn fields<'a>(all: impl Iterator<Item = &'a Field>) -> Vec<HeaderName> {
    let mut found: Vec<HeaderName> = Vec::new();
    for name in all.flat_map(|field| &field.names) {
        if let FieldName::Field(name) = name
            && !found.contains(name)
        {
            found.push(name.clone());
        }
    }
    found
}

/// Everything a line can be made of.
struct Facts<'a> {
    format: &'a Format,
    entry: &'a Entry,
    connection: &'a Connection,
    listener: Option<&'a Listener>,
    account: &'a Account,
    took: Duration,
}

impl Facts<'_> {
    fn value(&self, part: &Part) -> Option<String> {
        match part {
            Part::Text(text) => Some(text.clone()),
            Part::Operator(operator) => self.operator(*operator),
            Part::Request(field) => self.field(field, &self.format.0.request, &self.entry.request),
            Part::Response(field) => self.field(field, &self.format.0.response, &self.entry.response),
        }
    }

    /// Numbers are numbers in JSON.
    fn json(&self, part: &Part) -> Option<serde_json::Value> {
        let text = self.value(part)?;
        let numeric = matches!(
            part,
            Part::Operator(
                Operator::ResponseCode
                    | Operator::BytesReceived
                    | Operator::BytesSent
                    | Operator::Duration
                    | Operator::UpstreamDuration
                    | Operator::Attempts
            )
        );
        match text.parse::<u64>() {
            Ok(number) if numeric => Some(number.into()),
            _ => Some(text.into()),
        }
    }

    fn operator(&self, operator: Operator) -> Option<String> {
        let (account, connection) = (self.account, self.connection);
        let attempt = account.attempt.as_ref();
        match operator {
            Operator::StartTime => Some(self.entry.start.to_string()),
            Operator::Protocol => Some(format!("{:?}", self.entry.version)),
            // Envoy's own number for "no response was sent".
            Operator::ResponseCode => Some(account.status.map_or(0, |status| status.as_u16()).to_string()),
            Operator::ResponseFlags => account.fault.map(|fault| fault.flag().to_owned()),
            Operator::ResponseCodeDetails => account.fault.map(|fault| fault.message().to_owned()),
            Operator::BytesReceived => Some(account.received.to_string()),
            Operator::BytesSent => Some(account.sent.to_string()),
            Operator::Duration => Some(self.took.as_millis().to_string()),
            Operator::UpstreamDuration => account.upstream.map(|took| took.as_millis().to_string()),
            Operator::UpstreamHost => attempt.map(|to| to.endpoint.address.to_string()),
            Operator::Backend => attempt.map(|to| to.backend.name.to_string()),
            Operator::Side => attempt.and_then(|to| to.side).map(|side| side.to_string()),
            Operator::Route => account.route.as_ref().map(|route| route.name.to_string()),
            Operator::Listener => self.listener.map(|listener| listener.name.to_string()),
            Operator::Attempts => Some(attempt.map_or(0, |_| account.retries + 1).to_string()),
            Operator::Client => Some(connection.peer.ip().to_canonical().to_string()),
            Operator::ClientWithPort => Some(connection.peer.to_string()),
            Operator::Local => Some(connection.listening.address.to_string()),
            Operator::ServerName => connection.tls.as_deref().filter(|name| !name.is_empty()).map(str::to_owned),
        }
    }

    fn field(&self, field: &Field, names: &[HeaderName], values: &[Option<HeaderValue>]) -> Option<String> {
        let found = field.names.iter().find_map(|name| self.named(name, names, values))?;
        match field.most {
            Some(most) => Some(found.chars().take(most).collect()),
            None => Some(found),
        }
    }

    fn named(&self, name: &FieldName, names: &[HeaderName], values: &[Option<HeaderValue>]) -> Option<String> {
        let entry = self.entry;
        match name {
            FieldName::Method => Some(entry.line.as_ref()?.0.to_string()),
            FieldName::Path => entry.line.as_ref()?.1.path_and_query().map(ToString::to_string),
            FieldName::Authority => match entry.line.as_ref().and_then(|(_, uri)| uri.authority()) {
                Some(authority) => Some(authority.to_string()),
                None => entry.host.as_ref().map(text_of),
            },
            FieldName::Scheme => Some(self.connection.scheme().to_owned()),
            FieldName::Field(name) => {
                let place = names.iter().position(|known| known == name)?;
                values.get(place)?.as_ref().map(text_of)
            }
        }
    }
}

fn text_of(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// Writes `text` so that nobody can end the line, a quoted part or the terminal's good mood.
fn escape(line: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f..=0xff => {
                let _ = write!(line, "\\x{byte:02x}");
            }
            _ => line.push(byte),
        }
    }
}

/// The keys of the JSON form, and what they hold.
const JSON: [(&str, &str); 20] = [
    ("time", "%START_TIME%"),
    ("listener", "%LISTENER_NAME%"),
    ("client", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
    ("forwardedFor", "%REQ(X-FORWARDED-FOR)%"),
    ("protocol", "%PROTOCOL%"),
    ("method", "%REQ(:METHOD)%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("path", "%REQ(:PATH)%"),
    ("status", "%RESPONSE_CODE%"),
    ("flags", "%RESPONSE_FLAGS%"),
    ("details", "%RESPONSE_CODE_DETAILS%"),
    ("bytesReceived", "%BYTES_RECEIVED%"),
    ("bytesSent", "%BYTES_SENT%"),
    ("durationMs", "%DURATION%"),
    ("upstreamMs", "%UPSTREAM_DURATION%"),
    ("route", "%ROUTE_NAME%"),
    ("backend", "%BACKEND%"),
    ("side", "%RELEASE_SIDE%"),
    ("upstream", "%UPSTREAM_HOST%"),
    ("requestId", "%REQ(X-REQUEST-ID)%"),
];
