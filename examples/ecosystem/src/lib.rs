//! What the programs share: servers on loopback that fail when they are told to.

use axum::Router;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// What goes wrong in an example is shown and ends it.
pub type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Serves `router` on a free port of loopback until the program ends.
///
/// # Errors
///
/// Where there is no port to be had.
pub async fn serve(router: Router) -> Result<SocketAddr, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}
