//! `fallback`: what answers instead of a rejection or a failure, one after the other.
//!
//! There is no implied order: they are asked as they are listed. A table alone is a list of one.

use super::keys::{CACHED, FALLBACK, ITEM};
use super::queue;
use super::reader::{Entry, Table};
use super::spare::{CacheScope, Fallback, FallbackItem};
use super::{header, levels};
use bytes::Bytes;
use fusebox_core::cache;
use fusebox_core::pipeline::FallbackOn;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

pub(super) const ON: [(&str, FallbackOn); 2] =
    [("failed", FallbackOn::Failed), ("rejected", FallbackOn::Rejected)];

/// Headers that frame a message: the proxy's own business.
const FRAMING: [HeaderName; 6] = [CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Whether a header frames a message.
pub(crate) fn is_framing(name: &HeaderName) -> bool {
    FRAMING.contains(name)
}

/// What makes an answer of one that is kept ready.
const ANSWER: [&str; 3] = ["status", "headers", "body"];
/// The longest body that is kept when nothing else is said.
const MAX_BODY: u64 = 1 << 20;
const ITEMS: &str = "tables, as [{ cached = {} }, { status = 503 }]";
const BYTES: &str = "a number of bytes, 1 or more";

/// What a list may name.
pub(super) struct Surroundings<'s> {
    /// The service it is in.
    pub(super) service: &'s str,
    /// Every service of the file.
    pub(super) services: &'s [String],
    /// Whether some of the service's endpoints are in other regions than ours.
    pub(super) elsewhere: bool,
    /// Whether the file has a queue.
    pub(super) queue: bool,
}

/// The fallback that `entry` describes: a list, or a table.
pub(super) fn read(entry: &Entry<'_>, around: &Surroundings<'_>) -> Option<Fallback> {
    if entry.is_list() {
        return Some(Fallback { on: FallbackOn::default(), list: items(entry, around)? });
    }
    let t = entry.table(&FALLBACK, "a table, as [service.fallback], a list of tables, or false for off")?;
    let on = t.or("on", FallbackOn::default(), |e| e.word(&ON));
    let list = match t.entry("list") {
        None => item(&t, around).map(|item| vec![item]),
        Some(e) => {
            ITEM.known.iter().for_each(|key| t.exclude(key, "list"));
            items(&e, around)
        }
    };
    Some(Fallback { on: on?, list: list? })
}

fn items(entry: &Entry<'_>, around: &Surroundings<'_>) -> Option<Vec<FallbackItem>> {
    let list = entry.list(ITEMS)?;
    if list.is_empty() {
        entry.refuse("at least one table, or false for off");
        return None;
    }
    let items: Vec<_> = list.iter().map(|e| item(&e.table(&ITEM, ITEMS)?, around)).collect();
    let ready = items.iter().position(|item| matches!(item, Some(FallbackItem::Static { .. })));
    if let Some(unasked) = ready.and_then(|ready| list.get(ready + 1)) {
        unasked.fault(
            "found it after an answer that is always there, accepted: nothing, for it would never be asked",
        );
    }
    for (i, item) in items.iter().enumerate() {
        let is_cached = |item: &Option<FallbackItem>| matches!(item, Some(FallbackItem::Cached { .. }));
        let is_queue = |item: &Option<FallbackItem>| matches!(item, Some(FallbackItem::Queue(_)));
        let alike = |other| (is_cached(other) && is_cached(item)) || (is_queue(other) && is_queue(item));
        let again = items[..i].iter().any(|other| other == item || alike(other));
        if item.is_some() && again {
            list[i].refuse("each one once");
        }
    }
    items.into_iter().collect()
}

fn item(t: &Table<'_>, around: &Surroundings<'_>) -> Option<FallbackItem> {
    let kinds = ["cached", "service", "region", "queue"];
    for (i, kind) in kinds.iter().enumerate() {
        kinds[..i].iter().chain(&ANSWER).for_each(|other| t.exclude(other, kind));
    }
    if let Some(e) = t.entry("cached") {
        return cached(&e);
    }
    if let Some(e) = t.entry("service") {
        return service(&e, around);
    }
    if let Some(e) = t.entry("region") {
        return region(&e, around);
    }
    match t.entry("queue") {
        Some(e) => queue::item(&e, around.queue).map(FallbackItem::Queue),
        None => answer(t),
    }
}

fn service(e: &Entry<'_>, around: &Surroundings<'_>) -> Option<FallbackItem> {
    let name = e.text("the name of another service in quotes")?;
    if name == around.service {
        e.refuse("another service than the one it stands in for");
    } else if !around.services.iter().any(|known| known == name) {
        let known: Vec<_> = around.services.iter().filter(|known| *known != around.service).collect();
        e.refuse(&match known.as_slice() {
            [] => "another service of this file; there is none".into(),
            known => format!("another service of this file: {known:?}"),
        });
    }
    Some(FallbackItem::Service { name: name.into() })
}

fn region(e: &Entry<'_>, around: &Surroundings<'_>) -> Option<FallbackItem> {
    e.word(&[("other", ())])?;
    if !around.elsewhere {
        e.refuse("it beside endpoints in another region than ours, which region names");
    }
    Some(FallbackItem::Region)
}

fn cached(e: &Entry<'_>) -> Option<FallbackItem> {
    let t = e.table(&CACHED, "a table, as { fresh = \"30s\", stale = \"1h\" }")?;
    let usual = cache::Config::default();
    let fresh_for = t.or("fresh", usual.fresh_for, Entry::duration);
    let stale_for = t.or("stale", usual.stale_for, Entry::duration);
    let max_bytes = t.or("max_bytes", usual.max_bytes, |e| e.whole(BYTES));
    let room = max_bytes.unwrap_or(usual.max_bytes);
    let max_body = t.or("max_body", MAX_BODY.min(room), |e| e.whole(BYTES));
    let scope = t.or("scope", CacheScope::Header(vec![AUTHORIZATION, COOKIE]), scope);
    let levels = levels::read(&t);
    let (fresh_for, stale_for, max_bytes, max_body) = (fresh_for?, stale_for?, max_bytes?, max_body?);
    if max_body > max_bytes {
        t.fault("max_body", &format!("found {max_body}, accepted: up to max_bytes ({max_bytes})"));
        return None;
    }
    let config = cache::Config { fresh_for, stale_for, max_bytes, max_entry_bytes: Some(max_body), ..usual };
    let aliases = [("fresh_for", "fresh"), ("stale_for", "stale"), ("max_entry_bytes", "max_body")];
    t.checked(config.check(), &aliases)?;
    let (fresh, stale, max_body) = (fresh_for, stale_for, usize::try_from(max_body).unwrap_or(usize::MAX));
    Some(FallbackItem::Cached { fresh, stale, max_bytes, scope: scope?, max_body, levels: levels? })
}

fn scope(e: &Entry<'_>) -> Option<CacheScope> {
    if e.is_text() {
        return e.word(&[("shared", ())]).map(|()| CacheScope::Shared);
    }
    let accepted = "headers that tell callers apart, as [\"authorization\"], or \"shared\"";
    let list = e.list(accepted)?;
    if list.is_empty() {
        e.refuse(accepted);
    }
    let names: Vec<_> = list.iter().map(header::name).collect();
    names.into_iter().collect::<Option<_>>().map(CacheScope::Header)
}

fn answer(t: &Table<'_>) -> Option<FallbackItem> {
    let status = t.or("status", StatusCode::OK, status);
    let body = t.or("body", "", |e| e.text("the body in quotes"));
    let headers = t.or("headers", HeaderMap::new(), headers);
    let (status, body, mut headers) = (status?, body?, headers?);
    if !body.is_empty() && matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        t.fault("body", &format!("found a body with status {}, accepted: no body", status.as_u16()));
    }
    if !body.is_empty() && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(likely_type(body)));
    }
    Some(FallbackItem::Static { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) })
}

fn status(e: &Entry<'_>) -> Option<StatusCode> {
    let accepted = "a status from 200 to 599";
    let code = e.within(200, 599, accepted)?;
    u16::try_from(code).ok().and_then(|code| StatusCode::from_u16(code).ok())
}

fn headers(e: &Entry<'_>) -> Option<HeaderMap> {
    let t: Table<'_> = e.free_table("a table, as { content-type = \"application/json\" }")?;
    let mut headers = HeaderMap::new();
    for (name, e) in t.all() {
        let accepted = "a header's value in quotes: visible characters and spaces";
        let value = e.text(accepted).and_then(|text| {
            let value = HeaderValue::from_str(text).ok();
            if value.is_none() {
                e.refuse(accepted);
            }
            value
        });
        match name.parse::<HeaderName>() {
            Err(_) => e.fault(&format!(
                "found the name {name:?}, accepted: a header's name: letters, digits and dashes"
            )),
            Ok(name) if FRAMING.contains(&name) => {
                e.fault(&format!("found {name}, accepted: headers other than those the proxy sets itself"));
            }
            Ok(name) => headers.extend(value.map(|value| (name, value))),
        }
    }
    Some(headers)
}

/// The type of a body that does not say.
fn likely_type(body: &str) -> &'static str {
    if body.trim_start().starts_with(['{', '[']) { "application/json" } else { "text/plain; charset=utf-8" }
}
