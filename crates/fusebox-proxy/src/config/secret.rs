//! Passwords in URLs, which nobody is shown.

/// The line with every character of the credentials of its URLs as a star: what is under a caret stays under it.
pub(super) fn masked(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        shown.push_str(before);
        let opening = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "+-.:/".contains(c));
        let ends = |c: char| match opening.chars().last() {
            Some(quote @ ('"' | '\'')) => c == quote,
            _ => c.is_whitespace() || matches!(c, '"' | '\''),
        };
        let end = url.find(ends).unwrap_or(url.len());
        let (url, after) = url.split_at(end);
        let secret = credentials(before, url);
        shown.extend(url[..secret].chars().map(|_| '*'));
        shown.push_str(&url[secret..]);
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// How much of this, from a URL's scheme on, is credentials.
fn credentials(before: &str, url: &str) -> usize {
    if let Some(at) = url.rfind('@') {
        return at;
    }
    let authority = url.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    // Half a URL may end in a password.
    let is_half = !port.chars().all(|c| c.is_ascii_digit()) && !authority.ends_with(']');
    let is_redis = before.ends_with("redis://") || before.ends_with("rediss://");
    if is_redis && is_half { authority.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_stars_and_nothing_moves() {
        for (line, shown) in [
            ("redis = { url = \"redis://ann:pw@host:1\" }", "redis = { url = \"redis://******@host:1\" }"),
            ("redis://:p@w@host/0 http://u:p@b", "redis://****@host/0 http://***@b"),
            ("redis://ann:pw", "redis://******"),
            ("redis://ann:6379/0", "redis://ann:6379/0"),
            ("redis://[::1]", "redis://[::1]"),
            ("\u{fc} redis://\u{fc}:\u{fc}@h", "\u{fc} redis://***@h"),
            ("no url: a@b", "no url: a@b"),
            ("\"redis://a:b, }'c@d\", e", "\"redis://********@d\", e"),
            ("a = \"http://a\", b = \"c@d\"", "a = \"http://a\", b = \"c@d\""),
        ] {
            assert_eq!(masked(line), shown);
            assert_eq!(masked(line).chars().count(), line.chars().count());
        }
    }
}
