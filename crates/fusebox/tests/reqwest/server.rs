//! A server on loopback that answers what it is told to, one request for each connection.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// No answer at all: the connection stays open.
pub(crate) const SILENCE: &str = "";

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers with each of `script` in turn, and then with the last again and again.
    pub(crate) async fn start(script: &'static [&'static str]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read(&mut stream).await;
                let turn = {
                    let mut log = log.lock().expect("whole");
                    log.push(request);
                    log.len() - 1
                };
                let answer = script.get(turn).or(script.last()).copied().unwrap_or(SILENCE);
                if answer == SILENCE {
                    kept.push(stream);
                    continue;
                }
                let text = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(text.as_bytes()).await;
            }
        });
        Server { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Every request so far, head and body.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("whole").clone()
    }
}

/// A request whose body, if there is one, ends with `!` or with its chunks.
async fn read(stream: &mut TcpStream) -> String {
    let (mut text, mut piece) = (String::new(), [0; 1024]);
    loop {
        let has_body = text.contains("content-length: ") || text.contains("transfer-encoding: ");
        let is_whole = if has_body {
            text.ends_with('!') || text.ends_with("0\r\n\r\n")
        } else {
            text.ends_with("\r\n\r\n")
        };
        if is_whole {
            return text;
        }
        match stream.read(&mut piece).await {
            Ok(1..) => {}
            _ => return text,
        }
        text += std::str::from_utf8(&piece).expect("text").trim_end_matches('\0');
        piece.fill(0);
    }
}
