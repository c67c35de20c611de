//! `[service.fallback]`: an answer kept ready.

use super::keys::FALLBACK;
use super::reader::{Entry, Table};
use super::spare::{Fallback, FallbackItem};
use bytes::Bytes;
use fusebox_core::pipeline::FallbackOn;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

pub(super) const ON: [(&str, FallbackOn); 2] =
    [("failed", FallbackOn::Failed), ("rejected", FallbackOn::Rejected)];

/// Headers that frame a message: the proxy's own business.
const FRAMING: [HeaderName; 6] = [CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// The fallback that `entry` describes.
pub(super) fn read(entry: &Entry<'_>) -> Option<Fallback> {
    if entry.is_list() {
        entry.fault(
            "found a list, accepted: one table (a list of fallbacks is not available yet in this version)",
        );
        return None;
    }
    let t = entry.table(&FALLBACK, "a table, as [service.fallback], or false for off")?;
    let on = t.entry("on").map_or(Some(FallbackOn::default()), |e| e.word(&ON));
    let status = t.entry("status").map_or(Some(StatusCode::OK), |e| status(&e));
    let body = t.entry("body").map_or(Some(""), |e| e.text("the body in quotes"));
    let headers = t.entry("headers").map_or(Some(HeaderMap::new()), |e| headers(&e));
    let (on, status, body, mut headers) = (on?, status?, body?, headers?);
    if !body.is_empty() && matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        t.fault("body", &format!("found a body with status {}, accepted: no body", status.as_u16()));
    }
    if !body.is_empty() && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(likely_type(body)));
    }
    let answer = FallbackItem::Static { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) };
    Some(Fallback { on, list: vec![answer] })
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
