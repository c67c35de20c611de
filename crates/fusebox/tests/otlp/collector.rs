//! A collector: it takes exports over HTTP and keeps what they say, or behaves as badly as it is told to.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use prost::Message as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// This status and body.
    Says(u16, Vec<u8>),
    /// Nothing, and keeps the connection.
    Hangs,
    /// Closes it.
    Leaves,
}

impl Manner {
    /// What a collector says that has taken everything.
    pub(crate) fn takes() -> Manner {
        Manner::Says(200, Vec::new())
    }
}

pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    exports: Receiver<Export>,
}

/// A request, as it came.
pub(crate) struct Export {
    pub(crate) head: String,
    pub(crate) message: ExportMetricsServiceRequest,
}

impl Collector {
    pub(crate) fn start(manner: Manner) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let manner = Arc::new(Mutex::new(manner));
        let (sender, exports) = channel();
        let how = manner.clone();
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming().flatten() {
                kept.extend(stream.try_clone());
                let (how, sender) = (how.clone(), sender.clone());
                std::thread::spawn(move || serve(stream, &how, &sender));
            }
        });
        Collector { address, manner, exports }
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock().expect("not poisoned") = manner;
    }

    /// The next export.
    pub(crate) fn next(&self) -> Export {
        self.exports.recv_timeout(PATIENCE).expect("an export in time")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Export {
    pub(crate) fn metrics(&self) -> &[Metric] {
        &self.message.resource_metrics[0].scope_metrics[0].metrics
    }
}

fn serve(mut stream: TcpStream, how: &Mutex<Manner>, sender: &Sender<Export>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a descriptor"));
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let before = head.len();
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
            let line = head[before..].trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let message = ExportMetricsServiceRequest::decode(&body[..]).expect("OTLP");
        if sender.send(Export { head, message }).is_err() {
            return;
        }
        let manner = how.lock().expect("not poisoned").clone();
        match manner {
            Manner::Says(status, body) => {
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(&[head.as_bytes(), &body].concat());
            }
            Manner::Hangs => {}
            Manner::Leaves => return drop(stream.shutdown(std::net::Shutdown::Both)),
        }
    }
}
