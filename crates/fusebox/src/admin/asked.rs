//! A request, as far as it is asked here.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, IF_MATCH, IF_NONE_MATCH, ORIGIN};
use std::net::IpAddr;

/// Who asks, as the server knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Peer {
    /// The server does not say.
    #[default]
    Unknown,
    /// Somebody at this address.
    Address(IpAddr),
    /// Somebody on this machine, over a Unix socket that its owner's permissions guard.
    Unix,
}

impl Peer {
    /// Whether it is surely somebody on this machine.
    pub fn is_local(self) -> bool {
        match self {
            Peer::Unknown => false,
            Peer::Address(address) => address.to_canonical().is_loopback(),
            Peer::Unix => true,
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Peer::Unknown => f.write_str("unknown"),
            Peer::Address(address) => address.fmt(f),
            Peer::Unix => f.write_str("unix"),
        }
    }
}

/// A request, as far as it is asked here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path and query, percent-encoded as they came.
    pub target: &'a str,
    /// Who asks.
    pub peer: Peer,
    /// The `Host` header.
    pub host: Option<&'a str>,
    /// The `Origin` header.
    pub origin: Option<&'a str>,
    /// The `Sec-Fetch-Site` header, with which a browser says whose page asks.
    pub fetch_site: Option<&'a str>,
    /// The `Sec-Fetch-Mode` header.
    pub fetch_mode: Option<&'a str>,
    /// The `Sec-Fetch-Dest` header.
    pub fetch_dest: Option<&'a str>,
    /// Whether a header such as `Forwarded`, `X-Forwarded-For` or `Via` says that the peer asks for somebody else, who may be anywhere.
    pub forwarded: bool,
    /// The `X-Request-Id` header.
    pub request_id: Option<&'a str>,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The `Accept` header.
    pub accept: Option<&'a str>,
    /// The `If-Match` header.
    pub if_match: Option<&'a str>,
    /// The `If-None-Match` header.
    pub if_none_match: Option<&'a str>,
    /// The `Last-Event-ID` header.
    pub last_event: Option<&'a str>,
    /// The `Content-Type` header.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Asked<'a> {
    /// As a request of the crate `http` says it. A header that is no text, or there twice, reads as `?`.
    pub(crate) fn of(parts: &'a http::request::Parts, body: &'a [u8], peer: Peer) -> Asked<'a> {
        let text = |name: HeaderName| {
            let mut values = parts.headers.get_all(name).iter();
            let value = values.next()?;
            Some(if values.next().is_some() { "?" } else { value.to_str().unwrap_or("?") })
        };
        let named = |name| text(HeaderName::from_static(name));
        Asked {
            method: parts.method.as_str(),
            target: parts.uri.path_and_query().map_or("/", |target| target.as_str()),
            peer,
            // HTTP/2 has the host in the target.
            host: text(HOST).or_else(|| parts.uri.authority().map(|authority| authority.as_str())),
            origin: text(ORIGIN),
            fetch_site: named("sec-fetch-site"),
            fetch_mode: named("sec-fetch-mode"),
            fetch_dest: named("sec-fetch-dest"),
            forwarded: ["forwarded", "via", "x-forwarded-for", "x-forwarded-proto", "x-real-ip"]
                .iter()
                .any(|name| parts.headers.contains_key(*name)),
            request_id: named("x-request-id"),
            authorization: text(AUTHORIZATION),
            accept: text(ACCEPT),
            if_match: text(IF_MATCH),
            if_none_match: text(IF_NONE_MATCH),
            last_event: named("last-event-id"),
            content_type: text(CONTENT_TYPE),
            body,
        }
    }

    /// Whether it surely comes from this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.peer.is_local() && !self.forwarded
    }

    /// Whether it wants to change something.
    pub(crate) fn is_change(&self) -> bool {
        !matches!(self.method, "GET" | "HEAD")
    }

    /// Without the query.
    pub(crate) fn path(&self) -> &'a str {
        self.target.split(['?', '#']).next().unwrap_or_default()
    }

    /// What follows the path.
    pub(crate) fn query(&self) -> &'a str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}
