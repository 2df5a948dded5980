//! Everything that needs more than one module: one binary, so that it links once.

#![allow(unreachable_pub, reason = "a test binary exports nothing; `pub` marks what a module offers to its neighbours")]
#![allow(missing_docs, reason = "names of tests are sentences")]

mod allocation;
mod deploy;
mod e2e;
mod faults;
mod http2;
mod proxy;
mod structure;
