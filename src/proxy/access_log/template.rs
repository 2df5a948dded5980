//! The language of the lines: Envoy's command operators, as far as they mean something here.

use http::HeaderName;

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
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
pub(super) struct Field {
    /// X and Y.
    pub(super) names: Vec<FieldName>,
    /// Z.
    pub(super) most: Option<usize>,
}

/// What stands in the parentheses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FieldName {
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
pub(super) enum Operator {
    StartTime,
    Protocol,
    ResponseCode,
    ResponseFlags,
    ResponseCodeDetails,
    BytesReceived,
    BytesSent,
    Duration,
    UpstreamDuration,
    UpstreamHost,
    Backend,
    Side,
    Route,
    Listener,
    Attempts,
    Client,
    ClientWithPort,
    Local,
    ServerName,
}

/// Every operator without an argument.
pub(super) const OPERATORS: [(&str, Operator); 21] = [
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

/// The parts of `template`. `%%` is a percent sign; what is no operator stays as it is written, where the reader sees it.
pub(super) fn parse(template: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    while let Some(start) = rest.find('%') {
        text.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        let Some(end) = after.find('%') else {
            text.push_str(&rest[start..]);
            rest = "";
            break;
        };
        match (&after[..end], operator(&after[..end])) {
            ("", _) => text.push('%'),
            (_, Some(part)) => {
                flush(&mut text, &mut parts);
                parts.push(part);
            }
            (unknown, None) => {
                text.push('%');
                text.push_str(unknown);
                text.push('%');
            }
        }
        rest = &after[end + 1..];
    }
    text.push_str(rest);
    flush(&mut text, &mut parts);
    parts
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
