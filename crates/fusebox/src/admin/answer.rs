//! Answers, and how refusals look.

use serde::Serialize;
use std::borrow::Cow;

/// The methods there are.
const ALLOW: &str = "GET, HEAD";

/// What `/` says.
pub(crate) const INDEX: &str = "\
fusebox admin

/queue            queues of deferred calls, JSON; /queue/items, /queue/items/{id},
                  /queue/audit; POST /queue/orders
/circuits         every circuit, JSON
/circuits/{name}  one circuit, JSON; percent-encode the name
/history/{name}   what happened to it in the last 24 hours, JSON
/overrides        what operators hold, JSON
/events           what happens, as it happens: server-sent events
/latency/{name}   how long its calls take, JSON
/failures/{name}  how its calls fail, and the last ones that did, JSON
/pipelines        each service's policies in order, JSON
/metrics          Prometheus text format
/healthz          200 while the process answers
/readyz           200 when calls are taken, else 503
";

const PATHS: [&str; 17] = [
    "/",
    "/circuits",
    "/circuits/{name}",
    "/history/{name}",
    "/overrides",
    "/events",
    "/latency/{name}",
    "/failures/{name}",
    "/pipelines",
    "/queue",
    "/queue/items",
    "/queue/items/{id}",
    "/queue/audit",
    "/queue/orders",
    "/metrics",
    "/healthz",
    "/readyz",
];

/// An answer for a server to send.
///
/// Answers describe a moment: send them with `Cache-Control: no-store`.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &'static str, body: impl Into<Cow<'static, str>>) -> Answer {
        Answer { status, content_type, body: body.into(), allow: None, headers: Vec::new() }
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

    /// The body of the request is broken, or longer than `most` bytes.
    pub(crate) fn too_long(most: usize) -> Answer {
        let detail = format!("the body is broken, or longer than {most} bytes");
        Problem { title: "Content Too Large", status: 413, detail, paths: &[] }.answer()
    }

    pub(crate) fn metrics(body: String) -> Answer {
        Answer::new(200, "text/plain; version=0.0.4; charset=utf-8", body)
    }

    pub(crate) fn json(status: u16, value: &impl Serialize) -> Answer {
        Answer::new(status, "application/json", encoded(value))
    }

    pub(crate) fn method_not_allowed() -> Answer {
        Answer::only(ALLOW)
    }

    /// What is asked for takes only this method.
    pub(crate) fn only(allow: &'static str) -> Answer {
        let detail = format!("here there is only: {allow}");
        let problem = Problem { title: "Method Not Allowed", status: 405, detail, paths: &PATHS };
        Answer { allow: Some(allow), ..problem.answer() }
    }
}

/// A refusal, as RFC 9457 has it.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    title: &'static str,
    status: u16,
    detail: String,
    /// What there is instead.
    paths: &'static [&'static str],
}

impl Problem {
    pub(crate) fn no_such_path(path: &str) -> Problem {
        Problem::not_found(format!("there is nothing at '{path}'"))
    }

    pub(crate) fn no_such_circuit(name: &str) -> Problem {
        Problem::not_found(format!("there is no circuit named '{name}'; /circuits lists them"))
    }

    pub(crate) fn no_such_item(id: u64) -> Problem {
        Problem::not_found(format!("there is no deferred call {id}; /queue/items lists them"))
    }

    pub(crate) fn no_queue() -> Problem {
        Problem::not_found("there is no queue of deferred calls here".into())
    }

    pub(crate) fn too_many_readers() -> Problem {
        let detail = "as many streams of events are open as may be; close one".into();
        Problem { title: "Service Unavailable", status: 503, detail, paths: &[] }
    }

    pub(crate) fn bad_request(detail: String) -> Problem {
        Problem { title: "Bad Request", status: 400, detail, paths: &[] }
    }

    pub(crate) fn forbidden(detail: String) -> Problem {
        Problem { title: "Forbidden", status: 403, detail, paths: &[] }
    }

    /// The store did not do it.
    pub(crate) fn store(status: u16, detail: String) -> Problem {
        Problem { title: "The store of deferred calls", status, detail, paths: &[] }
    }

    fn not_found(detail: String) -> Problem {
        Problem { title: "Not Found", status: 404, detail, paths: &PATHS }
    }

    pub(crate) fn answer(&self) -> Answer {
        Answer::new(self.status, "application/problem+json", encoded(self))
    }
}

fn encoded(value: &impl Serialize) -> String {
    // Only maps with keys that are no text, and `Serialize` written by hand, can fail. There are none here.
    let mut body = serde_json::to_string_pretty(value).expect("plain structs serialize");
    body.push('\n');
    body
}
