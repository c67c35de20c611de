//! What a call tells the records of the circuits that it goes through.

use crate::lane::Fuses;
use crate::source::Source;
use fusebox::record::{Attempt, FailedCall, TraceId};
use fusebox::{CircuitBreaker, Failure, Outcome, Time};
use http::{Method, Uri};
use std::sync::Arc;

/// A call whose attempts are recorded.
pub(crate) struct Story {
    method: Method,
    uri: Uri,
    trace: Option<TraceId>,
    /// When the last attempt that got a good head began.
    began: Time,
}

impl Story {
    /// `None` where nobody records. It is made before the first attempt: that one may take the head along.
    pub(crate) fn of(source: &Source, fuses: &Fuses) -> Option<Story> {
        if !fuses.at(0).is_recording() {
            return None;
        }
        let (method, uri) = source.asked();
        let trace = source
            .with_headers(|headers| TraceId::of_traceparent(headers.get("traceparent")?.to_str().ok()?));
        Some(Story { method: method.clone(), uri: uri.clone(), trace, began: Time::ZERO })
    }

    /// An attempt that began then is over.
    pub(crate) fn tell(
        &mut self,
        fuses: &Fuses,
        (endpoint, name): (usize, &str),
        began: Time,
        outcome: Outcome,
    ) {
        let own = fuses.at(endpoint);
        let took = own.clock().stamp().since(began);
        if outcome == Outcome::Success {
            self.began = began;
        }
        let (ended, now) = (Attempt { took, outcome, trace: self.trace }, own.clock().now());
        for record in fuses.through(endpoint).filter_map(CircuitBreaker::recorder) {
            ended.tell(record, now, |call| self.about(call, name));
        }
    }

    /// A body broke after a good head, whose latency is told already.
    pub(crate) fn broke(&self, fuses: &Fuses, (endpoint, name): (usize, &str), kind: Failure) {
        let clock = fuses.at(endpoint).clock();
        let took = clock.stamp().since(self.began);
        for record in fuses.through(endpoint).filter_map(CircuitBreaker::recorder) {
            let call = FailedCall { trace: self.trace, ..FailedCall::new(kind, took, clock.now()) };
            record.failed(self.about(call, name));
        }
    }

    fn about(&self, call: FailedCall, name: &str) -> FailedCall {
        let endpoint = Some(Arc::from(name));
        FailedCall { endpoint, ..call.what(&format!("{} {}", self.method, self.uri.path())) }
    }
}
