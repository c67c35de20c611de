//! Telling callers what became of their calls: a signed POST to a service of the file, through its own policies.
//!
//! Signed as the Standard Webhooks specification has it: `webhook-id`, `webhook-timestamp` and `webhook-signature`, which is
//! `v1,` and the base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}`.

use super::courier::Made;
use super::courier::{Jobs, ask};
use super::parcel::KeptAnswer;
use super::status::shown;
use crate::bind::StartError;
use crate::config::WebhookPlan;
use crate::wall;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fusebox::queue::{Checked, Courier, Leased, Sent, Told};
use hmac::{Hmac, Mac};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use serde_json::Value;
use sha2::Sha256;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// A shorter secret is none.
const LEAST_SECRET: usize = 16;

/// Tells callers.
#[derive(Debug)]
pub(crate) struct Herald {
    lane: Arc<str>,
    path: Uri,
    secret: Vec<u8>,
}

impl Herald {
    /// Reads the secret that notices are signed with.
    pub(crate) fn new(plan: &WebhookPlan) -> Result<Self, StartError> {
        let refuse = |why: String| StartError::Secret { path: plan.secret_file.clone(), why };
        let secret = fs::read(&plan.secret_file).map_err(|error| refuse(error.to_string()))?;
        let secret = secret.trim_ascii_end().to_vec();
        if secret.len() < LEAST_SECRET {
            return Err(refuse(format!("it has {} bytes, accepted: {LEAST_SECRET} or more", secret.len())));
        }
        let path = Uri::try_from(&*plan.path).map_err(|error| refuse(error.to_string()))?;
        Ok(Herald { lane: plan.service.as_str().into(), path, secret })
    }

    /// How long a notice that was not taken waits.
    pub(super) fn backoff(&self) -> Duration {
        Duration::from_secs(60)
    }

    pub(super) fn by(self, jobs: &Jobs) -> impl Courier + 'static {
        Round { herald: self, jobs: jobs.clone() }
    }

    fn request(&self, item: &Leased) -> Option<Request<Bytes>> {
        // When it is sent: receivers refuse what is old.
        let at = wall::unix_seconds();
        let mut said: Value = serde_json::from_slice(&item.payload).ok()?;
        // What the call came to is an answer.
        let result = said["result"].as_str().and_then(|text| KeptAnswer::decode(text.as_bytes()));
        said["result"] = result.as_ref().map_or(Value::Null, shown);
        let body = said.to_string();
        let signature = sign(&self.secret, &item.view.key, at, body.as_bytes())?;
        let mut request = Request::new(Bytes::from(body));
        (*request.method_mut(), *request.uri_mut()) = (Method::POST, self.path.clone());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ID, HeaderValue::from_str(&item.view.key).ok()?);
        headers.insert(TIMESTAMP, HeaderValue::from(at));
        headers.insert(SIGNATURE, HeaderValue::from_str(&signature).ok()?);
        Some(request)
    }
}

fn sign(secret: &[u8], id: &str, at: u64, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

struct Round {
    herald: Herald,
    jobs: Jobs,
}

impl Courier for Round {
    /// A notice has an id by which whoever is told twice knows it: it is sent again.
    fn check<'a>(&'a self, _: &'a Leased) -> Told<'a, Checked> {
        Box::pin(async { Checked::NotFound })
    }

    fn send<'a>(&'a self, item: &'a Leased) -> Told<'a, Sent> {
        Box::pin(async {
            let Some(request) = self.herald.request(item) else {
                return Sent::Undecodable("it cannot be put into a request".into());
            };
            match ask(&self.jobs, (self.herald.lane.clone(), false), request, (item.view.record.class, true))
                .await
            {
                Made::NotSent(why) => Sent::NotSent(why),
                Made::Unknown(why) => Sent::Failed(why),
                Made::Answered(answer) if (200..300).contains(&answer.status) => Sent::Done(Vec::new()),
                Made::Answered(answer) => Sent::Failed(format!("the webhook answered {}", answer.status)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_signed_as_the_specification_has_it() {
        // The example of the Standard Webhooks specification.
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let signed = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }
}
