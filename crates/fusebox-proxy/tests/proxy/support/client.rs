//! A client that sends bytes as they are and reads what comes back.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A response, or what came of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// 0 when there was no head.
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Whether the message ended as its framing says.
    pub(crate) whole: bool,
    /// The connection was reset, not closed.
    pub(crate) reset: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        pairs.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    fn framing(&mut self, reader: &mut BufReader<TcpStream>, head_only: bool) -> std::io::Result<bool> {
        let length = self.header("content-length").and_then(|length| length.parse::<usize>().ok());
        if head_only || matches!(self.status, 204 | 304) {
            Ok(true)
        } else if self.header("transfer-encoding") == Some("chunked") {
            loop {
                let mut size = String::new();
                if reader.read_line(&mut size)? == 0 {
                    return Ok(false);
                }
                let Ok(size) = usize::from_str_radix(size.trim(), 16) else { return Ok(false) };
                let mut chunk = Vec::new();
                reader.take(size as u64 + 2).read_to_end(&mut chunk)?;
                let complete = chunk.len() == size + 2;
                chunk.truncate(size);
                self.body.extend(chunk);
                if size == 0 || !complete {
                    return Ok(complete);
                }
            }
        } else if let Some(length) = length {
            reader.take(length as u64).read_to_end(&mut self.body)?;
            Ok(self.body.len() == length)
        } else {
            reader.read_to_end(&mut self.body)?;
            Ok(true)
        }
    }
}

/// A connection to a proxy.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the proxy listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("a flag");
        Client { reader: BufReader::new(stream) }
    }

    /// Sends bytes, as far as they are taken.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.reader.get_mut().write_all(bytes.as_ref());
    }

    /// Reads a response.
    pub(crate) fn read(&mut self) -> Answer {
        self.read_of(false)
    }

    /// Reads the response to a HEAD.
    pub(crate) fn read_head(&mut self) -> Answer {
        self.read_of(true)
    }

    fn read_of(&mut self, head_only: bool) -> Answer {
        let mut answer = Answer::default();
        loop {
            let mut line = String::new();
            match self.reader.read_line(&mut line) {
                Ok(1..) if line.trim().is_empty() => break,
                Ok(1..) => answer.head.push_str(&line),
                Ok(_) => return answer,
                Err(error) => {
                    answer.reset = error.kind() == std::io::ErrorKind::ConnectionReset;
                    return answer;
                }
            }
        }
        let status = answer.head.split(' ').nth(1).and_then(|status| status.parse().ok());
        answer.status = status.unwrap_or(0);
        if (100..200).contains(&answer.status) {
            return answer;
        }
        match answer.framing(&mut self.reader, head_only) {
            Ok(whole) => answer.whole = whole,
            Err(error) => answer.reset = error.kind() == std::io::ErrorKind::ConnectionReset,
        }
        answer
    }

    /// Whether the proxy has closed the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.reader.read(&mut [0]), Ok(0) | Err(_))
    }

    /// Sends a request without a body and reads the response.
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        self.read()
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Answer {
        let length = body.len();
        self.send(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        self.read()
    }
}

/// One request on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    Client::connect(address).get(path)
}

/// One request with these header lines, on a connection of its own, to who is asked as this machine.
pub(crate) fn asked(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let mut client = Client::connect(address);
    let length = body.len();
    client.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    ));
    client.read()
}
