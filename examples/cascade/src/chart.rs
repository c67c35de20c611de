//! What is drawn: both runs beside each other, a lane for each service, the share of its calls answered over time.
//!
//! Lanes and not four lines in one frame: most of the time the lines would cover each other. The colours are Okabe and
//! Ito's, which people with any kind of colour vision tell apart; nothing is said by colour alone.

use crate::drawing::{Anchor, Drawing, Ink, Shape, Text};
use crate::load::{NEEDS_DATABASE, PATIENCE, RATE};
use crate::report::{SECOND_HALF, millis, percent};
use crate::run::{LENGTH, LOCKED, Run};
use std::time::Duration;

const WIDTH: f32 = 1160.0;
const HEIGHT: f32 = 640.0;
/// The left edges of the panels, and how wide each is.
const PANELS: [f32; 2] = [152.0, 684.0];
const PANEL: f32 = 444.0;
/// The upper edge of the first lane; each lane's height; from one to the next.
const TOP: f32 = 150.0;
const LANE: f32 = 78.0;
const PITCH: f32 = 108.0;
/// One point of a line stands for this much time.
const STEP: Duration = Duration::from_millis(500);

const BLACK: Ink = Ink::solid([0x1f, 0x24, 0x28]);
const GREY: Ink = Ink::solid([0x5c, 0x64, 0x6c]);
const RULE: Ink = Ink::solid([0xd0, 0xd5, 0xda]);
const BAND: Ink = Ink::solid([0xee, 0xef, 0xf1]);
const WHITE: Ink = Ink::solid([0xff, 0xff, 0xff]);
const LANES: [(&str, &str, Ink); 4] = [
    ("A", "asks B", Ink::solid([0x00, 0x72, 0xb2])),
    ("B", "asks C", Ink::solid([0x00, 0x9e, 0x73])),
    ("C", "asks D", Ink::solid([0xe6, 0x9f, 0x00])),
    ("D", "asks the database", Ink::solid([0xd5, 0x5e, 0x00])),
];

/// Draws both runs.
pub(crate) fn draw(without: &Run, with: &Run) -> Drawing {
    let mut shapes = vec![Shape::Rect { at: (0.0, 0.0), size: (WIDTH, HEIGHT), ink: WHITE }];
    let mut write = |at, text: String, size, bold, anchor, ink| {
        shapes.push(Shape::Text(Text { at, text, size, bold, anchor, ink }));
    };
    let patience = PATIENCE.as_secs();
    let head = "A slow database takes four services down, or one";
    write((32.0, 44.0), head.into(), 24.0, true, Anchor::Start, BLACK);
    let under = format!(
        "Share of calls answered within {patience} s. One call in {NEEDS_DATABASE} needs the database; C answers the others by itself."
    );
    write((32.0, 70.0), under, 15.0, false, Anchor::Start, GREY);
    let foot = format!(
        "Four processes of one program, twice; the policies file is the only difference. A and B: {RATE} calls per second \
         each, as their users saw them. C and D: as they saw it. Gap: not asked."
    );
    write((32.0, HEIGHT - 18.0), foot, 12.5, false, Anchor::Start, GREY);
    for (run, left, title) in [(without, PANELS[0], "Without policies"), (with, PANELS[1], "With policies")] {
        shapes.extend(panel(run, left, title));
    }
    for (lane, (name, asks, _)) in LANES.iter().enumerate() {
        let middle = TOP + PITCH * lane as f32 + LANE / 2.0;
        let text = |y, text: &str, size, bold, ink| {
            Shape::Text(Text { at: (32.0, y), text: text.into(), size, bold, anchor: Anchor::Start, ink })
        };
        shapes.push(text(middle + 4.0, name, 24.0, true, BLACK));
        shapes.push(text(middle + 22.0, asks, 12.5, false, GREY));
    }
    Drawing { width: WIDTH, height: HEIGHT, title: head.into(), shapes }
}

fn panel(run: &Run, left: f32, title: &str) -> Vec<Shape> {
    let x = |at: Duration| left + PANEL * at.as_secs_f32() / LENGTH.as_secs_f32();
    let text =
        |at, text: String, size, bold, anchor, ink| Shape::Text(Text { at, text, size, bold, anchor, ink });
    let bottom = TOP + PITCH * (LANES.len() - 1) as f32 + LANE;
    let band = (x(LOCKED.start), x(LOCKED.end));
    let mut shapes = vec![
        text((left, TOP - 40.0), title.into(), 18.0, true, Anchor::Start, BLACK),
        Shape::Rect { at: (band.0, TOP - 26.0), size: (band.1 - band.0, bottom - TOP + 26.0), ink: BAND },
        text(
            ((band.0 + band.1) / 2.0, TOP - 10.0),
            "database locked".into(),
            13.0,
            false,
            Anchor::Middle,
            GREY,
        ),
    ];
    for (lane, (_, _, ink)) in LANES.into_iter().enumerate() {
        let base = TOP + PITCH * lane as f32 + LANE;
        for (share, label) in [(0.0, "0 %"), (1.0, "100 %")] {
            let y = base - LANE * share;
            shapes.push(Shape::Line { points: vec![(left, y), (left + PANEL, y)], width: 1.0, ink: RULE });
            shapes.push(text((left - 8.0, y + 4.0), label.into(), 12.0, false, Anchor::End, GREY));
        }
        for points in stretches(run, lane) {
            let points: Vec<(f32, f32)> =
                points.iter().map(|(at, share)| (x(*at), base - LANE * *share as f32)).collect();
            shapes.push(Shape::Area { corners: under(&points, base), ink: ink.thinned(0.22) });
            shapes.push(Shape::Line { points, width: 2.5, ink });
        }
        for (line, words) in says(run, lane).into_iter().enumerate() {
            let y = base - LANE / 2.0 - 4.0 + 18.0 * line as f32;
            let middle = (x(LOCKED.start + Duration::from_millis(1500)) + band.1) / 2.0;
            shapes.push(text((middle, y), words, 13.5, line == 0, Anchor::Middle, BLACK));
        }
    }
    for seconds in (0..=LENGTH.as_secs()).step_by(5) {
        let at = (x(Duration::from_secs(seconds)), bottom + 20.0);
        shapes.push(text(at, format!("{seconds} s"), 12.0, false, Anchor::Middle, GREY));
    }
    shapes
}

/// What is written in a lane.
fn says(run: &Run, service: usize) -> [String; 2] {
    let (whole, late) = (run.figures(service, &LOCKED), run.share(service, &SECOND_HALF));
    match (service, run.limits) {
        (3, Some((threshold, _))) => [
            format!("spared: asked {} times", whole.asked),
            format!("{threshold} to open the circuit, {} to probe", run.probes()),
        ],
        (3, None) => [format!("{} answered", percent(late)), format!("asked {} times", whole.asked)],
        (2, Some(_)) => [format!("{} answered", percent(whole.share())), "the circuit to D is open".into()],
        (_, Some(_)) => {
            let fallback = 100.0 * whole.fallback as f64 / whole.asked.max(1) as f64;
            let second = format!("p99 {}, {fallback:.0} % from a fallback", millis(&whole));
            [format!("{} answered", percent(whole.share())), second]
        }
        (_, None) => [format!("{} answered", percent(late)), "in the last 5 s".into()],
    }
}

/// The points of a lane's line, where there are any.
fn stretches(run: &Run, service: usize) -> Vec<Vec<(Duration, f64)>> {
    let mut stretches = vec![Vec::new()];
    let steps = LENGTH.as_millis() / STEP.as_millis();
    for step in 0..steps as u32 {
        let span = STEP * step..STEP * (step + 1);
        match (run.share(service, &span), stretches.last_mut()) {
            (Some(share), Some(stretch)) => stretch.push((span.start + STEP / 2, share)),
            _ => stretches.push(Vec::new()),
        }
    }
    stretches.retain(|stretch| !stretch.is_empty());
    stretches
}

fn under(points: &[(f32, f32)], base: f32) -> Vec<(f32, f32)> {
    let ends = points.last().zip(points.first()).map(|(last, first)| [(last.0, base), (first.0, base)]);
    points.iter().copied().chain(ends.into_iter().flatten()).collect()
}
