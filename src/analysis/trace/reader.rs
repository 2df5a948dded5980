//! Reading a trace, a tick at a time.

use std::io::{self, BufRead};

use super::{ALL_ROUTES, Header, MAGIC, Meta, Policy, Ratio, RouteTally, Side, Tally, Tick, Trace};
use crate::stats::BUCKETS;

/// Why a text is not a trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be read.
    #[error("cannot read the trace: {0}")]
    Io(#[from] io::Error),
    /// It does not begin as a trace does.
    #[error("not a trace: the first line must be `{MAGIC}`")]
    Magic,
    /// One of the lines above the rows is wrong.
    #[error("line {line}: {what}")]
    Header {
        /// From 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A row is wrong.
    #[error("line {line}: {what}")]
    Row {
        /// From 1.
        line: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// Reads the ticks of a trace one after another.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    header: Header,
    line: Vec<u8>,
    number: u64,
    /// The row that ended the last tick, not yet used.
    pending: bool,
    /// The weight of the last row as text and as number: it is mostly the same.
    weight: (Vec<u8>, Ratio),
}

impl<R: BufRead> Reader<R> {
    /// Reads the lines above the rows.
    pub fn new(input: R) -> Result<Self, TraceError> {
        let header = Header { policy: Policy::default(), meta: Meta::default() };
        let mut reader =
            Self { input, header, line: Vec::new(), number: 0, pending: false, weight: (Vec::new(), Ratio::ZERO) };
        if !reader.read_line()? || reader.line != MAGIC.as_bytes() {
            return Err(TraceError::Magic);
        }
        while reader.read_line()? {
            if !reader.take_header_line()? {
                reader.pending = !reader.line.starts_with(b"ts,");
                break;
            }
        }
        Ok(reader)
    }

    /// What stands above the rows.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Reads the next tick into `tick`; false at the end. Reuses what `tick` holds: a route that was seen before stays in
    /// it, with zeroes where it has no row.
    pub fn next_tick(&mut self, tick: &mut Tick) -> Result<bool, TraceError> {
        if !self.pending && !self.read_row()? {
            return Ok(false);
        }
        clear(tick);
        let mut of = None;
        let mut place = 0;
        loop {
            let row =
                parse_row(&self.line, &mut self.weight).map_err(|what| TraceError::Row { line: self.number, what })?;
            // Another weight within the second is another tick: evidence is weighed by the weight it was gathered under.
            if *of.get_or_insert((row.ts, row.weight)) != (row.ts, row.weight) {
                self.pending = true;
                return Ok(true);
            }
            tick.t = row.ts.saturating_sub(self.header.meta.start);
            tick.weight = row.weight;
            self.pending = false;
            let bounds = self.header.meta.le_ms.as_millis().len();
            take_row(tick, &row, bounds, &mut place).map_err(|what| TraceError::Row { line: self.number, what })?;
            if !self.read_row()? {
                return Ok(true);
            }
        }
    }

    /// Reads a line without its end; false at the end of the input.
    fn read_line(&mut self) -> Result<bool, TraceError> {
        self.line.clear();
        self.number += 1;
        if self.input.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        while self.line.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
            self.line.pop();
        }
        Ok(true)
    }

    /// Reads the next line that is neither empty nor a comment.
    fn read_row(&mut self) -> Result<bool, TraceError> {
        while self.read_line()? {
            if !self.line.is_empty() && self.line[0] != b'#' {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take_header_line(&mut self) -> Result<bool, TraceError> {
        let wrong = |what: String| TraceError::Header { line: self.number, what };
        let json = |error: serde_json::Error| wrong(error.to_string());
        if let Some(policy) = self.line.strip_prefix(b"#policy ") {
            self.header.policy = serde_json::from_slice(policy).map_err(json)?;
        } else if let Some(meta) = self.line.strip_prefix(b"#meta ") {
            self.header.meta = serde_json::from_slice(meta).map_err(json)?;
            if self.header.meta.interval_s != 1 {
                return Err(wrong("only traces with one row a second can be read".to_owned()));
            }
        } else {
            return Ok(self.line.is_empty() || self.line[0] == b'#');
        }
        Ok(true)
    }
}

/// Reads a whole trace.
pub fn parse(text: &str) -> Result<Trace, TraceError> {
    let mut reader = Reader::new(text.as_bytes())?;
    let mut ticks = Vec::new();
    let mut tick = Tick::default();
    while reader.next_tick(&mut tick)? {
        let mut kept = tick.clone();
        kept.routes.retain(|route| route.stable.0 > 0 || route.canary.0 > 0);
        ticks.push(kept);
    }
    Ok(Trace { header: reader.header, ticks })
}

/// One row, its histogram not yet read.
struct Row<'a> {
    ts: i64,
    side: Side,
    route: &'a [u8],
    weight: Ratio,
    requests: u64,
    errors: u64,
    err_clients: u64,
    histogram: Fields<'a>,
}

fn parse_row<'a>(line: &'a [u8], last_weight: &mut (Vec<u8>, Ratio)) -> Result<Row<'a>, &'static str> {
    let mut fields = Fields(line);
    let ts = signed(fields.next()).ok_or("the first field must be whole seconds")?;
    let side = match fields.next() {
        b"stable" => Side::Stable,
        b"canary" => Side::Canary,
        _ => return Err("the version must be `stable` or `canary`"),
    };
    let route = fields.next();
    let weight = fields.next();
    if weight != last_weight.0 || weight.is_empty() {
        let share = share(weight).ok_or("the weight must be a fraction from 0 to 1")?;
        last_weight.0.clear();
        last_weight.0.extend_from_slice(weight);
        last_weight.1 = share;
    }
    let weight = last_weight.1;
    let requests = number(fields.next()).ok_or("requests must be a whole number")?;
    let errors = number(fields.next()).ok_or("errors must be a whole number")?;
    let err_clients = match fields.next() {
        b"" => 0,
        text => number(text).ok_or("err_clients must be a whole number or empty")?,
    };
    if errors > requests || err_clients > requests {
        return Err("more errors than requests");
    }
    Ok(Row { ts, side, route, weight, requests, errors, err_clients, histogram: fields })
}

fn take_row(tick: &mut Tick, row: &Row<'_>, bounds: usize, place: &mut usize) -> Result<(), &'static str> {
    if row.route != ALL_ROUTES.as_bytes() {
        let tally = route_of(&mut tick.routes, row.route, place)?;
        let counts = match row.side {
            Side::Stable => &mut tally.stable,
            Side::Canary => &mut tally.canary,
        };
        *counts = (counts.0.saturating_add(row.requests), counts.1.saturating_add(row.errors));
        return Ok(());
    }
    let mut tally =
        Tally { requests: row.requests, errors: row.errors, err_clients: row.err_clients, ..Tally::default() };
    let mut fields = Fields(row.histogram.0);
    // Empty throughout where latency is not known.
    if !matches!(fields.0.first(), None | Some(b',')) {
        read_histogram(&mut fields, bounds, row.requests, &mut tally.buckets)?;
    }
    match row.side {
        Side::Stable => tick.stable += &tally,
        Side::Canary => tick.canary += &tally,
    }
    Ok(())
}

fn read_histogram(
    fields: &mut Fields<'_>,
    bounds: usize,
    requests: u64,
    buckets: &mut [u64; BUCKETS],
) -> Result<(), &'static str> {
    let mut before = 0;
    for bucket in buckets.iter_mut().take(bounds) {
        let count = number(fields.next()).ok_or("le_* must be whole numbers, one for each bound")?;
        if count < before || count > requests {
            return Err("le_* must rise, up to the requests");
        }
        *bucket = count - before;
        before = count;
    }
    buckets[bounds] = requests - before;
    Ok(())
}

/// The route's entry: mostly the one after the last row's, because every tick lists its routes in the same order.
fn route_of<'a>(
    routes: &'a mut Vec<RouteTally>,
    name: &[u8],
    place: &mut usize,
) -> Result<&'a mut RouteTally, &'static str> {
    let here = |at: usize| routes.get(at).is_some_and(|tally| tally.route.as_bytes() == name);
    let found = if here(*place) {
        Some(*place)
    } else if here(*place + 1) {
        Some(*place + 1)
    } else {
        routes.iter().position(|tally| tally.route.as_bytes() == name)
    };
    let at = match found {
        Some(at) => at,
        None => {
            let route = std::str::from_utf8(name).map_err(|_| "the route must be UTF-8")?.into();
            routes.push(RouteTally { route, ..RouteTally::default() });
            routes.len() - 1
        }
    };
    *place = at;
    Ok(&mut routes[at])
}

fn clear(tick: &mut Tick) {
    tick.stable = Tally::default();
    tick.canary = Tally::default();
    for route in &mut tick.routes {
        route.stable = (0, 0);
        route.canary = (0, 0);
    }
}

/// The fields of a line, from the left; empty ones for ever after the last.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> &'a [u8] {
        // Fields are a few bytes long: a plain loop beats a search set up for long texts.
        let end = self.0.iter().position(|&b| b == b',').unwrap_or(self.0.len());
        let (field, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        field
    }
}

fn number(text: &[u8]) -> Option<u64> {
    // 15 digits: no overflow, and exact as f64.
    if text.is_empty() || text.len() > 15 {
        return None;
    }
    let mut value = 0u64;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

fn signed(text: &[u8]) -> Option<i64> {
    let (negative, digits) = text.strip_prefix(b"-").map_or((false, text), |digits| (true, digits));
    // Some tools write whole seconds as `1721019315.0`.
    let digits = digits.strip_suffix(b".0").unwrap_or(digits);
    let value = i64::try_from(number(digits)?).ok()?;
    Some(if negative { -value } else { value })
}

fn share(text: &[u8]) -> Option<Ratio> {
    let fraction: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (0.0..=1.0).contains(&fraction).then(|| Ratio::from_fraction(fraction))
}
