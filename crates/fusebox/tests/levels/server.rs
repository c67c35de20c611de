//! A real redis-server, for one test.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A redis-server; killed when dropped.
pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    _folder: TempDir,
}

/// What it answered.
#[derive(Debug, PartialEq)]
pub(crate) enum Reply {
    Nothing,
    Number(i64),
    Text(Vec<u8>),
    Error(String),
    List(Vec<Reply>),
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        // Somebody may take a free port before the server does.
        (0..5).find_map(|_| Self::start_at(free_port())).expect("a port for redis-server")
    }

    /// One at this port, if it takes it.
    pub(crate) fn start_at(port: u16) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is missing: install it, on Debian `apt-get install redis-server`");
        for _ in 0..1_000 {
            if child.try_wait().expect("a child of ours").is_some() {
                return None;
            }
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(RedisServer { child, port, _folder: folder });
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("redis-server does not listen");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// It answers nothing until it [`wakes`](Self::wakes).
    pub(crate) fn hangs(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn wakes(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    /// The names of all it holds, in order.
    pub(crate) fn keys(&self) -> Vec<String> {
        let Reply::List(keys) = self.ask(&[b"KEYS", b"*"]) else { panic!("a list of keys") };
        let text = |reply| match reply {
            Reply::Text(text) => String::from_utf8(text).expect("keys are text"),
            other => panic!("{other:?}"),
        };
        let mut keys: Vec<String> = keys.into_iter().map(text).collect();
        keys.sort();
        keys
    }

    pub(crate) fn value(&self, key: &str) -> Vec<u8> {
        match self.ask(&[b"GET", key.as_bytes()]) {
            Reply::Text(value) => value,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn ask(&self, command: &[&[u8]]) -> Reply {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
        for part in command {
            bytes.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
            bytes.extend_from_slice(part);
            bytes.extend_from_slice(b"\r\n");
        }
        stream.write_all(&bytes).expect("it reads");
        read(&mut BufReader::new(stream))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(stream: &mut impl BufRead) -> Reply {
    let mut line = String::new();
    stream.read_line(&mut line).expect("an answer");
    let (kind, rest) = line.trim_end().split_at(1);
    let number = || rest.parse::<i64>().expect("a number");
    match kind {
        "+" => Reply::Text(rest.into()),
        "-" => Reply::Error(rest.into()),
        ":" => Reply::Number(number()),
        "$" if number() < 0 => Reply::Nothing,
        "$" => {
            let mut text = vec![0; usize::try_from(number()).expect("a length") + 2];
            stream.read_exact(&mut text).expect("as long as it says");
            text.truncate(text.len() - 2);
            Reply::Text(text)
        }
        "*" => Reply::List((0..number()).map(|_| read(stream)).collect()),
        other => panic!("{other}{rest}"),
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has one").port()
}
