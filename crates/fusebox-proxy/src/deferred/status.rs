//! What became of a deferred call, for whoever holds its name.

use super::Backlog;
use super::parcel::{KeptAnswer, Parcel};
use super::take::within;
use crate::answer;
use crate::reply::Reply;
use crate::session::Session;
use crate::wall;
use fusebox::queue::record::State;
use fusebox::queue::{Cancelled, ItemId, QueueStore, View};
use http::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

/// The name of a call's status: its number, and what proves that one was told of it.
pub(super) fn name(id: ItemId, secret: &str) -> String {
    format!("{}-{secret}", id.0)
}

impl Backlog {
    /// Answers for a call's status, or calls it off.
    pub(crate) async fn status(
        &self,
        session: &Rc<Session>,
        method: &Method,
        named: &str,
    ) -> Response<Reply> {
        let Some((id, secret)) = named.split_once('-') else { return answer::no_such_call(session) };
        let Ok(id) = id.parse().map(ItemId) else { return answer::no_such_call(session) };
        let Ok(found) = within(self.store().show(id)).await else {
            return answer::queue_unreachable(session);
        };
        let own = |payload: &[u8]| Parcel::decode(payload).is_some_and(|it| is_same(&it.secret, secret));
        let Some(entry) = found.filter(|entry| own(&entry.payload)) else {
            return answer::no_such_call(session);
        };
        match *method {
            Method::GET | Method::HEAD => answer::document(session, StatusCode::OK, &document(&entry.view)),
            Method::DELETE if entry.view.record.needs_check && entry.view.record.state.is_live() => {
                answer::may_be_made(session)
            }
            Method::DELETE => match within(self.store().cancel(id)).await {
                Ok(Cancelled::Cancelled) => match within(self.store().show(id)).await {
                    Ok(Some(entry)) => answer::document(session, StatusCode::OK, &document(&entry.view)),
                    _ => answer::no_such_call(session),
                },
                Ok(Cancelled::TooLate(state)) => answer::ended(session, &state),
                Ok(Cancelled::Unknown) => answer::no_such_call(session),
                Err(_) => answer::queue_unreachable(session),
            },
            _ => answer::status_method(session),
        }
    }
}

/// Takes as long for every wrong secret.
fn is_same(one: &str, other: &str) -> bool {
    let differ = one.bytes().zip(other.bytes()).fold(0, |sum, (one, other)| sum | (one ^ other));
    one.len() == other.len() && differ == 0
}

/// The status document.
pub(super) fn document(view: &View) -> Value {
    let record = &view.record;
    let mut body = Map::new();
    let mut say = |key: &str, value: Value| body.insert(key.into(), value);
    let date = |at: fusebox::queue::Timestamp| {
        let at = UNIX_EPOCH.checked_add(Duration::from_millis(at.0));
        at.and_then(wall::rfc3339).map_or(Value::Null, Value::from)
    };
    say("id", view.id.0.into());
    say("state", record.state.as_str().into());
    say("priority", record.class.as_str().into());
    say("attempts", record.attempts.into());
    say("created_at", date(record.created_at));
    if record.state == State::Ready {
        say("next_attempt_at", date(record.due_at));
    }
    if record.state.is_live() {
        say("expires_at", date(record.expires_at));
    }
    if let Some(at) = record.ended_at {
        say("ended_at", date(at));
    }
    if let State::Dead(death) = record.state {
        say("death", death.as_str().into());
    }
    if let Some(reason) = record.reason.as_deref().filter(|_| record.state != State::Done) {
        say("reason", reason.into());
    }
    if let Some(result) = record.result.as_deref().and_then(KeptAnswer::decode) {
        say("result", shown(&result));
    }
    Value::Object(body)
}

/// An answer as a document shows it.
pub(super) fn shown(result: &KeptAnswer) -> Value {
    let mut headers = Map::new();
    for (name, value) in result.shown() {
        headers.insert(name.clone(), value.clone().into());
    }
    let mut shown = json!({ "status": result.status, "headers": headers });
    match std::str::from_utf8(&result.body) {
        Ok(text) => shown["body"] = text.into(),
        Err(_) => shown["body_bytes"] = result.body.len().into(),
    }
    if result.cut {
        shown["cut"] = true.into();
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_same_only_if_all_of_it_is() {
        assert!(is_same("abc", "abc"));
        for other in ["", "ab", "abd", "abcd", "Abc"] {
            assert!(!is_same("abc", other), "{other}");
        }
    }
}
