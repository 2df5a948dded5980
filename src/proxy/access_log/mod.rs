//! One line for each request: compiled once, rendered into a buffer of the worker, written by a thread of its own.

mod format;
mod lines;

pub(super) use format::{Entry, Format};
pub(super) use lines::{Lines, Writer};
