//! Styles: few, each with one meaning, and none without a word or a shape that says the same.

use crate::operate::words::Tone;
use ratatui::style::{Color, Modifier, Style};

/// How things look, with colours or without.
#[derive(Clone, Copy, Debug)]
pub(in crate::top) struct Paint {
    /// Whether colours are wanted.
    pub(in crate::top) colour: bool,
}

impl Paint {
    pub(super) fn tone(self, tone: Tone) -> Style {
        let strong = Style::new().add_modifier(Modifier::BOLD);
        match (self.colour, tone) {
            (true, Tone::Good) => Style::new().fg(Color::Green),
            (true, Tone::Doubtful) => Style::new().fg(Color::Yellow),
            (true, Tone::Bad) => strong.fg(Color::Red),
            (false, Tone::Bad) => strong,
            (false, _) => Style::new(),
        }
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// The row that is chosen.
    pub(super) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What must not be overlooked.
    pub(super) fn alarm(self) -> Style {
        self.tone(Tone::Bad).add_modifier(Modifier::REVERSED)
    }

    /// What somebody has done by hand.
    pub(super) fn banner(self) -> Style {
        let style = Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD);
        if self.colour { style.fg(Color::Yellow) } else { style }
    }
}
