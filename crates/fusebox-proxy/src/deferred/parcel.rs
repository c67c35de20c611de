//! What is kept of a call, and of its answer: a head as JSON, then the body as it came.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use serde::{Deserialize, Serialize};

/// The layout of [`Parcel`]s, as the queue keeps its number.
pub(crate) const FORMAT: u16 = 1;

/// A call that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parcel {
    method: String,
    uri: String,
    headers: Vec<(String, String)>,
    /// Whoever shows this may ask what became of it.
    pub(crate) secret: String,
    #[serde(skip)]
    pub(crate) body: Bytes,
}

/// An answer that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptAnswer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// The rest of the body was too long to be kept.
    pub(crate) cut: bool,
    #[serde(skip)]
    pub(crate) body: Bytes,
}

impl Parcel {
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap, body: Bytes, secret: String) -> Self {
        let (method, uri) = (method.to_string(), uri.to_string());
        Parcel { method, uri, headers: listed(headers), secret, body }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        encode(self, &self.body)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (parcel, body) = decode::<Parcel>(bytes)?;
        Some(Parcel { body, ..parcel })
    }

    /// The request, as it goes to an endpoint.
    pub(crate) fn request(&self) -> Option<Request<Bytes>> {
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.parse().ok()?;
        *request.uri_mut() = self.uri.parse().ok()?;
        *request.headers_mut() = mapped(&self.headers)?;
        Some(request)
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.iter().find(|(known, _)| name == known.as_str()).map(|(_, value)| value.as_str())
    }
}

impl KeptAnswer {
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap, body: Bytes, cut: bool) -> Self {
        KeptAnswer { status: status.as_u16(), headers: listed(headers), cut, body }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        encode(self, &self.body)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (answer, body) = decode::<KeptAnswer>(bytes)?;
        Some(KeptAnswer { body, ..answer })
    }

    pub(crate) fn headers(&self) -> Option<HeaderMap> {
        mapped(&self.headers)
    }

    /// Names and values, as text.
    pub(crate) fn shown(&self) -> &[(String, String)] {
        &self.headers
    }
}

/// Header values are bytes; each becomes the character of its number.
fn listed(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

fn mapped(listed: &[(String, String)]) -> Option<HeaderMap> {
    let bytes =
        |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<Vec<_>>>();
    let entry = |(name, value): &(String, String)| {
        Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(&bytes(value)?).ok()?))
    };
    let mut headers = HeaderMap::new();
    for pair in listed {
        let (name, value) = entry(pair)?;
        headers.append(name, value);
    }
    Some(headers)
}

/// The length of the head in digits, a line's end, the head, the body: text, if the body is.
fn encode(head: &impl Serialize, body: &[u8]) -> Vec<u8> {
    let head = serde_json::to_vec(head).unwrap_or_default();
    [format!("{}\n", head.len()).as_bytes(), &head, body].concat()
}

fn decode<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Option<(T, Bytes)> {
    let end = bytes.iter().take(10).position(|byte| *byte == b'\n')?;
    let length: usize = std::str::from_utf8(&bytes[..end]).ok()?.parse().ok()?;
    let (head, body) = bytes[end + 1..].split_at_checked(length)?;
    Some((serde_json::from_slice(head).ok()?, Bytes::copy_from_slice(body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parcel(value: &[u8], body: &[u8]) -> Parcel {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_bytes(value).expect("it is one"));
        headers.append("x-a", HeaderValue::from_static("again"));
        let (uri, body) = (Uri::from_static("/pay?a=%20b"), Bytes::copy_from_slice(body));
        Parcel::of(&Method::POST, &uri, &headers, body, "secret".into())
    }

    #[test]
    fn what_is_kept_comes_back_as_it_was() {
        let kept = parcel(b"caf\xe9", b"\0\xff body");
        let back = Parcel::decode(&kept.encode()).expect("it is one");
        assert_eq!(back, kept);
        let request = back.request().expect("it is one");
        assert_eq!((request.method(), request.uri().to_string()), (&Method::POST, "/pay?a=%20b".into()));
        let values: Vec<_> = request.headers().get_all("x-a").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!((values, &request.body()[..]), (vec![&b"caf\xe9"[..], b"again"], &b"\0\xff body"[..]));
    }

    #[test]
    fn what_is_cut_off_is_no_parcel() {
        let whole = parcel(b"a", b"").encode();
        for end in 0..whole.len() {
            assert_eq!(Parcel::decode(&whole[..end]), None, "{end} of {}", whole.len());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange_to_be_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Parcel::decode(&bytes), KeptAnswer::decode(&bytes));
        }
    }
}
