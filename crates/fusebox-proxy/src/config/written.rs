//! The configuration as it was written, for people: shown without its secrets, and compared with what was in force before.
//!
//! Comparing what is written, and not what was made of it, covers every key there is, in the words of whoever wrote it.

use super::secret::{is_secret, masked};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A longer value is cut where it is told.
const LONGEST: usize = 120;
/// What only a start puts in force.
const FIXED: [&str; 5] = ["admin", "listener", "queue", "telemetry", "limits.max_connections"];

/// A configuration as it was written.
#[derive(Clone, Default)]
pub struct Written {
    source: String,
    text: String,
    /// By place, as `service payments`, and key.
    values: BTreeMap<(String, String), Value>,
}

/// What is written under one key.
#[derive(Clone, PartialEq, Eq)]
struct Value {
    whole: String,
    shown: String,
}

/// What differs between two configurations, a sentence each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What can be put in force as it runs.
    pub now: Vec<String>,
    /// What only a start puts in force.
    pub at_start: Vec<String>,
}

impl fmt::Debug for Written {
    /// Without the values, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Written {
    /// What stands in the file `source`.
    pub(super) fn read(source: &str, text: &str, document: &DeTable<'_>) -> Self {
        let mut walk = Walk::default();
        walk.table(("", ""), document);
        Written { source: source.into(), text: shown(text, &walk), values: walk.values }
    }

    /// What was asked for without a file.
    pub(super) fn asked(text: String) -> Self {
        Written { source: "the command line".into(), text, values: BTreeMap::new() }
    }

    /// The file's name, as it was given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text with every secret as stars, and without its comments: nobody knows what stands in those.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What differs from what was written `before`.
    pub fn changes_since(&self, before: &Written) -> Changes {
        let mut changes = Changes::default();
        let places = |written: &Written| -> BTreeSet<String> {
            written.values.keys().map(|(place, _)| place.clone()).collect()
        };
        let (old, new) = (places(before), places(self));
        let within = |place: &str, of: &BTreeSet<String>, others: &BTreeSet<String>| {
            let around = place.split_once(", ").map(|(service, _)| service.to_owned());
            around.is_some_and(|around| of.contains(&around) && !others.contains(&around))
        };
        for place in new.difference(&old).filter(|place| !place.is_empty() && !within(place, &new, &old)) {
            changes.now.push(format!("{place} added"));
        }
        for place in old.difference(&new).filter(|place| !place.is_empty() && !within(place, &old, &new)) {
            changes.now.push(format!("{place} removed"));
        }
        let keys: BTreeSet<_> = before.values.keys().chain(self.values.keys()).collect();
        for (place, key) in keys {
            // What came or went whole has been told.
            if !place.is_empty() && old.contains(place) != new.contains(place) {
                continue;
            }
            let of = |written: &Written| written.values.get(&(place.clone(), key.clone())).cloned();
            let Some(told) = told(key, of(before), of(self), |key| self.stands(place, key)) else { continue };
            let is_fixed = |fixed: &str| {
                let rest = key.strip_prefix(fixed);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ' ']))
            };
            if place.is_empty() {
                let at_start = FIXED.iter().any(|fixed| is_fixed(fixed));
                if at_start { &mut changes.at_start } else { &mut changes.now }.push(told);
            } else {
                changes.now.push(format!("{place}: {told}"));
            }
        }
        changes
    }

    fn stands(&self, place: &str, key: &str) -> bool {
        self.values.contains_key(&(place.to_owned(), key.to_owned()))
    }
}

/// What has become of a key, if anything has. `stands` says what else is written there now.
fn told(key: &str, old: Option<Value>, new: Option<Value>, stands: impl Fn(&str) -> bool) -> Option<String> {
    let is_listed = key.starts_with("endpoint ") || key.starts_with("listener ");
    match (old, new) {
        (Some(old), Some(new)) if old == new => None,
        (Some(old), Some(new)) if old.shown == new.shown => Some(format!("{key} is another secret")),
        (Some(old), Some(new)) => Some(format!("{key} {} → {}", old.shown, new.shown)),
        (None, Some(new)) if is_listed => Some(format!("{key} added{}", beside(&new))),
        (Some(_), None) if is_listed => Some(format!("{key} removed")),
        (None, Some(new)) => Some(format!("{key} set to {}", new.shown)),
        // What it is part of is written in another way, and that is told.
        (Some(_), None) if key.match_indices('.').any(|(at, _)| stands(&key[..at])) => None,
        (Some(old), None) => Some(format!("{key} {} → the default", old.shown)),
        (None, None) => None,
    }
}

fn beside(value: &Value) -> String {
    if value.shown == "{}" { String::new() } else { format!(", {}", value.shown) }
}

/// Goes through a file.
#[derive(Default)]
struct Walk {
    values: BTreeMap<(String, String), Value>,
    /// Where text stands that is no comment, whatever is in it.
    texts: Vec<Range<usize>>,
    /// Where secrets stand.
    secrets: Vec<Range<usize>>,
}

impl Walk {
    fn table(&mut self, (place, prefix): (&str, &str), table: &DeTable<'_>) {
        for (key, value) in table {
            self.texts.push(key.span());
            let name: &str = key.get_ref();
            let full = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            match (name, value.get_ref()) {
                ("name", DeValue::String(_)) if prefix.is_empty() => {
                    self.value("", value);
                    self.add(place, String::new(), Value { whole: String::new(), shown: String::new() });
                }
                ("service" | "route" | "listener", DeValue::Array(list)) if prefix.is_empty() => {
                    list.iter().for_each(|element| self.listed(place, name, element));
                }
                ("endpoints", DeValue::Array(list)) => {
                    list.iter().for_each(|element| self.listed(place, "endpoint", element));
                }
                (_, DeValue::Table(inner)) => self.table((place, &full), inner),
                _ => {
                    let value = self.value(name, value);
                    self.add(place, full, value);
                }
            }
        }
    }

    /// One of several, which its name, its URL or its address tells from the others.
    fn listed(&mut self, place: &str, kind: &str, element: &Spanned<DeValue<'_>>) {
        let table = element.get_ref().as_table();
        let of = |key: &str| table.and_then(|table| table.get(key)?.get_ref().as_str());
        if matches!(kind, "service" | "route")
            && let (Some(table), Some(name)) = (table, of("name"))
        {
            let inner = format!("{place}{}{kind} {name}", if place.is_empty() { "" } else { ", " });
            return self.table((&inner, ""), table);
        }
        let name = element.get_ref().as_str().or(of("url")).or(of("listen")).map(masked);
        let value = self.value(kind, element);
        let value = if table.is_some() { value } else { Value { whole: "{}".into(), shown: "{}".into() } };
        self.add(place, format!("{kind} {}", name.unwrap_or_default()), value);
    }

    fn add(&mut self, place: &str, key: String, value: Value) {
        self.values.insert((place.to_owned(), key), value);
    }

    /// What is written there, on one line. `name` is the key that it is under.
    fn value(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Value {
        let (mut whole, mut shown) = (String::new(), String::new());
        self.write(name, value, &mut (&mut whole, &mut shown));
        if shown.chars().count() > LONGEST {
            shown = shown.chars().take(LONGEST).chain("...".chars()).collect();
        }
        Value { whole, shown }
    }

    fn write(&mut self, name: &str, value: &Spanned<DeValue<'_>>, out: &mut (&mut String, &mut String)) {
        let mut both = |whole: &str, shown: &str| {
            out.0.push_str(whole);
            out.1.push_str(shown);
        };
        match value.get_ref() {
            DeValue::String(text) => {
                self.texts.push(value.span());
                let whole = format!("{text:?}");
                if is_secret(name, text) {
                    self.secrets.push(value.span());
                    both(&whole, "\"***\"");
                } else {
                    both(&whole, &masked(&whole));
                }
            }
            DeValue::Integer(number) => both(number.as_str(), number.as_str()),
            DeValue::Float(number) => both(number.as_str(), number.as_str()),
            DeValue::Boolean(is) => both(&is.to_string(), &is.to_string()),
            DeValue::Datetime(date) => both(&date.to_string(), &date.to_string()),
            DeValue::Array(list) => {
                both("[", "[");
                for (i, element) in list.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    out.0.push_str(comma);
                    out.1.push_str(comma);
                    self.write(name, element, out);
                }
                out.0.push(']');
                out.1.push(']');
            }
            DeValue::Table(table) => {
                both("{", "{");
                let mut first = true;
                for (key, value) in table {
                    self.texts.push(key.span());
                    let comma = if first { " " } else { ", " };
                    let key: &str = key.get_ref();
                    first = false;
                    out.0.push_str(&format!("{comma}{key} = "));
                    out.1.push_str(&format!("{comma}{key} = "));
                    self.write(key, value, out);
                }
                out.0.push_str(if first { "}" } else { " }" });
                out.1.push_str(if first { "}" } else { " }" });
            }
        }
    }
}

/// The text with stars for secrets and without comments.
fn shown(text: &str, walk: &Walk) -> String {
    let within = |ranges: &[Range<usize>], at: usize| ranges.iter().any(|range| range.contains(&at));
    let mut lines = String::with_capacity(text.len());
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let mut kept = String::with_capacity(line.len());
        for (at, c) in line.char_indices().map(|(at, c)| (start + at, c)) {
            if c == '#' && !within(&walk.texts, at) {
                break;
            }
            let is_hidden = within(&walk.secrets, at) && !matches!(c, '"' | '\'' | '\n' | '\r');
            kept.push(if is_hidden { '*' } else { c });
        }
        start += line.len();
        lines.push_str(masked(kept.trim_end()).as_str());
        lines.push('\n');
    }
    // A comment of several lines leaves one empty line.
    let mut out = String::with_capacity(lines.len());
    for line in lines.lines() {
        if !(line.is_empty() && (out.is_empty() || out.ends_with("\n\n"))) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Written {
        let (document, faults) = DeTable::parse_recoverable(text);
        assert!(faults.is_empty(), "{faults:?}");
        Written::read("test.toml", text, document.get_ref())
    }

    #[test]
    fn nothing_secret_is_shown() {
        let shown = written(
            "# ann's password: hunter2\n\
             [queue]\npostgres = \"postgres://ann:hunter2@db/x\" # hunter2\n\
             webhook = { path = \"/hooks\", secret_file = \"/run/key\" }\n\
             [[service]]\nname = \"a#b\"\n\
             fallback = [{ status = 200, headers = { authorization = \"hunter2\", \"x-api-key\" = 'hunter2', \
             accept = \"text/plain\" }, body = \"# no comment\" }]\n",
        );
        assert!(!shown.text().contains("hunter2"), "{}", shown.text());
        for kept in ["/run/key", "text/plain", "# no comment", "a#b", "@db/x", "/hooks"] {
            assert!(shown.text().contains(kept), "{kept}: {}", shown.text());
        }
        assert!(written(shown.text()).text() == shown.text(), "it is TOML still");
    }

    #[test]
    fn a_change_is_told_in_the_words_of_the_file() {
        let before = written(
            "[limits]\nmax_connections = 5\ndrain = \"1s\"\n[[service]]\nname = \"payments\"\n\
             endpoints = [\"http://a\", { url = \"http://b\", weight = 1 }]\nretry = { max_attempts = 3 }\n\
             breaker = { failure_rate = 0.5, minimum_calls = 7 }\n[[service]]\nname = \"old\"\n\
             [[service.route]]\nname = \"r\"\n",
        );
        let after = written(
            "[limits]\nmax_connections = 6\n[[service]]\nname = \"payments\"\nretry = false\n\
             endpoints = [{ url = \"http://b\", weight = 2 }, \"http://c\"]\n\
             breaker = { failure_rate = 0.3, minimum_calls = 7 }\n[[service.route]]\nname = \"capture\"\n",
        );
        let changes = after.changes_since(&before);
        assert_eq!(changes.at_start, ["limits.max_connections 5 → 6"]);
        assert_eq!(
            changes.now,
            [
                "service payments, route capture added",
                "service old removed",
                "limits.drain \"1s\" → the default",
                "service payments: breaker.failure_rate 0.5 → 0.3",
                "service payments: endpoint http://a removed",
                "service payments: endpoint http://b { url = \"http://b\", weight = 1 } → { url = \"http://b\", weight = 2 }",
                "service payments: endpoint http://c added",
                "service payments: retry set to false",
            ]
        );
        assert_eq!(after.changes_since(&after), Changes::default());
    }
}
