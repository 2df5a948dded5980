//! Documents become objects, and objects values of the type their reader wants; what that type has no place for is told.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ImportError;

/// One object of the input.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// The group of its API, empty for the core.
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    /// All of it.
    pub(super) value: Value,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

impl Object {
    /// Its `spec` as a `T`, and the paths in it (`spec.analysis.alerts`) that a `T` does not know.
    pub(super) fn spec<T: DeserializeOwned>(&self) -> Result<(T, Vec<String>), ImportError> {
        let mut unknown = Vec::new();
        let spec = self.value.get("spec").cloned().unwrap_or_default();
        let note = |path: serde_ignored::Path<'_>| {
            let path = path.to_string();
            // Where a value is optional, the path says `?`; which of a list it is does not matter.
            let parts = path.split('.').filter(|part| *part != "?" && part.parse::<usize>().is_err());
            unknown.push(parts.fold("spec".to_owned(), |path, part| path + "." + part));
        };
        let read = serde_ignored::deserialize(spec, note).map_err(|error| self.wrong(&error))?;
        Ok((read, unknown))
    }

    /// All of it as a `T`.
    pub(super) fn whole<T: DeserializeOwned>(&self) -> Result<T, ImportError> {
        serde_json::from_value(self.value.clone()).map_err(|error| self.wrong(&error))
    }

    fn wrong(&self, error: &serde_json::Error) -> ImportError {
        ImportError::Wrong(self.to_string(), error.to_string())
    }
}

/// Every object of `text`, those in lists included, in their order.
pub(super) fn objects(text: &str) -> Result<Vec<Object>, ImportError> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| ImportError::Syntax(error.to_string()))?;
    let mut objects = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        if !document.is_null() {
            collect(document, index + 1, &mut objects)?;
        }
    }
    Ok(objects)
}

fn collect(mut value: Value, number: usize, objects: &mut Vec<Object>) -> Result<(), ImportError> {
    let text = |path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let kind = text("/kind").ok_or(ImportError::NoObject(number, "kind"))?;
    if kind.ends_with("List") && value.get("items").is_some() {
        let Value::Array(items) = value["items"].take() else { return Ok(()) };
        return items.into_iter().try_for_each(|item| collect(item, number, objects));
    }
    let api_version = text("/apiVersion").ok_or(ImportError::NoObject(number, "apiVersion"))?;
    let group = api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
    let name = text("/metadata/name").ok_or(ImportError::NoObject(number, "metadata.name"))?;
    let namespace = text("/metadata/namespace");
    objects.push(Object { group, kind, namespace, name, value });
    Ok(())
}

/// What to say of each unknown path: the text of the entry that is the path or the longest beginning of it. Paths without an
/// entry have no counterpart; an empty text says nothing.
pub(super) fn explain(unknown: &[String], known: &[(&str, &str)]) -> Vec<String> {
    let mut notes = Vec::new();
    for path in unknown {
        let within =
            |entry: &str| path.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let entry = known.iter().filter(|(entry, _)| within(entry)).max_by_key(|(entry, _)| entry.len());
        let note = match entry {
            Some((_, "")) => continue,
            Some((entry, text)) => format!("{entry}: {text}"),
            None => format!("{path} has no counterpart"),
        };
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}
