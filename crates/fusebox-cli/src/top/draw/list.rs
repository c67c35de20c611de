//! The circuits in a table, the worst first, and why the chosen one is as it is.

use super::spark::spark;
use super::{Paint, put, take_first};
use crate::look;
use crate::operate::words::{self, Face, Tone};
use crate::top::model::{Entry, Model};
use fusebox_core::Time;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// What a narrow screen has no room for.
const WIDE: usize = 104;
const MEDIUM: usize = 66;
/// Rows that the reason of the chosen circuit takes at most, its name included.
const WHY: u16 = 4;
/// The least height at which there is room for it.
const ROOMY: u16 = 12;
const LEAST_SPARK: usize = 8;
const MOST_SPARK: usize = 60;
const LEAST_NAME: usize = 10;

/// Draws them into `area`.
pub(super) fn draw(model: &Model, now: Time, paint: Paint, mut area: Rect, buffer: &mut Buffer) {
    let shown = model.shown();
    if area.height >= ROOMY {
        let why = Rect { y: area.bottom() - WHY, height: WHY, ..area };
        area.height -= WHY + 1;
        reason(model, now, paint, why, buffer);
    }
    let longest = shown.iter().map(|entry| entry.row.name.chars().count()).max().unwrap_or_default();
    let columns = Columns::fit(area.width.into(), longest);
    put(columns.head(paint), take_first(&mut area), buffer);
    if shown.is_empty() {
        let why = match model.known() {
            0 => "no circuits yet".to_owned(),
            known => format!("none of {known} matches /{}", words::plain(&model.filter)),
        };
        return put(Span::styled(why, paint.quiet()), area, buffer);
    }
    let room = usize::from(area.height);
    let chosen = shown.iter().position(|entry| Some(entry.row.name.as_str()) == model.chosen_name());
    let from = first_row(chosen.unwrap_or(0), shown.len(), room);
    for (at, entry) in shown.iter().enumerate().skip(from).take(room) {
        let row = take_first(&mut area);
        put(columns.row(entry, now, paint), row, buffer);
        if Some(at) == chosen {
            buffer.set_style(row, paint.chosen());
        }
    }
}

/// The first row that is shown, so that the chosen one is.
fn first_row(chosen: usize, rows: usize, room: usize) -> usize {
    (chosen + 1).saturating_sub(room).min(rows.saturating_sub(room))
}

fn reason(model: &Model, now: Time, paint: Paint, mut area: Rect, buffer: &mut Buffer) {
    let Some(entry) = model.chosen() else { return };
    let row = &entry.row;
    let width = usize::from(area.width);
    let face = Face::of(row);
    let since = words::span(words::seconds(row.since_seconds_ago) + now.since(entry.at));
    let head = Line::from(vec![
        Span::styled(format!("{} {} ", face.shape, face.word), paint.tone(face.tone)),
        Span::styled(words::plain(&row.name), paint.strong()),
        Span::styled(format!("  for {since}, service {}", words::plain(&row.service)), paint.quiet()),
    ]);
    put(head, take_first(&mut area), buffer);
    let why = row.reason.as_deref().map_or_else(|| calm(entry), words::plain);
    for line in look::wrapped(&why, width) {
        put(Span::raw(line), take_first(&mut area), buffer);
    }
}

fn calm(entry: &Entry) -> String {
    let row = &entry.row;
    format!(
        "{} calls/s; opens at {}; {} calls in the window, {} needed",
        words::rate(row.calls_per_second),
        row.failure_threshold.map_or("-".into(), |limit| format!("{} failed", words::percent(limit))),
        row.window_calls,
        row.minimum_calls
    )
}

/// How wide each column is; one of no width is left out.
#[derive(Debug)]
struct Columns {
    state: usize,
    name: usize,
    since: usize,
    next: usize,
    rejected: usize,
    failed: usize,
    slow: usize,
    spark: usize,
}

impl Columns {
    fn fit(width: usize, longest: usize) -> Columns {
        let mut columns = match width {
            WIDE.. => {
                Columns { state: 15, name: 0, since: 7, next: 12, rejected: 6, failed: 9, slow: 9, spark: 0 }
            }
            MEDIUM.. => {
                Columns { state: 13, name: 0, since: 6, next: 11, rejected: 5, failed: 8, slow: 0, spark: 0 }
            }
            _ => {
                Columns { state: 11, name: 0, since: 0, next: 11, rejected: 0, failed: 0, slow: 0, spark: 0 }
            }
        };
        let fixed = columns.widths().iter().filter(|width| **width > 0).map(|width| width + 1).sum();
        let rest = width.saturating_sub(fixed);
        let spark = if width >= MEDIUM { LEAST_SPARK + 1 } else { 0 };
        columns.name = longest.max(LEAST_NAME).min(rest.saturating_sub(spark));
        if spark > 0 {
            columns.spark = rest.saturating_sub(columns.name + 1).min(MOST_SPARK);
        }
        columns
    }

    fn widths(&self) -> [usize; 6] {
        [self.state, self.since, self.next, self.rejected, self.failed, self.slow]
    }

    fn head(&self, paint: Paint) -> Line<'static> {
        let spark = ["NOT OK IN THE LAST 2 MIN", "NOT OK, 2 MIN", "LAST 2 M", ""];
        let spark = spark.into_iter().find(|text| text.len() <= self.spark).unwrap_or_default();
        self.line(
            ["STATE", "CIRCUIT", "FOR", "NEXT TRY", "REJ/S", "FAILED", "SLOW"]
                .map(|head| (head.into(), paint.strong())),
            vec![Span::styled(spark, paint.strong())],
        )
    }

    fn row(&self, entry: &Entry, now: Time, paint: Paint) -> Line<'static> {
        let (row, passed) = (&entry.row, now.since(entry.at));
        let face = Face::of(row);
        let toned = |(text, tone): (String, Tone)| {
            (text, if tone == Tone::Good { Style::new() } else { paint.tone(tone) })
        };
        let rejected = if row.rejected_per_second > 0.0 { Tone::Bad } else { Tone::Good };
        self.line(
            [
                (format!("{} {}", face.shape, face.word), paint.tone(face.tone)),
                (middle_cut(&words::plain(&row.name), self.name), Style::new()),
                (words::span(words::seconds(row.since_seconds_ago) + passed), Style::new()),
                (words::next(row, passed), Style::new()),
                toned((words::rate(row.rejected_per_second), rejected)),
                toned(words::failures(row)),
                toned(words::slow(row)),
            ],
            spark(&entry.line, self.spark, paint),
        )
    }

    fn line(&self, cells: [(String, Style); 7], spark: Vec<Span<'static>>) -> Line<'static> {
        let widths = [self.state, self.name, self.since, self.next, self.rejected, self.failed, self.slow];
        let mut spans = Vec::new();
        for ((text, style), width) in cells.into_iter().zip(widths) {
            if width > 0 {
                spans.push(Span::styled(format!("{:width$}", words::cut(&text, width)), style));
                spans.push(Span::raw(" "));
            }
        }
        spans.extend(spark);
        Line::from(spans)
    }
}

/// A name in at most `width` characters: its beginning and its end tell it from others.
fn middle_cut(name: &str, width: usize) -> String {
    let length = name.chars().count();
    if length <= width || width < 3 {
        return words::cut(name, width);
    }
    let tail = (width - 1) * 2 / 3;
    let head = width - 1 - tail;
    name.chars().take(head).chain(['…']).chain(name.chars().skip(length - tail)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_what_tells_them_apart() {
        assert_eq!(middle_cut("payments/127.0.0.1:7001", 17), "paymen…0.0.1:7001");
        assert_eq!(middle_cut("short", 17), "short");
        assert_eq!(middle_cut("abc", 2), "a…");
    }

    #[test]
    fn columns_fit_any_width() {
        for width in 0..300 {
            let columns = Columns::fit(width, 23);
            let told: usize =
                columns.widths().iter().chain([&columns.name]).filter(|it| **it > 0).map(|it| it + 1).sum();
            assert!(told + columns.spark <= width + 1 || width < 36, "{width}: {columns:?}");
        }
    }

    #[test]
    fn the_chosen_row_is_always_seen() {
        for chosen in 0..50 {
            let from = first_row(chosen, 50, 10);
            assert!((from..from + 10).contains(&chosen) && from + 10 <= 50, "{chosen}: from {from}");
        }
        assert_eq!(first_row(2, 3, 10), 0);
    }
}
