//! Items, queues and orders as operators read and write them: in JSON, the same from the command line and the admin API.

use crate::error::StoreError;
use crate::item::{Entry, ItemId, View};
use crate::order::{Act, Audited, Order};
use crate::record::{Death, State};
use crate::store::{Filter, QueueStore};
use crate::tally::Stats;
use fusebox_core::Priority;
use serde::{Deserialize, Serialize};

/// Items that a list has when nothing else is said.
const PAGE: usize = 100;

/// An item. Moments are milliseconds since 1970 in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "they are the fields of a record")]
pub struct ItemReport {
    pub id: u64,
    pub queue: String,
    pub key: String,
    pub state: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub death: Option<String>,
    pub class: String,
    pub needs_check: bool,
    pub attempts: u32,
    pub max_attempts: u32,
    pub crashes: u32,
    pub max_crashes: u32,
    pub created_at: u64,
    pub due_at: u64,
    pub expires_at: u64,
    pub first_attempt_at: Option<u64>,
    pub lease_until: Option<u64>,
    pub ended_at: Option<u64>,
    pub reason: Option<String>,
    pub contact: Option<String>,
    /// What the call came to, where that is text.
    pub result: Option<String>,
    /// Bytes of the payload; told of a single item only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub payload_bytes: Option<usize>,
    /// Its layout; told of a single item only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub format: Option<u16>,
}

impl From<&View> for ItemReport {
    fn from(view: &View) -> Self {
        let record = &view.record;
        let death = match record.state {
            State::Dead(death) => Some(death.as_str().into()),
            _ => None,
        };
        ItemReport {
            id: view.id.0,
            queue: view.queue.clone(),
            key: view.key.clone(),
            state: record.state.as_str().into(),
            death,
            class: record.class.as_str().into(),
            needs_check: record.needs_check,
            attempts: record.attempts,
            max_attempts: record.max_attempts,
            crashes: record.crashes,
            max_crashes: record.max_crashes,
            created_at: record.created_at.0,
            due_at: record.due_at.0,
            expires_at: record.expires_at.0,
            first_attempt_at: record.first_attempt_at.map(|at| at.0),
            lease_until: record.lease.map(|lease| lease.until.0),
            ended_at: record.ended_at.map(|at| at.0),
            reason: record.reason.clone(),
            contact: record.contact.clone(),
            result: record.result.clone().and_then(|result| String::from_utf8(result).ok()),
            payload_bytes: None,
            format: None,
        }
    }
}

impl From<&Entry> for ItemReport {
    fn from(entry: &Entry) -> Self {
        let (payload_bytes, format) = (Some(entry.payload.len()), Some(entry.format));
        ItemReport { payload_bytes, format, ..ItemReport::from(&entry.view) }
    }
}

/// How a queue's calls are made by a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "they are the fields of a replay's standing")]
pub struct ReplayReport {
    /// `closed`, `probing` or `open`.
    pub gate: String,
    /// 0 while the gate is open.
    pub rate_per_second: f64,
    pub ceiling_per_second: f64,
}

/// A queue. Depth and the dead are by class, the lowest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "they are the fields of a queue's statistics")]
pub struct QueueReport {
    pub queue: String,
    pub depth: [u64; 4],
    pub dead: [u64; 4],
    pub bytes: u64,
    pub leased: u64,
    pub needs_check: u64,
    /// When the oldest item that has not ended came.
    pub oldest_created_at: Option<u64>,
    pub paused: bool,
    /// Nothing where the process that tells of it does not make its calls: a store knows of no replay.
    #[serde(default)]
    pub replay: Option<ReplayReport>,
}

impl QueueReport {
    fn of(queue: String, stats: &Stats) -> Self {
        QueueReport {
            queue,
            depth: stats.classes.map(|class| class.live),
            dead: stats.classes.map(|class| class.dead),
            bytes: stats.bytes(),
            leased: stats.leased,
            needs_check: stats.needs_check,
            oldest_created_at: stats.oldest_created_at.map(|at| at.0),
            paused: stats.paused,
            replay: None,
        }
    }

    /// Every queue of a store.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn all(store: &dyn QueueStore) -> Result<Vec<QueueReport>, StoreError> {
        let mut reports = Vec::new();
        for queue in store.queues().await? {
            let stats = store.stats(&queue).await?;
            reports.push(QueueReport::of(queue, &stats));
        }
        Ok(reports)
    }
}

/// An order that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "they are the fields of an audited order")]
pub struct AuditReport {
    pub at: u64,
    pub actor: String,
    pub act: String,
    pub filter: String,
    pub items: u64,
    pub reason: String,
}

impl From<Audited> for AuditReport {
    fn from(row: Audited) -> Self {
        let Audited { at, actor, act, filter, items, reason } = row;
        AuditReport { at: at.0, actor, act, filter, items, reason }
    }
}

/// Which items, as operators write it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "they are the fields of a filter")]
pub struct FilterReport {
    pub queue: Option<String>,
    pub state: Option<String>,
    pub class: Option<String>,
    pub death: Option<String>,
    pub id: Option<u64>,
    pub key: Option<String>,
    /// A list goes on after the item with this number.
    pub after: Option<u64>,
    /// A list has at most so many.
    pub limit: Option<usize>,
}

const STATES: [&str; 6] = ["ready", "leased", "done", "dead", "expired", "cancelled"];

impl FilterReport {
    /// How many items a list has.
    pub fn page(&self) -> usize {
        self.limit.unwrap_or(PAGE)
    }

    /// Whether it lets every item through.
    pub fn is_empty(&self) -> bool {
        *self == FilterReport { after: self.after, limit: self.limit, ..FilterReport::default() }
    }

    /// The checked filter.
    ///
    /// # Errors
    ///
    /// What was found, and what is accepted.
    pub fn check(&self) -> Result<Filter, String> {
        fn known<T>(
            what: &str,
            found: Option<&String>,
            named: impl Fn(&str) -> Option<T>,
            all: &[&str],
        ) -> Result<Option<T>, String> {
            let Some(found) = found else { return Ok(None) };
            let accepted = all.join(", ");
            named(found).map(Some).ok_or_else(|| format!("{what}: found {found:?}, accepted: {accepted}"))
        }
        let state = |name: &str| STATES.into_iter().find(|known| *known == name);
        let deaths = Death::ALL.map(|(name, _)| name);
        let classes = Priority::ALL.map(|(name, _)| name);
        Ok(Filter {
            queue: self.queue.clone(),
            state: known("state", self.state.as_ref(), state, &STATES)?,
            class: known("class", self.class.as_ref(), Priority::named, &classes)?,
            death: known("death", self.death.as_ref(), Death::named, &deaths)?,
            id: self.id.map(ItemId),
            key: self.key.clone(),
            after: self.after.map(ItemId),
        })
    }
}

/// An order, as operators write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderReport {
    /// The name of an [`Act`].
    pub act: String,
    /// To which items; an empty one is all that the act applies to.
    #[serde(default)]
    pub filter: FilterReport,
    /// Only says what it would do.
    #[serde(default)]
    pub dry_run: bool,
    /// Whose wish it is.
    pub actor: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

impl OrderReport {
    /// The checked order.
    ///
    /// # Errors
    ///
    /// What was found, and what is accepted.
    pub fn check(&self) -> Result<Order, String> {
        let acts = Act::ALL.map(Act::as_str).join(", ");
        let act = Act::named(&self.act);
        let act = act.ok_or_else(|| format!("act: found {:?}, accepted: {acts}", self.act))?;
        let order = Order::new(act, self.filter.check()?, self.actor.clone(), self.reason.clone());
        Ok(Order { limit: self.filter.limit.unwrap_or(order.limit), dry_run: self.dry_run, ..order })
    }
}

/// What an order came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The items it moved, or would have.
    pub items: Vec<u64>,
    /// It only said so.
    pub dry_run: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_a_filter_or_an_order_is_named_with_what_is_accepted() {
        let state = FilterReport { state: Some("ded".into()), ..FilterReport::default() };
        let said = state.check().expect_err("a slip");
        assert_eq!(said, "state: found \"ded\", accepted: ready, leased, done, dead, expired, cancelled");
        let order: OrderReport =
            serde_json::from_str(r#"{"act": "retri", "actor": "ann"}"#).expect("it is written so");
        assert!(order.check().expect_err("a slip").starts_with("act: found \"retri\", accepted: retry, "));
        assert!(serde_json::from_str::<OrderReport>(r#"{"act": "retry", "actor": "a", "who": 1}"#).is_err());
    }
}
