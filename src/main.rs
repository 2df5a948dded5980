//! weir's entry point.

fn main() {}
