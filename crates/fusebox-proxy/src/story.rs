//! A line for a call that went wrong, where somebody wants to read them: without its query, and without what it carried.

use crate::forward::concerned;
use crate::session::Session;
use crate::walk::Walk;
use fusebox::admin::Level;
use fusebox::{Outcome, Time};
use fusebox_core::flow::{End, Finish};
use http::Method;
use http::request::Parts;

/// What a line needs of the call's beginning.
pub(crate) struct Story {
    method: Method,
    path: String,
    began: Time,
}

impl Story {
    /// A call begins; `None` while nobody reads of calls.
    pub(crate) fn begins(session: &Session, head: &Parts) -> Option<Story> {
        let path = || head.uri.path().to_owned();
        let story = || Story { method: head.method.clone(), path: path(), began: session.now() };
        session.worker.journal.tells(Level::Debug).then(story)
    }

    /// It has come to this, before anything stood in.
    pub(crate) fn ends(self, session: &Session, walk: &Walk, finish: Finish) {
        let Some(why) = why(walk, finish) else { return };
        let (circuit, now) = (concerned(walk, finish), session.now());
        session.worker.journal.say_call(circuit.name(), now, || {
            let Story { method, path, began } = self;
            let (name, took) = (circuit.name(), now.since(began).as_secs_f64());
            let endpoint = walk.last.as_ref().and_then(|(at, _)| walk.lane.route.endpoints.get(*at));
            let place = endpoint.map(|at| format!(" at {}", at.endpoint.authority)).unwrap_or_default();
            format!("fusebox: call {method} {path} through {name}{place} {why} after {took:.3} s")
        });
    }
}

/// What went wrong, if anything did.
fn why(walk: &Walk, finish: Finish) -> Option<String> {
    let failed = walk.verdict.is_some_and(|verdict| matches!(verdict.outcome, Outcome::Failure(_)));
    match finish.end {
        End::Rejected(rejection) => Some(format!("was rejected ({})", rejection.reason)),
        End::TimedOut => Some("timed out".into()),
        End::DeadlineExceeded => Some("met its deadline".into()),
        End::Result if !failed => None,
        End::Result => Some(match &walk.last {
            Some((_, Ok(head))) => format!("failed (status {})", head.response.status().as_u16()),
            Some((_, Err(fault))) => format!("failed ({fault:?})"),
            None => "failed".into(),
        }),
    }
}
