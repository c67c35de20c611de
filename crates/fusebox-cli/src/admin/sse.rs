//! Server-sent events, taken apart as their bytes arrive.

/// Longer than any frame that a proxy with thousands of circuits sends.
const LONGEST: usize = 64 << 20;

/// An event, or the sign of life that a comment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Event { id: Option<String>, name: String, data: String },
    Beat,
}

/// What has come, and is not yet a whole frame.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    id: Option<String>,
    name: String,
    data: String,
    has_data: bool,
    after_return: bool,
    /// How long to wait before the next connection, as the server wishes.
    pub(super) retry_ms: Option<u64>,
}

impl Parser {
    /// Takes `bytes` in; `None` when a frame has become longer than any is.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<Vec<Frame>> {
        let mut frames = Vec::new();
        for byte in bytes {
            match byte {
                // The second half of a line's end.
                b'\n' if self.after_return => {}
                b'\n' | b'\r' => frames.extend(self.end_line()),
                other => self.line.push(*other),
            }
            self.after_return = *byte == b'\r';
        }
        (self.line.len() + self.data.len() <= LONGEST).then_some(frames)
    }

    fn end_line(&mut self) -> Option<Frame> {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        if line.is_empty() {
            return self.end_frame();
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => return Some(Frame::Beat),
            "id" => self.id = Some(value.into()),
            "event" => self.name = value.into(),
            "retry" => self.retry_ms = value.parse().ok().or(self.retry_ms),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.data += value;
                self.has_data = true;
            }
            _ => {}
        }
        None
    }

    fn end_frame(&mut self) -> Option<Frame> {
        let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
        let event = Frame::Event { id: self.id.take(), name, data };
        std::mem::take(&mut self.has_data).then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: Option<&str>, name: &str, data: &str) -> Frame {
        Frame::Event { id: id.map(str::to_owned), name: name.into(), data: data.into() }
    }

    const STREAM: &str = "retry: 1500\nid: a-1\nevent: log\ndata: {\"ä\":1}\n\n:heartbeat\n\nevent: update\r\ndata: one\r\ndata:two\r\n\r\nid: a-2\n\n";

    #[test]
    fn a_stream_reads_alike_however_it_is_cut() {
        let expected =
            [event(Some("a-1"), "log", "{\"ä\":1}"), Frame::Beat, event(None, "update", "one\ntwo")];
        for size in 1..STREAM.len() {
            let mut parser = Parser::default();
            let pieces = STREAM.as_bytes().chunks(size);
            let frames: Vec<_> = pieces.flat_map(|piece| parser.feed(piece).expect("short")).collect();
            assert_eq!(frames, expected, "in pieces of {size}");
            assert_eq!(parser.retry_ms, Some(1500));
        }
    }

    #[test]
    fn a_frame_that_never_ends_is_given_up() {
        let mut parser = Parser::default();
        assert!(parser.feed(&vec![b'x'; LONGEST]).is_some());
        assert!(parser.feed(b"x").is_none());
    }
}
