//! The server behind the proxies: as little work per request as can be, and faults on demand.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the backend does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// 200 with 128 bytes.
    Well,
    /// 503 at once.
    Refuses,
    /// Reads it and never answers.
    Hangs,
}

/// A running backend; it stops when dropped.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    mood: AtomicU8,
    requests: AtomicU64,
    arrivals: Option<Mutex<Vec<Instant>>>,
    stop: AtomicBool,
}

const BODY: [u8; 128] = [b'x'; 128];
const LISTENER: Token = Token(usize::MAX);
const HEALTH: &[u8] = b"GET /health";

impl Backend {
    /// Starts one on a free loopback port, its thread on `core`. With `log` the moment of each request is kept.
    pub(crate) fn start(core: usize, log: bool) -> io::Result<Backend> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            mood: AtomicU8::new(0),
            requests: AtomicU64::new(0),
            arrivals: log.then(|| Mutex::new(Vec::new())),
            stop: AtomicBool::new(false),
        });
        let served = shared.clone();
        let thread = std::thread::spawn(move || {
            let served = fusebox_benchmarks::pin::this_thread(core).and_then(|()| serve(listener, &served));
            if let Err(error) = served {
                eprintln!("proxy: the backend stopped: {error}");
            }
        });
        Ok(Backend { address, shared, thread: Some(thread) })
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.shared.mood.store(mood as u8, Relaxed);
    }

    /// Requests that arrived so far, health checks not counted.
    pub(crate) fn requests(&self) -> u64 {
        self.shared.requests.load(Relaxed)
    }

    /// The first logged arrival from `moment` on.
    pub(crate) fn first_arrival_from(&self, moment: Instant) -> Option<Instant> {
        let arrivals = self.shared.arrivals.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.iter().copied().find(|arrival| *arrival >= moment)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

fn serve(mut listener: TcpListener, shared: &Shared) -> io::Result<()> {
    let well = [b"HTTP/1.1 200 OK\r\ncontent-length: 128\r\n\r\n".as_slice(), &BODY].concat();
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections: HashMap<usize, Connection> = HashMap::new();
    let mut next = 0;
    while !shared.stop.load(Relaxed) {
        match poll.poll(&mut events, Some(Duration::from_millis(100))) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    poll.registry().register(&mut stream, Token(next), Interest::READABLE)?;
                    connections.insert(next, Connection { stream, unread: Vec::new() });
                    next += 1;
                }
            } else if let Some(connection) = connections.get_mut(&event.token().0)
                && !answer(connection, shared, &well)
            {
                connections.remove(&event.token().0);
            }
        }
    }
    Ok(())
}

/// Reads what there is and answers every whole request. False when the connection is over.
fn answer(connection: &mut Connection, shared: &Shared, well: &[u8]) -> bool {
    let mut chunk = [0; 4096];
    loop {
        let read = match connection.stream.read(&mut chunk) {
            Ok(0) => return false,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(_) => return false,
        };
        connection.unread.extend_from_slice(&chunk[..read]);
        while let Some(end) = connection.unread.windows(4).position(|four| four == b"\r\n\r\n") {
            let health = connection.unread.starts_with(HEALTH);
            connection.unread.drain(..end + 4);
            if !health {
                shared.requests.fetch_add(1, Relaxed);
                if let Some(arrivals) = &shared.arrivals {
                    arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                }
            }
            let written = match shared.mood.load(Relaxed) {
                0 => connection.stream.write(well),
                1 => {
                    connection.stream.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
                }
                _ => continue,
            };
            if written.is_err() {
                return false;
            }
        }
        if read < chunk.len() {
            return true;
        }
    }
}
