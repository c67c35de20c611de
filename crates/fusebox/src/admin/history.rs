//! `/history`, `/history/{name}`, `/overrides` and `/audit`: what happened, what is held now, and who did what.

use super::answer::Problem;
use super::audit::{Audit, AuditEntry};
use super::wall::Wall;
use super::watch::{LogEvent, Override, Subject, Watch, overrides as held};
use crate::{CircuitBreaker, Registry};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Events told when nothing else is said.
const USUAL: usize = 100;
/// Events that may be asked for.
const MOST: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    limit: Option<String>,
}

impl Query {
    /// How many are asked for.
    fn limit(query: &str) -> Result<usize, Problem> {
        let query: Query =
            serde_urlencoded::from_str(query).map_err(|error| Problem::bad_request(error.to_string()))?;
        let Some(limit) = query.limit else { return Ok(USUAL) };
        let refused =
            || Problem::bad_request(format!("limit: found {limit:?}, accepted: a whole number up to {MOST}"));
        limit.parse().ok().filter(|limit| *limit <= MOST).ok_or_else(refused)
    }
}

#[derive(Serialize)]
struct History {
    generated_at: Option<String>,
    name: Option<String>,
    events: Vec<Arc<LogEvent>>,
    lost: u64,
    /// Events of all circuits that the file of histories lacks.
    unwritten: u64,
}

#[derive(Serialize)]
struct Overrides {
    generated_at: Option<String>,
    overrides: Vec<Override>,
}

/// What happened to `circuit`, or to all of them, the newest first.
pub(super) fn of(
    watch: &Watch,
    subject: &Subject,
    circuit: Option<&CircuitBreaker>,
    query: &str,
) -> Result<impl Serialize + use<>, Problem> {
    let limit = Query::limit(query)?;
    let wall = Wall::read(subject.registry.clock().now());
    let name = circuit.map(|circuit| &**circuit.name());
    let (events, lost) = watch.story(subject, name, limit);
    Ok(History {
        generated_at: wall.rfc3339(wall.now()),
        name: name.map(str::to_owned),
        events,
        lost,
        unwritten: watch.unwritten(),
    })
}

/// What operators hold.
pub(super) fn overrides(registry: &Registry) -> impl Serialize + use<> {
    let wall = Wall::read(registry.clock().now());
    Overrides { generated_at: wall.rfc3339(wall.now()), overrides: held(&registry.all(), &wall) }
}

#[derive(Serialize)]
struct Trail {
    generated_at: Option<String>,
    head: String,
    entries: Vec<AuditEntry>,
}

/// What operators did and tried, the newest first.
pub(super) fn audit(
    audit: &Audit,
    registry: &Registry,
    query: &str,
) -> Result<impl Serialize + use<>, Problem> {
    let limit = Query::limit(query)?;
    let wall = Wall::read(registry.clock().now());
    let (head, entries) = audit.newest(limit);
    Ok(Trail { generated_at: wall.rfc3339(wall.now()), head, entries })
}
