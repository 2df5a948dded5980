//! The configuration: read, checked, compiled into a [`crate::snapshot::Snapshot`], watched for changes.

pub mod schema;
