//! From text to tree: YAML's structure, and what is wrong with it.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, options};

use super::{Id, Mapping, Mark, Node, Value};
use crate::config::problem::Report;

/// Reads `text`, which may be anything. Problems go to `report`; a tree comes back even then when what was read makes sense
/// by itself. `None` after a syntax error, and for an empty text.
pub(crate) fn read(text: &str, report: &mut Report) -> Option<Node> {
    let options = options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { text, parser, report, anchors: HashMap::new(), nodes: 0 };
    reader.document().ok().flatten()
}

/// The reading has ended; why is in the report.
struct Stop;

struct Reader<'t, 'r> {
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    report: &'r mut Report,
    /// What aliases stand for.
    anchors: HashMap<usize, Node>,
    nodes: Id,
}

impl<'t> Reader<'t, '_> {
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::DocumentEnd | Event::StreamEnd => {}
                Event::DocumentStart(..) if root.is_none() => {}
                Event::DocumentStart(..) => {
                    let mark = self.mark(&span);
                    self.report.error_at(mark, "a second document begins here").help(
                        "one file is one configuration: remove the `---`, or put the rest into a file of its own",
                    );
                    break;
                }
                event => root = self.node(event, &span, 0)?,
            }
        }
        Ok(root)
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Stop> {
        match self.parser.next() {
            None => Ok(None),
            Some(Ok(next)) => Ok(Some(next)),
            Some(Err(error)) => {
                self.syntax(&error);
                Err(Stop)
            }
        }
    }

    fn syntax(&mut self, error: &ScanError) {
        let (message, help) = explain(error);
        self.report.error_at(point(error.marker()), message).maybe_help(help.map(str::to_owned));
    }

    /// The node that begins with `event`; `None` when there is none to be had, which has been reported.
    fn node(&mut self, event: Event<'t>, span: &Span, depth: usize) -> Result<Option<Node>, Stop> {
        let mark = self.mark(span);
        self.room_for(1, mark)?;
        if depth >= MAX_DEPTH {
            self.report.error_at(mark, format!("this is nested more than {MAX_DEPTH} levels deep"));
            return Err(Stop);
        }
        if let Some(tag) = span.tag_start() {
            self.report.error_at(point(&tag), "tags such as `!!str` are not used here").help("remove the tag");
        }
        self.nodes += 1;
        let id = self.nodes;
        let (value, anchor) = match event {
            // The parser says `~` where nothing is written.
            Event::Scalar(_, ScalarStyle::Plain, anchor, _) if span.is_empty() => {
                (Value::Scalar { text: String::new(), quoted: false }, anchor)
            }
            Event::Scalar(text, style, anchor, _) => {
                (Value::Scalar { text: text.into_owned(), quoted: style != ScalarStyle::Plain }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.sequence(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.mapping(depth)?, anchor),
            Event::Alias(anchor) => return self.alias(anchor, mark, depth).map(Some),
            Event::UnresolvedAlias(name) => {
                self.unresolved(&name, mark);
                return Ok(None);
            }
            _ => return Ok(None),
        };
        let node = Node { id, mark: head(&value).unwrap_or(mark), value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(Some(node))
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, Stop> {
        let (mut items, mut dropped) = (Vec::new(), false);
        while let Some((event, span)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            let item = self.node(event, &span, depth + 1)?;
            dropped |= item.is_none();
            items.extend(item);
        }
        Ok(Value::Sequence { items, dropped })
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Stop> {
        let mut mapping = Mapping::default();
        let mut merged = Vec::with_capacity(1);
        let mut seen: HashMap<String, Mark> = HashMap::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, &span, depth + 1)?;
            let Some((event, span)) = self.next()? else { break };
            let value = self.node(event, &span, depth + 1)?;
            let Some(key) = key else { continue };
            let Some(name) = key.text() else {
                self.report.error_at(key.mark, "a key must be plain text");
                continue;
            };
            if let Some(first) = seen.get(name) {
                self.report
                    .error_at(key.mark, format!("`{name}` is written twice"))
                    .help(format!("the first is in line {}: keep one", first.line));
                continue;
            }
            seen.insert(name.to_owned(), key.mark);
            match value {
                None => mapping.dropped.push(name.to_owned()),
                Some(value) if name == "<<" => merged.push(value),
                Some(value) => drop(mapping.entries.insert(name.to_owned(), placed(key.clone(), value))),
            }
        }
        for value in merged {
            self.merge(&mut mapping, value);
        }
        Ok(Value::Mapping(mapping))
    }

    /// `<<: *anchor`: adds the keys that are not there yet.
    fn merge(&mut self, into: &mut Mapping, from: Node) {
        match from.value {
            Value::Mapping(mapping) => {
                for (name, entry) in mapping.entries {
                    into.entries.entry(name).or_insert(entry);
                }
            }
            Value::Sequence { items, .. } if items.iter().all(|item| item.mapping().is_some()) => {
                items.into_iter().for_each(|item| self.merge(into, item));
            }
            _ => {
                let problem = self.report.error_at(from.mark, "`<<` merges mappings, and this is none");
                problem.help("write `<<: *anchor`, where `&anchor` stands before a mapping");
            }
        }
    }

    fn alias(&mut self, anchor: usize, mark: Mark, depth: usize) -> Result<Node, Stop> {
        let Some(mut node) = self.anchors.get(&anchor).cloned() else {
            self.report.error_at(mark, "this alias stands inside of what it stands for");
            return Err(Stop);
        };
        let (size, height) = measure(&node);
        self.room_for(size, mark)?;
        if depth + height > MAX_DEPTH {
            self.report.error_at(mark, format!("with this alias, the nesting is more than {MAX_DEPTH} levels deep"));
            return Err(Stop);
        }
        renumber(&mut node, &mut self.nodes);
        node.mark = mark;
        Ok(node)
    }

    fn unresolved(&mut self, name: &str, mark: Mark) {
        self.report
            .error_at(mark, format!("there is no anchor `&{name}` before this alias"))
            .help(format!("a text that begins with `*` needs quotes: \"*{name}\""));
    }

    /// Refuses what grows beyond reason: aliases of aliases are small in the file and large in memory.
    fn room_for(&mut self, more: usize, mark: Mark) -> Result<(), Stop> {
        if self.nodes as usize + more <= MAX_NODES {
            return Ok(());
        }
        self.report.error_at(mark, format!("the configuration has more than {MAX_NODES} values, aliases written out"));
        Err(Stop)
    }

    /// The first line of a span.
    fn mark(&self, span: &Span) -> Mark {
        let start = point(&span.start);
        let length = if span.end.line() == span.start.line() {
            span.end.col().saturating_sub(span.start.col())
        } else {
            let rest = span.start.byte_offset().and_then(|offset| self.text.get(offset..));
            rest.and_then(|rest| rest.lines().next()).map_or(0, |line| line.trim_end().chars().count())
        };
        Mark { length: length.max(1), ..start }
    }
}

/// Where a reader sees a mapping that has no key of its own: at its first key.
fn head(value: &Value) -> Option<Mark> {
    match value {
        Value::Mapping(mapping) => {
            mapping.entries.values().map(|(key, _)| key.mark).min_by_key(|mark| (mark.line, mark.column))
        }
        _ => None,
    }
}

/// What has more than one line, or none, is shown at its key.
fn placed(key: Node, mut value: Node) -> (Node, Node) {
    if value.text().is_none() || value.is_null() {
        value.mark = key.mark;
    }
    (key, value)
}

fn point(marker: &Marker) -> Mark {
    Mark { line: marker.line(), column: marker.col() + 1, length: 1 }
}

/// Nodes, and levels.
fn measure(node: &Node) -> (usize, usize) {
    let add = |(size, height): (usize, usize), child: &Node| {
        let (more, below) = measure(child);
        (size + more, height.max(below + 1))
    };
    match &node.value {
        Value::Scalar { .. } => (1, 1),
        Value::Sequence { items, .. } => items.iter().fold((1, 1), add),
        Value::Mapping(mapping) => mapping.entries.values().fold((1, 1), |sum, (key, value)| add(add(sum, key), value)),
    }
}

/// Gives a copy ids of its own.
fn renumber(node: &mut Node, last: &mut Id) {
    *last += 1;
    node.id = *last;
    match &mut node.value {
        Value::Scalar { .. } => {}
        Value::Sequence { items, .. } => items.iter_mut().for_each(|item| renumber(item, last)),
        Value::Mapping(mapping) => mapping.entries.values_mut().for_each(|(key, value)| {
            renumber(key, last);
            renumber(value, last);
        }),
    }
}

/// A syntax error in words, and what is mostly behind it.
fn explain(error: &ScanError) -> (String, Option<&'static str>) {
    let (message, help) = match error.kind() {
        ErrorKind::MappingValueNotAllowed => (
            "there cannot be a `:` here",
            "a key must stand as far right as the keys beside it; a text that contains `: ` needs quotes",
        ),
        ErrorKind::InvalidColonPlacement => {
            ("there cannot be a `:` here", "a `[` or `{` before this may lack its `]` or `}`")
        }
        ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation | ErrorKind::TabNotAllowed => {
            ("a tab cannot indent", "use blanks")
        }
        ErrorKind::UnexpectedCharacter { character } => {
            let message = format!("a text cannot begin with `{character}`");
            return (message, Some("put the text into quotes"));
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            let close = if *open == '[' { ']' } else { '}' };
            return (format!("this `{open}` has no `{close}`"), None);
        }
        ErrorKind::UnclosedQuotedScalar
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            ("a quoted text does not end where it should", "look for a quote that is missing at or before this line")
        }
        ErrorKind::ExpectedBlockSequenceEntry => {
            ("a list cannot go on like this", "every item begins with `- `, all of them equally far right")
        }
        ErrorKind::ExpectedBlockMappingKey => {
            ("a key is expected here", "write `key: value`, equally far right as the keys beside it")
        }
        _ => return (error.info(), None),
    };
    (message.to_owned(), Some(help))
}

/// Deeper nesting is no configuration of weir.
const MAX_DEPTH: usize = 48;

/// Values in all, aliases written out. A large configuration has some ten thousand.
const MAX_NODES: usize = 200_000;
