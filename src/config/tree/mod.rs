//! The file as a tree of located texts: scalars as they were written, never guessed into another type.

mod de;
mod read;

use std::collections::BTreeMap;

pub(crate) use de::{Error, Kind, Noun};
pub(crate) use read::read;

/// A place in the text: line and column from 1, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) length: usize,
}

/// Identifies a node within its tree.
pub(crate) type Id = u32;

/// A piece of the file.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: Id,
    /// Where a reader looks for it: at the text of a scalar, at the key of what has more than one line.
    pub(crate) mark: Mark,
    pub(crate) value: Value,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A text as it was written, without quotes.
    Scalar { text: String, quoted: bool },
    /// A list, and whether items were taken out because they were wrong.
    Sequence { items: Vec<Node>, dropped: bool },
    /// Keys and values.
    Mapping(Mapping),
}

/// Keys and values, by key: the place of each is found at once, also among thousands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mapping {
    pub(crate) entries: BTreeMap<String, (Node, Node)>,
    /// Keys that were written, and taken out because they were wrong.
    pub(crate) dropped: Vec<String>,
}

impl Node {
    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The keys and values of a mapping.
    pub(crate) fn mapping(&self) -> Option<&Mapping> {
        match &self.value {
            Value::Mapping(mapping) => Some(mapping),
            _ => None,
        }
    }

    /// Whether nothing was written: `key:` alone, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, quoted: false } if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// The node `id` in this one.
    pub(crate) fn find(&self, id: Id) -> Option<&Node> {
        if self.id == id {
            return Some(self);
        }
        match &self.value {
            Value::Scalar { .. } => None,
            Value::Sequence { items, .. } => items.iter().find_map(|item| item.find(id)),
            Value::Mapping(mapping) => {
                mapping.entries.values().find_map(|(key, value)| key.find(id).or(value.find(id)))
            }
        }
    }

    /// Whether `key` is written in this mapping.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.mapping().is_some_and(|mapping| mapping.entries.contains_key(key))
    }

    /// Takes out the nearest entry or item that contains the node `id`. False when that is the whole tree. An entry counts as
    /// lost by its key, and by `meant`, the key that it was probably meant to have.
    pub(crate) fn prune(&mut self, id: Id, meant: Option<&str>) -> bool {
        match &mut self.value {
            Value::Scalar { .. } => false,
            Value::Sequence { items, dropped } => {
                if let Some(index) = items.iter().position(|item| item.id == id) {
                    items.remove(index);
                    *dropped = true;
                    return true;
                }
                items.iter_mut().any(|item| item.prune(id, meant))
            }
            Value::Mapping(mapping) => {
                let here = |(key, value): &(Node, Node)| key.id == id || value.id == id;
                let found = mapping.entries.iter().find(|(_, entry)| here(entry)).map(|(name, _)| name.clone());
                if let Some(name) = found {
                    mapping.entries.remove(&name);
                    mapping.dropped.push(name);
                    mapping.dropped.extend(meant.map(str::to_owned));
                    return true;
                }
                mapping.entries.values_mut().any(|(_, value)| value.prune(id, meant))
            }
        }
    }
}

/// A place in the configuration that somebody looks at: a path, and the node there if one was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct At<'a> {
    node: Option<&'a Node>,
    mark: Option<Mark>,
    path: String,
}

impl<'a> At<'a> {
    /// The whole of a tree; `None` when the configuration does not come from a text.
    pub(crate) fn root(node: Option<&'a Node>) -> Self {
        Self { node, mark: node.map(|node| node.mark), path: String::new() }
    }

    /// What is at `key`; where nothing was written, the place of what encloses it.
    pub(crate) fn key(&self, key: &str) -> Self {
        let entry = self.mapping().and_then(|mapping| mapping.entries.get(key));
        let dot = if self.path.is_empty() { "" } else { "." };
        self.child(entry.map(|(_, value)| value), format!("{}{dot}{key}", self.path))
    }

    /// The item `index` of a list.
    pub(crate) fn item(&self, index: usize) -> Self {
        let items = match self.node.map(|node| &node.value) {
            Some(Value::Sequence { items, .. }) => items.as_slice(),
            _ => &[],
        };
        self.child(items.get(index), format!("{}[{index}]", self.path))
    }

    /// The key itself instead of what it leads to.
    pub(crate) fn key_itself(&self, key: &str) -> Self {
        let mut at = self.key(key);
        if let Some((name, _)) = self.mapping().and_then(|mapping| mapping.entries.get(key)) {
            at.mark = Some(name.mark);
        }
        at
    }

    /// Whether anything was written here.
    pub(crate) fn is_written(&self) -> bool {
        self.node.is_some()
    }

    /// Whether `key` was written, but taken out because it was wrong.
    pub(crate) fn lost(&self, key: &str) -> bool {
        self.mapping().is_some_and(|mapping| mapping.dropped.iter().any(|name| name == key))
    }

    /// Whether anything right here was taken out because it was wrong: what seems to be missing may have been there.
    pub(crate) fn lost_any(&self) -> bool {
        match self.node.map(|node| &node.value) {
            Some(Value::Sequence { dropped, .. }) => *dropped,
            Some(Value::Mapping(mapping)) => !mapping.dropped.is_empty(),
            _ => false,
        }
    }

    /// Where in the text.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// Where in the configuration, such as `releases.shop.steps[2]`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    fn mapping(&self) -> Option<&'a Mapping> {
        self.node.and_then(Node::mapping)
    }

    fn child(&self, node: Option<&'a Node>, path: String) -> Self {
        Self { node, mark: node.map(|node| node.mark).or(self.mark), path }
    }
}
