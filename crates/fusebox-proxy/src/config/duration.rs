//! Durations as people write them: `500ms`, `30s`, `1m30s`.

use fusebox_core::explain::UNITS;
pub(super) use fusebox_core::explain::span as show;
use std::time::Duration;

/// What a duration looks like, for error messages.
pub(super) const DURATION: &str =
    "a duration in quotes with its unit, as \"500ms\", \"30s\", \"5m\" or \"1h\"";

/// Longest duration: a year says "for ever" as well as anything longer, and timers can hold it.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// The duration `text` stands for: numbers with units, largest unit first; `None` if it is none, or longer than
/// a year.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let (mut sum, mut least) = (Duration::ZERO, u64::MAX);
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (digits, tail) = rest.split_at(number);
        let unit_end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let nanos = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        if nanos >= least {
            return None;
        }
        least = nanos;
        let part = Duration::try_from_secs_f64(digits.parse::<f64>().ok()? * (nanos as f64 / 1e9)).ok()?;
        sum = sum.checked_add(part).filter(|sum| *sum <= LONGEST)?;
        rest = tail;
    }
    (least < u64::MAX).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let millis = |text| parse(text).map(|span| span.as_millis());
        for (text, expected) in
            [("500ms", 500), ("0s", 0), ("30s", 30_000), ("1.5s", 1_500), ("1m30s", 90_000)]
        {
            assert_eq!(millis(text), Some(expected), "{text}");
        }
        assert_eq!(millis("1h"), Some(3_600_000));
        assert_eq!(parse("250us"), Some(Duration::from_micros(250)));
    }

    #[test]
    fn everything_else_is_refused() {
        let wrong = [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "5 parsecs",
            "30s1m",
            "1s1s",
            "1..5s",
            "inf",
            "400d",
            "1e9s",
            "9999999999999999h",
        ];
        for text in wrong {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_back(micros in 0u64..40_000_000_000) {
            let span = Duration::from_micros(micros);
            prop_assert_eq!(parse(&show(span)), Some(span));
        }
    }
}
