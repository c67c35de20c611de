//! Names of headers, and what tells callers apart by them.

use super::plan::Key;
use super::reader::Entry;
use http::HeaderName;

const NAME: &str = "a header's name in quotes: letters, digits and dashes";

/// The name of a header.
pub(super) fn name(e: &Entry<'_>) -> Option<HeaderName> {
    e.parsed(NAME, |text| text.parse().ok())
}

/// What tells callers apart.
pub(super) fn key(e: &Entry<'_>) -> Option<Key> {
    let accepted = "\"header:\" and a header's name, as \"header:x-tenant\"";
    e.parsed(accepted, |text| text.strip_prefix("header:")?.parse().ok().map(Key::Header))
}
