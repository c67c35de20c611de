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
        let stream = stream.map_err(|_| NoConnection::Refused)?;
        // A connection without it is slow, not wrong.
        let _ = stream.set_nodelay(true);
        Ok(stream)
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
