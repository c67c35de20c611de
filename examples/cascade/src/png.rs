//! Paints a drawing as PNG. The fonts are part of the program: nothing needs to be installed.

use crate::drawing::{Anchor, Drawing, Ink, Shape, Text};
use thiserror::Error;
use tiny_skia::{FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};
use ttf_parser::{Face, OutlineBuilder};

/// Pixels of the picture for one of the drawing, for screens with small ones.
const SCALE: f32 = 2.0;

const REGULAR: &[u8] = include_bytes!("../font/Roboto-Regular.ttf");
const BOLD: &[u8] = include_bytes!("../font/Roboto-Bold.ttf");

/// Why there is no picture. Reads after "failed to".
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum PaintError {
    #[error("paint the chart: no picture is {0} by {1} pixels large")]
    Size(f32, f32),
    #[error("paint the chart: its font is damaged: {0}")]
    Font(#[from] ttf_parser::FaceParsingError),
    #[error("paint the chart: {0}")]
    Encode(String),
}

/// The whole file.
pub(crate) fn paint(drawing: &Drawing) -> Result<Vec<u8>, PaintError> {
    let size = (drawing.width * SCALE, drawing.height * SCALE);
    let mut picture = Pixmap::new(size.0 as u32, size.1 as u32).ok_or(PaintError::Size(size.0, size.1))?;
    let fonts = [Face::parse(REGULAR, 0)?, Face::parse(BOLD, 0)?];
    let scale = Transform::from_scale(SCALE, SCALE);
    for shape in &drawing.shapes {
        match shape {
            Shape::Rect { at, size, ink } => {
                if let Some(rect) = Rect::from_xywh(at.0, at.1, size.0, size.1) {
                    picture.fill_rect(rect, &pigment(*ink), scale, None);
                }
            }
            Shape::Area { corners, ink } => {
                if let Some(path) = path(corners) {
                    picture.fill_path(&path, &pigment(*ink), FillRule::Winding, scale, None);
                }
            }
            Shape::Line { points, width, ink } => {
                if let Some(path) = path(points) {
                    let (line_cap, line_join) = (LineCap::Round, LineJoin::Round);
                    let stroke = Stroke { width: *width, line_cap, line_join, ..Stroke::default() };
                    picture.stroke_path(&path, &pigment(*ink), &stroke, scale, None);
                }
            }
            Shape::Text(text) => {
                if let Some(path) = outline(text, &fonts[usize::from(text.bold)]) {
                    picture.fill_path(&path, &pigment(text.ink), FillRule::Winding, scale, None);
                }
            }
        }
    }
    picture.encode_png().map_err(|error| PaintError::Encode(error.to_string()))
}

fn pigment(ink: Ink) -> Paint<'static> {
    let ([r, g, b], mut paint) = (ink.rgb, Paint { anti_alias: true, ..Paint::default() });
    paint.set_color_rgba8(r, g, b, (ink.opacity * 255.0) as u8);
    paint
}

fn path(points: &[(f32, f32)]) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (index, (x, y)) in points.iter().enumerate() {
        if index == 0 { path.move_to(*x, *y) } else { path.line_to(*x, *y) }
    }
    path.finish()
}

/// The outline of a line of writing, where it stands.
fn outline(text: &Text, font: &Face<'_>) -> Option<Path> {
    let unit = text.size / f32::from(font.units_per_em());
    let glyphs = || text.text.chars().filter_map(|c| font.glyph_index(c));
    let advance = |glyph| f32::from(font.glyph_hor_advance(glyph).unwrap_or(0)) * unit;
    let width: f32 = glyphs().map(advance).sum();
    let mut pen = Pen { path: PathBuilder::new(), unit, at: text.at };
    pen.at.0 -= match text.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => width / 2.0,
        Anchor::End => width,
    };
    for glyph in glyphs() {
        // A space has no outline.
        let _ = font.outline_glyph(glyph, &mut pen);
        pen.at.0 += advance(glyph);
    }
    pen.path.finish()
}

/// Moves glyphs from the font's units, upward, to the drawing's, downward.
struct Pen {
    path: PathBuilder,
    unit: f32,
    at: (f32, f32),
}

impl Pen {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        (self.at.0 + x * self.unit, self.at.1 - y * self.unit)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_every_letter_of_the_chart_and_the_picture_is_a_png() {
        let drawing = crate::chart::draw(&crate::run::Run::default(), &crate::run::Run::default());
        for (bytes, bold) in [(REGULAR, false), (BOLD, true)] {
            let font = Face::parse(bytes, 0).expect("a font");
            for shape in &drawing.shapes {
                let Shape::Text(text) = shape else { continue };
                let missing: Vec<char> = text
                    .text
                    .chars()
                    .filter(|c| text.bold == bold && font.glyph_index(*c).is_none())
                    .collect();
                assert!(missing.is_empty(), "{missing:?} in {:?}", text.text);
            }
        }
        assert!(paint(&drawing).expect("a picture").starts_with(b"\x89PNG\r\n"));
    }
}
