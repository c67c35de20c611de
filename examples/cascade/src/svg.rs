//! Writes a drawing as SVG. Writing stays text: it can be searched, read aloud and copied.

use crate::drawing::{Anchor, Drawing, Ink, Shape, Text};
use std::fmt::Write;

/// The first that the viewer has; all are about as wide.
const FONTS: &str = "Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif";

/// The whole file.
pub(crate) fn write(drawing: &Drawing) -> String {
    let Drawing { width, height, .. } = drawing;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"{FONTS}\">\n<title>{}</title>\n",
        escaped(&drawing.title)
    );
    for shape in &drawing.shapes {
        // Writing to a string does not fail.
        let _ = match shape {
            Shape::Rect { at: (x, y), size: (w, h), ink } => {
                writeln!(
                    svg,
                    "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill={}/>",
                    paint(*ink, "fill")
                )
            }
            Shape::Area { corners, ink } => {
                writeln!(svg, "<polygon points=\"{}\" fill={}/>", places(corners), paint(*ink, "fill"))
            }
            Shape::Line { points, width, ink } => writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke-width=\"{width}\" stroke-linejoin=\"round\" \
                 stroke-linecap=\"round\" stroke={}/>",
                places(points),
                paint(*ink, "stroke")
            ),
            Shape::Text(text) => writeln!(svg, "{}", written(text)),
        };
    }
    svg + "</svg>\n"
}

fn written(text: &Text) -> String {
    let Text { at: (x, y), size, .. } = text;
    let anchor = match text.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    let weight = if text.bold { " font-weight=\"bold\"" } else { "" };
    let (ink, words) = (paint(text.ink, "fill"), escaped(&text.text));
    format!("<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{anchor}{weight} fill={ink}>{words}</text>")
}

fn paint(Ink { rgb: [r, g, b], opacity }: Ink, what: &str) -> String {
    let colour = format!("\"#{r:02x}{g:02x}{b:02x}\"");
    if opacity < 1.0 { format!("{colour} {what}-opacity=\"{opacity}\"") } else { colour }
}

fn places(points: &[(f32, f32)]) -> String {
    points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_can_not_break_out_of_the_drawing() {
        let ink = Ink::solid([1, 2, 255]).thinned(0.5);
        let text = Text {
            at: (1.0, 2.0),
            text: "a < b & c".into(),
            size: 9.0,
            bold: true,
            anchor: Anchor::End,
            ink,
        };
        let drawing =
            Drawing { width: 10.0, height: 5.0, title: "</title>".into(), shapes: vec![Shape::Text(text)] };
        let svg = write(&drawing);
        assert!(svg.contains("<title>&lt;/title&gt;</title>"), "{svg}");
        let expected = "<text x=\"1\" y=\"2\" font-size=\"9\" text-anchor=\"end\" font-weight=\"bold\" \
                        fill=\"#0102ff\" fill-opacity=\"0.5\">a &lt; b &amp; c</text>";
        assert!(svg.contains(expected), "{svg}");
    }
}
