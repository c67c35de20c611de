//! Passwords in URLs and in headers, which nobody is shown.

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

/// Whether what stands under the key `name`, usually a header's, is nobody else's business: by its name, or because it looks
/// like something that opens doors. What only says where a secret is, as a path does, is none.
pub(super) fn is_secret(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> = name.split(['-', '_', '.']).collect();
    let named = |secret: &&str| words.contains(secret);
    let says_where =
        value.starts_with(['/', '.']) || words.ends_with(&["file"]) || value.starts_with("header:");
    if says_where || WHERE.contains(&&*name) {
        return false;
    }
    let opening = value.split(' ').next().unwrap_or_default();
    SECRETS.iter().any(named)
        || SCHEMES.iter().any(|scheme| opening.eq_ignore_ascii_case(scheme))
        || name == "body" && runs(value).any(is_drawn)
}

/// Words in the names of what holds secrets.
const SECRETS: [&str; 14] = [
    "authorization",
    "auth",
    "cookie",
    "key",
    "apikey",
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "credentials",
    "session",
    "signature",
    "jwt",
];
/// Keys with such a word in their name that say how or where.
const WHERE: [&str; 4] = ["idempotency_key", "tokens", "key", "cert"];
/// How credentials in a header begin.
const SCHEMES: [&str; 3] = ["bearer", "basic", "digest"];

fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/_-=".contains(c)))
}

/// Whether nobody has thought this up: long, with letters and digits.
fn is_drawn(run: &str) -> bool {
    let has = |is: fn(&char) -> bool| run.chars().any(|c| is(&c));
    run.len() >= 20 && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic)
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
