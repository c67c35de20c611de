//! The four services and their database, with one file of policies.

use crate::database::Database;
use crate::service::{BEGIN, REPORT, Seen, micros};
use crate::settings::{Settings, SettingsError};
use example_stage::children::{Child, StartError};
use example_stage::client::{CallError, Client};
use example_stage::clock;
use fusebox::Time;
use std::net::SocketAddr;
use std::path::Path;
use thiserror::Error;

/// The chain's services, first to last.
pub(crate) const CHAIN: [&str; 4] = ["a", "b", "c", "d"];
/// What C answers itself.
pub(crate) const PAGE: &str = "/page";
/// What only the database knows.
pub(crate) const STOCK: &str = "/stock";

/// Four processes and a database.
#[derive(Debug)]
pub(crate) struct World {
    services: Vec<Child>,
    pub(crate) database: Database,
    pub(crate) settings: Settings,
}

/// Why there is no such world, or none any more. Reads after "failed to".
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum WorldError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("start the database: {0}")]
    Database(std::io::Error),
    #[error(transparent)]
    Service(#[from] StartError),
    #[error("ask a service what it has seen: it could not be made to {0}")]
    Call(#[from] CallError),
    #[error("understand what a service has seen: {0}")]
    Report(#[from] serde_json::Error),
}

impl World {
    /// Starts the processes, the last of the chain first.
    pub(crate) async fn start(policies: &Path) -> Result<World, WorldError> {
        let settings = Settings::read(policies)?;
        let database = Database::start().await.map_err(WorldError::Database)?;
        let mut next = database.address();
        let mut services = Vec::new();
        for name in CHAIN.into_iter().rev() {
            let mut arguments = vec!["service".into(), "--name".into(), name.into()];
            arguments.extend(["--next".into(), next.to_string()]);
            arguments.extend(["--policies".into(), policies.display().to_string()]);
            if name == "c" {
                arguments.extend(["--answers".into(), PAGE.into()]);
            }
            let service = Child::start(arguments)?;
            next = service.address();
            services.insert(0, service);
        }
        Ok(World { services, database, settings })
    }

    /// The services' addresses, first to last.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.services.iter().map(Child::address).collect()
    }

    /// Has every service count from `start` on.
    pub(crate) async fn begin(&self, client: &Client, start: Time) -> Result<(), WorldError> {
        for service in &self.services {
            let soon = micros(start.since(clock::precise().now()));
            client.get(service.address(), &format!("{BEGIN}?{soon}")).await?;
        }
        Ok(())
    }

    /// What each service has seen.
    pub(crate) async fn seen(&self, client: &Client) -> Result<Vec<Seen>, WorldError> {
        let mut seen = Vec::new();
        for service in &self.services {
            let report = client.get(service.address(), REPORT).await?;
            seen.push(serde_json::from_slice(report.body())?);
        }
        Ok(seen)
    }
}
