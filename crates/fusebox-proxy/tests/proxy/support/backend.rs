//! Backends: a thread per connection that reads requests and does with them what the test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as a backend got it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// All values of a header.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        pairs.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }
}

#[derive(Debug, Default)]
struct Log {
    connections: usize,
    closed: usize,
    bytes: usize,
    requests: Vec<Received>,
}

type Behaviour = Arc<dyn Fn(&mut TcpStream, &Received) -> bool + Send + Sync>;

/// A backend on a free port.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Log>>,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl Backend {
    /// Does this with every request; answers whether the connection stays.
    pub(crate) fn start(
        behaviour: impl Fn(&mut TcpStream, &Received) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (log, behaviour) =
            (Arc::<Mutex<Log>>::default(), Arc::new(Mutex::new(Arc::new(behaviour) as Behaviour)));
        let backend = Backend { address, log, behaviour };
        let (log, behaviour) = (backend.log.clone(), backend.behaviour.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (log, behaviour) = (log.clone(), behaviour.clone());
                log.lock().expect("not poisoned").connections += 1;
                std::thread::spawn(move || {
                    serve(stream, &log, &behaviour);
                    log.lock().expect("not poisoned").closed += 1;
                });
            }
        });
        backend
    }

    /// Answers every request with these bytes.
    pub(crate) fn answering(answer: &'static str) -> Self {
        Backend::start(says(answer, true))
    }

    /// Answers every request with these bytes and closes.
    pub(crate) fn closing_after(answer: &'static str) -> Self {
        Backend::start(says(answer, false))
    }

    /// Answers with this status and a short body.
    pub(crate) fn status(status: u16) -> Self {
        let backend = Backend::answering("");
        backend.turn_to(status);
        backend
    }

    /// From now on, answers with this status.
    pub(crate) fn turn_to(&self, status: u16) {
        let answer = format!("HTTP/1.1 {status} Status\r\nContent-Length: 2\r\n\r\nok");
        self.now_does(move |stream, _| stream.write_all(answer.as_bytes()).is_ok());
    }

    pub(crate) fn now_does(
        &self,
        behaviour: impl Fn(&mut TcpStream, &Received) -> bool + Send + Sync + 'static,
    ) {
        *self.behaviour.lock().expect("not poisoned") = Arc::new(behaviour);
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.log.lock().expect("not poisoned").requests.clone()
    }

    /// How many requests reached it.
    pub(crate) fn reached(&self) -> usize {
        self.log.lock().expect("not poisoned").requests.len()
    }

    /// How many bytes reached it.
    pub(crate) fn bytes(&self) -> usize {
        self.log.lock().expect("not poisoned").bytes
    }

    pub(crate) fn connections(&self) -> usize {
        self.log.lock().expect("not poisoned").connections
    }

    /// How many of its connections have ended.
    pub(crate) fn closed(&self) -> usize {
        self.log.lock().expect("not poisoned").closed
    }
}

fn says(answer: &'static str, stays: bool) -> impl Fn(&mut TcpStream, &Received) -> bool {
    move |stream, _| stream.write_all(answer.as_bytes()).is_ok() && stays
}

fn serve(stream: TcpStream, log: &Mutex<Log>, behaviour: &Mutex<Behaviour>) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader, log) {
        log.lock().expect("not poisoned").requests.push(request.clone());
        let behave = behaviour.lock().expect("not poisoned").clone();
        if !behave(&mut writer, &request) {
            return;
        }
    }
}

/// Reads a request, its body too, unless its head says `x-body: later`.
fn read(reader: &mut BufReader<TcpStream>, log: &Mutex<Log>) -> Option<Received> {
    let mut request = Received::default();
    loop {
        let mut line = String::new();
        let read = reader.read_line(&mut line).ok()?;
        log.lock().expect("not poisoned").bytes += read;
        if read == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        request.head.push_str(&line);
    }
    if request.values("x-body") == ["later"] {
        return Some(request);
    }
    if let Some(length) = request.values("content-length").first().and_then(|length| length.parse().ok()) {
        request.body = vec![0; length];
        reader.read_exact(&mut request.body).ok()?;
    } else if request.values("transfer-encoding") == ["chunked"] {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            request.body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    }
    Some(request)
}

/// An address where nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// An address that takes no connection and refuses none, as long as the sockets live.
pub(crate) fn drop_syns() -> (SocketAddr, Vec<socket2::Socket>) {
    use socket2::{Domain, Socket, Type};
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let listener = socket();
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    listener.bind(&any.into()).expect("a free port");
    listener.listen(0).expect("listening");
    let address = listener.local_addr().expect("bound");
    let mut kept = vec![listener];
    // Nobody accepts: a few connections fill the queue, and the kernel drops what comes after.
    for _ in 0..4 {
        let filler = socket();
        filler.set_nonblocking(true).expect("a flag");
        let _ = filler.connect(&address);
        kept.push(filler);
    }
    (address.as_socket().expect("an IP address"), kept)
}
