//! `fusebox circuits`: all of them in a table, the worst first, or one in full.

use super::words::{self, Face, Tone};
use super::{one, pretty, write};
use crate::admin::shapes::Row;
use crate::admin::{Admin, understood};
use crate::args::operate::{Circuits, Shape, Standing};
use crate::clock;
use crate::failure::Failure;
use crate::look;
use crate::output::Output;
use crate::signals::Signals;
use crate::table::table;
use serde_json::Value;
use std::cmp::Reverse;
use std::time::Duration;
use terminal_size::{Height, Width};

/// Between one look and the next.
const EVERY: Duration = Duration::from_secs(1);
/// Clears a terminal and goes to its upper left corner.
const CLEAR: &str = "\x1b[H\x1b[2J";
/// The least that is left of a sentence.
const LEAST_WHY: usize = 20;

pub(super) async fn run(admin: &Admin, asked: &Circuits, output: Output) -> Result<(), Failure> {
    if !asked.watch {
        return write(output, &look_once(admin, asked, output).await?);
    }
    // The first look fails as one look does; later ones are tried again.
    let mut text = look_once(admin, asked, output).await?;
    let mut signals = Signals::catch().map_err(super::cannot_start)?;
    loop {
        show(&text, asked.output, output)?;
        tokio::select! {
            _ = signals.next() => return Ok(()),
            () = clock::pause(EVERY) => {}
        }
        match look_once(admin, asked, output).await {
            Ok(seen) => text = seen,
            Err(failure) => {
                output.complain(failure.to_string());
                continue;
            }
        }
    }
}

fn show(text: &str, shape: Shape, output: Output) -> Result<(), Failure> {
    if shape == Shape::Json {
        // One look, one line: what a pipe can take apart.
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        return write(output, &format!("{value}\n"));
    }
    if !output.is_live() {
        return write(output, &format!("{text}\n"));
    }
    let height = terminal_size::terminal_size().map_or(24, |(_, Height(height))| usize::from(height));
    let lines: Vec<_> = text.lines().take(height.saturating_sub(1)).collect();
    let frame = output.coloured(&lines.join("\n"));
    if output.draw(&format!("{CLEAR}{frame}\n")) { Ok(()) } else { Err(Failure::Unheard) }
}

async fn look_once(admin: &Admin, asked: &Circuits, output: Output) -> Result<String, Failure> {
    if let Some(name) = &asked.name {
        let all = one::read(admin, name).await?;
        return Ok(if asked.output == Shape::Json { pretty(&all.json()) } else { one::show(&all) });
    }
    let mut answer = admin.get("/circuits").await?;
    let circuits = answer["circuits"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let mut chosen = Vec::new();
    for value in circuits {
        let row = row(value.clone())?;
        if wanted(&row, asked) {
            chosen.push((row, value));
        }
    }
    chosen.sort_by(|(a, _), (b, _)| worst_first(a, b));
    if asked.output == Shape::Json {
        answer["circuits"] = chosen.into_iter().map(|(_, value)| value).collect();
        return Ok(pretty(&answer));
    }
    let rows: Vec<_> = chosen.into_iter().map(|(row, _)| row).collect();
    let live = output.is_live().then(terminal_size::terminal_size).flatten();
    Ok(overview(&rows, live.map(|(Width(width), _)| usize::from(width)), asked))
}

/// A circuit as `/circuits` tells it: the window and the thresholds may stand in places of their own.
pub(super) fn row(mut value: Value) -> Result<Row, Failure> {
    let from = [
        ("failure_rate", "/window/failure_rate"),
        ("slow_rate", "/window/slow_rate"),
        ("window_calls", "/window/calls"),
        ("failure_threshold", "/settings/rules/failure_rate"),
        ("slow_threshold", "/settings/rules/slow_call_rate"),
        ("minimum_calls", "/settings/rules/minimum_calls"),
        ("consecutive_threshold", "/settings/rules/consecutive_failures"),
    ];
    for (field, path) in from {
        if value.get(field).is_none()
            && let Some(found) = value.pointer(path).cloned()
        {
            value[field] = found;
        }
    }
    let half_open = &value["settings"]["half_open"];
    let needed = [&half_open["success_threshold"], &half_open["sample"]].into_iter().find(|it| it.is_u64());
    if let (Some(needed), None) = (needed.cloned(), value.pointer("/probes/needed")) {
        value["probes"]["needed"] = needed;
    }
    understood(value)
}

/// The order that a tired reader wants.
pub(crate) fn worst_first(a: &Row, b: &Row) -> std::cmp::Ordering {
    let key =
        |row: &Row| Reverse([row.severity, row.rejected_per_second, row.not_closed_seconds].map(tenths));
    key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
}

fn tenths(number: f64) -> u64 {
    (number * 10.0) as u64
}

fn wanted(row: &Row, asked: &Circuits) -> bool {
    let state = match asked.state {
        None => true,
        Some(Standing::Open) => row.state == "open",
        Some(Standing::HalfOpen) => row.state == "half_open",
        Some(Standing::Closed) => row.state == "closed",
        Some(Standing::Held) => row.hold.is_some(),
    };
    state && asked.service.as_ref().is_none_or(|service| *service == row.service)
}

const HEAD: [&str; 8] = ["STATE", "CIRCUIT", "FOR", "NEXT TRY", "REJ/S", "FAILED", "SLOW", "WHY"];

fn overview(rows: &[Row], width: Option<usize>, asked: &Circuits) -> String {
    if rows.is_empty() {
        let chosen = asked.state.is_some() || asked.service.is_some();
        return if chosen { "no such circuit\n".into() } else { "no circuits yet\n".into() };
    }
    let mut cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    if let Some(width) = width {
        let before: usize = (0..HEAD.len() - 1).map(|column| column_width(&cells, column) + 2).sum();
        for row in &mut cells {
            if let Some(why) = row.last_mut() {
                *why = words::cut(why, width.saturating_sub(before).max(LEAST_WHY));
            }
        }
    }
    table(&HEAD, &cells)
}

fn column_width(cells: &[Vec<String>], column: usize) -> usize {
    let wide = |row: &Vec<String>| anstream::adapter::strip_str(&row[column]).to_string().chars().count();
    cells.iter().map(wide).chain([HEAD[column].len()]).max().unwrap_or_default()
}

fn cells(row: &Row) -> Vec<String> {
    let toned =
        |(text, tone): (String, Tone)| if tone == Tone::Good { text } else { tone.look().paint(text) };
    let rejected = words::rate(row.rejected_per_second);
    vec![
        Face::of(row).painted(),
        words::plain(&row.name),
        words::span(words::seconds(row.since_seconds_ago)),
        words::next(row, Duration::ZERO),
        if row.rejected_per_second > 0.0 { look::BAD.paint(rejected) } else { rejected },
        toned(words::failures(row)),
        toned(words::slow(row)),
        row.reason.as_deref().map(words::plain).unwrap_or_default(),
    ]
}
