//! Listening sockets: one for each worker at each address, so that the kernel shares the connections among the workers.
//!
//! The sockets of one address form an SO_REUSEPORT group. The kernel would let any other process of the same user join that
//! group and silently take a part of the connections, so the first socket is bound without the option: a port that
//! anybody holds, another weir too, is an error. Only then is the option switched on and the group completed.

use std::collections::HashSet;
use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::snapshot::{Listener, Place};
use crate::types::Name;

/// Why a listener has no sockets.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error("listener `{listener}`: {address} is taken: stop the process that listens there, or choose another port")]
    Taken {
        /// Whose.
        listener: Name,
        /// Where.
        address: SocketAddr,
    },
    /// The port needs a privilege.
    #[error(
        "listener `{listener}`: no permission for {address}: use a port from 1024 on, or grant CAP_NET_BIND_SERVICE"
    )]
    Denied {
        /// Whose.
        listener: Name,
        /// Where.
        address: SocketAddr,
    },
    /// The address is not one of this machine's, or another fault of the system.
    #[error("listener `{listener}`: cannot listen on {address}: {source}")]
    Other {
        /// Whose.
        listener: Name,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// The sockets of the listeners at one place, one for each worker.
#[derive(Debug)]
pub struct BoundListener {
    /// Where it is.
    pub place: Place,
    /// The address it has: another one than the configured only for port 0.
    pub address: SocketAddr,
    /// One socket for each worker, not blocking.
    pub sockets: Vec<TcpListener>,
}

/// Binds the place of every one of `listeners` for `workers` workers.
///
/// With port 0 the kernel chooses a port, the same for all workers; see [`BoundListener::address`].
///
/// # Errors
/// The first listener that cannot be bound; the sockets of the others are closed again.
pub fn bind<'a>(
    listeners: impl IntoIterator<Item = &'a Listener>,
    workers: usize,
) -> Result<Vec<BoundListener>, BindError> {
    let mut places = HashSet::new();
    let first = listeners.into_iter().filter(|listener| places.insert(listener.place()));
    first.map(|listener| bind_one(listener, workers.max(1))).collect()
}

fn bind_one(listener: &Listener, workers: usize) -> Result<BoundListener, BindError> {
    let explain = |error| BindError::of(listener, error);
    let first = open(listener.address).map_err(explain)?;
    first.set_reuse_port(true).map_err(explain)?;
    let first: TcpListener = first.into();
    let address = first.local_addr().map_err(explain)?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        sockets.push(join(address).map_err(explain)?);
    }
    for socket in &sockets {
        socket2::SockRef::from(socket).listen(BACKLOG).map_err(explain)?;
    }
    Ok(BoundListener { place: listener.place(), address, sockets })
}

/// A bound socket that shares its port with nobody yet.
fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    // For the connections in TIME_WAIT that a predecessor left; it does not permit a second listener.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are two listeners, on every machine alike.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A further socket in the group at `address`.
fn join(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

impl BindError {
    /// Whose sockets are missing.
    pub fn listener(&self) -> &Name {
        let (Self::Taken { listener, .. } | Self::Denied { listener, .. } | Self::Other { listener, .. }) = self;
        listener
    }

    fn of(listener: &Listener, source: io::Error) -> Self {
        let (listener, address) = (listener.name.clone(), listener.address);
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::Taken { listener, address },
            io::ErrorKind::PermissionDenied => Self::Denied { listener, address },
            _ => Self::Other { listener, address, source },
        }
    }
}

/// Connections that wait to be accepted. The kernel holds it at `net.core.somaxconn`, 4096 by default: a burst of clients
/// must not see refused connections while a worker is busy for some milliseconds.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests;
