//! What a client sends, to the letter.
//!
//! A request with both `Transfer-Encoding` and `Content-Length` is how requests are smuggled past a proxy. hyper
//! follows RFC 9112 §6.1: it takes the first, takes the second away and closes the connection after the answer. That
//! is safe, but such a request is refused here, and what hyper has taken away can only be seen in the bytes
//! themselves. So the latest of them are kept.
//!
//! Which ones suffice follows from how hyper reads: within a call only once its buffer is used up, so that a read then
//! makes all earlier bytes old; and for a head onto what the last read has left over.

use crate::alarm::pause;
use crate::session::Session;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Room that is kept between requests.
const KEPT: usize = 4 << 10;

/// How long a client may go on sending after its last answer.
const LINGER: Duration = Duration::from_secs(1);

/// What a read is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A head, of which nothing was read on purpose yet.
    NewHead,
    /// The rest of a head.
    Head,
    /// A body, or whether the client is still there.
    Call,
}

/// The latest bytes.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    bytes: Vec<u8>,
    /// Where those of the last read begin.
    last: usize,
}

impl Raw {
    fn push(&mut self, read: &[u8], reading: Reading) {
        match reading {
            Reading::Call => self.bytes.clear(),
            Reading::Head => {}
            Reading::NewHead => {
                self.bytes.drain(..self.last);
                if self.bytes.capacity() > KEPT {
                    self.bytes.shrink_to(KEPT);
                }
            }
        }
        self.last = self.bytes.len();
        self.bytes.extend_from_slice(read);
    }

    /// Whether a head in it gives both a transfer coding and a length. Bytes of a body that look like such a head count
    /// too: they are the same client's.
    pub(crate) fn has_two_lengths(&self) -> bool {
        // Since the first request line after an empty line. One among its headers begins no head that sees more.
        let mut head = None;
        for line in self.bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end) {
            match &mut head {
                _ if line.is_empty() => head = None,
                Some((coding, length)) => {
                    *coding |= names(line, b"transfer-encoding:");
                    *length |= names(line, b"content-length:");
                    if *coding && *length {
                        return true;
                    }
                }
                None if line.ends_with(b" HTTP/1.1") => head = Some((false, false)),
                None => {}
            }
        }
        false
    }
}

fn names(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// A client's socket; keeps a copy of what comes and tells the session when something goes.
pub(crate) struct Tap {
    stream: TcpStream,
    session: Rc<Session>,
}

impl Tap {
    pub(crate) fn new(stream: TcpStream, session: Rc<Session>) -> Self {
        Tap { stream, session }
    }

    /// Says this and closes.
    pub(crate) async fn say_last(mut self, bytes: &[u8]) {
        // The socket's own buffer takes it; if it does not, there is nobody to read it.
        let _ = poll_fn(|cx| Poll::Ready(Pin::new(&mut self.stream).poll_write(cx, bytes))).await;
        self.linger().await;
    }

    /// Closes once the client has stopped sending, or soon. Closing on what it still sends would reset the connection, and
    /// the client might never read its answer (RFC 9112 §9.6).
    pub(crate) async fn linger(mut self) {
        let mut unwanted = vec![0; 16 << 10];
        let drain = poll_fn(|cx| {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            loop {
                let mut read = ReadBuf::new(&mut unwanted);
                ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
                if read.filled().is_empty() {
                    return Poll::Ready(io::Result::Ok(()));
                }
            }
        });
        tokio::select! {
            _ = drain => {}
            () = pause(LINGER) => {}
        }
    }

    /// Closes the connection in a way that the client cannot take for an ordinary end.
    pub(crate) fn reset(self) {
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let reading = self.session.reading();
        self.session.raw.borrow_mut().push(&buf.filled()[before..], reading);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.session.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.session.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n";

    fn raw(bytes: &str) -> Raw {
        let mut raw = Raw::default();
        raw.push(bytes.as_bytes(), Reading::NewHead);
        raw
    }

    #[test]
    fn both_are_seen_in_either_order_and_behind_other_bytes() {
        for head in [
            BOTH,
            "POST /a HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST /a HTTP/1.1\nTRANSFER-ENCODING: chunked\ncontent-length:3\n\n",
            "POST http://h HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            &format!("0\r\n\r\n{BOTH}"),
            &format!("the end of a body{BOTH}"),
        ] {
            assert!(raw(head).has_two_lengths(), "{head:?}");
        }
    }

    #[test]
    fn a_length_in_a_body_or_in_another_head_is_none() {
        for head in [
            "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nContent-Length: 3\r\n\r\n",
            "GET /b HTTP/1.1\r\nContent-Length: 0\r\n\r\nPOST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST /a HTTP/1.1\r\nX-Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert!(!raw(head).has_two_lengths(), "{head:?}");
        }
    }

    #[test]
    fn a_head_split_over_reads_is_seen_whole_wherever_it_began() {
        for cut in 1..BOTH.len() {
            let (start, rest) = BOTH.split_at(cut);
            let mut raw = raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            raw.push(format!("the end of a body{start}").as_bytes(), Reading::Call);
            raw.push(rest.as_bytes(), Reading::NewHead);
            assert!(raw.has_two_lengths(), "cut at {cut}");
        }
    }

    #[test]
    fn a_body_full_of_request_lines_is_looked_through_once() {
        // Looked through once for each of them, this would take hours.
        let body = "GET / HTTP/1.1\n".repeat(1 << 20);
        assert!(
            !raw(&format!("{body}\nPOST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"))
                .has_two_lengths()
        );
        assert!(raw(&format!("{body}{BOTH}")).has_two_lengths());
    }

    #[test]
    fn what_is_old_is_dropped() {
        let mut raw = raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        for _ in 0..100 {
            raw.push(&[b'x'; 9000], Reading::Call);
            assert_eq!(raw.bytes.len(), 9000);
        }
        for _ in 0..3 {
            raw.push(b"GET", Reading::NewHead);
        }
        assert_eq!(raw.bytes, b"GETGET");
        assert!(raw.bytes.capacity() <= 9000);
    }
}
