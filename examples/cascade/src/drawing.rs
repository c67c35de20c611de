//! A drawing as data: shapes from back to front, which [`svg`](crate::svg) writes and [`png`](crate::png) paints.

/// A size and what is on it.
#[derive(Clone, Debug)]
pub(crate) struct Drawing {
    pub(crate) width: f32,
    pub(crate) height: f32,
    /// What it shows, for those who do not see it.
    pub(crate) title: String,
    pub(crate) shapes: Vec<Shape>,
}

/// Something with a place, in pixels from the upper left corner.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// A rectangle: its upper left corner, width and height.
    Rect { at: (f32, f32), size: (f32, f32), ink: Ink },
    /// The area within these corners.
    Area { corners: Vec<(f32, f32)>, ink: Ink },
    /// A line through these points.
    Line { points: Vec<(f32, f32)>, width: f32, ink: Ink },
    /// A line of writing.
    Text(Text),
}

/// A line of writing: `at` is where its baseline begins, has its middle or ends.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) at: (f32, f32),
    pub(crate) text: String,
    pub(crate) size: f32,
    pub(crate) bold: bool,
    pub(crate) anchor: Anchor,
    pub(crate) ink: Ink,
}

/// Which end of a line of writing its place means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A colour, and how much of what is behind it shows through: 1 is nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ink {
    pub(crate) rgb: [u8; 3],
    pub(crate) opacity: f32,
}

impl Ink {
    /// A colour that covers.
    pub(crate) const fn solid(rgb: [u8; 3]) -> Ink {
        Ink { rgb, opacity: 1.0 }
    }

    /// The same colour, letting some of the ground through.
    pub(crate) const fn thinned(self, opacity: f32) -> Ink {
        Ink { opacity, ..self }
    }
}
