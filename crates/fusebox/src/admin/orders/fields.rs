//! The body of an order: an object, field by field, each refused with what was found and what is accepted.

use crate::admin::answer::Problem;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// Fields that have not been taken yet.
pub(super) struct Fields(Vec<(String, Value)>);

impl Fields {
    pub(super) fn read(body: &[u8]) -> Result<Fields, Problem> {
        let value: Result<Fields, _> = serde_json::from_slice(body);
        let fields = value.map_err(|error| match error.classify() {
            serde_json::error::Category::Data => {
                Problem::bad_field(format!("the body: {error}, accepted: an object"))
            }
            _ => Problem::bad_request(format!("the body is no JSON: {error}")),
        })?;
        for (index, (name, _)) in fields.0.iter().enumerate() {
            if fields.0[..index].iter().any(|(other, _)| other == name) {
                return Err(Problem::bad_field(format!("{name}: found twice, accepted: once")));
            }
        }
        Ok(fields)
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(field, _)| field == name)?;
        Some(self.0.remove(at).1)
    }

    /// A text of 1 to `most` characters that shows what it says.
    pub(super) fn text(&mut self, name: &str, most: usize) -> Result<String, Problem> {
        self.text_if_there(name, most)?.ok_or_else(|| missing(name, most))
    }

    pub(super) fn text_if_there(&mut self, name: &str, most: usize) -> Result<Option<String>, Problem> {
        let found = match self.take(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(found) => found,
        };
        let text = found.as_str().map(str::trim);
        match text {
            Some(text) if !text.is_empty() && is_fit(text, most) => Ok(Some(text.into())),
            _ => Err(refused(name, &found, &text_of(most))),
        }
    }

    /// One of these words.
    pub(super) fn word<T>(
        &mut self,
        name: &str,
        named: impl Fn(&str) -> Option<T>,
        accepted: &str,
    ) -> Result<T, Problem> {
        let found = self.take(name).unwrap_or_default();
        found.as_str().and_then(named).ok_or_else(|| refused(name, &found, accepted))
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(found) => Err(refused(name, &found, "true or false")),
        }
    }

    /// `dry_run`, which is `false` unless it is there.
    pub(super) fn dry_run(&mut self) -> Result<bool, Problem> {
        Ok(self.flag("dry_run")?.unwrap_or(false))
    }

    /// A number from `least` to `most`.
    pub(super) fn number(&mut self, name: &str, (least, most): (f64, f64)) -> Result<Option<f64>, Problem> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(found) => match found.as_f64() {
                Some(number) if (least..=most).contains(&number) => Ok(Some(number)),
                _ => Err(refused(name, &found, &format!("a number from {least} to {most}"))),
            },
        }
    }

    /// Refuses what nobody has asked for.
    pub(super) fn done(self, accepted: &str) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().take(100).collect();
                Err(Problem::bad_field(format!("found the field {name:?}, accepted: {accepted}")))
            }
        }
    }
}

/// Refuses a text that is too long, blank or does not show what it says; nothing at all is somebody else's to refuse.
pub(in crate::admin) fn check_text(name: &str, text: &str, most: usize) -> Result<(), Problem> {
    let is_blank = !text.is_empty() && text.trim().is_empty();
    if is_fit(text, most) && !is_blank {
        return Ok(());
    }
    Err(refused(name, &text.into(), &text_of(most)))
}

fn is_fit(text: &str, most: usize) -> bool {
    text.chars().count() <= most && text.chars().all(is_shown)
}

pub(super) fn missing(name: &str, most: usize) -> Problem {
    refused(name, &Value::Null, &text_of(most))
}

fn text_of(most: usize) -> String {
    format!("a text of 1 to {most} characters, none of which is a control character or hides the others")
}

fn refused(name: &str, found: &Value, accepted: &str) -> Problem {
    let found = match found {
        Value::Null => "nothing".into(),
        other => other.to_string().chars().take(100).collect::<String>(),
    };
    Problem::bad_field(format!("{name}: found {found}, accepted: {accepted}")).and("field", name)
}

/// Neither a control character nor one that turns the direction of the text or hides in it.
fn is_shown(c: char) -> bool {
    let hides = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}');
    !c.is_control() && !hides
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: &str) -> Result<Fields, u16> {
        Fields::read(body.as_bytes()).map_err(|problem| problem.status)
    }

    #[test]
    fn a_body_is_one_object_whose_fields_are_there_once() {
        for (body, status) in [
            ("", 400),
            ("{", 400),
            ("{}x", 400),
            ("[]", 422),
            ("1", 422),
            ("null", 422),
            (r#"{"a":1,"a":2}"#, 422),
        ] {
            assert_eq!(fields(body).err(), Some(status), "{body}");
        }
        assert!(fields("{}").is_ok());
    }

    #[test]
    fn a_text_shows_what_it_says() {
        let read = |text: &str| {
            let mut fields = Fields(vec![("who".into(), text.into())]);
            fields.text("who", 5).map_err(|problem| problem.status)
        };
        assert_eq!(read(" ann "), Ok("ann".into()));
        assert_eq!(read("äöüßé"), Ok("äöüßé".into()));
        for text in ["", "  ", "abcdef", "a\nb", "a\u{202e}b", "a\u{200b}b", "\u{7f}"] {
            assert_eq!(read(text), Err(422), "{text:?}");
        }
        assert_eq!(
            fields("{}").expect("an object").text("who", 5).map_err(|problem| problem.status),
            Err(422)
        );
    }
}
