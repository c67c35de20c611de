//! Answers, and how refusals look.

use super::routes::{INDEX, PATHS};
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// An answer for a server to send.
///
/// Answers describe a moment: send them with `Cache-Control: no-store`.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// The body. For a `HEAD` request, only its length is sent.
    pub body: Cow<'static, str>,
    /// The `Allow` header, where the status asks for one.
    pub allow: Option<&'static str>,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// What the body was written from, if it is a refusal.
    problem: Option<Box<Problem>>,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &'static str, body: impl Into<Cow<'static, str>>) -> Answer {
        Answer { status, content_type, body: body.into(), allow: None, headers: Vec::new(), problem: None }
    }

    /// With another header.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn text(status: u16, body: &'static str) -> Answer {
        Answer::new(status, "text/plain; charset=utf-8", body)
    }

    /// Every path there is.
    pub(crate) fn index() -> Answer {
        Answer::text(200, &INDEX)
    }

    pub(crate) fn json(status: u16, value: &impl Serialize) -> Answer {
        Answer::new(status, "application/json", encoded(value))
    }

    /// As the answer to the request that is known by `id`.
    #[must_use]
    pub(crate) fn to_request(mut self, id: &str) -> Answer {
        if let Some(problem) = &mut self.problem {
            problem.request_id = Some(id.into());
            self.body = encoded(problem).into();
        }
        self.with("x-request-id", id)
    }

    /// What is wrong, if this is a refusal.
    pub(crate) fn detail(&self) -> Option<&str> {
        self.problem.as_ref().map(|problem| &*problem.detail)
    }
}

/// A refusal, as RFC 9457 has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    pub(crate) status: u16,
    pub(crate) detail: String,
    request_id: Option<String>,
    /// What there is instead.
    paths: &'static [&'static str],
    /// What else there is to say.
    #[serde(flatten)]
    more: Map<String, Value>,
    #[serde(skip)]
    allow: Option<&'static str>,
    #[serde(skip)]
    headers: Vec<(&'static str, String)>,
}

impl Problem {
    fn new(status: u16, slug: &str, title: &'static str, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("urn:fusebox:problem:{slug}"),
            title,
            status,
            detail: detail.into(),
            request_id: None,
            paths: &[],
            more: Map::new(),
            allow: None,
            headers: Vec::new(),
        }
    }

    pub(crate) fn no_such_path(path: &str) -> Problem {
        Problem::not_found(format!("there is nothing at '{path}'"))
    }

    pub(crate) fn no_such_circuit(name: &str) -> Problem {
        let detail = format!("there is no circuit named '{name}'; /circuits lists them");
        Problem { kind: "urn:fusebox:problem:no-such-circuit".into(), ..Problem::not_found(detail) }
    }

    pub(crate) fn no_such_item(id: u64) -> Problem {
        Problem::not_found(format!("there is no deferred call {id}; /queue/items lists them"))
    }

    pub(crate) fn no_queue() -> Problem {
        Problem::not_found("there is no queue of deferred calls here")
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Problem {
        Problem { paths: &PATHS, ..Problem::new(404, "not-found", "Not Found", detail) }
    }

    /// What is asked for takes only these methods.
    pub(crate) fn only(allow: &'static str) -> Problem {
        let detail = format!("here there is only: {allow}");
        let problem = Problem::new(405, "method-not-allowed", "Method Not Allowed", detail);
        Problem { allow: Some(allow), paths: &PATHS, ..problem }
    }

    pub(crate) fn too_many_readers() -> Problem {
        let detail = "as many streams of events are open as may be; close one";
        Problem::new(503, "too-many-readers", "Service Unavailable", detail).with("retry-after", "5")
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(400, "bad-request", "Bad Request", detail)
    }

    /// A field is not as it must be.
    pub(crate) fn bad_field(detail: impl Into<String>) -> Problem {
        Problem::new(422, "bad-field", "Unprocessable Content", detail)
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Problem {
        Problem::new(401, "unauthorized", "Unauthorized", detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Problem {
        Problem::new(403, "forbidden", "Forbidden", detail)
    }

    /// What was to be changed is not any more as who asked has seen it.
    pub(crate) fn stale(found: &str, revision: &str) -> Problem {
        let detail = format!(
            "If-Match: found {found}, accepted: \"{revision}\"; the circuit has changed since it was looked at"
        );
        let problem = Problem::new(412, "stale-revision", "Precondition Failed", detail);
        problem.and("revision", revision).with("etag", format!("\"{revision}\""))
    }

    /// The body of the request is broken, or longer than `most` bytes.
    pub(crate) fn too_long(most: usize) -> Problem {
        let detail = format!("the body is broken, or longer than {most} bytes");
        Problem::new(413, "too-long", "Content Too Large", detail)
    }

    pub(crate) fn unsupported(found: &str) -> Problem {
        let detail = format!("Content-Type: found {found:?}, accepted: application/json");
        Problem::new(415, "unsupported-media-type", "Unsupported Media Type", detail)
    }

    /// Asked too often; `seconds` is when to come back.
    pub(crate) fn too_often(detail: impl Into<String>, seconds: u64) -> Problem {
        let problem = Problem::new(429, "too-many-requests", "Too Many Requests", detail);
        problem.with("retry-after", seconds.to_string())
    }

    /// The process around the interface cannot do it.
    pub(crate) fn not_here(why: &str) -> Problem {
        let detail = format!("this process cannot do it: {why}");
        Problem::new(501, "not-here", "Not Implemented", detail)
    }

    /// It cannot be done now, and nothing was done.
    pub(crate) fn unavailable(slug: &str, detail: impl Into<String>) -> Problem {
        Problem::new(503, slug, "Service Unavailable", detail)
    }

    /// The store did not do it.
    pub(crate) fn store(status: u16, detail: impl Into<String>) -> Problem {
        Problem::new(status, "store", "The store of deferred calls", detail)
    }

    /// With another field.
    #[must_use]
    pub(crate) fn and(mut self, field: &str, value: impl Into<Value>) -> Problem {
        self.more.insert(field.into(), value.into());
        self
    }

    /// With another header.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Problem {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn answer(self) -> Answer {
        let answer = Answer::new(self.status, "application/problem+json", encoded(&self));
        Answer { allow: self.allow, headers: self.headers.clone(), problem: Some(Box::new(self)), ..answer }
    }
}

fn encoded(value: &impl Serialize) -> String {
    // Only maps with keys that are no text, and `Serialize` written by hand, can fail. There are none here.
    let mut body = serde_json::to_string_pretty(value).expect("plain structs serialize");
    body.push('\n');
    body
}
