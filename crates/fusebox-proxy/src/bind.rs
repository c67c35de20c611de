//! Taking the addresses, before anything starts.

#[cfg(unix)]
mod unix;

use crate::config::AdminPlace;
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
    #[error("listen on {place} for the admin interface: {}; change it with --admin or in [admin] listen", why(.source))]
    Admin {
        /// The address, or the socket's path.
        place: AdminPlace,
        /// Why.
        source: io::Error,
    },
    /// The admin interface must not listen there.
    #[error("listen on {place} for the admin interface: accepted: {accepted}")]
    Exposed {
        /// The address.
        place: AdminPlace,
        /// What is accepted.
        accepted: &'static str,
    },
    /// The tokens of the admin interface cannot be used.
    #[error(transparent)]
    Tokens(fusebox::admin::TokenFileError),
    /// The trail of what operators do cannot be gone on with.
    #[error(transparent)]
    Audit(fusebox::admin::audit::AuditError),
    /// The certificate of the admin interface cannot be used.
    #[error("{0}")]
    Tls(String),
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
        // What has no number is an error of our own, which says more.
        io::ErrorKind::AddrInUse if error.raw_os_error().is_some() => {
            "the address is taken by another program".into()
        }
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

/// Where the admin interface listens.
#[derive(Debug)]
pub(crate) enum AdminListener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener, unix::SocketFile),
}

impl AdminListener {
    /// The address, if it is one.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            AdminListener::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            AdminListener::Unix(..) => None,
        }
    }
}

/// Listens at `place` for the admin interface.
pub(crate) fn listen_admin(place: &AdminPlace) -> Result<AdminListener, StartError> {
    let opened = match place {
        AdminPlace::Address(address) => open(*address, false).map(AdminListener::Tcp),
        #[cfg(unix)]
        AdminPlace::Unix(path) => {
            unix::listen(path).map(|(listener, file)| AdminListener::Unix(listener, file))
        }
        #[cfg(not(unix))]
        AdminPlace::Unix(_) => {
            Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no such sockets"))
        }
    };
    opened.map_err(|source| StartError::Admin { place: place.clone(), source })
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
