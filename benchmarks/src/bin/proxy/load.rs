//! The load: keep-alive connections, either each sending its next request as soon as it has its answer (closed), or
//! one request at each tick of a timer whatever the answers do (open). One thread, one event loop.

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// How requests come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// So many connections, so many requests in all, each connection as fast as it is answered.
    Closed { connections: usize, requests: usize },
    /// So many requests a second for so long.
    Open { per_second: u32, span: Duration },
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Status(u16),
    /// The connection broke, or what came was no response.
    Broken,
    /// No answer by the end of the run.
    Missing,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// When it was due.
    pub(crate) at: Instant,
    /// From then to the whole answer.
    pub(crate) took: Duration,
    pub(crate) answer: Answer,
}

/// What a load saw.
pub(crate) struct Seen {
    pub(crate) samples: Vec<Sample>,
    pub(crate) elapsed: Duration,
}

const REQUEST: &[u8] =
    b"GET /item/42 HTTP/1.1\r\nhost: bench.test\r\nuser-agent: bench\r\naccept: */*\r\n\r\n";
const TIMER: Token = Token(usize::MAX);
/// How long the last answers of an open load are waited for, and any answer of a closed one.
const PATIENCE: Duration = Duration::from_secs(3);

struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
    waiting_since: Option<Instant>,
}

struct Load {
    target: SocketAddr,
    poll: Poll,
    connections: Vec<Connection>,
    idle: Vec<usize>,
    samples: Vec<Sample>,
}

/// Runs a load against `target` on the calling thread.
pub(crate) fn run(target: SocketAddr, pace: Pace) -> io::Result<Seen> {
    let mut load = Load {
        target,
        poll: Poll::new()?,
        connections: Vec::new(),
        idle: Vec::new(),
        samples: Vec::with_capacity(match pace {
            Pace::Closed { requests, .. } => requests,
            Pace::Open { per_second, span } => (span.as_secs() as usize + 1) * per_second as usize,
        }),
    };
    let begin = Instant::now();
    match pace {
        Pace::Closed { connections, requests } => load.closed(connections, requests)?,
        Pace::Open { per_second, span } => load.open(Duration::from_secs(1) / per_second, span)?,
    }
    Ok(Seen { elapsed: begin.elapsed(), samples: load.samples })
}

impl Load {
    fn closed(&mut self, connections: usize, requests: usize) -> io::Result<()> {
        let mut unsent = requests;
        for _ in 0..connections.min(requests) {
            self.send(Instant::now())?;
            unsent -= 1;
        }
        let mut events = Events::with_capacity(1024);
        while self.samples.len() < requests {
            if !self.wait(&mut events, PATIENCE)? {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer for 3 s"));
            }
            for event in &events {
                self.receive(event.token().0);
                while unsent > 0 && !self.idle.is_empty() {
                    self.send(Instant::now())?;
                    unsent -= 1;
                }
            }
        }
        Ok(())
    }

    fn open(&mut self, interval: Duration, span: Duration) -> io::Result<()> {
        let timer = ticking(interval)?;
        let fd = timer.as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), TIMER, Interest::READABLE)?;
        let mut events = Events::with_capacity(1024);
        let mut due = Instant::now();
        let end = due + span;
        let waiting = |load: &Load| load.connections.iter().any(|c| c.waiting_since.is_some());
        while Instant::now() < end || (waiting(self) && Instant::now() < end + PATIENCE) {
            self.wait(&mut events, Duration::from_millis(50))?;
            for event in &events {
                match event.token() {
                    TIMER => _ = rustix::io::read(&timer, &mut [0; 8]),
                    Token(index) => self.receive(index),
                }
            }
            while due <= Instant::now() && due < end {
                self.send(due)?;
                due += interval;
            }
        }
        for index in 0..self.connections.len() {
            self.conclude(index, Answer::Missing);
        }
        Ok(())
    }

    /// Waits for events; false if there were none.
    fn wait(&mut self, events: &mut Events, patience: Duration) -> io::Result<bool> {
        match self.poll.poll(events, Some(patience)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            polled => polled.map(|()| !events.is_empty()),
        }
    }

    /// Sends a request that was due at `due` on an idle connection, or on a new one.
    fn send(&mut self, due: Instant) -> io::Result<()> {
        let index = match self.idle.pop() {
            Some(index) => index,
            None => {
                self.connections.push(connect(self.target)?);
                let index = self.connections.len() - 1;
                self.register(index)?;
                index
            }
        };
        let connection = &mut self.connections[index];
        connection.waiting_since = Some(due);
        match connection.stream.write(REQUEST) {
            Ok(written) if written == REQUEST.len() => Ok(()),
            // The other side closed an idle connection: that is its right, and no answer is lost by it.
            _ => {
                self.reconnect(index)?;
                let written = self.connections[index].stream.write(REQUEST)?;
                if written == REQUEST.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
            }
        }
    }

    /// Reads what there is on a connection.
    fn receive(&mut self, index: usize) {
        let mut chunk = [0; 4096];
        let connection = &mut self.connections[index];
        loop {
            let read = match connection.stream.read(&mut chunk) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => 0,
            };
            connection.unread.extend_from_slice(&chunk[..read]);
            let parsed = parse(&connection.unread);
            match parsed {
                Ok(Some((status, length))) if connection.waiting_since.is_some() => {
                    connection.unread.drain(..length);
                    return self.conclude(index, Answer::Status(status));
                }
                Ok(_) if read == chunk.len() => {}
                Ok(_) if read > 0 && connection.waiting_since.is_some() => return,
                Ok(_) | Err(_) => {
                    let broken = self.reconnect(index);
                    // A connection that ends while idle, even with a word, is nobody's failure.
                    self.conclude(index, Answer::Broken);
                    return if let Err(error) = broken {
                        eprintln!("proxy: cannot reconnect: {error}");
                    };
                }
            }
        }
    }

    fn conclude(&mut self, index: usize, answer: Answer) {
        if let Some(at) = self.connections[index].waiting_since.take() {
            self.samples.push(Sample { at, took: at.elapsed(), answer });
            self.idle.push(index);
        }
    }

    fn reconnect(&mut self, index: usize) -> io::Result<()> {
        let waiting_since = self.connections[index].waiting_since;
        self.connections[index] = Connection { waiting_since, ..connect(self.target)? };
        self.register(index)
    }

    fn register(&mut self, index: usize) -> io::Result<()> {
        let stream = &mut self.connections[index].stream;
        self.poll.registry().register(stream, Token(index), Interest::READABLE)
    }
}

fn connect(target: SocketAddr) -> io::Result<Connection> {
    // Blocking: on loopback it is done in microseconds, and then the socket is ready to be written to.
    let stream = std::net::TcpStream::connect_timeout(&target, Duration::from_secs(2))?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(Connection { stream: TcpStream::from_std(stream), unread: Vec::new(), waiting_since: None })
}

/// A whole response at the beginning of `bytes`: its status and its length. An error if it can be none.
fn parse(bytes: &[u8]) -> Result<Option<(u16, usize)>, ()> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).map_err(drop)? else { return Ok(None) };
    let status = response.code.ok_or(())?;
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body: usize = match length {
        Some(header) => std::str::from_utf8(header.value).map_err(drop)?.trim().parse().map_err(drop)?,
        None => return Err(()),
    };
    Ok((bytes.len() >= head + body).then_some((status, head + body)))
}

fn ticking(interval: Duration) -> io::Result<OwnedFd> {
    let interval = Timespec {
        tv_sec: interval.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: interval.subsec_nanos().into(),
    };
    let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
    let spec = Itimerspec { it_interval: interval, it_value: interval };
    rustix::time::timerfd_settime(&timer, TimerfdTimerFlags::empty(), &spec)?;
    Ok(timer)
}

/// Opens so many connections, sends a request on every one, then reads every answer; the connections stay open as
/// long as what is returned.
pub(crate) fn hold(target: SocketAddr, connections: usize) -> io::Result<Vec<std::net::TcpStream>> {
    let mut held = Vec::with_capacity(connections);
    for _ in 0..connections {
        let stream = std::net::TcpStream::connect_timeout(&target, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        held.push(stream);
    }
    for stream in &mut held {
        stream.write_all(REQUEST)?;
    }
    for stream in &mut held {
        let (mut unread, mut chunk) = (Vec::new(), [0; 4096]);
        while !matches!(parse(&unread), Ok(Some((200, _)))) {
            match stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => unread.extend_from_slice(&chunk[..read]),
            }
        }
    }
    Ok(held)
}
