//! The language of access log lines: Envoy's command operators, as far as they mean something here. Pure.

use http::HeaderName;

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text as it is.
    Text(String),
    /// Something about the exchange.
    Operator(Operator),
    /// A field of the request, or another when it has none; cut to a length.
    Request(Field),
    /// A field of the response.
    Response(Field),
}

/// `%REQ(X?Y):Z%`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// X and Y.
    pub names: Vec<FieldName>,
    /// Z.
    pub most: Option<usize>,
}

/// What stands in the parentheses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldName {
    /// `:METHOD`
    Method,
    /// `:PATH`: with the query.
    Path,
    /// `:AUTHORITY`
    Authority,
    /// `:SCHEME`
    Scheme,
    /// A field.
    Field(HeaderName),
}

/// What can be told about an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// When the request came, as RFC 3339.
    StartTime,
    /// The version of HTTP that the client speaks.
    Protocol,
    /// The status that the client got; 0 for none.
    ResponseCode,
    /// The short flag of what went wrong; `-` for nothing.
    ResponseFlags,
    /// What went wrong, in words.
    ResponseCodeDetails,
    /// Bytes of the request body.
    BytesReceived,
    /// Bytes of the response body.
    BytesSent,
    /// Milliseconds from the request head to the last byte of the response.
    Duration,
    /// Milliseconds from forwarding to the response head.
    UpstreamDuration,
    /// The endpoint that answered.
    UpstreamHost,
    /// The backend that answered.
    Backend,
    /// `stable` or `canary`.
    Side,
    /// The route that took the request.
    Route,
    /// The listener it came by.
    Listener,
    /// How many attempts were made.
    Attempts,
    /// The peer's address.
    Client,
    /// The peer's address and port.
    ClientWithPort,
    /// The address and port that it came to.
    Local,
    /// The name that was asked for by TLS.
    ServerName,
}

/// Every operator without an argument.
pub const OPERATORS: [(&str, Operator); 21] = [
    ("START_TIME", Operator::StartTime),
    ("PROTOCOL", Operator::Protocol),
    ("RESPONSE_CODE", Operator::ResponseCode),
    ("RESPONSE_FLAGS", Operator::ResponseFlags),
    ("RESPONSE_CODE_DETAILS", Operator::ResponseCodeDetails),
    ("BYTES_RECEIVED", Operator::BytesReceived),
    ("BYTES_SENT", Operator::BytesSent),
    ("DURATION", Operator::Duration),
    ("UPSTREAM_DURATION", Operator::UpstreamDuration),
    ("UPSTREAM_HOST", Operator::UpstreamHost),
    ("UPSTREAM_CLUSTER", Operator::Backend),
    ("BACKEND", Operator::Backend),
    ("RELEASE_SIDE", Operator::Side),
    ("ROUTE_NAME", Operator::Route),
    ("LISTENER_NAME", Operator::Listener),
    ("UPSTREAM_REQUEST_ATTEMPT_COUNT", Operator::Attempts),
    ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Operator::Client),
    ("DOWNSTREAM_REMOTE_ADDRESS", Operator::ClientWithPort),
    ("DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Operator::ClientWithPort),
    ("DOWNSTREAM_LOCAL_ADDRESS", Operator::Local),
    ("REQUESTED_SERVER_NAME", Operator::ServerName),
];

/// A line's template, every operator of it known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// Text between percent signs that is no operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`%{0}%` is no operator")]
pub struct UnknownOperator(pub String);

impl Template {
    /// The template of `text`. `%%` is a percent sign, and so is a last one alone.
    ///
    /// # Errors
    /// The first operator that is not known.
    pub fn parse(text: &str) -> Result<Self, UnknownOperator> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once('%') {
            plain.push_str(before);
            match after.split_once('%') {
                Some(("", after)) => {
                    plain.push('%');
                    rest = after;
                }
                Some((name, after)) => {
                    let part = operator(name).ok_or_else(|| UnknownOperator(name.to_owned()))?;
                    flush(&mut plain, &mut parts);
                    parts.push(part);
                    rest = after;
                }
                None => {
                    plain.push('%');
                    rest = after;
                }
            }
        }
        plain.push_str(rest);
        flush(&mut plain, &mut parts);
        Ok(Self(parts))
    }

    /// Its parts, in order.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }
}

/// The names of all operators.
pub fn names() -> impl Iterator<Item = &'static str> {
    OPERATORS.iter().map(|(name, _)| *name).chain(["REQ(FIELD)", "RESP(FIELD)"])
}

fn flush(text: &mut String, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Text(std::mem::take(text)));
    }
}

fn operator(text: &str) -> Option<Part> {
    if let Some((_, operator)) = OPERATORS.iter().find(|(name, _)| *name == text) {
        return Some(Part::Operator(*operator));
    }
    let (name, rest) = text.split_once('(')?;
    let (argument, after) = rest.split_once(')')?;
    let most = match after.strip_prefix(':') {
        Some(number) => Some(number.parse().ok()?),
        None if after.is_empty() => None,
        None => return None,
    };
    let names = argument.split('?').map(field_name).collect::<Option<Vec<_>>>()?;
    match name {
        "REQ" => Some(Part::Request(Field { names, most })),
        "RESP" => Some(Part::Response(Field { names, most })),
        _ => None,
    }
}

fn field_name(text: &str) -> Option<FieldName> {
    match text.to_ascii_uppercase().as_str() {
        ":METHOD" => Some(FieldName::Method),
        ":PATH" => Some(FieldName::Path),
        ":AUTHORITY" => Some(FieldName::Authority),
        ":SCHEME" => Some(FieldName::Scheme),
        _ => text.parse().ok().map(FieldName::Field),
    }
}

#[cfg(test)]
mod tests;
