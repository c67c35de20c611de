//! A real Prometheus, which scrapes a real fusebox.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Looks at most so often for what takes time.
const TRIES: u32 = 600;

/// A server that scrapes every second. Dropped, it is killed.
pub(crate) struct Prometheus {
    child: Child,
    at: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `target`.
    pub(crate) fn scraping(target: SocketAddr) -> Prometheus {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: fusebox\n    static_configs: [{{ targets: \
             ['{target}'] }}]\n"
        );
        std::fs::write(&config, text).expect("written");
        // It says nowhere which port it has found, so it is given one that was free a moment ago.
        for _ in 0..5 {
            let at =
                TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
            let mut child = Command::new("prometheus")
                .arg(format!("--config.file={}", config.display()))
                .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
                .arg(format!("--web.listen-address={at}"))
                .args(["--log.level=error"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .expect("prometheus starts; on Debian: apt-get install prometheus");
            if is_up(&mut child, at) {
                return Prometheus { child, at, _folder: folder };
            }
        }
        panic!("prometheus has found no free port, five times");
    }

    /// The samples of `expression`, once there are some.
    pub(crate) fn samples(&self, expression: &str) -> Vec<Value> {
        let mut said = String::new();
        for _ in 0..TRIES {
            said = self.query(expression).unwrap_or_else(|error| error.to_string());
            let answer: Value = serde_json::from_str(&said).unwrap_or_default();
            assert_ne!(answer["status"], "error", "{expression}: {said}");
            match answer["data"]["result"].as_array() {
                Some(samples) if !samples.is_empty() => return samples.clone(),
                _ => thread::park_timeout(Duration::from_millis(50)),
            }
        }
        panic!("{expression} has no samples: {said}");
    }

    /// What it says to `expression`, which may have no samples.
    pub(crate) fn accepts(&self, expression: &str) {
        let said = self.query(expression).expect("it answers");
        let answer: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(answer["status"], "success", "{expression}: {said}");
    }

    fn query(&self, expression: &str) -> std::io::Result<String> {
        let query = serde_urlencoded::to_string([("query", expression)]).expect("text");
        let mut stream = TcpStream::connect(self.at)?;
        // In HTTP/1.0 the body comes in one piece.
        stream.write_all(
            format!("GET /api/v1/query?{query} HTTP/1.0\r\nhost: {}\r\n\r\n", self.at).as_bytes(),
        )?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }
}

/// Waits until it answers; whether it does, and has not ended because somebody else has taken its port.
fn is_up(child: &mut Child, at: SocketAddr) -> bool {
    for _ in 0..TRIES {
        if child.try_wait().expect("its state is known").is_some() {
            return false;
        }
        if TcpStream::connect(at).is_ok() {
            return true;
        }
        thread::park_timeout(Duration::from_millis(50));
    }
    false
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
