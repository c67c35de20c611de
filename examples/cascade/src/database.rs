//! The database under D: a server that answers at once, until somebody locks its one table.

use bytes::Bytes;
use example_stage::{clock, server};
use http_body_util::Full;
use hyper::{Response, StatusCode};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What a query takes.
const QUERY: Duration = Duration::from_millis(5);

/// The database. Dropped, it accepts no more connections.
#[derive(Debug)]
pub(crate) struct Database {
    address: SocketAddr,
    locked: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Database {
    /// Starts it on a free port.
    pub(crate) async fn start() -> io::Result<Database> {
        let (listener, address) = server::listen().await?;
        let locked = watch::Sender::new(false);
        let lock = locked.clone();
        let serving = tokio::spawn(server::serve(listener, move |_| query(lock.subscribe())));
        Ok(Database { address, locked, serving })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on queries wait, or wait no more.
    pub(crate) fn lock(&self, locked: bool) {
        self.locked.send_replace(locked);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn query(mut locked: watch::Receiver<bool>) -> Response<Full<Bytes>> {
    // The sender lives in this very server.
    let _ = locked.wait_for(|locked| !locked).await;
    clock::pause(QUERY).await;
    server::answer(StatusCode::OK, "7 left")
}
