//! What a request must be to go any further.
//!
//! hyper refuses most of what is malformed by itself; here stands the rest. Whatever two servers could read in two
//! ways is refused, because the endpoint may read it in the other: two hosts, unusual transfer codings, a length
//! beside a coding, a path with dot segments (which the endpoint may resolve into a path that is another route's;
//! routes match the path as it was sent). A refused request is never counted against a dependency.

use crate::raw::Raw;
use http::header::{HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Uri, Version};

/// Why a request goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Tunnels are not this proxy's trade.
    Connect,
    /// No `Host`, several, or one that is none.
    Host,
    /// A transfer coding other than `chunked`, once.
    Coding,
    /// Both a transfer coding and a length.
    Length,
    /// A request target that is none, or is ambiguous.
    Target,
}

impl Refusal {
    pub(crate) fn detail(self) -> &'static str {
        match self {
            Refusal::Connect => "This proxy opens no tunnels.",
            Refusal::Host => "A request needs exactly one valid Host header.",
            Refusal::Coding => "The only transfer coding accepted is chunked, once.",
            Refusal::Length => "A request has either a Content-Length or a Transfer-Encoding, not both.",
            Refusal::Target => "The request target must be an http URL or a path without dot segments.",
        }
    }
}

/// Checks a request's head.
pub(crate) fn check<B>(request: &Request<B>, raw: &Raw) -> Result<(), Refusal> {
    if request.method() == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    check_host(request)?;
    if request.headers().contains_key(TRANSFER_ENCODING) {
        check_coding(request.headers())?;
        if raw.has_two_lengths() {
            return Err(Refusal::Length);
        }
    }
    if has_dot_segment(request.uri().path().as_bytes()) { Err(Refusal::Target) } else { Ok(()) }
}

fn check_host<B>(request: &Request<B>) -> Result<(), Refusal> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.as_bytes(),
        (None, _) if request.version() < Version::HTTP_11 => return Ok(()),
        _ => return Err(Refusal::Host),
    };
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_~:[]%!$&'()*+,;=".contains(byte);
    if host.is_empty() || !host.iter().all(fits) {
        return Err(Refusal::Host);
    }
    match request.uri().authority() {
        Some(named) if !named.as_str().as_bytes().eq_ignore_ascii_case(host) => Err(Refusal::Host),
        Some(_) if request.uri().scheme_str() != Some("http") => Err(Refusal::Target),
        _ => Ok(()),
    }
}

fn check_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Refusal::Coding),
    }
}

/// Whether the path has a segment `.` or `..`, in whatever way it is written.
fn has_dot_segment(path: &[u8]) -> bool {
    // Most paths have neither.
    if !path.iter().any(|byte| matches!(byte, b'.' | b'%')) {
        return false;
    }
    let mut segment = Vec::with_capacity(path.len());
    let mut rest = path;
    loop {
        let (byte, taken) = match rest {
            [] => (b'/', 0),
            [b'%', b'2', b'e' | b'E', ..] => (b'.', 3),
            [b'%', b'2', b'f' | b'F', ..] | [b'%', b'5', b'c' | b'C', ..] => (b'/', 3),
            [b'\\', ..] => (b'/', 1),
            [byte, ..] => (*byte, 1),
        };
        if byte == b'/' {
            // A path parameter (`/..;x`) does not make another segment of it.
            let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
            if matches!(name, b"." | b"..") {
                return true;
            }
            segment.clear();
        } else {
            segment.push(byte);
        }
        if taken == 0 {
            return false;
        }
        rest = &rest[taken..];
    }
}

/// The host asked for, without its port.
pub(crate) fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let host = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(HOST)?.to_str().ok()?,
    };
    let end = host.rfind(':').filter(|at| !host[*at..].contains(']')).unwrap_or(host.len());
    Some(&host[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_segments_are_found_however_they_are_written() {
        for path in ["/a/../b", "/..", "/a/.", "/%2e%2E/b", "/.%2e", "/a%2f..%2fb", "/a\\..\\b", "/..;a/b"] {
            assert!(has_dot_segment(path.as_bytes()), "{path}");
        }
        for path in ["/", "/a", "/.well-known/x", "/a..b", "/...", "/a.b/c%20d", "/..a", "//"] {
            assert!(!has_dot_segment(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn a_host_is_taken_without_its_port() {
        let of = |value: &'static str| {
            let headers = HeaderMap::from_iter([(HOST, http::HeaderValue::from_static(value))]);
            host(&headers, &Uri::from_static("/")).map(str::to_owned)
        };
        assert_eq!(of("pay.example:8080").as_deref(), Some("pay.example"));
        assert_eq!(of("pay.example").as_deref(), Some("pay.example"));
        assert_eq!(of("[::1]:80").as_deref(), Some("[::1]"));
        assert_eq!(of("[::1]").as_deref(), Some("[::1]"));
    }
}
