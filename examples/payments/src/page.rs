//! What a customer and a person see of payments.

use crate::book::{Payment, Status};
use bytes::Bytes;
use example_stage::server;
use fusebox::queue::{Timestamp, View};
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use std::fmt::Write;

/// A payment, and what the queue says of it.
#[derive(Debug, Serialize)]
pub(crate) struct Shown<'a> {
    #[serde(flatten)]
    payment: &'a Payment,
    #[serde(skip_serializing_if = "Option::is_none")]
    deferred: Option<Standing<'a>>,
}

/// How an item of the queue stands.
#[derive(Debug, Serialize)]
struct Standing<'a> {
    queue: &'a str,
    state: &'a str,
    attempts: u32,
    /// Milliseconds until it may be tried again, while it waits.
    next_try_in_ms: Option<u128>,
    /// Why it was not made when it was last tried.
    reason: Option<&'a str>,
}

impl<'a> Shown<'a> {
    /// This payment at this moment.
    pub(crate) fn of(payment: &'a Payment, kept: Option<&'a View>, now: Timestamp) -> Self {
        let deferred = kept.map(|View { queue, record, .. }| Standing {
            queue,
            state: record.state.as_str(),
            attempts: record.attempts,
            next_try_in_ms: record.state.is_live().then(|| record.due_at.since(now).as_millis()),
            reason: record.reason.as_deref(),
        });
        Shown { payment, deferred }
    }
}

const ORDER: [Status; 8] = [
    Status::WillBeProcessed,
    Status::Authorising,
    Status::Authorised,
    Status::Captured,
    Status::Declined,
    Status::Expired,
    Status::Refunded,
    Status::NotTaken,
];

/// All payments by status, those that wait first. What is written there is this service's own, and needs no escaping.
pub(crate) fn page(payments: &[Payment]) -> Response<Full<Bytes>> {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"1\">\
         <title>Payments</title>\
         <style>body{font:14px/1.5 sans-serif;margin:2em}td,th{text-align:left;padding:0 1em 0 0}</style>\
         <h1>Payments</h1>",
    );
    for status in ORDER {
        let of_it: Vec<_> = payments.iter().filter(|payment| payment.status == status).collect();
        if of_it.is_empty() {
            continue;
        }
        // Writing to a string does not fail.
        let _ = write!(
            html,
            "<h2>{}: {}</h2><table><tr><th>payment<th>cents<th>source<th>provider<th>order",
            status.name(),
            of_it.len()
        );
        for payment in of_it {
            let Payment { id, cents, source, provider, fulfilled, .. } = payment;
            let provider = provider.as_deref().unwrap_or("–");
            let order = if *fulfilled { "gone out" } else { "waits" };
            let _ = write!(
                html,
                "<tr><td><a href=\"/payments/{id}\">{id}</a><td>{cents}<td>{source}<td>{provider}<td>{order}"
            );
        }
        html.push_str("</table>");
    }
    let mut response = server::answer(StatusCode::OK, html);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::{Book, Opened};
    use crate::desk::Order;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn payments_that_wait_come_first_and_no_card_is_shown() {
        let mut book = Book::default();
        for (key, status) in [("order-1", Status::Captured), ("order-2", Status::WillBeProcessed)] {
            let order = Order { cents: 100, card: "4242".into(), trusted: false };
            let Opened::New(payment) = book.open(key, &order) else { panic!("new") };
            book.change(&payment.id, |payment| payment.status = status);
        }
        let body = page(&book.payments()).into_body().collect().await.expect("whole").to_bytes();
        let html = String::from_utf8_lossy(&body);
        let at = |words: &str| html.find(words).unwrap_or_else(|| panic!("no {words:?} in {html}"));
        assert!(at("will be processed: 1") < at("captured: 1"));
        assert!(html.contains("/payments/p2") && !html.contains("4242"), "{html}");
        let payments = book.payments();
        let shown = serde_json::to_string(&Shown::of(&payments[1], None, Timestamp::default()));
        assert!(!shown.expect("it can be written").contains("4242"));
    }
}
