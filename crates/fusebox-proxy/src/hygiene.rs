//! Which headers go on, and which end here.
//!
//! Hop-by-hop headers, and those that `Connection` names, speak of one connection only. `Upgrade` is one of them: it
//! is not forwarded, so an upgrade never happens and the request is answered as if it had not asked for one, as RFC
//! 9110 §7.8 allows. `Expect` ends here because the proxy itself says `100 Continue`, once an endpoint takes the
//! body. `Host` goes on as the client sent it. Trailers are dropped: RFC 9110 §6.5.1 lets a proxy, and nothing may
//! hide in them.
//!
//! What clients say about who they are (`Forwarded`, `X-Forwarded-*`) is replaced by what is known here.

use http::header::{
    CONNECTION, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HTTP: HeaderValue = HeaderValue::from_static("http");

static HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    TRANSFER_ENCODING,
    TE,
    TRAILER,
    UPGRADE,
    PROXY_AUTHORIZATION,
    PROXY_AUTHENTICATE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// `Connection` names these in vain: they decide how a message is framed, where it goes, and what is known of it.
static NEVER_NAMED: [HeaderName; 5] =
    [HOST, http::header::CONTENT_LENGTH, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO];

/// Makes a client's headers fit for an endpoint.
pub(crate) fn to_upstream(headers: &mut HeaderMap, client: &HeaderValue) {
    strip(headers);
    for name in [EXPECT, FORWARDED] {
        headers.remove(name);
    }
    headers.insert(X_FORWARDED_FOR, client.clone());
    headers.insert(X_FORWARDED_PROTO, HTTP);
    match headers.get(HOST).cloned() {
        Some(host) => headers.insert(X_FORWARDED_HOST, host),
        None => headers.remove(X_FORWARDED_HOST),
    };
}

/// Takes away what speaks of one connection only.
pub(crate) fn strip(headers: &mut HeaderMap) {
    // Most messages have none of them.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !NEVER_NAMED.contains(name))
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        headers.iter().map(pair).collect()
    }

    #[test]
    fn what_connection_names_goes_and_the_rest_stays() {
        let mut headers = map(&[
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("x-other", "2"),
        ]);
        strip(&mut headers);
        assert_eq!(headers, map(&[("x-other", "2")]));
    }

    #[test]
    fn connection_cannot_take_the_framing_away() {
        let mut headers =
            map(&[("connection", "host, content-length"), ("host", "a"), ("content-length", "3")]);
        strip(&mut headers);
        assert_eq!(headers, map(&[("host", "a"), ("content-length", "3")]));
    }

    #[test]
    fn what_a_client_says_of_itself_is_replaced() {
        let mut headers = map(&[
            ("host", "pay.example"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-host", "evil"),
            ("forwarded", "for=1.2.3.4"),
        ]);
        to_upstream(&mut headers, &HeaderValue::from_static("127.0.0.1"));
        let expected = map(&[
            ("host", "pay.example"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "pay.example"),
        ]);
        assert_eq!(headers, expected);
    }
}
