//! Standard output, which may be closed at any time (`weir history | head -1`): that ends a command quietly.

use std::io::{self, Write};

use serde::Serialize;

/// Prints lines.
pub(super) fn lines<T: AsRef<str>>(lines: &[T]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{}", line.as_ref())?;
    }
    Ok(out.flush()?)
}

/// Prints text as it is.
pub(super) fn text(text: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    Ok(out.flush()?)
}

/// Prints JSON for people's eyes too.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    lines(&[serde_json::to_string_pretty(value)?])
}

/// Whether `error` only says that nobody reads any more.
pub(super) fn is_closed(error: &anyhow::Error) -> bool {
    let closed = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(closed)
}
