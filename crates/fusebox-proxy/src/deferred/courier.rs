//! Handing deferred calls to a worker, and reading what came of them.

use super::parcel::{KeptAnswer, Parcel};
use crate::config::queue::KEY;
use bytes::Bytes;
use fusebox::Priority;
use fusebox::queue::{Checked, Courier, Leased, Sent, Told};
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE, RANGE, TRANSFER_ENCODING,
};
use http::{HeaderName, Method, Request, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// What a key may not bring into a path: all but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a question does not bring along: it has no body, and asks for all of what is there, on no condition.
const NO_QUESTION: [HeaderName; 9] = [
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    TRANSFER_ENCODING,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    RANGE,
];

/// A call for a worker to make, over the lane of this name.
pub(crate) struct Job {
    pub(crate) lane: Arc<str>,
    pub(crate) request: Request<Bytes>,
    pub(crate) priority: Priority,
    /// Sending it twice does no more than sending it once.
    pub(crate) repeatable: bool,
    /// At the endpoints of other regions.
    pub(crate) elsewhere: bool,
    pub(crate) answer: oneshot::Sender<Made>,
}

/// What came of a call that a worker has made.
#[derive(Debug)]
pub(crate) enum Made {
    /// It was answered.
    Answered(KeptAnswer),
    /// It did not leave, and this is why.
    NotSent(String),
    /// Nobody knows whether it was done.
    Unknown(String),
}

/// The way to the worker that makes deferred calls.
pub(super) type Jobs = mpsc::UnboundedSender<Job>;

/// Makes the calls of one route.
pub(super) struct RouteCourier {
    pub(super) lane: Arc<str>,
    /// The path that tells what became of a key.
    pub(super) check: Option<String>,
    /// The other services of the route's list, and other regions if it has them: each may have made the call in its place.
    pub(super) others: Vec<(Arc<str>, bool)>,
    pub(super) idempotency_key: HeaderName,
    pub(super) jobs: Jobs,
}

/// Has a worker make a call.
pub(super) async fn ask(
    jobs: &Jobs,
    (lane, elsewhere): (Arc<str>, bool),
    request: Request<Bytes>,
    (priority, repeatable): (Priority, bool),
) -> Made {
    let (answer, answered) = oneshot::channel();
    if jobs.send(Job { lane, elsewhere, request, priority, repeatable, answer }).is_err() {
        return Made::NotSent("the proxy stops".into());
    }
    answered.await.unwrap_or_else(|_| Made::Unknown("the proxy stopped before there was an answer".into()))
}

impl RouteCourier {
    async fn send_parcel(&self, item: &Leased) -> Sent {
        let request = Parcel::decode(&item.payload).and_then(|parcel| parcel.request());
        let Some(request) = request else { return Sent::Undecodable("it is no call of a proxy".into()) };
        // Where there is a check, nothing is sent again before it was asked for: not on another connection either.
        let how = (item.view.record.class, self.check.is_none());
        match ask(&self.jobs, (self.lane.clone(), false), request, how).await {
            Made::NotSent(why) => Sent::NotSent(why),
            Made::Unknown(why) => Sent::Failed(why),
            Made::Answered(answer) => sent(&answer),
        }
    }

    async fn check_parcel(&self, item: &Leased) -> Checked {
        let Some(path) = &self.check else { return Checked::Unasked };
        let Some(parcel) = Parcel::decode(&item.payload) else {
            // Sending it says so.
            return Checked::Unasked;
        };
        let Some(request) = self.question(&parcel, path) else {
            return Checked::Unknown("the path to ask for it cannot be made".into());
        };
        let lanes = std::iter::once((self.lane.clone(), false)).chain(self.others.iter().cloned());
        for lane in lanes {
            let made = ask(&self.jobs, lane, request.clone(), (item.view.record.class, true)).await;
            match checked(made) {
                Checked::NotFound => {}
                said => return said,
            }
        }
        Checked::NotFound
    }

    /// The request that asks what became of a key: the call's own headers, without its body.
    fn question(&self, parcel: &Parcel, path: &str) -> Option<Request<Bytes>> {
        let key = parcel.header(&self.idempotency_key)?;
        let path = path.replace(KEY, &utf8_percent_encode(key, RESERVED).to_string());
        let mut request = parcel.request()?;
        *request.method_mut() = Method::GET;
        *request.uri_mut() = Uri::try_from(path).ok()?;
        *request.body_mut() = Bytes::new();
        for name in NO_QUESTION {
            request.headers_mut().remove(name);
        }
        Some(request)
    }
}

impl Courier for RouteCourier {
    fn check<'a>(&'a self, item: &'a Leased) -> Told<'a, Checked> {
        Box::pin(self.check_parcel(item))
    }

    fn send<'a>(&'a self, item: &'a Leased) -> Told<'a, Sent> {
        Box::pin(self.send_parcel(item))
    }
}

/// What an answer says of a call.
pub(super) fn sent(answer: &KeptAnswer) -> Sent {
    let told = || format!("the dependency answered {}", named(answer.status));
    match answer.status {
        // Not now, or not here: somebody else is at it, or it was too early, too slow or too much, or it is to be sent elsewhere.
        307 | 308 | 408 | 409 | 425 | 429 => Sent::Failed(told()),
        200..=399 => Sent::Done(answer.encode()),
        400..=499 => Sent::Refused(told()),
        _ => Sent::Failed(told()),
    }
}

fn checked(made: Made) -> Checked {
    match made {
        Made::Answered(answer) => match answer.status {
            202 | 409 | 425 => Checked::Pending,
            200..=299 => Checked::Completed(answer.encode()),
            404 | 410 => Checked::NotFound,
            status => Checked::Unknown(format!("asked for it, the dependency answered {}", named(status))),
        },
        Made::NotSent(why) | Made::Unknown(why) => Checked::Unknown(why),
    }
}

fn named(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    reason.map_or_else(|| status.to_string(), |reason| format!("{status} {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn answered(status: u16) -> KeptAnswer {
        let status = StatusCode::from_u16(status).expect("a status");
        KeptAnswer::of(status, &HeaderMap::new(), Bytes::new(), false)
    }

    #[test]
    fn an_answer_ends_a_call_or_has_it_made_again() {
        for (status, expected) in [
            (201, "Done"),
            (303, "Done"),
            (307, "Failed"),
            (400, "Refused"),
            (402, "Refused"),
            (408, "Failed"),
            (409, "Failed"),
            (429, "Failed"),
            (500, "Failed"),
            (503, "Failed"),
        ] {
            let sent = format!("{:?}", sent(&answered(status)));
            assert!(sent.starts_with(expected), "{status}: {sent}");
        }
    }

    #[test]
    fn a_check_that_says_nothing_is_no_leave_to_send() {
        for (status, expected) in
            [(200, "Completed"), (202, "Pending"), (404, "NotFound"), (401, "Unknown"), (500, "Unknown")]
        {
            let said = format!("{:?}", checked(Made::Answered(answered(status))));
            assert!(said.starts_with(expected), "{status}: {said}");
        }
        assert!(matches!(checked(Made::Unknown("late".into())), Checked::Unknown(_)));
    }
}
