//! Every value in force, and where it comes from. Secrets are left out.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::defaults::{self, Row};
use super::load::Loaded;
use super::preset;
use super::redact::redact;
use super::schema::{File, Preset};
use super::tree::At;

/// Every value in force, in the order of the file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Effective(pub Vec<Entry>);

/// One value in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Where in the configuration, such as `backends.shop-v1.timeouts.connect`.
    pub path: String,
    /// The value.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// Somebody wrote it: `file:line`, or the file alone where it has no lines.
    Written(String),
    /// It belongs to this preset, which somebody wrote.
    Preset(&'static str),
    /// Nobody did; this is why it is so.
    Default(String),
}

/// Every value that is in force with `loaded`.
pub fn effective(loaded: &Loaded) -> Effective {
    let rows = defaults::table();
    let value = filled(&loaded.file, &rows);
    let mut entries = Vec::new();
    let source = Source { loaded, rows: &rows };
    source.flatten(&value, &loaded.root(), &mut Vec::new(), &mut entries);
    Effective(entries)
}

/// The configuration as JSON with every value in force, and secrets replaced.
pub fn in_force(file: &File) -> Value {
    filled(file, &defaults::table())
}

fn filled(file: &File, rows: &[Row]) -> Value {
    let mut value = serde_json::to_value(file).unwrap_or_default();
    redact(&mut value);
    for (name, preset) in presets(file) {
        preset::fill(&mut value["releases"][name]["analysis"], &preset.values());
    }
    for row in rows {
        let keys: Vec<&str> = row.path.split('.').collect();
        fill(&mut value, &keys, row);
    }
    value
}

/// The presets that are written, by release.
fn presets(file: &File) -> impl Iterator<Item = (&str, Preset)> {
    file.releases.iter().filter_map(|(name, release)| Some((name.as_str(), release.analysis.preset?)))
}

/// Puts the default of `row` wherever it holds and nothing is written.
fn fill(value: &mut Value, keys: &[&str], row: &Row) {
    let Some((key, rest)) = keys.split_first() else { return };
    if *key == "*" {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| fill(item, rest, row)),
            Value::Object(map) => map.values_mut().for_each(|item| fill(item, rest, row)),
            _ => {}
        }
        return;
    }
    let Value::Object(map) = value else { return };
    if rest.is_empty() {
        map.entry(*key).or_insert_with(|| row.value.clone());
    } else if let Some(key) = key.strip_suffix('?') {
        map.get_mut(key).into_iter().for_each(|value| fill(value, rest, row));
    } else {
        let inner = map.entry(*key).or_insert_with(|| Value::Object(Map::new()));
        fill(inner, rest, row);
    }
}

struct Source<'a> {
    loaded: &'a Loaded,
    rows: &'a [Row],
}

impl Source<'_> {
    /// Lists of plain values are one entry; everything else is followed to its leaves.
    fn flatten(&self, value: &Value, at: &At<'_>, keys: &mut Vec<String>, into: &mut Vec<Entry>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    keys.push(key.clone());
                    self.flatten(value, &at.key(key), keys, into);
                    keys.pop();
                }
            }
            Value::Array(items) if items.iter().any(|item| item.is_object()) => {
                for (index, value) in items.iter().enumerate() {
                    keys.push(index.to_string());
                    self.flatten(value, &at.item(index), keys, into);
                    keys.pop();
                }
            }
            _ => {
                let why = self.rows.iter().find(|row| fits(row.path, keys)).map(|row| row.why);
                let origin = self.preset(at, keys).unwrap_or_else(|| self.origin(at, why));
                // A list or a text that nobody wrote, and that no default explains, is not there.
                if !matches!((&origin, why, value), (Origin::Default(_), None, Value::Array(_))) {
                    into.push(Entry { path: at.path().to_owned(), value: value.clone(), origin });
                }
            }
        }
    }

    /// The preset that a value comes from which nobody wrote.
    fn preset(&self, at: &At<'_>, keys: &[String]) -> Option<Origin> {
        let [releases, release, analysis, path @ ..] = keys else { return None };
        if releases != "releases" || analysis != "analysis" || at.is_written() {
            return None;
        }
        let (_, preset) = presets(&self.loaded.file).find(|(name, _)| name == release)?;
        let values = preset.values();
        values.pointer(&format!("/{}", path.join("/"))).map(|_| Origin::Preset(preset.name()))
    }

    fn origin(&self, at: &At<'_>, why: Option<&str>) -> Origin {
        let file = self.loaded.path().display();
        match (self.loaded.tree(), at.is_written(), at.mark()) {
            (Some(_), true, Some(mark)) => Origin::Written(format!("{file}:{}", mark.line)),
            (None, ..) if why.is_none() => Origin::Written(file.to_string()),
            _ => Origin::Default(why.unwrap_or_default().to_owned()),
        }
    }
}

/// Whether a row of the table is about the place `keys`.
fn fits(path: &str, keys: &[String]) -> bool {
    let mut pattern = path.split('.').map(|key| key.trim_end_matches('?'));
    let same = keys.iter().all(|key| pattern.next().is_some_and(|wanted| wanted == "*" || wanted == key));
    same && pattern.next().is_none()
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.0.iter().map(|entry| plain(&entry.value)).collect();
        let width = |texts: &mut dyn Iterator<Item = usize>| texts.filter(|width| *width <= WIDE).max().unwrap_or(0);
        let paths = width(&mut self.0.iter().map(|entry| entry.path.len()));
        let values = width(&mut shown.iter().map(|text| text.chars().count()));
        for (entry, value) in self.0.iter().zip(&shown) {
            let (path, origin) = (&entry.path, &entry.origin);
            writeln!(f, "{path:paths$}  {value:values$}  {origin}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(place) => f.write_str(place),
            Self::Preset(name) => write!(f, "preset {name}"),
            Self::Default(why) if why.is_empty() => f.write_str("default"),
            Self::Default(why) => write!(f, "default: {why}"),
        }
    }
}

/// A value as somebody would write it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// What is wider does not widen its column.
const WIDE: usize = 48;

#[cfg(test)]
mod tests;
