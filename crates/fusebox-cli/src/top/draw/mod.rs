//! A screen, drawn from what is known and from nothing else: the same model at the same moment is the same screen.
//!
//! From the top down in the order in which it is asked: is this true now, how bad is it, did somebody do this by
//! hand, which circuits, and why.

mod boxes;
mod detail;
mod list;
mod paint;
mod spark;

pub(super) use paint::Paint;

use super::model::{Link, Model, View};
use crate::look;
use crate::operate::words;
use crate::operate::words::{Face, Tone};
use fusebox_core::Time;
use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget};

/// Rows from which on there is room for what is not needed at once.
const ROOMY: u16 = 14;

/// Draws the screen of `model` at `now`.
pub(super) fn screen(model: &Model, now: Time, paint: Paint, buffer: &mut Buffer) {
    let mut rest = buffer.area;
    let keys = take_last(&mut rest);
    title(model, now, paint, take_first(&mut rest), buffer);
    sentence(model, paint, &mut rest, buffer);
    banner(model, now, paint, &mut rest, buffer);
    queue(model, paint, &mut rest, buffer);
    match &model.view {
        View::Detail(from) => detail::draw(model, now, paint, (rest, *from), buffer),
        View::List | View::Filter | View::Order(_) | View::Help => {
            list::draw(model, now, paint, rest, buffer)
        }
    }
    if model.silence(now).is_err() {
        // It was so: nobody is to take it for how it is.
        buffer.set_style(rest, paint.quiet());
    }
    match &model.view {
        View::Order(dialog) => boxes::dialog(dialog, paint, buffer),
        View::Help => boxes::help(paint, buffer),
        View::List | View::Filter | View::Detail(_) => {}
    }
    footer(model, now, paint, keys, buffer);
}

/// The first row of what is left, which may be none.
fn take_first(rest: &mut Rect) -> Rect {
    let height = rest.height.min(1);
    let row = Rect { height, ..*rest };
    (rest.y, rest.height) = (rest.y + height, rest.height - height);
    row
}

fn take_last(rest: &mut Rect) -> Rect {
    // On a screen of a few rows each of them is needed.
    let height = if rest.height > 4 { 1 } else { 0 };
    rest.height -= height;
    Rect { y: rest.y + rest.height, height, ..*rest }
}

fn put(line: impl Into<Line<'static>>, area: Rect, buffer: &mut Buffer) {
    Paragraph::new(line.into()).render(area, buffer);
}

fn title(model: &Model, now: Time, paint: Paint, area: Rect, buffer: &mut Buffer) {
    let fresh = match model.silence(now) {
        Ok(ago) => Span::styled(format!("live {} ago ", words::span(ago)), paint.tone(Tone::Good)),
        Err(silence) => {
            let what = if matches!(model.link, Link::Lost(..)) { "DISCONNECTED" } else { "STALE" };
            Span::styled(format!(" {what} {} ", words::span(silence)), paint.alarm())
        }
    };
    let room = usize::from(area.width).saturating_sub(fresh.width() + 1);
    let version = format!(" {}", model.version);
    let whole = format!("fusebox top  {}  fusebox{version} {}", model.address, model.instance);
    let name = [whole.trim_end(), &format!("fusebox top  {}", model.address), "fusebox top"];
    let name = name.into_iter().find(|name| name.chars().count() <= room).unwrap_or_default();
    put(Span::styled(words::plain(name), paint.quiet()), area, buffer);
    Paragraph::new(fresh).alignment(Alignment::Right).render(area, buffer);
}

fn sentence(model: &Model, paint: Paint, rest: &mut Rect, buffer: &mut Buffer) {
    let summary = &model.summary;
    let tone = match (summary.open, summary.half_open + summary.held) {
        (0, 0) => Tone::Good,
        (0, _) => Tone::Doubtful,
        _ => Tone::Bad,
    };
    let (text, width) = (words::plain(&summary.text), usize::from(rest.width));
    let lines = match rest.height >= ROOMY {
        true => look::wrapped(&text, width),
        false => vec![words::cut(&text, width)],
    };
    for line in lines.into_iter().take(2) {
        put(Span::styled(line, paint.tone(tone).patch(paint.strong())), take_first(rest), buffer);
    }
}

fn banner(model: &Model, now: Time, paint: Paint, rest: &mut Rect, buffer: &mut Buffer) {
    // The one that ends first is named.
    let ends =
        |it: &&crate::admin::shapes::Override| it.expires_in_seconds.map_or(u64::MAX, |left| left as u64);
    let Some(first) = model.overrides.iter().min_by_key(ends) else { return };
    let more = match model.overrides.len() {
        1 => "OVERRIDE".to_owned(),
        many => format!("{many} OVERRIDES"),
    };
    let passed = now.since(model.overrides_at);
    let left = first.expires_in_seconds.map(|left| words::seconds(left).saturating_sub(passed));
    let left = left.map(|left| format!(" for {}", words::span(left))).unwrap_or_default();
    let mode = Face::held(&first.mode).word;
    let text = format!(" ◆ {more}: {} {mode}{left} by {}: {}", first.circuit, first.actor, first.reason);
    let row = take_first(rest);
    let width = usize::from(row.width);
    let text = format!("{:width$}", words::cut(&words::plain(&text), width));
    put(Span::styled(text, paint.banner()), row, buffer);
}

fn queue(model: &Model, paint: Paint, rest: &mut Rect, buffer: &mut Buffer) {
    let Some(queue) = model.queue.as_ref().filter(|queue| queue.depth + queue.dead > 0 || queue.paused)
    else {
        return;
    };
    let mut told = vec![format!("{} calls deferred", queue.depth)];
    told.extend(queue.oldest_age_seconds.map(|age| format!("oldest {}", words::span(words::seconds(age)))));
    told.push(format!("{} full", words::percent(queue.fill)));
    if queue.dead > 0 {
        told.push(format!("{} DEAD", queue.dead));
    }
    if queue.paused {
        told.push("PAUSED".into());
    }
    let look = if queue.dead > 0 || queue.paused { paint.tone(Tone::Doubtful) } else { paint.quiet() };
    let row = take_first(rest);
    put(
        Span::styled(words::cut(&format!("queue: {}", told.join(", ")), row.width.into()), look),
        row,
        buffer,
    );
}

fn footer(model: &Model, now: Time, paint: Paint, area: Rect, buffer: &mut Buffer) {
    let keys = match &model.view {
        View::Filter => format!("/{}▏  Enter keeps it, Esc drops it", model.filter),
        View::List if !model.filter.is_empty() => {
            format!("/{}  Esc drops the filter  ? help  q quit", model.filter)
        }
        View::List => "jk choose  Enter all about it  / filter  o hold  ? help  q quit".into(),
        View::Detail(_) => "jk scroll  o hold  Esc back  ? help".into(),
        View::Order(_) => "Tab next  Enter try, then do  Esc leave".into(),
        View::Help => "any key closes this".into(),
    };
    let said = match (&model.link, &model.view) {
        (Link::Lost(_, why), View::List | View::Detail(_)) => {
            Some(format!("no connection: {why}; trying again"))
        }
        (_, View::List | View::Detail(_)) => model.notice(now).map(str::to_owned),
        _ => None,
    };
    let (text, look) = match said {
        Some(said) => (said, paint.strong()),
        None => (words::plain(&keys), paint.quiet()),
    };
    put(Span::styled(words::cut(&text, area.width.into()), look), area, buffer);
}
