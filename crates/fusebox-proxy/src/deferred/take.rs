//! Keeping a call: which can be kept safely, and what its client is told.

use super::parcel::{FORMAT, KeptAnswer, Parcel};
use super::{Backlog, status};
use crate::alarm::pause;
use crate::answer;
use crate::config::Defer;
use crate::forward::Call;
use crate::lane::Route;
use crate::reply::Reply;
use crate::source::Source;
use fusebox::queue::record::State;
use fusebox::queue::{self, Enqueued, ItemId, NewItem, QueueStore, StoreError};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::time::Duration;

/// How long a client waits for the store.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest key that is kept, in bytes.
const LONGEST_KEY: usize = 200;

/// Who may have done a call already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached {
    /// Its own dependency.
    pub(crate) own: bool,
    /// Another service, or its dependency in another region.
    pub(crate) others: bool,
}

/// What came of trying to keep a call.
pub(crate) enum Taken {
    /// This is its client's answer.
    Answered(Response<Reply>),
    /// It cannot be kept, or there is no room. The next in the list is asked.
    Refused(&'static str),
}

impl Backlog {
    /// Keeps the call, to be made later.
    pub(crate) async fn take(
        &self,
        call: &Call<'_>,
        route: &Route,
        defer: &Defer,
        reached: Reached,
    ) -> Taken {
        let taken = match self.item(call, route, defer, reached).await {
            Ok((item, secret)) => self.keep(call, item, secret).await,
            Err(why) => Taken::Refused(why),
        };
        if let Taken::Refused(why) = taken {
            self.count_refusal(why);
        }
        taken
    }

    /// What is kept of the call, and the secret of its status; or why it cannot be kept safely.
    async fn item(
        &self,
        call: &Call<'_>,
        route: &Route,
        defer: &Defer,
        reached: Reached,
    ) -> Result<(NewItem, String), &'static str> {
        let (method, uri) = call.source.asked();
        if method.is_safe() || *method == Method::TRACE {
            return Err("safe_method");
        }
        // Another provider may have charged, and nobody would ask it.
        if defer.check.is_none() && reached.others {
            return Err("unchecked_alternative");
        }
        let name = &route.idempotency_key;
        let key = call.source.with_headers(|headers| key(headers, name, defer)).ok_or("no_key")?;
        let room = usize::try_from(self.plan.limits.max_payload).unwrap_or(usize::MAX);
        let body = call.source.whole(call.session, room).await?;
        let secret = secret().ok_or("store")?;
        let (class, contact, headers) = call.source.with_headers(|headers| {
            let contact = defer.contact.as_ref().and_then(|name| headers.get(name)?.to_str().ok());
            let ask = route.asking.ask(headers, call.source.has_body());
            (ask.priority, contact.map(str::to_owned), headers.clone())
        });
        let fingerprint = fingerprint(&call.source, &headers, &body);
        let parcel = Parcel::of(method, uri, &headers, body, secret.clone());
        let item = NewItem {
            fingerprint,
            class,
            format: FORMAT,
            expires_in: defer.expires_in,
            max_attempts: defer.max_attempts,
            needs_check: reached.own || reached.others,
            notices: self.notices(contact.as_deref()),
            ..NewItem::new(&*route.name, key, parcel.encode())
        };
        Ok((item, secret))
    }

    async fn keep(&self, call: &Call<'_>, item: NewItem, secret: String) -> Taken {
        let kept = within(self.store().enqueue(vec![item])).await;
        match kept.map(|mut told| told.pop()) {
            Ok(Some(Enqueued::Stored(id))) => self.accepted(call, id, &secret).await,
            Ok(Some(Enqueued::Duplicate { id, state })) => self.again(call, id, &state).await,
            Ok(Some(Enqueued::KeyConflict(_))) => Taken::Answered(answer::key_conflict(call.session)),
            Ok(Some(Enqueued::Full { .. })) => Taken::Refused("full"),
            Err(StoreError::Invalid { field: "payload", .. }) => Taken::Refused("too_large"),
            Err(StoreError::Invalid { .. } | StoreError::DiskFull(_) | StoreError::ReadOnly { .. }) => {
                Taken::Refused("store")
            }
            // It may be kept: nobody else may make the call now.
            Ok(None) | Err(_) => {
                self.count_refusal("store");
                Taken::Answered(answer::may_be_kept(call.session))
            }
        }
    }

    async fn accepted(&self, call: &Call<'_>, id: ItemId, secret: &str) -> Taken {
        let document = match within(self.store().show(id)).await {
            Ok(Some(entry)) => status::document(&entry.view),
            // It is kept; how it stands can be asked for later.
            Ok(None) | Err(_) => serde_json::json!({ "id": id.0, "state": "ready" }),
        };
        let mut response = answer::document(call.session, StatusCode::ACCEPTED, &document);
        let place = format!("{}/{}", self.plan.status_path, status::name(id, secret));
        if let Ok(place) = HeaderValue::from_str(&place) {
            response.headers_mut().insert(LOCATION, place);
        }
        Taken::Answered(response)
    }

    /// The same call was kept before: its client is told what became of it.
    async fn again(&self, call: &Call<'_>, id: ItemId, state: &State) -> Taken {
        let entry = within(self.store().show(id)).await.ok().flatten();
        let parcel = entry.as_ref().and_then(|entry| Parcel::decode(&entry.payload));
        let (Some(entry), Some(parcel)) = (entry, parcel) else {
            return Taken::Answered(answer::may_be_kept(call.session));
        };
        match state {
            State::Done => {
                let result = entry.view.record.result.as_deref().and_then(KeptAnswer::decode);
                match result.and_then(|result| answer::kept(call.session, &result)) {
                    Some(response) => Taken::Answered(response),
                    None => self.accepted(call, id, &parcel.secret).await,
                }
            }
            State::Ready | State::Leased => self.accepted(call, id, &parcel.secret).await,
            ended => Taken::Answered(answer::ended(call.session, ended)),
        }
    }
}

/// The store's answer, as long as a client waits for it.
pub(super) async fn within<T>(answer: queue::Answer<'_, T>) -> Result<T, StoreError> {
    tokio::select! {
        answer = answer => answer,
        () = pause(PATIENCE) => Err(StoreError::Stopped),
    }
}

/// The key of an item: the caller's own, in a space of its own for each caller, so that nobody meets another's keys. One that could
/// change the path that asks for it is none.
fn key(headers: &HeaderMap, name: &HeaderName, defer: &Defer) -> Option<String> {
    let key = headers.get(name)?.to_str().ok().map(str::trim)?;
    let steers = matches!(key, "." | "..") || key.contains(['/', '\\']);
    if key.is_empty() || key.len() > LONGEST_KEY || (steers && defer.check.is_some()) {
        return None;
    }
    let mut whose = Sha256::new();
    let mut is_known = false;
    for name in &defer.scope {
        for value in headers.get_all(name) {
            is_known = true;
            whose.update(name.as_str());
            whose.update((value.len() as u64).to_be_bytes());
            whose.update(value.as_bytes());
        }
    }
    Some(if is_known { format!("{}:{key}", hex(&whose.finalize()[..8])) } else { key.to_owned() })
}

/// What tells one question from another: method, target, type and body.
fn fingerprint(source: &Source, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let (method, uri) = source.asked();
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let mut digest = Sha256::new();
    for part in [method.as_str().as_bytes(), target.as_bytes(), kind, body] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().to_vec()
}

/// Nobody guesses it.
fn secret() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{AUTHORIZATION, COOKIE};

    fn defer(check: Option<&str>) -> Defer {
        let (second, scope) = (Duration::from_secs(1), vec![AUTHORIZATION, COOKIE]);
        let check = check.map(str::to_owned);
        Defer { check, expires_in: second, max_attempts: 1, backoff: second, contact: None, scope }
    }

    fn key_of(key: &str, who: Option<(HeaderName, &'static str)>, defer: &Defer) -> Option<String> {
        let name = HeaderName::from_static("idempotency-key");
        let mut headers = HeaderMap::new();
        headers.insert(&name, HeaderValue::from_str(key).expect("a value"));
        headers.extend(who.map(|(name, value)| (name, HeaderValue::from_static(value))));
        super::key(&headers, &name, defer)
    }

    #[test]
    fn callers_have_keys_of_their_own_and_a_key_is_needed() {
        let plain = defer(None);
        let with = |name, value| key_of("k", Some((name, value)), &plain).expect("a key");
        assert_ne!(with(AUTHORIZATION, "ann"), with(AUTHORIZATION, "bob"));
        assert_ne!(with(AUTHORIZATION, "ann"), with(COOKIE, "ann"));
        assert_eq!(key_of(" k ", None, &plain), Some("k".into()));
        for bad in ["", "  ", &"x".repeat(201)] {
            assert_eq!(key_of(bad, None, &plain), None, "{bad:?}");
        }
    }

    #[test]
    fn a_key_that_steers_the_question_is_none() {
        for bad in [".", "..", "../admin", "a\\b"] {
            assert_eq!(key_of(bad, None, &defer(Some("/by/{key}"))), None, "{bad:?}");
            assert!(key_of(bad, None, &defer(None)).is_some());
        }
    }
}
