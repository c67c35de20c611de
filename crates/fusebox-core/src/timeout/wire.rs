//! A deadline on the wire: how much time a call has left, told to the next hop.
//!
//! What travels is a *span*, not a moment: clocks of two machines differ, and what is left does not. Each hop takes off
//! what has passed since it was told, by writing what is left *now* until its own deadline; and every rounding is
//! down. So the span only ever shrinks on its way, and nobody works on for a caller who has gone.
//!
//! Two spellings: the header [`DEADLINE`] in decimal milliseconds, and gRPC's [`GRPC_TIMEOUT`] (up to eight
//! digits and a unit; "gRPC over HTTP2", Requests).
//!
//! # Examples
//!
//! ```
//! use fusebox_core::Time;
//! use fusebox_core::timeout::wire;
//!
//! // A call came with 250 ms left and goes on to the next service 40 ms later.
//! let ends = Time::from_secs(9) + wire::parse_deadline("250")?;
//! let left = wire::left(ends, Time::from_millis(9_040)).expect("it has a deadline");
//! assert_eq!(wire::format_deadline(left).as_str(), "210");
//! assert_eq!(wire::format_grpc(left).as_str(), "210000u");
//! # Ok::<(), wire::Malformed>(())
//! ```

pub use super::wire_text::Text;

use crate::Time;
use core::fmt;
use core::time::Duration;

/// The header with the milliseconds that a call has left.
pub const DEADLINE: &str = "fusebox-deadline-ms";
/// The header with the time that a gRPC call has left.
pub const GRPC_TIMEOUT: &str = "grpc-timeout";

/// The greatest value of eight digits.
const EIGHT_DIGITS: u128 = 99_999_999;

/// gRPC's units in nanoseconds, finest first.
const UNITS: [(u8, u128); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60_000_000_000),
    (b'H', 3_600_000_000_000),
];

/// A header that says no deadline. Whoever reads it may answer 400, or go on as if there were none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// There is nothing in it.
    Empty,
    /// Something other than a decimal digit stands where the number should.
    NotANumber,
    /// More than the eight digits that gRPC allows.
    TooManyDigits,
    /// None of gRPC's units: `H`, `M`, `S`, `m`, `u` or `n`.
    NoUnit,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Empty => "the header is empty",
            Malformed::NotANumber => "it is not a decimal number without a sign",
            Malformed::TooManyDigits => "it has more than eight digits",
            Malformed::NoUnit => "it does not end in one of H, M, S, m, u, n",
        })
    }
}

impl core::error::Error for Malformed {}

/// What to tell the next hop of a call that ends at `ends`, the sooner of its deadline and its attempt's timeout; `None`
/// if it never ends. Nothing is left when `ends` has passed.
pub fn left(ends: Time, now: Time) -> Option<Duration> {
    (ends != Time::NEVER).then(|| ends.since(now))
}

/// The value of [`DEADLINE`] for a call with so much time left, in whole milliseconds, rounded down.
pub fn format_deadline(left: Duration) -> Text {
    Text::new(left.as_millis(), None)
}

/// Reads a value of [`DEADLINE`]. A number that is too large is as long as it can be.
///
/// # Errors
///
/// A value that is no decimal number. A sign, a space and a fraction are none.
pub fn parse_deadline(text: &str) -> Result<Duration, Malformed> {
    let millis = number(text.as_bytes())?;
    Ok(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
}

/// The value of [`GRPC_TIMEOUT`] for a call with so much time left: in the finest unit that eight digits hold, rounded
/// down; 99,999,999 hours at most.
pub fn format_grpc(left: Duration) -> Text {
    let nanos = left.as_nanos();
    let fitting = UNITS.iter().find(|(_, unit)| nanos / unit <= EIGHT_DIGITS);
    match fitting {
        Some((name, unit)) => Text::new(nanos / unit, Some(*name)),
        None => Text::new(EIGHT_DIGITS, Some(b'H')),
    }
}

/// Reads a value of [`GRPC_TIMEOUT`]. Zero is allowed: the caller's time is up.
///
/// # Errors
///
/// A value that is not one to eight decimal digits and a unit.
pub fn parse_grpc(text: &str) -> Result<Duration, Malformed> {
    let (name, digits) = text.as_bytes().split_last().ok_or(Malformed::Empty)?;
    let (_, unit) = UNITS.iter().find(|(known, _)| known == name).ok_or(Malformed::NoUnit)?;
    if digits.len() > 8 {
        return Err(Malformed::TooManyDigits);
    }
    let nanos = number(digits)? * unit;
    Ok(Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32))
}

/// A decimal number of any length, saturating.
fn number(digits: &[u8]) -> Result<u128, Malformed> {
    if digits.is_empty() {
        return Err(Malformed::Empty);
    }
    digits.iter().try_fold(0u128, |number, digit| match digit {
        b'0'..=b'9' => Ok(number.saturating_mul(10).saturating_add(u128::from(digit - b'0'))),
        _ => Err(Malformed::NotANumber),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spans() -> impl Strategy<Value = Duration> {
        // Of every magnitude alike, from a nanosecond to as long as a span can be.
        (0..65u32, any::<u64>(), 0..1_000_000_000u32)
            .prop_map(|(bits, secs, nanos)| Duration::new(secs.checked_shr(bits).unwrap_or(0), nanos))
    }

    proptest! {
        #[test]
        fn no_span_gets_longer_on_the_wire(span in spans()) {
            let millis = parse_deadline(format_deadline(span).as_str()).expect("our own");
            prop_assert!(millis <= span);
            if span < Duration::from_millis(u64::MAX) {
                prop_assert!(span - millis < Duration::from_millis(1));
            }
            let grpc = format_grpc(span);
            let read = parse_grpc(grpc.as_str()).expect("our own");
            prop_assert!(grpc.as_str().len() <= 9 && read <= span);
            if span < Duration::from_secs(3_600 * 99_999_999) {
                // Eight digits of which the first may be a one: a ten-thousandth at least of a unit's sixtieth.
                prop_assert!(span - read <= span / 100_000, "{span:?} became {read:?}");
            }
        }

        #[test]
        fn nothing_that_comes_over_the_wire_breaks_the_reader(text in ".{0,30}", digits in "[0-9]{0,40}[HMSmunx]?") {
            for text in [text, digits] {
                let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                prop_assert_eq!(parse_deadline(&text).is_ok(), is_number);
                let (unit, rest) = (text.chars().last(), text.chars().count().saturating_sub(1));
                let has_unit = unit.is_some_and(|unit| "HMSmun".contains(unit));
                let is_grpc = has_unit
                    && (1..=8).contains(&rest)
                    && text.chars().take(rest).all(|c| c.is_ascii_digit());
                prop_assert_eq!(parse_grpc(&text).is_ok(), is_grpc);
            }
        }

        #[test]
        fn a_span_shrinks_at_each_hop_by_what_has_passed(
            span in 0..10_000_000_000_000u64,
            passed in proptest::collection::vec(0..1_000_000_000u64, 1..6),
        ) {
            let mut told = Duration::from_nanos(span);
            for passed in passed {
                let before = told;
                let (came, goes) = (Time::from_secs(7), Time::from_secs(7).plus_nanos(passed));
                let left = left(came + told, goes).expect("it has a deadline");
                told = parse_grpc(format_grpc(left).as_str()).expect("our own");
                prop_assert!(told <= before.saturating_sub(Duration::from_nanos(passed)));
            }
        }
    }

    #[test]
    fn the_header_is_whole_milliseconds() {
        assert_eq!(format_deadline(Duration::from_micros(1_234_999)).as_str(), "1234");
        assert_eq!(format_deadline(Duration::ZERO).as_str(), "0");
        assert_eq!(parse_deadline("0250"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_deadline(&"9".repeat(99)), Ok(Duration::from_millis(u64::MAX)), "it saturates");
        assert_eq!(parse_deadline(""), Err(Malformed::Empty));
        for text in ["-1", "+1", "1.5", " 1", "1 ", "1s", "٣"] {
            assert_eq!(parse_deadline(text), Err(Malformed::NotANumber), "{text}");
        }
    }

    #[test]
    fn grpc_takes_the_finest_unit_that_fits() {
        let text = |span| alloc::string::ToString::to_string(&format_grpc(span));
        assert_eq!(text(Duration::from_nanos(99_999_999)), "99999999n");
        assert_eq!(text(Duration::from_millis(100)), "100000u");
        assert_eq!(text(Duration::from_secs(100)), "100000m");
        assert_eq!(text(Duration::from_secs(100_000)), "100000S");
        assert_eq!(text(Duration::from_secs(6_000_000_000)), "1666666H");
        assert_eq!(text(Duration::MAX), "99999999H");
        assert_eq!(text(Duration::ZERO), "0n");
    }

    #[test]
    fn grpc_reads_what_the_specification_allows_and_nothing_else() {
        assert_eq!(parse_grpc("2H"), Ok(Duration::from_secs(7_200)));
        assert_eq!(parse_grpc("3M"), Ok(Duration::from_secs(180)));
        assert_eq!(parse_grpc("00000150m"), Ok(Duration::from_millis(150)));
        assert_eq!(parse_grpc("99999999H"), Ok(Duration::from_secs(99_999_999 * 3_600)));
        assert_eq!(parse_grpc("100000000n"), Err(Malformed::TooManyDigits));
        assert_eq!(parse_grpc(""), Err(Malformed::Empty));
        assert_eq!(parse_grpc("m"), Err(Malformed::Empty));
        assert_eq!(parse_grpc("100"), Err(Malformed::NoUnit));
        assert_eq!(parse_grpc("1s"), Err(Malformed::NoUnit));
        assert_eq!(parse_grpc("-1m"), Err(Malformed::NotANumber));
    }

    #[test]
    fn a_call_that_never_ends_tells_nothing_and_one_that_has_ended_zero() {
        assert_eq!(left(Time::NEVER, Time::from_secs(1)), None);
        assert_eq!(left(Time::from_secs(1), Time::from_secs(2)), Some(Duration::ZERO));
    }
}
