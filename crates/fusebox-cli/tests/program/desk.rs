//! An admin interface that says what a test wants, to see what the program makes of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request, as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// `GET /circuits`
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Asked {
    /// The value of a header, by its name in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let value = |line| {
            let (found, value) = str::split_once(line, ':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        };
        self.head.lines().find_map(value)
    }
}

/// A server on a free port, and what it was asked.
pub(crate) struct Desk {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Desk {
    /// Answers each request with the whole response that `answer` makes of it, and closes the connection.
    pub(crate) fn open(answer: impl Fn(&Asked) -> String + Send + Sync + 'static) -> Desk {
        Desk::behind(|stream| stream, answer)
    }

    /// Likewise, behind what `wrap` puts around each connection.
    pub(crate) fn behind<S: Read + Write>(
        wrap: impl Fn(TcpStream) -> S + Send + Sync + 'static,
        answer: impl Fn(&Asked) -> String + Send + Sync + 'static,
    ) -> Desk {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (heard, answer) = (asked.clone(), Arc::new((wrap, answer)));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (heard, answer) = (heard.clone(), answer.clone());
                thread::spawn(move || converse(answer.0(stream), &heard, &answer.1));
            }
        });
        Desk { address, asked }
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

/// Reads a request from `stream` and answers it.
pub(crate) fn converse(
    mut stream: impl Read + Write,
    heard: &Mutex<Vec<Asked>>,
    answer: &dyn Fn(&Asked) -> String,
) {
    let mut reader = BufReader::new(&mut stream);
    let mut asked = Asked::default();
    while !asked.head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut asked.head).unwrap_or(0) == 0 {
            return;
        }
    }
    asked.line = asked.head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body as long as it says");
    asked.body = String::from_utf8(body).expect("text");
    heard.lock().expect("no panic").push(asked.clone());
    // The other side may have gone.
    let _ = stream.write_all(answer(&asked).as_bytes()).and_then(|()| stream.flush());
}

/// A stream of events that ends after these frames.
pub(crate) fn stream(frames: &[String]) -> String {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\nretry: 20\n\n";
    format!("{head}{}", frames.concat())
}
