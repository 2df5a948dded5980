//! The configuration: read, checked, compiled into a [`crate::snapshot::Snapshot`], watched for changes.
//!
//! [`load`] makes a [`Loaded`] of a file, [`compile()`] a snapshot of that. Both say everything that is wrong at once, each
//! problem with its place in the file and what to do about it. What nobody wrote comes from [`defaults`].

mod compile;
pub mod defaults;
mod effective;
mod load;
mod preset;
mod problem;
mod redact;
pub mod schema;
mod suggest;
mod tree;
pub mod watch;

pub use compile::{Admin, Compiled, Resolved, admin, compile, hosts, workers};
pub use effective::{Effective, Entry, Origin, effective, in_force};
pub use load::{Files, Loaded, load, parse};
pub use problem::{Place, Problem, Problems, Severity};

/// The JSON schema of the file, for editors: `# yaml-language-server: $schema=weir.schema.json`.
pub fn json_schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(schema::File);
    schema.insert("title".to_owned(), "weir".into());
    let mut schema = schema.to_value();
    without_empty_defaults(&mut schema);
    schema
}

/// Removes the defaults of whole sections: they are empty, and what they stand for is in [`defaults`].
fn without_empty_defaults(schema: &mut serde_json::Value) {
    match schema {
        serde_json::Value::Object(map) => {
            map.retain(|key, value| key != "default" || !(value.is_object() || value.is_array() || value.is_null()));
            map.values_mut().for_each(without_empty_defaults);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(without_empty_defaults),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
