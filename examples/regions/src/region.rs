//! The service in one region: a real HTTP server that is as far away as it says, and can be told to misbehave.

use crate::scale::scaled;
use bytes::Bytes;
use example_stage::{clock, server};
use http_body_util::Full;
use hyper::{Response, StatusCode};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How the service in a region answers at present.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Mood {
    /// As fast as the distance lets it.
    #[default]
    Well,
    /// After so many seconds.
    Slow(f64),
    /// With 500.
    Failing,
}

/// The service in one region. A cheap handle: clones share the server.
#[derive(Clone, Debug)]
pub(crate) struct Region(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: &'static str,
    address: SocketAddr,
    /// There and back.
    distance: Duration,
    mood: watch::Sender<Mood>,
    asked: AtomicU64,
}

impl Region {
    /// Starts it on a free port; it serves until the task is aborted.
    pub(crate) async fn start(
        name: &'static str,
        distance: Duration,
    ) -> io::Result<(Region, JoinHandle<()>)> {
        let (listener, address) = server::listen().await?;
        let (mood, asked) = (watch::Sender::default(), AtomicU64::new(0));
        let region = Region(Arc::new(Shared { name, address, distance, mood, asked }));
        let answering = region.clone();
        let serving = tokio::spawn(server::serve(listener, move |request| {
            answering.clone().answer(request.uri().path().to_owned())
        }));
        Ok((region, serving))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        self.0.name
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// From now on it answers like this.
    pub(crate) fn turns(&self, mood: Mood) {
        self.0.mood.send_replace(mood);
    }

    /// Calls that have reached it.
    pub(crate) fn asked(&self) -> u64 {
        self.0.asked.load(Relaxed)
    }

    async fn answer(self, path: String) -> Response<Full<Bytes>> {
        self.0.asked.fetch_add(1, Relaxed);
        let mood = *self.0.mood.borrow();
        let slow = if let Mood::Slow(seconds) = mood { scaled(seconds) } else { Duration::ZERO };
        clock::pause(self.0.distance + slow).await;
        match mood {
            Mood::Failing => server::answer(StatusCode::INTERNAL_SERVER_ERROR, "out of order"),
            Mood::Well | Mood::Slow(_) => {
                server::answer(StatusCode::OK, format!("{path} from {}", self.0.name))
            }
        }
    }
}
