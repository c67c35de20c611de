//! What stands before the rest: the question before an override, and the keys.

use super::Paint;
use crate::admin::shapes::{Done, Standing};
use crate::look;
use crate::operate::words::{self, Face, Tone};
use crate::top::dialog::{ACTIONS, Dialog, Field, Step};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Widget};

const WIDTH: u16 = 64;

/// The question before a circuit is held.
pub(super) fn dialog(dialog: &Dialog, paint: Paint, buffer: &mut Buffer) {
    let width = usize::from(WIDTH.min(buffer.area.width)).saturating_sub(4);
    let mut lines = vec![field(dialog, Field::Action, "what", ACTIONS[dialog.action].1, paint)];
    lines.push(field(dialog, Field::Reason, "why", &dialog.reason, paint));
    if dialog.is_for_a_time() {
        lines.push(field(dialog, Field::Span, "for", &dialog.span, paint));
    }
    lines.push(Line::default());
    lines.extend(step(&dialog.step, paint, width));
    framed(&format!(" {} ", words::plain(&dialog.circuit)), lines, paint, buffer);
}

fn field(dialog: &Dialog, field: Field, name: &str, value: &str, paint: Paint) -> Line<'static> {
    let is_here = dialog.field == field;
    let (mark, cursor) = match (is_here, field) {
        (true, Field::Action) => ("›", "  ←→"),
        (true, _) => ("›", "▏"),
        (false, _) => (" ", ""),
    };
    let style = if is_here { paint.strong() } else { paint.quiet() };
    Line::from(vec![
        Span::styled(format!("{mark} {name:5}"), style),
        Span::raw(format!("{}{cursor}", words::plain(value))),
    ])
}

fn step(step: &Step, paint: Paint, width: usize) -> Vec<Line<'static>> {
    let said = |text: &str, style| {
        let lines = look::wrapped(&words::plain(text), width).into_iter();
        lines.map(|line| Line::from(Span::styled(line, style))).collect::<Vec<_>>()
    };
    match step {
        Step::Asking => said("Enter tries it: nothing is done yet", paint.quiet()),
        Step::Refused(why) => said(why, paint.tone(Tone::Bad)),
        Step::Sent { dry_run: true } => said("trying ...", paint.quiet()),
        Step::Sent { dry_run: false } => said("doing it ...", paint.quiet()),
        Step::Tried(done) => {
            let mut lines = vec![change(done, paint)];
            lines.extend(said("Enter does it, Esc leaves it", paint.strong()));
            lines
        }
    }
}

/// Before and after, as shapes and words.
fn change(done: &Done, paint: Paint) -> Line<'static> {
    let face = |standing: &Standing| match &standing.hold {
        Some(hold) => Face::held(&hold.mode),
        None => Face::state(&standing.state),
    };
    let styled = |face: Face| Span::styled(format!("{} {}", face.shape, face.word), paint.tone(face.tone));
    let left = done.after.hold.as_ref().and_then(|hold| words::left(hold, std::time::Duration::ZERO));
    let left = left.map(|left| format!(" for {}", words::span(left))).unwrap_or_default();
    let (before, after) = (styled(face(&done.before)), styled(face(&done.after)));
    Line::from(vec![Span::raw("would go "), before, Span::raw(" → "), after, Span::raw(left)])
}

/// What the keys do and the signs mean.
pub(super) fn help(paint: Paint, buffer: &mut Buffer) {
    let keys = [
        ("↑ ↓  j k", "choose a circuit; g and G the first, the last"),
        ("Enter", "all about it; Esc goes back"),
        ("/", "filter by name, service or state"),
        ("o", "hold, reset or release it; tried first"),
        ("q  Ctrl-C", "quit"),
        ("", ""),
        ("■ ◐ ●", "open, half-open, closed; in the line: went so then"),
        ("◆", "held by hand; ◇ shadows, ◕ ramps up"),
        ("▁▄█ ·", "share failed or rejected; nobody called"),
        ("52%/50%", "measured, and where it opens"),
    ];
    let line = |(key, what): (&str, &str)| {
        Line::from(vec![Span::styled(format!("{key:11}"), paint.strong()), Span::raw(what.to_owned())])
    };
    framed(" help ", keys.map(line).to_vec(), paint, buffer);
}

fn framed(title: &str, lines: Vec<Line<'static>>, paint: Paint, buffer: &mut Buffer) {
    let screen = buffer.area;
    let width = WIDTH.min(screen.width);
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(screen.height.saturating_sub(1));
    let area = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    };
    Clear.render(area, buffer);
    let block = Block::bordered().title(Span::styled(title.to_owned(), paint.strong()));
    let inner = block.inner(area);
    block.render(area, buffer);
    let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
    Paragraph::new(lines).render(inner, buffer);
}
