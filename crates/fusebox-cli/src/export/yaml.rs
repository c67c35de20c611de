//! YAML, written so that a person can read it and every parser agrees on it.
//!
//! A tree that keeps its order and a writer in block style. Text that could be taken for anything else stands in
//! double quotes, escaped as in JSON, which YAML understands; text of several lines stands as a literal block.

/// A value, its keys in the order written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Yaml {
    /// Nothing; a map leaves its key out.
    Absent,
    Bool(bool),
    Whole(u64),
    Real(f64),
    Text(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

/// A map of what is there.
pub(crate) fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Yaml)>) -> Yaml {
    let there = |(key, value): (K, Yaml)| (value != Yaml::Absent).then(|| (key.into(), value));
    Yaml::Map(entries.into_iter().filter_map(there).collect())
}

/// A list.
pub(crate) fn list(items: impl IntoIterator<Item = Yaml>) -> Yaml {
    Yaml::List(items.into_iter().filter(|item| *item != Yaml::Absent).collect())
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Yaml {
        Yaml::Text(text.into())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Yaml {
        Yaml::Text(text)
    }
}

impl From<bool> for Yaml {
    fn from(flag: bool) -> Yaml {
        Yaml::Bool(flag)
    }
}

impl From<u32> for Yaml {
    fn from(number: u32) -> Yaml {
        Yaml::Whole(number.into())
    }
}

impl From<u64> for Yaml {
    fn from(number: u64) -> Yaml {
        Yaml::Whole(number)
    }
}

impl From<f64> for Yaml {
    fn from(number: f64) -> Yaml {
        Yaml::Real(number)
    }
}

impl<T: Into<Yaml>> From<Option<T>> for Yaml {
    fn from(maybe: Option<T>) -> Yaml {
        maybe.map_or(Yaml::Absent, Into::into)
    }
}

impl Yaml {
    /// The document that has this value at its top.
    pub(crate) fn document(&self) -> String {
        let mut out = String::new();
        self.block(&mut out, 0);
        out
    }

    /// Writes lines, each `indent` deep.
    fn block(&self, out: &mut String, indent: usize) {
        let pad = " ".repeat(indent);
        match self {
            Yaml::Map(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    *out += &format!("{pad}{}:", scalar(key));
                    value.after_key(out, indent);
                }
            }
            Yaml::List(items) if !items.is_empty() => {
                for item in items {
                    let mut lines = String::new();
                    item.block(&mut lines, indent + 2);
                    *out += &format!("{pad}- {}", &lines[indent + 2..]);
                }
            }
            single => *out += &format!("{pad}{}\n", single.inline()),
        }
    }

    fn after_key(&self, out: &mut String, indent: usize) {
        match self {
            Yaml::Map(entries) if !entries.is_empty() => {
                out.push('\n');
                self.block(out, indent + 2);
            }
            Yaml::List(items) if !items.is_empty() => {
                out.push('\n');
                self.block(out, indent + 2);
            }
            Yaml::Text(text) if is_block(text) => {
                *out += " |-\n";
                for line in text.lines() {
                    *out += &format!("{}{line}\n", " ".repeat(indent + 2));
                }
            }
            single => *out += &format!(" {}\n", single.inline()),
        }
    }

    fn inline(&self) -> String {
        match self {
            Yaml::Absent => "null".into(),
            Yaml::Bool(flag) => flag.to_string(),
            Yaml::Whole(number) => number.to_string(),
            Yaml::Real(number) => format!("{number:?}"),
            Yaml::Text(text) => scalar(text),
            Yaml::List(_) => "[]".into(),
            Yaml::Map(_) => "{}".into(),
        }
    }
}

/// Whether `text` reads better as lines, and comes out of them as it went in.
fn is_block(text: &str) -> bool {
    let plain = |line: &str| !line.is_empty() && !line.starts_with(' ') && !line.ends_with(' ');
    let odd = |c: char| c.is_control() && c != '\n';
    text.contains('\n') && !text.ends_with('\n') && text.lines().all(plain) && !text.contains(odd)
}

fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./ ".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/');
    if begins && text.chars().all(plain) && !text.ends_with(' ') && !is_word(text) {
        return text.into();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted += "\\n",
            c if c.is_control() => quoted += &format!("\\u{:04x}", c as u32),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// Words that some parser takes for something else than text.
fn is_word(text: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_written_in_block_style_in_their_order() {
        let inner = map([("b", 2u64.into()), ("a", list(["x".into(), map([("deep", true.into())])]))]);
        let tree = map([
            ("top", inner),
            ("none", Yaml::from(None::<u64>)),
            ("empty", list([])),
            ("nothing", Yaml::Map(Vec::new())),
            ("expr", "first\nsecond".into()),
            ("half", 0.5.into()),
            ("one", 1.0.into()),
        ]);
        let text = "top:\n  b: 2\n  a:\n    - x\n    - deep: true\nempty: []\nnothing: {}\nexpr: |-\n  first\n  \
                    second\nhalf: 0.5\none: 1.0\n";
        assert_eq!(tree.document(), text);
    }

    #[test]
    fn lists_in_lists_and_maps_in_lists_line_up() {
        let tree = list([list(["a".into(), "b".into()]), map([("k", 1u64.into()), ("l", 2u64.into())])]);
        assert_eq!(tree.document(), "- - a\n  - b\n- k: 1\n  l: 2\n");
    }

    #[test]
    fn what_could_be_taken_for_something_else_is_quoted() {
        for (text, written) in [
            ("payments/capture", "payments/capture"),
            ("retry on", "retry on"),
            ("", "\"\""),
            ("on", "\"on\""),
            ("No", "\"No\""),
            ("5s", "\"5s\""),
            ("a: b", "\"a: b\""),
            ("#x", "\"#x\""),
            ("@type", "\"@type\""),
            ("say \"it\" \\ once", "\"say \\\"it\\\" \\\\ once\""),
            ("bell\u{7}\u{9b}", "\"bell\\u0007\\u009b\""),
            ("broken\n", "\"broken\\n\""),
            ("é ≥", "\"é ≥\""),
        ] {
            assert_eq!(scalar(text), written);
        }
    }
}
