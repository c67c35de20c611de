//! What happens in a proxy, as it happens, through every loss of the connection.

use super::sse::{Frame, Parser};
use super::{Admin, connect};
use crate::clock;
use crate::failure::Failure;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::ACCEPT;
use hyper::{Method, StatusCode};
use std::collections::VecDeque;
use std::time::Duration;

/// A proxy that has nothing to say for so long sends a sign of life three times over.
const SILENCE: Duration = Duration::from_secs(16);
const PAUSE: Duration = Duration::from_secs(1);

/// What is heard on a feed.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The connection stands; a snapshot comes next.
    Connected,
    Event {
        name: String,
        data: String,
    },
    /// Nothing new, and a sign of life.
    Beat,
    /// The connection is lost, and why. It is made anew before anything else is heard.
    Lost(String),
}

/// The events of a proxy.
#[derive(Debug)]
pub(crate) struct Feed {
    admin: Admin,
    /// The last event that was heard: the next connection goes on after it.
    last: Option<String>,
    parser: Parser,
    open: Option<Incoming>,
    waiting: VecDeque<Frame>,
    pause: Duration,
    was_lost: bool,
    /// Whether it has answered at all.
    met: bool,
}

impl Feed {
    pub(crate) fn new(admin: Admin) -> Feed {
        Feed {
            admin,
            last: None,
            parser: Parser::default(),
            open: None,
            waiting: VecDeque::new(),
            pause: PAUSE,
            was_lost: false,
            met: false,
        }
    }

    /// Connects anew, and goes on after the event `id`.
    pub(crate) fn go_on_after(&mut self, id: String) {
        self.last = Some(id);
        self.open = None;
        self.waiting.clear();
    }

    /// Waits for what comes next. It fails where another try would fail alike: on a refusal, and when nobody
    /// answers the first time.
    pub(crate) async fn next(&mut self) -> Result<Heard, Failure> {
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                return Ok(self.heard(frame));
            }
            let Some(body) = &mut self.open else {
                if std::mem::take(&mut self.was_lost) {
                    clock::pause(self.pause).await;
                }
                return self.connect().await;
            };
            match tokio::time::timeout(SILENCE, body.frame()).await {
                Err(_) => return Ok(self.lost(format!("silent for {} s", SILENCE.as_secs()))),
                Ok(None) => return Ok(self.lost("it closed the connection".into())),
                Ok(Some(Err(error))) => return Ok(self.lost(connect::cause(error))),
                Ok(Some(Ok(frame))) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    match self.parser.feed(&bytes) {
                        Some(frames) => self.waiting.extend(frames),
                        None => return Ok(self.lost("a frame that does not end".into())),
                    }
                }
            }
        }
    }

    fn heard(&mut self, frame: Frame) -> Heard {
        match frame {
            Frame::Beat => Heard::Beat,
            Frame::Event { id, name, data } => {
                self.last = id.or(self.last.take());
                Heard::Event { name, data }
            }
        }
    }

    fn lost(&mut self, why: String) -> Heard {
        self.pause = self.parser.retry_ms.map_or(PAUSE, Duration::from_millis).min(Duration::from_secs(30));
        self.open = None;
        self.was_lost = true;
        Heard::Lost(why)
    }

    async fn connect(&mut self) -> Result<Heard, Failure> {
        self.parser = Parser::default();
        let mut request = self.admin.request(Method::GET, "/events")?;
        if let Some(headers) = request.headers_mut() {
            headers.insert(ACCEPT, hyper::header::HeaderValue::from_static("text/event-stream"));
        }
        if let Some(last) = &self.last {
            request = request.header("last-event-id", last);
        }
        match self.admin.send(request.body(Full::default())).await {
            Err(failure) if !self.met => Err(failure),
            Err(failure) => {
                let why = failure.to_string();
                let why = why.trim_start_matches("error: ");
                Ok(self.lost(why.split("; is it running").next().unwrap_or_default().into()))
            }
            Ok(response) if response.status() == StatusCode::OK => {
                self.open = Some(response.into_body());
                self.met = true;
                Ok(Heard::Connected)
            }
            // It will answer when it has started, or has fewer readers.
            Ok(response) if self.met && is_for_now(response.status()) => {
                Ok(self.lost(format!("it answered {}", response.status())))
            }
            Ok(response) => {
                let answer = self.admin.read(response).await?;
                Err(Failure::Run(self.admin.refusal(&answer)))
            }
        }
    }
}

/// Whether the same question may be answered in a while.
fn is_for_now(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}
