//! What an attempt says about its endpoint, and whether another one is safe.

use crate::answer;
use crate::exchange::{Fault, Head};
use crate::source::Source;
use crate::wall;
use crate::wire;
use fusebox::{Failure, Outcome, Verdict, classify};
use http::StatusCode;
use http::header::RETRY_AFTER;

/// What an attempt has come to; `lenient` takes 429 for a success.
pub(crate) fn judge(result: &Result<Head, Fault>, source: &Source, lenient: bool) -> Verdict {
    let failure = |kind, safe| if safe { Verdict::failure(kind) } else { Verdict::final_failure(kind) };
    match result {
        Ok(head) => {
            if is_nested_rejection(head) {
                return Verdict::REFUSED;
            }
            let status = head.response.status();
            if status == StatusCode::TOO_MANY_REQUESTS && lenient {
                return Verdict::SUCCESS;
            }
            let headers = head.response.headers();
            let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let asked = asked.map(wall::in_seconds);
            match classify::http(status.as_u16(), asked.as_deref()).outcome {
                Outcome::Failure(kind) => {
                    failure(kind, source.is_replayable() && !wire::forbids_retry(headers))
                }
                _ => Verdict::SUCCESS,
            }
        }
        Err(Fault::Client(_)) => Verdict::IGNORED,
        // Our own want: another attempt that is under way may still be answered.
        Err(Fault::Full(_) | Fault::Exhausted) => Verdict::REFUSED,
        Err(Fault::Refused | Fault::ConnectTimeout | Fault::Unresolved) => {
            failure(Failure::Connect, source.is_whole())
        }
        Err(Fault::Reset) => failure(Failure::Reset, source.is_whole()),
        Err(Fault::Malformed) => failure(Failure::Malformed, source.is_whole()),
    }
}

/// Whether it is another fusebox's refusal: nothing was wrong with that one.
fn is_nested_rejection(head: &Head) -> bool {
    let refusal =
        matches!(head.response.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
    refusal && head.response.headers().get(answer::OUTCOME).is_some_and(|outcome| outcome == answer::REJECTED)
}
