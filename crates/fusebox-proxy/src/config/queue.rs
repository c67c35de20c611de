//! `[queue]` and `queue = { .. }`: calls that are kept and made later.

use super::header;
use super::keys::{DEFER, QUEUE, WEBHOOK};
use super::reader::{Entry, Table};
use fusebox::queue::{Event, Limits};
use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

const FILE: &str = "the path of a file on a local disk, which is made when there is none";
const URL: &str = "\"postgres://user@host/database\"";
const COUNT: &str = "a whole number, 1 or more";
const BYTES: &str = "a number of bytes, 1 or more";
const PATH: &str = "a path, as \"/.fusebox/deferred\"";
const SECOND: Duration = Duration::from_secs(1);
const CHECK: &str = "the path to ask for by the key, as \"/payments/{key}\", or false where sending again with the \
     same Idempotency-Key does no harm";
/// Stands for the key in a path.
pub(crate) const KEY: &str = "{key}";

/// Where calls are kept, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePlan {
    /// Where.
    pub place: QueuePlace,
    /// How much it holds.
    pub limits: Limits,
    /// Where status documents are served: stands before each call's own name.
    pub status_path: String,
    /// Who is told what becomes of calls.
    pub webhook: Option<WebhookPlan>,
}

/// Where calls are kept.
#[derive(Clone, PartialEq, Eq)]
pub enum QueuePlace {
    /// In a file of this process's own.
    File(PathBuf),
    /// In a PostgreSQL database, which several proxies can share.
    Postgres(String),
}

impl fmt::Display for QueuePlace {
    /// Without the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueuePlace::File(file) => file.display().fmt(f),
            QueuePlace::Postgres(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
                let host = rest.split_once('?').map_or(rest, |(host, _)| host);
                write!(f, "{scheme}://{}", host.rsplit_once('@').map_or(host, |(_, host)| host))
            }
        }
    }
}

impl fmt::Debug for QueuePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Who is told what becomes of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookPlan {
    /// The service of the file that is told, through its own policies.
    pub service: String,
    /// The path that is posted to.
    pub path: String,
    /// Where the key is that notices are signed with.
    pub secret_file: PathBuf,
    /// Of what.
    pub events: Vec<Event>,
    /// After how long a wait a call counts as delayed.
    pub delayed_after: Option<Duration>,
}

/// How a route's calls are deferred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defer {
    /// The path by which the dependency says what became of a key; without one it is sent the same key again.
    pub check: Option<String>,
    /// How long a call may wait.
    pub expires_in: Duration,
    /// Attempts, the first included.
    pub max_attempts: u32,
    /// How long a call that failed waits, at most.
    pub backoff: Duration,
    /// The request header that says who the caller is, for notices.
    pub contact: Option<HeaderName>,
    /// The request headers that tell callers apart: keys are each caller's own.
    pub scope: Vec<HeaderName>,
}

/// The file's queue, if it has one.
pub(super) fn read(top: &Table<'_>) -> Option<QueuePlan> {
    let entry = top.entry("queue").filter(|e| !e.is_off())?;
    let t = entry.table(&QUEUE, "a table, as [queue], or false for off")?;
    let usual = Limits::default();
    let place = place(&t);
    let max_items = t.or("max_items", usual.max_items, |e| positive(e, COUNT));
    let max_bytes = t.or("max_bytes", usual.max_bytes, |e| positive(e, BYTES));
    let max_payload = t.or("max_payload", usual.max_payload, |e| positive(e, BYTES));
    let provider_window = t.or("provider_window", usual.provider_window, |e| e.duration_from(SECOND));
    let status_path = t.or("status_path", "/.fusebox/deferred".into(), |e| e.parsed(PATH, path));
    let webhook = t.or("webhook", None, |e| e.off_or(webhook));
    Some(QueuePlan {
        place: place?,
        limits: Limits {
            max_items: max_items?,
            max_bytes: max_bytes?,
            max_payload: max_payload?,
            provider_window: provider_window?,
        },
        status_path: status_path?,
        webhook: webhook?,
    })
}

fn place(t: &Table<'_>) -> Option<QueuePlace> {
    t.exclude("postgres", "file");
    if let Some(e) = t.entry("postgres") {
        let is_one = |text: &str| text.starts_with("postgres://") || text.starts_with("postgresql://");
        return e.parsed(URL, |text| is_one(text).then(|| QueuePlace::Postgres(text.into())));
    }
    let Some(e) = t.entry("file") else {
        t.missing("file", &format!("{FILE}, or postgres = {URL}"));
        return None;
    };
    e.parsed(FILE, |text| (!text.is_empty()).then(|| QueuePlace::File(text.into())))
}

fn positive(e: &Entry<'_>, accepted: &str) -> Option<u64> {
    e.within(1, usize::MAX >> 1, accepted).map(|number| number as u64)
}

fn webhook(e: &Entry<'_>) -> Option<WebhookPlan> {
    let t =
        e.table(&WEBHOOK, "a table, as { service = \"shop\", path = \"/told\", secret_file = \"key\" }")?;
    let needed = |key, accepted| {
        let entry = t.entry(key);
        if entry.is_none() {
            t.missing(key, accepted);
        }
        entry.and_then(|e| e.text(accepted).map(str::to_owned))
    };
    let service = needed("service", "the name of a service of this file, in quotes");
    let target = needed("path", PATH);
    let secret = needed("secret_file", "the path of a file with 16 bytes or more");
    if let (Some(text), Some(e)) = (&target, t.entry("path"))
        && path(text).is_none()
    {
        e.refuse(PATH);
    }
    let delayed_after = t.or("delayed_after", None, |e| e.off_or(|e| e.duration_from(SECOND)));
    let usual = vec![Event::Done, Event::Expired, Event::Dead];
    let events = t.or("events", usual, |e| {
        let words = Event::ALL.map(|event| (event.as_str(), event));
        e.list("events, as [\"done\", \"dead\"]")?.iter().map(|e| e.word(&words)).collect()
    });
    let (events, delayed_after) = (events?, delayed_after?);
    if delayed_after.is_some() && !events.contains(&Event::Delayed) {
        t.fault("delayed_after", "found it without \"delayed\" in events, accepted: both or neither");
    }
    if delayed_after.is_none() && events.contains(&Event::Delayed) {
        t.missing("delayed_after", "how long a call waits until it counts as delayed, as \"10m\"");
    }
    Some(WebhookPlan { service: service?, path: target?, secret_file: secret?.into(), events, delayed_after })
}

/// How calls are deferred; `there` if the file has a queue.
pub(super) fn item(e: &Entry<'_>, there: bool) -> Option<Defer> {
    let t = e.table(&DEFER, "a table, as { check = \"/payments/{key}\" }")?;
    if !there {
        e.fault("found it without a [queue], accepted: one, as [queue] with file = \"calls.queue\"");
    }
    if t.entry("check").is_none() {
        t.missing("check", CHECK);
    }
    let asks = |text: &str| text.contains(KEY).then(|| path(text)).flatten();
    let check = t.entry("check").and_then(|e| e.off_or(|e| e.parsed(CHECK, asks)));
    let expires_in = t.or("expires_in", Duration::from_secs(24 * 3_600), |e| e.duration_from(SECOND));
    let max_attempts = t.or("max_attempts", 25, |e| Some(e.within(1, 1_000_000, COUNT)? as u32));
    let backoff = t.or("backoff", Duration::from_secs(60), |e| e.duration_from(Duration::from_millis(1)));
    let contact = t.or("contact", None, |e| header::name(e).map(Some));
    let usual = vec![AUTHORIZATION, COOKIE, HeaderName::from_static("x-api-key")];
    let scope = t.or("scope", usual, |e| {
        let accepted = "headers that tell callers apart, as [\"authorization\"]; [] if all callers are one";
        e.list(accepted)?.iter().map(header::name).collect()
    });
    Some(Defer {
        scope: scope?,
        check: check?,
        expires_in: expires_in?,
        max_attempts: max_attempts?,
        backoff: backoff?,
        contact: contact?,
    })
}

fn path(text: &str) -> Option<String> {
    let visible = text.chars().all(|c| c.is_ascii_graphic() && !"#\\".contains(c));
    (text.starts_with('/') && text.len() > 1 && !text.ends_with('/') && visible).then(|| text.into())
}

/// A webhook's service must be there.
pub(super) fn check_webhook(top: &Table<'_>, plan: Option<&QueuePlan>, services: &[String]) {
    let Some(webhook) = plan.and_then(|plan| plan.webhook.as_ref()) else { return };
    if !services.contains(&webhook.service)
        && let Some(e) = top.find("queue.webhook.service")
    {
        e.refuse(&format!("a service of this file: {services:?}"));
    }
}
