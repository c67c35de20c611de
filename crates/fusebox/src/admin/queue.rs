//! The queue of deferred calls, for operators: what waits, what is dead and why, and what is done about it.

use crate::admin::answer::{Answer, Problem};
use fusebox_queue::report::{AuditReport, Carried, FilterReport, ItemReport, OrderReport, QueueReport};
use fusebox_queue::{ItemId, QueueStore, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
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

/// The answer for `rest`, what follows `/queue` in the path.
pub(crate) async fn answer(
    store: &Arc<dyn QueueStore>,
    (method, rest, query): (&str, &str, &str),
    body: &[u8],
) -> Answer {
    let reads = matches!(method, "GET" | "HEAD");
    let answered = match rest {
        "" if reads => QueueReport::all(&**store).await.map(|queues| Answer::json(200, &Queues { queues })),
        "/items" if reads => match filter(query) {
            Ok(filter) => items(store, &filter).await,
            Err(why) => return Problem::bad_request(why).answer(),
        },
        "/audit" if reads => store.audit(TRAIL).await.map(|rows| {
            Answer::json(200, &Trail { audit: rows.into_iter().map(AuditReport::from).collect() })
        }),
        "/orders" if method == "POST" => match ordered(body) {
            Ok(order) => carry_out(store, order).await,
            Err(why) => return Problem::bad_request(why).answer(),
        },
        "/orders" => return Answer::only("POST"),
        _ => match rest.strip_prefix("/items/").map(str::parse) {
            Some(Ok(id)) if reads => one(store, ItemId(id)).await,
            None | Some(Err(_)) => return Problem::no_such_path(&format!("/queue{rest}")).answer(),
            Some(Ok(_)) => return Answer::method_not_allowed(),
        },
    };
    answered.unwrap_or_else(|error| failed(&error))
}

async fn items(store: &Arc<dyn QueueStore>, asked: &FilterReport) -> Result<Answer, StoreError> {
    let filter = match asked.check() {
        Ok(filter) => filter,
        Err(why) => return Ok(Problem::bad_request(why).answer()),
    };
    let views = store.list(filter, asked.page().min(LONGEST_PAGE)).await?;
    Ok(Answer::json(200, &Items { items: views.iter().map(ItemReport::from).collect() }))
}

async fn one(store: &Arc<dyn QueueStore>, id: ItemId) -> Result<Answer, StoreError> {
    Ok(match store.show(id).await? {
        Some(entry) => Answer::json(200, &ItemReport::from(&entry)),
        None => Problem::no_such_item(id.0).answer(),
    })
}

async fn carry_out(store: &Arc<dyn QueueStore>, asked: OrderReport) -> Result<Answer, StoreError> {
    let order = match asked.check() {
        Ok(order) => order,
        Err(why) => return Ok(Problem::bad_request(why).answer()),
    };
    let items = store.operate(order).await?.into_iter().map(|id| id.0).collect();
    Ok(Answer::json(200, &Carried { items, dry_run: asked.dry_run }))
}

fn filter(query: &str) -> Result<FilterReport, String> {
    read(serde_urlencoded::from_str(query))
}

fn ordered(body: &[u8]) -> Result<OrderReport, String> {
    read(serde_json::from_slice(body))
}

fn read<T: DeserializeOwned>(read: Result<T, impl std::fmt::Display>) -> Result<T, String> {
    read.map_err(|error| error.to_string())
}

fn failed(error: &StoreError) -> Answer {
    let status = if matches!(error, StoreError::Invalid { .. }) { 400 } else { 503 };
    Problem::store(status, format!("failed to {error}")).answer()
}
