//! Where the queue is: a file, or a proxy's admin interface. Both say the same.

use crate::admin::{Admin, understood};
use crate::args::queue::At;
use crate::failure::Failure;
use crate::output::Output;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fusebox::queue::postgres::{self, Postgres};
use fusebox::queue::report::{AuditReport, Carried, FilterReport, ItemReport, OrderReport, QueueReport};
use fusebox::queue::sqlite::{Look, Sqlite};
use fusebox::queue::{ItemId, QueueStore, StoreError};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;

/// Orders of the trail that are shown.
const TRAIL: usize = 1_000;
/// What to do where nobody answers.
const HINT: &str = "give its --admin address, or the queue's --file";

pub(super) enum Desk {
    Store(Box<dyn QueueStore>),
    Admin(Admin),
}

impl Desk {
    /// Opens the file if there is one, to change it only where that is asked for; else there is a proxy.
    pub(super) async fn open(at: &At, changes: bool, output: Output) -> Result<Self, Failure> {
        if let Some(url) = &at.postgres {
            let store = Postgres::connect(url, postgres::Options::default()).await.map_err(failed)?;
            return Ok(Desk::Store(Box::new(store)));
        }
        let Some(file) = &at.file else { return Ok(Desk::Admin(at.reach.admin(output)?.with_hint(HINT))) };
        // A queue is looked after here, and never begun.
        if let Err(source) = std::fs::metadata(file) {
            return Err(Failure::Unreadable { path: file.clone(), source });
        }
        let store: Box<dyn QueueStore> = match changes {
            true => Box::new(Sqlite::open(file).map_err(|error| refused(file, error))?),
            false => Box::new(Look::open(file).map_err(|error| refused(file, error))?),
        };
        Ok(Desk::Store(store))
    }

    pub(super) async fn queues(&self) -> Result<Vec<QueueReport>, Failure> {
        match self {
            Desk::Store(store) => QueueReport::all(&**store).await.map_err(failed),
            Desk::Admin(admin) => part(admin.get("/queue").await?, "queues"),
        }
    }

    pub(super) async fn items(&self, filter: &FilterReport) -> Result<Vec<ItemReport>, Failure> {
        match self {
            Desk::Store(store) => {
                let checked = filter.check().map_err(Failure::Usage)?;
                let views = store.list(checked, filter.page()).await.map_err(failed)?;
                Ok(views.iter().map(ItemReport::from).collect())
            }
            Desk::Admin(admin) => {
                let query = serde_urlencoded::to_string(filter).unwrap_or_default();
                part(admin.get(&format!("/queue/items?{query}")).await?, "items")
            }
        }
    }

    pub(super) async fn item(&self, id: u64) -> Result<ItemReport, Failure> {
        match self {
            Desk::Store(store) => match store.show(ItemId(id)).await.map_err(failed)? {
                Some(entry) => Ok(ItemReport::from(&entry)),
                None => Err(Failure::Run(format!("there is no call {id}; `fusebox queue list` shows them"))),
            },
            Desk::Admin(admin) => admin.read_at(&format!("/queue/items/{id}")).await,
        }
    }

    pub(super) async fn audit(&self) -> Result<Vec<AuditReport>, Failure> {
        match self {
            Desk::Store(store) => {
                let rows = store.audit(TRAIL).await.map_err(failed)?;
                Ok(rows.into_iter().map(AuditReport::from).collect())
            }
            Desk::Admin(admin) => part(admin.get("/queue/audit").await?, "audit"),
        }
    }

    pub(super) async fn order(&self, order: &OrderReport) -> Result<Carried, Failure> {
        match self {
            Desk::Store(store) => {
                let checked = order.check().map_err(Failure::Usage)?;
                let items = store.operate(checked).await.map_err(failed)?.iter().map(|id| id.0).collect();
                Ok(Carried { items, dry_run: order.dry_run })
            }
            Desk::Admin(admin) => {
                let answer = admin.post("/queue/orders", order, None).await?;
                understood(admin.done(answer)?)
            }
        }
    }

    /// An item as a line of JSON, with its payload where that is asked for.
    pub(super) async fn line(&self, item: &ItemReport, payload: bool) -> Result<String, Failure> {
        let mut line = serde_json::to_value(item).unwrap_or_default();
        if let (Desk::Store(store), true) = (self, payload)
            && let Some(entry) = store.show(ItemId(item.id)).await.map_err(failed)?
        {
            line["payload_base64"] = STANDARD.encode(&entry.payload).into();
        }
        Ok(line.to_string())
    }
}

fn refused(file: &Path, error: StoreError) -> Failure {
    match error {
        StoreError::Owned(_) => Failure::Run(format!(
            "{}: another process has it and can change it; ask that one: leave --file out, or give its --admin address",
            file.display()
        )),
        error => failed(error),
    }
}

fn failed(error: StoreError) -> Failure {
    Failure::Run(format!("failed to {error}"))
}

fn part<T: DeserializeOwned>(answer: Value, name: &str) -> Result<T, Failure> {
    understood(answer.get(name).cloned().unwrap_or_default())
}
