//! Connecting to endpoints.

use crate::config::Endpoint;
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpStream, lookup_host};

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum NoConnection {
    /// The name has no address, and never had one.
    Unresolved,
    /// None of its addresses takes the connection.
    Refused,
    /// There is no descriptor for another connection: that is not the endpoint's doing.
    Exhausted,
}

/// Where endpoints are, by authority: the last addresses that a name resolved to outlive its resolver.
#[derive(Debug, Default)]
pub(crate) struct Book(RefCell<Vec<(String, Vec<SocketAddr>)>>);

impl Book {
    /// Connects to `endpoint`.
    pub(crate) async fn dial(&self, endpoint: &Endpoint) -> Result<TcpStream, NoConnection> {
        let stream = match endpoint.host.parse::<IpAddr>() {
            Ok(ip) => TcpStream::connect((ip, endpoint.port)).await,
            Err(_) => {
                let addresses = self.addresses(endpoint).await.map_err(|_| NoConnection::Unresolved)?;
                TcpStream::connect(addresses.as_slice()).await
            }
        };
        let stream = stream.map_err(|error| match is_exhaustion(&error) {
            true => NoConnection::Exhausted,
            false => NoConnection::Refused,
        })?;
        // A connection without it is slow, not wrong.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// Forgets where those are that `stays` says no to, by their authority.
    pub(crate) fn let_go(&self, stays: impl Fn(&str) -> bool) {
        self.0.borrow_mut().retain(|(authority, _)| stays(authority));
    }

    async fn addresses(&self, endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
        let looked_up = lookup_host((endpoint.host.as_str(), endpoint.port)).await.and_then(|found| {
            let found: Vec<_> = found.collect();
            if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
        });
        let mut known = self.0.borrow_mut();
        let known_at = known.iter().position(|(authority, _)| *authority == endpoint.authority);
        match (looked_up, known_at) {
            (Ok(found), Some(at)) => {
                known[at].1.clone_from(&found);
                Ok(found)
            }
            (Ok(found), None) => {
                known.push((endpoint.authority.clone(), found.clone()));
                Ok(found)
            }
            (Err(_), Some(at)) => Ok(known[at].1.clone()),
            (Err(error), None) => Err(error),
        }
    }
}

/// Whether this process or this machine has run out of descriptors: ENFILE and EMFILE, which std has no names for.
fn is_exhaustion(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn running_out_of_descriptors_is_not_the_endpoints_doing() {
        for code in [23, 24] {
            assert!(is_exhaustion(&io::Error::from_raw_os_error(code)), "{code}");
        }
        assert!(!is_exhaustion(&io::ErrorKind::ConnectionRefused.into()));
    }
}
