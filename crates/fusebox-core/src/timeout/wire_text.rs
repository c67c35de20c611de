//! A short number with a unit, as text and without a heap.

use core::fmt;

/// The most digits of a number of 128 bits, and a unit.
const LONGEST: usize = 40;

/// A header's value. Displays as itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text {
    bytes: [u8; LONGEST],
    first: u8,
}

impl Text {
    /// `number` in decimal, and `unit` after it.
    pub(super) fn new(mut number: u128, unit: Option<u8>) -> Self {
        let mut bytes = [0; LONGEST];
        let mut first = LONGEST;
        let mut put = |byte| {
            first -= 1;
            bytes[first] = byte;
        };
        unit.into_iter().for_each(&mut put);
        loop {
            put(b'0' + (number % 10) as u8);
            number /= 10;
            if number == 0 {
                break;
            }
        }
        Text { bytes, first: first as u8 }
    }

    /// The value.
    pub fn as_str(&self) -> &str {
        // Digits and an ASCII letter are always text.
        core::str::from_utf8(&self.bytes[usize::from(self.first)..]).unwrap_or_default()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_longest_number_fits_with_its_unit() {
        assert_eq!(Text::new(u128::MAX, Some(b'H')).to_string(), alloc::format!("{}H", u128::MAX));
        assert_eq!(Text::new(0, None).as_str(), "0");
    }
}
