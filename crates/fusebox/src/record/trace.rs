//! Which trace a call belongs to.

use std::fmt;

/// A trace's identity, as W3C Trace Context has it: sixteen bytes that are not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// `None` if every byte is zero, which stands for no trace.
    pub const fn new(bytes: [u8; 16]) -> Option<TraceId> {
        if u128::from_ne_bytes(bytes) == 0 { None } else { Some(TraceId(bytes)) }
    }

    /// Its bytes, the first one first.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// The trace that a `traceparent` header names (W3C Trace Context, level 1, section 3.2); `None` if it is not well
    /// formed. Of later versions, only what this one has is read.
    ///
    /// ```
    /// use fusebox::record::TraceId;
    ///
    /// let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// let trace = TraceId::of_traceparent(header).expect("well formed");
    /// assert_eq!(trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    /// ```
    pub fn of_traceparent(header: &str) -> Option<TraceId> {
        let (head, rest) = header.as_bytes().split_at_checked(55)?;
        let fields = (&head[..2], &head[3..35], &head[36..52], &head[53..]);
        let dashes = [head[2], head[35], head[52]];
        let (version, trace, parent, flags) = fields;
        let has_more = rest.first().is_some_and(|next| *next == b'-' && version != b"00");
        let is_hex = |text: &[u8]| text.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        let is_well_formed = dashes == *b"---"
            && (rest.is_empty() || has_more)
            && is_hex(version)
            && version != b"ff"
            && is_hex(parent)
            && parent.iter().any(|c| *c != b'0')
            && is_hex(flags);
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(trace.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        TraceId::new(bytes).filter(|_| is_well_formed)
    }
}

fn digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_later_version_may_say_more_and_this_one_may_not() {
        let of = |header: &str| TraceId::of_traceparent(header).map(|trace| trace.to_string());
        let known = Some(TRACE.to_owned());
        assert_eq!(of(&format!("00-{TRACE}-00f067aa0ba902b7-01")), known);
        assert_eq!(of(&format!("cc-{TRACE}-00f067aa0ba902b7-01")), known);
        assert_eq!(of(&format!("cc-{TRACE}-00f067aa0ba902b7-01-what")), known);
        assert_eq!(of(&format!("00-{TRACE}-00f067aa0ba902b7-01-what")), None);
        assert_eq!(of(&format!("cc-{TRACE}-00f067aa0ba902b7-01.what")), None);
    }

    #[test]
    fn what_is_not_well_formed_names_no_trace() {
        for header in [
            "",
            "00",
            TRACE,
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01ä",
        ] {
            assert_eq!(TraceId::of_traceparent(header), None, "{header}");
        }
    }
}
