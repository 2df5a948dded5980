//! proxy
pub(crate) mod http1;
pub(crate) mod watch;
