//! Answers that are kept, for when the dependency has none.
//!
//! Kept are whole answers 200 to GET and HEAD that do not forbid it, each for its own caller or for all, as the scope
//! says. `Cache-Control` is obeyed as a shared cache obeys it (RFC 9111): `no-store`, `no-cache` and `private` are not
//! kept, nor is what was asked with `Authorization`, unless the scope tells their callers apart: `private` needs a request
//! with one of the scope's headers;
//! `max-age` and `stale-if-error` take the place of the configured times. What `Vary` names must be asked for alike;
//! an answer that sets a cookie is one caller's alone. A call that may change something, and is obeyed, discards what was
//! kept of its resource, for every caller.

mod parcel;

use crate::config::CacheScope;
use bytes::Bytes;
use fusebox::Clock;
use fusebox::cache::{Cache, Candidate, Config, Kept, Key, Level, Scope, Snapshot};
use fusebox::outcome::Source;
use http::header::{
    AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_LOCATION, HOST, LOCATION, SET_COOKIE, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, response};
use parcel::Parcels;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What an entry weighs beside its body: its head, its key and the store's own needs.
const BESIDES: u64 = 64 << 10;
/// Places to count changes in.
const CHANGES: usize = 1_024;
/// How long the end of the proxy waits for what is not written elsewhere yet.
const PATIENCE: Duration = Duration::from_secs(1);
/// More headers than this are no reason to vary an answer.
const MOST_VARIED: usize = 16;

/// A route's kept answers, shared by all workers.
pub(crate) struct Larder {
    cache: Cache<Arc<str>, Arc<Answer>>,
    route: Arc<str>,
    scope: CacheScope,
    max_body: usize,
    changes: Arc<Changes>,
    /// The names of the circuits before its levels.
    circuits: Vec<String>,
}

/// How often what each resource answers has been changed through here. Resources that share a place share their
/// changes, which discards an answer too many and never keeps one.
#[derive(Debug)]
struct Changes {
    places: Box<[AtomicU64]>,
    hash: RandomState,
}

impl Default for Changes {
    fn default() -> Self {
        let places = (0..CHANGES).map(|_| AtomicU64::new(0)).collect();
        Changes { places, hash: RandomState::new() }
    }
}

impl Changes {
    fn of(&self, resource: &str) -> u64 {
        self.place(resource).load(Relaxed)
    }

    fn place(&self, resource: &str) -> &AtomicU64 {
        &self.places[(self.hash.hash_one(resource) % self.places.len() as u64) as usize]
    }
}

/// A kept answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The resource's changes when it was asked for.
    changes: u64,
    /// What the request must say for it: the headers that the answer varies by.
    varies: Vec<(HeaderName, Vec<HeaderValue>)>,
}

/// Where a call's answer is kept, and what the call said.
#[derive(Debug)]
pub(crate) struct Shelf {
    key: Key<Arc<str>>,
    asked: HeaderMap,
    changes: u64,
}

/// The resources that a call may have changed.
#[derive(Debug)]
pub(crate) struct Change {
    larder: Arc<Larder>,
    host: String,
    path: String,
}

impl fmt::Debug for Larder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Larder")
            .field("cache", &self.cache)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Larder {
    /// Room for `max_bytes`, and in it what the larder `before` it keeps, if callers are told apart as they were; `None` if these settings cannot work, which the configuration has refused already.
    pub(crate) fn new(
        (fresh_for, stale_for): (Duration, Duration),
        max_bytes: u64,
        max_body: usize,
        scope: &CacheScope,
        (clock, route, levels): (&Clock, &str, Vec<Level>),
        before: Option<&Larder>,
    ) -> Option<Self> {
        let entry = (max_body as u64).saturating_add(BESIDES).min(max_bytes).min(u32::MAX.into());
        let config =
            Config { fresh_for, stale_for, max_bytes, max_entry_bytes: Some(entry), ..Config::default() };
        let heap = |key: &Arc<str>, answer: &Arc<Answer>| (key.len() + answer.weight()) as u64;
        let before = before.filter(|before| before.scope == *scope);
        let changes = before.map(|before| before.changes.clone()).unwrap_or_default();
        let route: Arc<str> = route.into();
        let circuits = levels.iter().map(|level| level.circuit().name().to_string()).collect();
        let mut cache = Cache::builder(heap).config(config).clock(clock.clone());
        for level in levels {
            let parcels = Parcels { route: route.clone(), changes: changes.clone(), max_body };
            cache = cache.second_level(level, parcels);
        }
        let cache = cache.build().ok()?;
        before.iter().for_each(|before| cache.take_over(&before.cache));
        Some(Larder { cache, route, scope: scope.clone(), max_body, changes, circuits })
    }

    /// Where the answer to a request with this head is kept; `None` if none ever is.
    pub(crate) fn shelf(&self, request: &Parts) -> Option<Shelf> {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return None;
        }
        let (host, path) = resource(request);
        let scope = match &self.scope {
            CacheScope::Shared => Scope::Shared,
            CacheScope::Header(names) => Scope::Of(caller(&request.headers, names)),
        };
        let key: Key<Arc<str>> = Key { scope, key: format!("{} {host} {path}", request.method).into() };
        let changes = self.changes.of(resource_of(&key.key));
        Some(Shelf { key, asked: request.headers.clone(), changes })
    }

    /// What a request with this head changes if it is obeyed; `None` for one that only asks (RFC 9111, section 4.4).
    pub(crate) fn change(self: &Arc<Self>, request: &Parts) -> Option<Change> {
        let (host, path) = resource(request);
        let change = || Change { larder: self.clone(), host, path: path.into() };
        (!request.method.is_safe()).then(change)
    }

    /// The names of the circuits before the places where it keeps answers, too.
    pub(crate) fn circuits(&self) -> Vec<String> {
        self.circuits.clone()
    }

    /// What is held, and what was counted.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.cache.snapshot()
    }

    /// The answer kept there, here or elsewhere, if the request is like the one it answered.
    pub(crate) async fn look(&self, shelf: Option<&Shelf>) -> Option<(Arc<Answer>, Source)> {
        let shelf = shelf?;
        let kept = match self.cache.look(&shelf.key).filter(|kept| self.fits(kept, shelf)) {
            None if self.cache.has_levels() => {
                self.cache.look_behind(&shelf.key).await.filter(|kept| self.fits(kept, shelf))
            }
            found => found,
        }?;
        Some((kept.value, kept.source))
    }

    fn fits(&self, kept: &Kept<Arc<Answer>>, shelf: &Shelf) -> bool {
        let alike =
            |(name, values): &(HeaderName, Vec<HeaderValue>)| shelf.asked.get_all(name).iter().eq(values);
        kept.value.changes == self.changes.of(resource_of(&shelf.key.key))
            && kept.value.varies.iter().all(alike)
    }

    /// The resource has changed: what was kept of it is not shown again.
    fn change_of(&self, resource: &str) {
        let place = self.changes.place(resource);
        place.fetch_add(1, Relaxed);
        if self.cache.has_levels() {
            self.cache.forget_group(&Parcels::group_of(&self.route, resource));
            // What was found elsewhere just before is of before, too.
            place.fetch_add(1, Relaxed);
        }
    }

    /// Waits, not for long, until what was kept is elsewhere, too.
    pub(crate) fn flush(&self) {
        self.cache.flush(PATIENCE);
    }

    /// What keeps a live answer with this head while its body goes by; `None` if it must not be kept.
    pub(crate) fn keeper(self: &Arc<Self>, shelf: Shelf, head: &response::Parts) -> Option<Box<Keeper>> {
        if head.status != StatusCode::OK || head.headers.contains_key(SET_COOKIE) {
            return None;
        }
        let length =
            head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > self.max_body) && !shelf.is_of_head() {
            return None;
        }
        let candidate = self.judge(&shelf.asked, &head.headers)?;
        let varies = varies(&shelf.asked, &head.headers)?;
        let (larder, headers) = (self.clone(), head.headers.clone());
        let changes = shelf.changes;
        Some(Box::new(Keeper {
            larder,
            key: shelf.key,
            candidate,
            headers,
            changes,
            varies,
            body: Vec::new(),
        }))
    }

    /// What the answer says of being kept; `None` when it may not be.
    fn judge(&self, asked: &HeaderMap, told: &HeaderMap) -> Option<Candidate> {
        let scope: &[HeaderName] = match &self.scope {
            CacheScope::Header(names) => names,
            CacheScope::Shared => &[],
        };
        // Without any of the headers that tell callers apart, the request is like everybody's.
        let is_known = scope.iter().any(|name| asked.contains_key(name));
        let mut candidate = Candidate::default();
        let (mut shared_age, mut is_public) = (None, false);
        for (name, value) in directives(told) {
            let span = value.and_then(|value| value.parse().ok()).map(Duration::from_secs);
            match name.to_ascii_lowercase().as_str() {
                "no-store" | "no-cache" => return None,
                "private" if !is_known => return None,
                "must-revalidate" | "proxy-revalidate" => candidate.stale_for = Some(Duration::ZERO),
                "public" => is_public = true,
                "max-age" => candidate.fresh_for = span.or(Some(Duration::ZERO)),
                "s-maxage" => (shared_age, is_public) = (span.or(Some(Duration::ZERO)), true),
                "stale-if-error" if candidate.stale_for.is_none() => candidate.stale_for = span,
                _ => {}
            }
        }
        candidate.fresh_for = shared_age.or(candidate.fresh_for);
        let age = told.get(AGE).and_then(|age| age.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        candidate.fresh_for = candidate.fresh_for.map(|fresh| fresh.saturating_sub(age.unwrap_or_default()));
        let is_ones_own = asked.contains_key(AUTHORIZATION) && !is_public && !scope.contains(&AUTHORIZATION);
        let is_secret = directives(asked).any(|(name, _)| name.eq_ignore_ascii_case("no-store"));
        (!is_ones_own && !is_secret).then_some(candidate)
    }
}

impl Change {
    /// The call was obeyed, as this head says: what was kept of its resource is not shown again, nor of those that it names as
    /// changed with it.
    pub(crate) fn happened(&self, told: &HeaderMap) {
        let named =
            [LOCATION, CONTENT_LOCATION].map(|name| told.get(name).and_then(|value| value.to_str().ok()));
        let named = named.into_iter().flatten().filter_map(|place| place.parse::<Uri>().ok());
        // Another host's resources are not ours to change.
        let ours =
            named.filter(|uri| uri.authority().is_none_or(|at| at.as_str().eq_ignore_ascii_case(&self.host)));
        let named = ours.filter_map(|uri| uri.path_and_query().map(|path| path.as_str().to_owned()));
        for path in std::iter::once(self.path.clone()).chain(named) {
            self.larder.change_of(&format!("{} {path}", self.host));
        }
    }
}

/// What a request is about: the host, and the path with its query.
fn resource(request: &Parts) -> (String, &str) {
    let host = request.headers.get(HOST).map(|host| host.as_bytes().to_ascii_lowercase());
    let host = host.map(|host| String::from_utf8_lossy(&host).into_owned()).unwrap_or_default();
    (host, request.uri.path_and_query().map_or("/", |path| path.as_str()))
}

/// The resource of a key, which has its method before it.
fn resource_of(key: &str) -> &str {
    key.split_once(' ').map_or(key, |(_, resource)| resource)
}

/// Who asks: the values of these headers, each with its length, so that no two callers meet.
fn caller(headers: &HeaderMap, names: &[HeaderName]) -> Arc<str> {
    let mut caller = String::new();
    for name in names {
        for value in headers.get_all(name) {
            let text: String = value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
            caller.push_str(&format!("{}:{text};", value.len()));
        }
        caller.push('\n');
    }
    caller.into()
}

/// The directives of `Cache-Control`.
fn directives(headers: &HeaderMap) -> impl Iterator<Item = (&str, Option<&str>)> {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|directive| match directive.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
        None => (directive.trim(), None),
    })
}

/// What the request said of what the answer varies by; `None` if nobody can know.
fn varies(asked: &HeaderMap, told: &HeaderMap) -> Option<Vec<(HeaderName, Vec<HeaderValue>)>> {
    let mut varies = Vec::new();
    for line in told.get_all(VARY) {
        for name in line.to_str().ok()?.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            // `*` is no header's name.
            let name: HeaderName = name.parse().ok().filter(|_| name != "*")?;
            let values = asked.get_all(&name).iter().cloned().collect();
            varies.push((name, values));
        }
    }
    (varies.len() <= MOST_VARIED).then_some(varies)
}

impl Shelf {
    fn is_of_head(&self) -> bool {
        self.key.key.starts_with("HEAD ")
    }
}

impl Answer {
    fn weight(&self) -> usize {
        let line = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 64;
        let varied = self.varies.iter().flat_map(|(_, values)| values).map(|value| value.len() + 64);
        self.body.len() + self.headers.iter().map(line).sum::<usize>() + varied.sum::<usize>()
    }
}

/// Keeps an answer whose body is on its way. Dropped before the end, it keeps nothing.
pub(crate) struct Keeper {
    larder: Arc<Larder>,
    key: Key<Arc<str>>,
    candidate: Candidate,
    headers: HeaderMap,
    changes: u64,
    varies: Vec<(HeaderName, Vec<HeaderValue>)>,
    body: Vec<u8>,
}

impl Keeper {
    /// A part of the body goes by; whether the answer can still be kept.
    pub(crate) fn sees(&mut self, part: &[u8]) -> bool {
        let fits = self.body.len() + part.len() <= self.larder.max_body;
        if fits {
            self.body.extend_from_slice(part);
        }
        fits
    }

    /// The body is whole.
    pub(crate) fn keep(self) {
        let Keeper { larder, key, candidate, mut headers, changes, varies, body } = self;
        headers.remove(AGE);
        let answer = Answer { headers, body: body.into(), changes, varies };
        let resource = larder.cache.has_levels().then(|| resource_of(&key.key).to_owned());
        // What is not kept is counted there.
        let _ = larder.cache.store_as(key, Arc::new(answer), &candidate);
        // It was changed meanwhile. Here that shows in the number; elsewhere the answer must go.
        if let Some(resource) = resource.filter(|resource| larder.changes.of(resource) != changes) {
            larder.cache.forget_group(&Parcels::group_of(&larder.route, &resource));
        }
    }
}
