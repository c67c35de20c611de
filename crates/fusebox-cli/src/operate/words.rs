//! What operators read, in the fewest words that say it: a shape and a word for each state, short spans, and what
//! is measured beside where it opens.

use crate::admin::shapes::{Hold, Row};
use crate::look::{self, Look};
use std::time::{Duration, SystemTime};

/// How good or bad something is. A word beside it says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Doubtful,
    Bad,
}

impl Tone {
    /// Its colour in a line of text.
    pub(crate) fn look(self) -> Look {
        match self {
            Tone::Good => look::GOOD,
            Tone::Doubtful => look::DOUBTFUL,
            Tone::Bad => look::BAD,
        }
    }
}

/// A state: a shape, a word, a tone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Face {
    pub(crate) shape: &'static str,
    pub(crate) word: String,
    pub(crate) tone: Tone,
}

impl Face {
    fn new(shape: &'static str, word: impl Into<String>, tone: Tone) -> Face {
        Face { shape, word: word.into(), tone }
    }

    /// Of a circuit, as its callers experience it.
    pub(crate) fn of(row: &Row) -> Face {
        let shadow = row.shadow.as_deref().filter(|shadow| *shadow != "closed");
        match (&row.hold, shadow, row.ramp) {
            (Some(hold), _, _) => Face::held(&hold.mode),
            (None, Some(shadow), _) => Face::new("◇", format!("shadow: {}", word(shadow)), Tone::Doubtful),
            (None, None, Some(share)) if row.state == "closed" => {
                Face::new("◕", format!("ramp {}", percent(share)), Tone::Doubtful)
            }
            _ => Face::state(&row.state),
        }
    }

    /// Of a hold.
    pub(crate) fn held(mode: &str) -> Face {
        match mode {
            "forced_open" => Face::new("◆", "FORCED OPEN", Tone::Bad),
            "forced_closed" => Face::new("◆", "FORCED CLOSED", Tone::Doubtful),
            "disabled" => Face::new("◆", "DISABLED", Tone::Doubtful),
            "shadow" => Face::new("◆", "SHADOWED", Tone::Doubtful),
            other => Face::new("◆", plain(other).to_uppercase(), Tone::Doubtful),
        }
    }

    /// Of a state.
    pub(crate) fn state(state: &str) -> Face {
        match state {
            "open" => Face::new("■", word(state), Tone::Bad),
            "half_open" => Face::new("◐", word(state), Tone::Doubtful),
            "closed" => Face::new("●", word(state), Tone::Good),
            other => Face::new("?", word(other), Tone::Doubtful),
        }
    }

    /// As text, in its colour.
    pub(crate) fn painted(&self) -> String {
        self.tone.look().paint(format!("{} {}", self.shape, self.word))
    }
}

/// A state in words.
pub(crate) fn word(state: &str) -> String {
    match state {
        "open" => "OPEN".into(),
        "half_open" => "half-open".into(),
        other => plain(other),
    }
}

/// When callers may try again, or when a hold ends, `passed` after this was said.
pub(crate) fn next(row: &Row, passed: Duration) -> String {
    if let Some(hold) = &row.hold {
        return left(hold, passed).map_or("held".into(), |left| format!("held {}", span(left)));
    }
    let wait = row.retry_after_ms.map(|ms| Duration::from_millis(ms).saturating_sub(passed));
    match (row.state.as_str(), wait) {
        ("half_open", None) => match row.probes.needed {
            Some(needed) => format!("probe {}/{needed}", row.probes.good),
            None => "probing".into(),
        },
        (_, Some(Duration::ZERO)) => "now".into(),
        (_, Some(wait)) => format!("in {}", span(wait)),
        (_, None) => "-".into(),
    }
}

/// What is left of a hold.
pub(crate) fn left(hold: &Hold, passed: Duration) -> Option<Duration> {
    hold.expires_in_seconds.map(|left| seconds(left).saturating_sub(passed))
}

/// The share of failures beside where it opens, and whether it has come so far.
pub(crate) fn failures(row: &Row) -> (String, Tone) {
    let in_a_row = row.consecutive_threshold.map(|limit| (row.consecutive_failures, limit));
    match (row.failure_threshold, in_a_row) {
        (None, Some((count, limit))) if row.window_calls > 0 || count > 0 => {
            (format!("{count}/{limit} row"), tone(count as f64, limit as f64))
        }
        (limit, _) => measured(row, row.failure_rate, limit),
    }
}

/// The share of slow calls beside where it opens, and whether it has come so far.
pub(crate) fn slow(row: &Row) -> (String, Tone) {
    measured(row, row.slow_rate, row.slow_threshold)
}

fn measured(row: &Row, share: f64, limit: Option<f64>) -> (String, Tone) {
    match limit {
        _ if row.window_calls == 0 => ("-".into(), Tone::Good),
        Some(limit) => (format!("{}/{}", percent(share), percent(limit)), tone(share, limit)),
        None => (percent(share), Tone::Good),
    }
}

fn tone(value: f64, limit: f64) -> Tone {
    if value >= limit {
        Tone::Bad
    } else if value >= limit / 2.0 {
        Tone::Doubtful
    } else {
        Tone::Good
    }
}

/// A share of one.
pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        some @ 0.05..0.95 => format!("{some:.1}%"),
        much => format!("{much:.0}%"),
    }
}

/// So many a second.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        none if none < 0.005 => "0".into(),
        some if some < 9.95 => format!("{some:.1}"),
        many if many < 9_999.5 => format!("{many:.0}"),
        crowds => format!("{:.0}k", crowds / 1_000.0),
    }
}

/// Seconds as a span; what is no span is none.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// A span in its largest units.
pub(crate) fn span(span: Duration) -> String {
    match span.as_secs() {
        0..10 => format!("{:.1}s", span.as_secs_f64()),
        secs @ 10..60 => format!("{secs}s"),
        secs @ 60..3_600 => format!("{}m{:02}s", secs / 60, secs % 60),
        secs @ 3_600..172_800 => format!("{}h{:02}m", secs / 3_600, secs / 60 % 60),
        secs => format!("{}d", secs / 86_400),
    }
}

/// A latency in the unit that suits it.
pub(crate) fn latency(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".into(),
        Some(short) if short < 0.000_999_5 => format!("{:.0}µs", short * 1e6),
        Some(short) if short < 0.099_5 => format!("{:.1}ms", short * 1e3),
        Some(some) if some < 0.999_5 => format!("{:.0}ms", some * 1e3),
        Some(long) => format!("{long:.2}s"),
    }
}

/// From one date to another.
pub(crate) fn between(earlier: &str, later: &str) -> Option<Duration> {
    date(later)?.duration_since(date(earlier)?).ok()
}

/// A date as the interface writes it.
pub(crate) fn date(text: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339(text).ok()
}

/// The time of a date, to the second, in UTC.
pub(crate) fn time_of_day(date: &str) -> String {
    date.get(11..19).map_or_else(|| plain(date), plain)
}

/// `text` without anything that moves a terminal's cursor.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// `text` in at most `width` characters, with a sign where something is missing at the end.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain((width > 0).then_some('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(json: serde_json::Value) -> Row {
        serde_json::from_value(json).expect("a row")
    }

    #[test]
    fn every_state_has_a_shape_and_a_word() {
        let say = |json| {
            let face = Face::of(&row(json));
            format!("{} {}", face.shape, face.word)
        };
        use serde_json::json;
        assert_eq!(say(json!({"state": "open"})), "■ OPEN");
        assert_eq!(say(json!({"state": "half_open"})), "◐ half-open");
        assert_eq!(say(json!({"state": "closed"})), "● closed");
        assert_eq!(say(json!({"state": "closed", "ramp": 0.25})), "◕ ramp 25%");
        assert_eq!(say(json!({"state": "closed", "shadow": "open"})), "◇ shadow: OPEN");
        assert_eq!(say(json!({"state": "open", "hold": {"mode": "forced_open"}})), "◆ FORCED OPEN");
        assert_eq!(say(json!({"state": "\u{1b}[2J"})), "? \u{fffd}[2J");
    }

    #[test]
    fn what_comes_next_counts_down() {
        use serde_json::json;
        let after = |json, secs| next(&row(json), Duration::from_secs(secs));
        let open = json!({"state": "open", "retry_after_ms": 12_500});
        assert_eq!(after(open.clone(), 0), "in 12s");
        assert_eq!(after(open.clone(), 5), "in 7.5s");
        assert_eq!(after(open, 20), "now");
        assert_eq!(after(json!({"state": "half_open", "probes": {"good": 1, "needed": 3}}), 0), "probe 1/3");
        let held = json!({"state": "open", "hold": {"mode": "forced_open", "expires_in_seconds": 90.0}});
        assert_eq!(after(held, 20), "held 1m10s");
        assert_eq!(after(json!({"state": "closed"}), 0), "-");
    }

    #[test]
    fn a_measure_stands_beside_its_limit() {
        use serde_json::json;
        let of = |json| failures(&row(json));
        let calm = json!({"window_calls": 10, "failure_rate": 0.1, "failure_threshold": 0.5});
        assert_eq!(of(calm), ("10%/50%".into(), Tone::Good));
        let near = json!({"window_calls": 10, "failure_rate": 0.3, "failure_threshold": 0.5});
        assert_eq!(of(near), ("30%/50%".into(), Tone::Doubtful));
        let none = json!({"failure_rate": 0.0, "failure_threshold": 0.5});
        assert_eq!(of(none), ("-".into(), Tone::Good));
        let row = json!({"window_calls": 4, "consecutive_failures": 4, "consecutive_threshold": 4});
        assert_eq!(of(row), ("4/4 row".into(), Tone::Bad));
    }

    #[test]
    fn numbers_are_short() {
        let spans = [0.42, 12.0, 65.0, 3_700.0, 200_000.0].map(|secs| span(seconds(secs)));
        assert_eq!(spans, ["0.4s", "12s", "1m05s", "1h01m", "2d"]);
        assert_eq!([0.0, 0.31, 312.4, 12_345.0].map(rate), ["0", "0.3", "312", "12k"]);
        assert_eq!([0.0, 0.004, 0.5, 1.0].map(percent), ["0%", "0.4%", "50%", "100%"]);
        let latencies = [Some(0.000_3), Some(0.012), Some(0.25), Some(3.0), None].map(latency);
        assert_eq!(latencies, ["300µs", "12.0ms", "250ms", "3.00s", "-"]);
        assert_eq!(cut("abcdef", 4), "abc…");
    }

    #[test]
    fn dates_are_told_apart_and_in_short() {
        let (a, b) = ("2026-03-01T09:30:00.000Z", "2026-03-01T09:30:12.500Z");
        assert_eq!(between(a, b), Some(Duration::from_millis(12_500)));
        assert_eq!((between(b, a), between("soon", b)), (None, None));
        assert_eq!(time_of_day(b), "09:30:12");
    }
}
