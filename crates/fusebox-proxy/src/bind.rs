//! Taking the addresses, before anything starts.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;

/// Why the proxy did not start. Nothing of it is running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address that clients connect to cannot be had.
    #[error("listen on {address}: {}; change it with --listen or in [[listener]] listen", why(.source))]
    Listener {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The admin interface's address cannot be had.
    #[error("listen on {address} for the admin interface: {}; change it with --admin or in [admin] listen", why(.source))]
    Admin {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The file that calls are kept in cannot be had.
    #[error("open the queue: failed to {0}")]
    Queue(fusebox::queue::StoreError),
    /// The store is not enough.
    #[error("open the queue: failed to {0}")]
    Needs(fusebox::queue::Missing),
    /// The headers of exports cannot be had.
    #[error("read the headers of telemetry.otlp from {}: {why}", path.display())]
    Headers {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        why: String,
    },
    /// Metrics cannot be pushed.
    #[error("push metrics: failed to {0}")]
    Export(fusebox::otlp::Error),
    /// The secret that notices are signed with cannot be had.
    #[error("read the secret of queue.webhook from {}: {why}", path.display())]
    Secret {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        why: String,
    },
    /// A thread could not be started.
    #[error("start a worker thread: {0}")]
    Thread(io::Error),
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is taken by another program".into(),
        io::ErrorKind::PermissionDenied => "no permission to take this port".into(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".into(),
        _ => error.to_string(),
    }
}

/// Listens on `address` once for each of `workers`. The kernel spreads connections over them.
pub(crate) fn listen(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, StartError> {
    let refused = |source| StartError::Listener { address, source };
    // Sockets that share a port would share it with any other program's that does: is there one?
    drop(open(address, false).map_err(refused)?);
    let first = open(address, true).map_err(refused)?;
    // Port 0 stands for any free one; all take the same.
    let address = first.local_addr().map_err(refused)?;
    let mut listeners = vec![first];
    for _ in 1..workers {
        listeners.push(open(address, true).map_err(refused)?);
    }
    Ok(listeners)
}

/// Listens on `address` for the admin interface.
pub(crate) fn listen_admin(address: SocketAddr) -> Result<TcpListener, StartError> {
    open(address, false).map_err(|source| StartError::Admin { address, source })
}

fn open(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of a predecessor that are still closing are no obstacle.
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
