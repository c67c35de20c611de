//! A kept answer as bytes, for other processes and later ones.
//!
//! ```text
//! version | lines | name, value, .. | varied | name, values, value, .. | body
//!    1        4                         4                                      every text with its length before it
//! ```
//!
//! Read as from a stranger: an answer that could not have been written here is none.

use super::{Answer, Changes, MOST_VARIED};
use crate::config::is_framing;
use bytes::Bytes;
use fusebox::cache::Codec;
use http::header::{CONTENT_LENGTH, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

const VERSION: u8 = 1;
/// An answer with more of them is none of ours.
const MOST_LINES: usize = 1_024;

/// Packs the answers of one route.
pub(super) struct Parcels {
    /// Names what is kept: other routes and services may have the same keys.
    pub(super) route: Arc<str>,
    pub(super) changes: Arc<Changes>,
    pub(super) max_body: usize,
}

impl Parcels {
    /// What is forgotten with the resource.
    pub(super) fn group_of(route: &str, resource: &str) -> Vec<u8> {
        format!("{route}\0{resource}").into()
    }
}

impl Codec<Arc<str>, Arc<Answer>> for Parcels {
    fn scope(&self, scope: &Arc<str>) -> Vec<u8> {
        scope.as_bytes().into()
    }

    fn key(&self, key: &Arc<str>) -> Vec<u8> {
        format!("{}\0{key}", self.route).into()
    }

    fn group(&self, key: &Arc<str>) -> Option<Vec<u8>> {
        Some(Parcels::group_of(&self.route, super::resource_of(key)))
    }

    fn encode(&self, answer: &Arc<Answer>) -> Option<Vec<u8>> {
        let mut parcel = vec![VERSION];
        count(&mut parcel, answer.headers.len())?;
        for (name, value) in &answer.headers {
            text(&mut parcel, name.as_str().as_bytes())?;
            text(&mut parcel, value.as_bytes())?;
        }
        count(&mut parcel, answer.varies.len())?;
        for (name, values) in &answer.varies {
            text(&mut parcel, name.as_str().as_bytes())?;
            count(&mut parcel, values.len())?;
            for value in values {
                text(&mut parcel, value.as_bytes())?;
            }
        }
        parcel.extend_from_slice(&answer.body);
        Some(parcel)
    }

    fn decode(&self, key: &Arc<str>, bytes: &[u8]) -> Option<Arc<Answer>> {
        let mut rest = bytes.strip_prefix(&[VERSION])?;
        let mut headers = HeaderMap::new();
        for _ in 0..counted(&mut rest, MOST_LINES)? {
            let name = HeaderName::from_bytes(next(&mut rest)?).ok()?;
            headers.append(name, HeaderValue::from_bytes(next(&mut rest)?).ok()?);
        }
        let mut varies = Vec::new();
        for _ in 0..counted(&mut rest, MOST_VARIED)? {
            let name = HeaderName::from_bytes(next(&mut rest)?).ok()?;
            let values = (0..counted(&mut rest, MOST_LINES)?)
                .map(|_| HeaderValue::from_bytes(next(&mut rest)?).ok())
                .collect::<Option<_>>()?;
            varies.push((name, values));
        }
        let length = headers.get(CONTENT_LENGTH).map(|length| length.to_str().ok()?.parse::<usize>().ok());
        let is_whole = length.is_none_or(|length| length == Some(rest.len())) || key.starts_with("HEAD ");
        let is_ours =
            !headers.keys().any(|name| name == SET_COOKIE || is_framing(name) && name != CONTENT_LENGTH);
        let changes = self.changes.of(super::resource_of(key));
        (is_whole && is_ours && rest.len() <= self.max_body)
            .then(|| Arc::new(Answer { headers, body: Bytes::copy_from_slice(rest), changes, varies }))
    }
}

fn count(parcel: &mut Vec<u8>, number: usize) -> Option<()> {
    parcel.extend_from_slice(&u32::try_from(number).ok()?.to_be_bytes());
    Some(())
}

fn text(parcel: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    count(parcel, text.len())?;
    parcel.extend_from_slice(text);
    Some(())
}

fn counted(rest: &mut &[u8], most: usize) -> Option<usize> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    let number = u32::from_be_bytes(*number) as usize;
    (number <= most).then_some(number)
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = counted(rest, usize::MAX)?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{ACCEPT, CONTENT_TYPE, TRANSFER_ENCODING, VIA};

    fn parcels() -> Parcels {
        Parcels { route: "s".into(), changes: Arc::default(), max_body: 8 }
    }

    fn answer() -> Answer {
        let mut headers = HeaderMap::new();
        headers.append(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.append(VIA, HeaderValue::from_static("a"));
        headers.append(VIA, HeaderValue::from_bytes(b"\xfc").expect("visible"));
        headers.append(CONTENT_LENGTH, HeaderValue::from_static("4"));
        let varies = vec![(ACCEPT, vec![HeaderValue::from_static("x/y")]), (VIA, Vec::new())];
        Answer { headers, body: Bytes::from_static(b"body"), changes: 0, varies }
    }

    fn read(key: &str, bytes: &[u8]) -> Option<Arc<Answer>> {
        parcels().decode(&key.into(), bytes)
    }

    fn written(answer: Answer) -> Vec<u8> {
        parcels().encode(&Arc::new(answer)).expect("short")
    }

    #[test]
    fn an_answer_comes_back_as_it_was() {
        let back = read("GET h /", &written(answer())).expect("whole");
        let told = answer();
        assert_eq!((&back.headers, &back.body, &back.varies), (&told.headers, &told.body, &told.varies));
    }

    #[test]
    fn an_answer_that_could_not_have_been_written_here_is_none() {
        let changed = |change: &dyn Fn(&mut Answer)| {
            let mut answer = answer();
            change(&mut answer);
            read("GET h /", &written(answer)).is_some()
        };
        assert!(changed(&|_| ()));
        assert!(!changed(&|a| a.body = Bytes::from_static(b"cut")), "its length lies");
        assert!(!changed(&|a| {
            a.headers.remove(CONTENT_LENGTH);
            a.body = Bytes::from_static(b"too long a body");
        }));
        for name in [SET_COOKIE, TRANSFER_ENCODING] {
            assert!(!changed(&|a| drop(a.headers.insert(&name, HeaderValue::from_static("a")))), "{name}");
        }
        let bytes = written(answer());
        assert!((0..bytes.len()).all(|length| read("GET h /", &bytes[..length]).is_none()), "cut anywhere");
        let mut injected = bytes.clone();
        let at = injected.windows(10).position(|part| part == b"text/plain").expect("as written");
        injected[at + 4..at + 6].copy_from_slice(b"\r\n");
        assert!(read("GET h /", &injected).is_none());
        let mut later = bytes;
        later[0] = 2;
        assert!(read("GET h /", &later).is_none());
        let mut of_head = answer();
        of_head.body = Bytes::new();
        assert!(read("HEAD h /", &written(of_head)).is_some());
    }

    #[test]
    fn no_bytes_break_it() {
        proptest::proptest!(|(bytes: Vec<u8>)| {
            let with_version = [&[VERSION], bytes.as_slice()].concat();
            let _ = (read("GET h /", &bytes), read("GET h /", &with_version));
        });
    }
}
