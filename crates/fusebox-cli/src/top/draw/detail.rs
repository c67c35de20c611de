//! All about one circuit: what it is, why, what happened, which calls failed.

use super::Paint;
use super::spark::spark;
use crate::look;
use crate::operate::one::{self, All};
use crate::operate::words::{self, Face, Tone};
use crate::top::line::SECONDS;
use crate::top::model::{Entry, Model};
use fusebox_core::Time;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget};

/// Where values begin.
const INDENT: usize = 14;

/// Draws it into `area`, from the line `from` on.
pub(super) fn draw(model: &Model, now: Time, paint: Paint, (area, from): (Rect, u16), buffer: &mut Buffer) {
    let lines = match model.chosen() {
        Some(entry) => lines(entry, model, now, paint, area.width.into()),
        None => {
            let name = words::plain(model.chosen_name().unwrap_or("it"));
            vec![Line::from(Span::styled(
                format!("{name} is gone: nobody has called it for long"),
                paint.strong(),
            ))]
        }
    };
    let most = lines.len().saturating_sub(area.height.into());
    let from = from.min(u16::try_from(most).unwrap_or(u16::MAX));
    Paragraph::new(lines).scroll((from, 0)).render(area, buffer);
}

fn lines(entry: &Entry, model: &Model, now: Time, paint: Paint, width: usize) -> Vec<Line<'static>> {
    let face = Face::of(&entry.row);
    let mut lines = vec![Line::from(vec![
        Span::styled(format!("{} {} ", face.shape, face.word), paint.tone(face.tone)),
        Span::styled(words::plain(&entry.row.name), paint.strong()),
    ])];
    let mut row = entry.row.clone();
    let passed = now.since(entry.at);
    row.since_seconds_ago += passed.as_secs_f64();
    row.not_closed_seconds += if row.not_closed_seconds > 0.0 { passed.as_secs_f64() } else { 0.0 };
    row.retry_after_ms = row.retry_after_ms.map(|ms| ms.saturating_sub(passed.as_millis() as u64));
    if let Some(left) = row.hold.as_mut().and_then(|hold| hold.expires_in_seconds.as_mut()) {
        *left = (*left - passed.as_secs_f64()).max(0.0);
    }
    for (name, value) in one::standing(&row) {
        named(&mut lines, name, &value, paint, width);
    }
    let mut last = vec![Span::styled(format!("{:INDENT$}", "  last 2 min"), paint.quiet())];
    last.extend(spark(&entry.line, width.saturating_sub(INDENT).min(SECONDS), paint));
    lines.push(Line::from(last));
    match &model.detail {
        Some(detail) if detail.name == entry.row.name => match &detail.all {
            Ok(all) => told(&mut lines, all, paint, width),
            Err(why) => lines.push(Line::from(Span::styled(words::plain(why), paint.tone(Tone::Bad)))),
        },
        _ => lines.push(Line::from(Span::styled("reading the rest ...", paint.quiet()))),
    }
    lines
}

fn told(lines: &mut Vec<Line<'static>>, all: &All, paint: Paint, width: usize) {
    named(lines, "latency", &one::latency(&all.latency), paint, width);
    named(lines, "failures", &one::kinds(&all.failures), paint, width);
    head(lines, "TRANSITIONS (UTC, the latest first)", paint);
    for event in &all.history.events {
        named(lines, &words::time_of_day(&event.at), &one::happened(event), paint, width);
    }
    if all.history.events.is_empty() {
        lines.push(Line::from("  none"));
    }
    head(lines, "LAST FAILING CALLS", paint);
    for call in &all.failures.calls {
        let [ago, kind, took, what, endpoint, trace] = one::failed_call(call, &all.failures.generated_at);
        let traced = if trace == "-" { String::new() } else { format!("  trace {trace}") };
        let text = format!("{kind:14} {took:>7}  {what}  {endpoint}{traced}");
        named(lines, &format!("{ago} ago"), &text, paint, width);
    }
    if all.failures.calls.is_empty() {
        lines.push(Line::from("  none"));
    }
}

fn head(lines: &mut Vec<Line<'static>>, text: &'static str, paint: Paint) {
    lines.push(Line::default());
    lines.push(Line::from(Span::styled(text, paint.strong())));
}

fn named(lines: &mut Vec<Line<'static>>, name: &str, value: &str, paint: Paint, width: usize) {
    for (at, part) in wrapped(value, width.saturating_sub(INDENT).max(1)).into_iter().enumerate() {
        let name = if at == 0 { name } else { "" };
        let name = Span::styled(format!("{:INDENT$}", format!("  {name}")), paint.quiet());
        lines.push(Line::from(vec![name, Span::raw(part)]));
    }
}

/// As text is wrapped, unless it is aligned by spaces.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    if text.chars().count() <= width { vec![text.to_owned()] } else { look::wrapped(text, width) }
}
