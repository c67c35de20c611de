//! The queue of deferred calls, for operators: what waits, what is dead and why, and what is done about it.

use super::access::Caller;
use super::answer::{Answer, Problem};
use super::audit::Draft;
use super::routes::Place;
use super::{Admin, Asked, orders};
use crate::telemetry::QueueReplay;
use fusebox_queue::report::{
    AuditReport, Carried, FilterReport, ItemReport, OrderReport, QueueReport, ReplayReport,
};
use fusebox_queue::{ItemId, Order, QueueStore, StoreError};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Orders that were carried out, in a list.
const TRAIL: usize = 1_000;
/// Items in a list, at most.
const LONGEST_PAGE: usize = 10_000;

#[derive(Serialize)]
struct Queues {
    queues: Vec<QueueReport>,
}

#[derive(Serialize)]
struct Items {
    items: Vec<ItemReport>,
}

#[derive(Serialize)]
struct Trail {
    audit: Vec<AuditReport>,
}

/// The answer of the store.
pub(super) async fn answer(
    admin: &Admin,
    store: &Arc<dyn QueueStore>,
    (place, rest): (Place, &str),
    asked: &Asked<'_>,
    caller: &Caller,
    draft: &mut Draft,
) -> Result<Answer, Problem> {
    match place {
        Place::QueueItems => items(store, &filter(asked.query())?).await,
        Place::QueueItem => match rest.parse() {
            Ok(id) => one(store, ItemId(id)).await,
            Err(_) => Err(Problem::no_such_path(asked.path())),
        },
        Place::QueueAudit => {
            let rows = store.audit(TRAIL).await.map_err(failed)?;
            let audit = rows.into_iter().map(AuditReport::from).collect();
            Ok(Answer::json(200, &Trail { audit }))
        }
        Place::QueueOrders => carry_out(admin, store, ordered(asked.body, caller, draft)?, draft).await,
        _ => queues(admin, store).await,
    }
}

/// What the store knows of each queue, and what this process does about it.
async fn queues(admin: &Admin, store: &Arc<dyn QueueStore>) -> Result<Answer, Problem> {
    let mut queues = QueueReport::all(&**store).await.map_err(failed)?;
    let readers = admin.subjects.read().queues.clone();
    let standing: Vec<_> = readers.iter().flat_map(|read| read().queues).collect();
    for queue in &mut queues {
        let mut replays = standing.iter().filter(|standing| *standing.name == *queue.queue);
        queue.replay = replays.find_map(|standing| standing.replay).map(replay);
    }
    Ok(Answer::json(200, &Queues { queues }))
}

fn replay(QueueReplay { gate, rate, ceiling }: QueueReplay) -> ReplayReport {
    ReplayReport { gate: gate.into(), rate_per_second: rate, ceiling_per_second: ceiling }
}

async fn items(store: &Arc<dyn QueueStore>, asked: &FilterReport) -> Result<Answer, Problem> {
    let filter = asked.check().map_err(Problem::bad_request)?;
    let views = store.list(filter, asked.page().min(LONGEST_PAGE)).await.map_err(failed)?;
    Ok(Answer::json(200, &Items { items: views.iter().map(ItemReport::from).collect() }))
}

async fn one(store: &Arc<dyn QueueStore>, id: ItemId) -> Result<Answer, Problem> {
    let entry = store.show(id).await.map_err(failed)?;
    entry.map(|entry| Answer::json(200, &ItemReport::from(&entry))).ok_or_else(|| Problem::no_such_item(id.0))
}

/// Tried dry first, so that the trail tells how many items it is about before anything is done to them.
async fn carry_out(
    admin: &Admin,
    store: &Arc<dyn QueueStore>,
    asked: OrderReport,
    draft: &mut Draft,
) -> Result<Answer, Problem> {
    let order = asked.check().map_err(Problem::bad_request)?;
    let foreseen = store.operate(Order { dry_run: true, ..order.clone() }).await.map_err(failed)?;
    draft.after = Some(json!({ "items": foreseen.len() }));
    admin.write_down(draft, asked.dry_run)?;
    let items = if asked.dry_run { foreseen } else { store.operate(order).await.map_err(failed)? };
    let items = items.into_iter().map(|id| id.0).collect();
    Ok(Answer::json(200, &Carried { items, dry_run: asked.dry_run }))
}

fn filter(query: &str) -> Result<FilterReport, Problem> {
    serde_urlencoded::from_str(query).map_err(|error| Problem::bad_request(error.to_string()))
}

/// The order in this body; who it is need not be said where a token says it.
fn ordered(body: &[u8], caller: &Caller, draft: &mut Draft) -> Result<OrderReport, Problem> {
    let wrong = |error: serde_json::Error| Problem::bad_request(error.to_string());
    let mut body: Value = serde_json::from_slice(body).map_err(wrong)?;
    // A list would be taken for fields in their order.
    if !body.is_object() || body.get("filter").is_some_and(|filter| !filter.is_object()) {
        return Err(Problem::bad_request("accepted: an object, with an object as filter"));
    }
    if let (Some(fields), Some(name)) = (body.as_object_mut(), &caller.name) {
        fields.entry("actor").or_insert_with(|| name.as_str().into());
    }
    if let Some(Value::Object(filter)) = body.get_mut("filter") {
        filter.values_mut().for_each(make_whole);
    }
    let order: OrderReport = serde_json::from_value(body).map_err(wrong)?;
    orders::check_text("actor", &order.actor, orders::LONGEST_ACTOR)?;
    orders::check_text("reason", &order.reason, orders::LONGEST_REASON)?;
    let actor = orders::actor(Some(order.actor.clone()), caller.name.as_deref())?;
    draft.action = format!("queue.{}", order.act.chars().take(40).collect::<String>());
    draft.target = serde_json::to_string(&order.filter).ok();
    (draft.actor, draft.reason) = (Some(actor.clone()), Some(order.reason.clone()));
    Ok(OrderReport { actor, ..order })
}

/// JSON has one kind of number: 17.0 is 17.
fn make_whole(value: &mut Value) {
    /// Above this not every whole number is one of the kind that has fractions.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let fraction = value.as_f64().filter(|_| value.is_f64());
    if let Some(whole) = fraction.filter(|number| number.fract() == 0.0 && (0.0..=EXACT).contains(number)) {
        *value = (whole as u64).into();
    }
}

fn failed(error: StoreError) -> Problem {
    let status = if matches!(error, StoreError::Invalid { .. }) { 400 } else { 503 };
    Problem::store(status, format!("failed to {error}"))
}
