//! How a run is shown: a table that is redrawn where a terminal can, plain lines elsewhere.

use super::scene::Scene;
use super::schedule::PHASES;
use super::table::{self, LEAST_HEIGHT, WIDTH, grouped};
use crate::look::{self, HEAD, QUIET};
use crate::output::Output;
use std::time::Duration;
use terminal_size::{Height, Width};

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
/// Between two lines of counts.
const SECOND: Duration = Duration::from_secs(1);

/// One run's display. Each method answers false once nobody looks any more.
#[derive(Debug)]
pub(super) enum Show {
    /// A table, redrawn in place.
    Table(Table),
    /// Lines.
    Lines(Lines),
}

impl Show {
    /// The display that standard output can take.
    pub(super) fn on(output: Output) -> Show {
        let size = terminal_size::terminal_size_of(std::io::stdout());
        match size {
            Some((Width(width), Height(height)))
                if output.is_live() && usize::from(width) >= WIDTH && usize::from(height) > LEAST_HEIGHT =>
            {
                Show::Table(Table { output, height: usize::from(height) - 1, drawn: 0 })
            }
            _ => Show::Lines(Lines { output, phase: None, told: 0, next: SECOND }),
        }
    }

    /// Shows a moment.
    pub(super) fn update(&mut self, scene: &Scene) -> bool {
        match self {
            Show::Table(table) => table.draw(&table::frame(scene, Some(table.height))),
            Show::Lines(lines) => lines.update(scene),
        }
    }

    /// Shows the last moment of a run, with everything that happened in it.
    pub(super) fn end(&mut self, scene: &Scene) -> bool {
        match self {
            Show::Table(table) => {
                let drawn = table.draw(&table::frame(scene, None));
                table.drawn = 0;
                drawn && table.output.say("")
            }
            Show::Lines(lines) => {
                lines.next = scene.elapsed;
                lines.update(scene)
            }
        }
    }
}

/// A table that is drawn over the one before.
#[derive(Debug)]
pub(super) struct Table {
    output: Output,
    height: usize,
    /// Lines on the screen that the next one replaces.
    drawn: usize,
}

impl Table {
    fn draw(&mut self, lines: &[String]) -> bool {
        let mut frame = String::from(HIDE_CURSOR);
        if self.drawn > 0 {
            frame += &format!("\x1b[{}A", self.drawn);
        }
        for line in lines {
            frame += &format!("\r{}{CLEAR_LINE}\n", self.output.coloured(line));
        }
        frame += CLEAR_BELOW;
        frame += SHOW_CURSOR;
        self.drawn = lines.len();
        self.output.draw(&frame)
    }
}

/// A line for each phase, each transition and each second.
#[derive(Debug)]
pub(super) struct Lines {
    output: Output,
    phase: Option<usize>,
    /// Transitions told so far.
    told: usize,
    next: Duration,
}

impl Lines {
    fn update(&mut self, scene: &Scene) -> bool {
        let mut heard = true;
        if self.phase != Some(scene.phase) {
            self.phase = Some(scene.phase);
            let text = format!("{}: {}", PHASES[scene.phase].name, scene.says());
            heard &= self.line(scene.elapsed, "phase", &HEAD.paint(text));
        }
        for change in scene.changes.iter().skip(self.told) {
            let text = format!("{} {}", look::state(change.change.to, 9), look::reason(&change.change));
            heard &= self.line(change.at, change.backend, &text);
        }
        self.told = scene.changes.len();
        if scene.elapsed >= self.next {
            self.next += SECOND;
            heard &= self.line(scene.elapsed, "calls", &QUIET.paint(counts(scene)));
        }
        heard
    }

    fn line(&self, at: Duration, what: &str, text: &str) -> bool {
        self.output.say(format!("{:>6}  {what:8}  {text}", look::seconds(at)))
    }
}

fn counts(scene: &Scene) -> String {
    let services = scene.services.iter().map(|(service, tally)| {
        let mut text = format!("{} {} answered", service.name(), grouped(tally.answered));
        let others = [(tally.fallbacks, "fallback"), (tally.rejected, "rejected"), (tally.failed, "failed")];
        for (count, what) in others {
            if count > 0 {
                text += &format!(", {} {what}", grouped(count));
            }
        }
        text
    });
    services.collect::<Vec<_>>().join(" | ")
}
