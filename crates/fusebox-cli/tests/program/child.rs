//! The real program, run as a child process, and a small server for it to protect.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::thread;

/// The program with these arguments, words apart by spaces, in an empty folder.
pub(crate) fn fusebox(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fusebox"));
    command.args(arguments.split_whitespace()).stdin(Stdio::null());
    command.current_dir(empty_folder()).env_remove("NO_COLOR").env("TMPDIR", env!("CARGO_TARGET_TMPDIR"));
    command.env_remove("FUSEBOX_ADMIN").env_remove("FUSEBOX_TOKEN");
    command
}

/// Runs the program to its end.
pub(crate) fn output(arguments: &str) -> Output {
    fusebox(arguments).output().expect("the program starts")
}

/// What was written, as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder without a `fusebox.toml`.
pub(crate) fn empty_folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("empty");
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

/// A program that runs, and what it says. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    said: String,
}

impl Running {
    pub(crate) fn start(arguments: &str) -> Running {
        let mut child = fusebox(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        Running { child, out, said: String::new() }
    }

    /// Reads on until a line that holds `words`, and returns it.
    pub(crate) fn line_with(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.out.read_line(&mut line).expect("text");
            self.said += &line;
            if read == 0 {
                let mut errors = String::new();
                let mut pipe: ChildStderr = self.child.stderr.take().expect("a pipe");
                pipe.read_to_string(&mut errors).expect("text");
                panic!("the program ended without saying {words:?}; it said\n{}\n{errors}", self.said);
            }
            if line.contains(words) {
                return line.trim_end().to_owned();
            }
        }
    }

    /// The address behind `http://` in the line that begins with `name`.
    pub(crate) fn address(&mut self, name: &str) -> SocketAddr {
        let line = self.line_with(&format!("  {name} "));
        let url = line.split("http://").nth(1).unwrap_or_else(|| panic!("no URL in {line:?}"));
        let address = url.split(['/', ',']).next().unwrap_or_default();
        address.parse().unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    /// Sends a signal, by its name without SIG.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "SIG{name} cannot be sent");
    }

    /// Stops reading what it says, as `head` does.
    pub(crate) fn close_output(&mut self) {
        let nowhere = fusebox("--version").stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut nowhere = nowhere;
        self.out = BufReader::new(nowhere.stdout.take().expect("a pipe"));
        nowhere.wait().expect("it ends");
    }

    /// What it wrote to standard error. It has ended.
    pub(crate) fn complaints(&mut self) -> String {
        let mut complaints = String::new();
        let mut pipe: ChildStderr = self.child.stderr.take().expect("a pipe");
        pipe.read_to_string(&mut complaints).expect("text");
        complaints
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that answers each request with what `answer` makes of it, and then closes the connection.
pub(crate) fn serve(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let answer = std::sync::Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || converse(stream, &*answer));
        }
    });
    address
}

fn converse(mut stream: TcpStream, answer: &dyn Fn(&str) -> String) {
    let mut head = String::new();
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    // The other side may have gone.
    let _ = stream.write_all(answer(&head).as_bytes());
}

/// A response with this status and body.
pub(crate) fn response(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// GETs `path`, and answers the whole response.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).expect("a response");
    text(&response)
}
