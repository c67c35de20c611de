//! The admin interface, as the commands that talk to a running proxy see it.
//!
//! One connection for each question: they are few, and a proxy that restarts between two is no special case.

mod address;
mod connect;
pub(crate) mod feed;
pub(crate) mod shapes;
mod sse;
mod tls;

pub(crate) use address::Address;

use crate::failure::Failure;
use address::Place;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, IF_MATCH, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rustls::ClientConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer may take to begin.
const PATIENCE: Duration = Duration::from_secs(15);
/// An answer that is longer is none of a proxy: ten thousand circuits have some 30 MiB.
const LONGEST_ANSWER: usize = 256 << 20;
/// What cannot stand in a path as it is.
const IN_PATHS: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'%').add(b'`');
/// What to do where nobody answers.
const IS_IT_RUNNING: &str =
    "is it running, and is this its `admin.listen`? --admin or FUSEBOX_ADMIN gives another address";

/// Who is asked, and with which token.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    address: Address,
    tls: Option<Arc<ClientConfig>>,
    token: Option<HeaderValue>,
    /// What to do where nobody answers.
    hint: &'static str,
}

/// A response that has been read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    retry_after: Option<String>,
}

impl Admin {
    /// Asks `address`, over TLS with the authorities of `ca_file` where it is `https`.
    pub(crate) fn new(
        address: Address,
        ca_file: Option<&Path>,
        token: Option<&str>,
    ) -> Result<Admin, Failure> {
        let encrypted = matches!(address.place, Place::Tcp { tls: true, .. });
        if ca_file.is_some() && !encrypted {
            return Err(Failure::Usage(format!("--ca-file is for https://, and {address} is not encrypted")));
        }
        let tls = if encrypted { Some(tls::config(ca_file)?) } else { None };
        let token = token.map(bearer).transpose()?;
        Ok(Admin { address, tls, token, hint: IS_IT_RUNNING })
    }

    /// Says `hint` where nobody answers.
    pub(crate) fn with_hint(self, hint: &'static str) -> Admin {
        Admin { hint, ..self }
    }

    /// Whether a token is sent where others on the way can read it.
    pub(crate) fn tells_its_token(&self) -> bool {
        let Place::Tcp { host, tls: false, .. } = &self.address.place else { return false };
        let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        self.token.is_some() && !here
    }

    /// Who is asked.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Reads what is at `path`.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        let response = self.send(self.request(Method::GET, path)?.body(Full::default())).await?;
        let answer = self.read(response).await?;
        self.done(answer)
    }

    /// Reads what is at `path`, as what it is.
    pub(crate) async fn read_at<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        understood(self.get(path).await?)
    }

    /// Sends `body` to `path`, if what is there still has this revision. The answer may be a refusal.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: &impl Serialize,
        revision: Option<&str>,
    ) -> Result<Answer, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::Run(error.to_string()))?;
        let mut request = self.request(Method::POST, path)?.header(CONTENT_TYPE, "application/json");
        if let Some(revision) = revision {
            request = request.header(IF_MATCH, format!("\"{}\"", revision.trim_matches('"')));
        }
        let response = self.send(request.body(Full::from(body))).await?;
        self.read(response).await
    }

    /// What a request that was granted has to say; of one that was refused, why, and what helps.
    pub(crate) fn done(&self, answer: Answer) -> Result<Value, Failure> {
        match answer.status.is_success() {
            true => Ok(answer.body),
            false => Err(Failure::Run(self.refusal(&answer))),
        }
    }

    fn refusal(&self, answer: &Answer) -> String {
        let said = answer.body["detail"].as_str().or(answer.body["title"].as_str());
        let said = said.unwrap_or("it was refused").trim_end_matches('.');
        match answer.status {
            StatusCode::UNAUTHORIZED if self.token.is_none() => {
                format!("{} wants a token: give --token-file or FUSEBOX_TOKEN ({said})", self.address)
            }
            StatusCode::UNAUTHORIZED => {
                format!(
                    "{} does not know this token: look at --token-file or FUSEBOX_TOKEN ({said})",
                    self.address
                )
            }
            StatusCode::FORBIDDEN => format!("{} refuses it: {said}", self.address),
            StatusCode::TOO_MANY_REQUESTS => match &answer.retry_after {
                Some(seconds) => format!("{said}; try again in {seconds} s"),
                None => said.to_owned(),
            },
            _ => said.to_owned(),
        }
    }

    fn request(&self, method: Method, path: &str) -> Result<hyper::http::request::Builder, Failure> {
        let host = HeaderValue::from_str(&self.address.host)
            .map_err(|_| Failure::Usage(format!("--admin: {} is no host", self.address)))?;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address.prefix))
            .header(HOST, host)
            .header(ACCEPT, "application/json, */*;q=0.5");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.clone());
        }
        Ok(request)
    }

    async fn send(
        &self,
        request: hyper::http::Result<Request<Full<Bytes>>>,
    ) -> Result<Response<Incoming>, Failure> {
        let request = request.map_err(|error| Failure::Run(error.to_string()))?;
        let sent = connect::send(&self.address, self.tls.as_ref(), request);
        match tokio::time::timeout(PATIENCE, sent).await {
            Ok(response) => response.map_err(|why| self.unreachable(&why)),
            Err(_) => Err(self.unreachable(&format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Answer, Failure> {
        let status = response.status();
        let text = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let retry_after = text(RETRY_AFTER).map(str::to_owned);
        let body =
            tokio::time::timeout(PATIENCE, Limited::new(response.into_body(), LONGEST_ANSWER).collect());
        let body = body.await.map_err(|_| self.unreachable("its answer does not end"))?;
        let body = body.map_err(|error| self.unreachable(&error.to_string()))?.to_bytes();
        let body = serde_json::from_slice(&body).map_err(|_| {
            self.unreachable(&format!("it answered {status}, and not in JSON: this is another server"))
        })?;
        Ok(Answer { status, body, retry_after })
    }

    fn unreachable(&self, why: &str) -> Failure {
        let (address, hint) = (&self.address, self.hint);
        Failure::Run(format!("cannot reach the admin interface of a proxy at {address}: {why}; {hint}"))
    }
}

fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| Failure::Usage("the token holds characters that no token has".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// `name` as it stands in a path.
pub(crate) fn in_path(name: &str) -> String {
    utf8_percent_encode(name, IN_PATHS).to_string()
}

/// An answer as what it is.
pub(crate) fn understood<T: DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer)
        .map_err(|error| Failure::Run(format!("the answer was not understood: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_slashes_and_lose_what_a_path_would_end_with() {
        assert_eq!(in_path("payments/127.0.0.1:7001"), "payments/127.0.0.1:7001");
        assert_eq!(in_path("a b?c#d%e"), "a%20b%3Fc%23d%25e");
        assert_eq!(in_path("zahlung/ü"), "zahlung/%C3%BC");
    }

    #[test]
    fn a_token_in_the_clear_is_known() {
        let tells = |address: &str| {
            let address = address.parse().expect("an address");
            Admin::new(address, None, Some("secret")).expect("a client").tells_its_token()
        };
        assert!(tells("10.0.0.5:9900") && tells("http://ops.example"));
        assert!(!tells("localhost:9900") && !tells("[::1]:9900") && !tells("unix:/run/f.sock"));
    }

    #[test]
    fn a_token_is_not_shown() {
        let admin = Admin::new(Address::default(), None, Some("secret")).expect("a client");
        assert!(!format!("{admin:?}").contains("secret"));
    }
}
