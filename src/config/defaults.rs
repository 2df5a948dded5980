//! Every default of the configuration, in one place: where it holds, what it is, and why it is that.
//!
//! [`table`] feeds `weir check --print-effective`. A test writes every default out and finds that nothing changes, another
//! that no optional key of the schema lacks its row.

mod admin;
mod backends;
mod listeners;
mod proxy;
mod releases;
mod routes;

use serde::Serialize;

pub use self::admin::*;
pub use self::backends::*;
pub use self::listeners::*;
pub use self::proxy::*;
pub use self::releases::*;
pub use self::routes::*;

/// A default.
#[derive(Clone, Copy, Debug)]
pub struct Setting<T> {
    /// Where it holds. `*` is any item or name; a key with `?` must be written for the default below it to mean anything.
    pub path: &'static str,
    /// What holds when nothing is written.
    pub value: T,
    /// Why this.
    pub why: &'static str,
}

impl<T: Copy> Setting<T> {
    const fn new(path: &'static str, value: T, why: &'static str) -> Self {
        Self { path, value, why }
    }

    /// What was written, or the default.
    pub fn or(&self, written: Option<T>) -> T {
        written.unwrap_or(self.value)
    }
}

impl<T: Serialize> Setting<T> {
    fn row(&self) -> Row {
        let value = serde_json::to_value(&self.value).unwrap_or_default();
        Row { path: self.path, value, why: self.why }
    }
}

/// A row of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// As [`Setting::path`].
    pub path: &'static str,
    /// The default as it would be written; a text in parentheses where that is not possible.
    pub value: serde_json::Value,
    /// Why this.
    pub why: &'static str,
}

/// All defaults, in the order of the file.
pub fn table() -> Vec<Row> {
    [listener_rows(), route_rows(), backend_rows(), release_rows(), admin_rows(), proxy_rows()].concat()
}

#[cfg(test)]
mod tests;
