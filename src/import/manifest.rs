//! What comes out: manifests, and beside each what a reader must know.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::ImportError;
use super::read::Object;
use crate::types::{Ratio, Span};

/// One manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// What has no counterpart, or changes its meaning.
    pub notes: Vec<String>,
    /// The object.
    pub object: Value,
}

/// Everything that was understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    /// In the order in which to apply them.
    pub manifests: Vec<Manifest>,
    /// What concerns no manifest in particular.
    pub notes: Vec<String>,
}

impl Import {
    /// Adds what another object gave.
    pub(super) fn add(&mut self, manifests: Vec<Manifest>) {
        self.manifests.extend(manifests);
    }

    /// YAML with the notes as comments.
    ///
    /// # Errors
    /// Only if a manifest had a value that YAML cannot write.
    pub fn to_yaml(&self) -> Result<String, ImportError> {
        let mut text = comments(&self.notes);
        for manifest in &self.manifests {
            let object = serde_saphyr::to_string(&manifest.object)
                .map_err(|error| ImportError::Wrong("a manifest".to_owned(), error.to_string()))?;
            let separator = if text.is_empty() { "" } else { "---\n" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{separator}{}{}", comments(&manifest.notes), object.trim_end());
        }
        Ok(text)
    }
}

fn comments(notes: &[String]) -> String {
    notes.iter().flat_map(|note| note.lines()).map(|line| format!("# {line}\n")).collect()
}

/// A manifest under construction.
#[derive(Debug)]
pub(super) struct Draft {
    api_version: &'static str,
    kind: &'static str,
    name: String,
    namespace: Option<String>,
    pub(super) notes: Vec<String>,
}

impl Draft {
    /// Of a kind, named after and beside `of`.
    pub(super) fn new(api_version: &'static str, kind: &'static str, of: &Object) -> Self {
        Self { api_version, kind, name: of.name.clone(), namespace: of.namespace.clone(), notes: Vec::new() }
    }

    /// Under this name.
    pub(super) fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// With this to say.
    pub(super) fn noted(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// With this `spec`.
    pub(super) fn spec(self, spec: Value) -> Manifest {
        let mut metadata = Map::from_iter([("name".to_owned(), json!(self.name))]);
        if let Some(namespace) = self.namespace {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        let object = json!({ "apiVersion": self.api_version, "kind": self.kind, "metadata": metadata, "spec": spec });
        Manifest { notes: self.notes, object }
    }
}

/// A step of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) weight: Ratio,
    pub(super) at_least: Option<Span>,
    pub(super) pause: bool,
}

impl Step {
    /// A weight alone.
    pub(super) fn of(weight: Ratio) -> Self {
        Self { weight, at_least: None, pause: false }
    }

    fn to_json(self) -> Value {
        let mut step = Map::from_iter([("weight".to_owned(), json!(self.weight))]);
        if let Some(at_least) = self.at_least {
            step.insert("atLeast".to_owned(), json!(at_least));
        }
        if self.pause {
            step.insert("pause".to_owned(), json!(true));
        }
        Value::Object(step)
    }
}

/// `spec.steps`.
pub(super) fn steps(steps: &[Step]) -> Value {
    steps.iter().map(|step| step.to_json()).collect()
}

/// `object` with each of `fields` that has something to say.
pub(super) fn with<'a>(mut object: Value, fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    for (key, value) in fields {
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            object[key] = value;
        }
    }
    object
}
