//! The last two minutes in a row: as high as the share of calls that went wrong, with the transitions in it.

use super::Paint;
use crate::operate::words::{Face, Tone};
use crate::top::line::{Stretch, TimeLine};
use ratatui::text::Span;

const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// Nobody called.
const QUIET: &str = "·";

/// `line` in so many columns, the newest at the right.
pub(super) fn spark(line: &TimeLine, width: usize, paint: Paint) -> Vec<Span<'static>> {
    if width == 0 {
        return Vec::new();
    }
    line.stretches(width).iter().map(|stretch| column(stretch, paint)).collect()
}

fn column(stretch: &Stretch, paint: Paint) -> Span<'static> {
    if let Some(state) = &stretch.to {
        let face = Face::state(state);
        return Span::styled(face.shape, paint.tone(face.tone).patch(paint.strong()));
    }
    if stretch.calls == 0 {
        return Span::styled(QUIET, paint.quiet());
    }
    let top = BARS.len() - 1;
    let height = (stretch.bad * top as f64).ceil() as usize;
    let tone = match (stretch.has_rejected, stretch.bad > 0.0) {
        (true, _) => Tone::Bad,
        (false, true) => Tone::Doubtful,
        (false, false) => Tone::Good,
    };
    Span::styled(BARS[height.min(top)], paint.tone(tone))
}
