//! Typed readers over a parsed file. Each reports what is wrong where it stands and reads on, so that one run
//! names every error.

use super::duration::{self, DURATION};
use super::error::Errors;
use super::keys::{self, Keys};
use fusebox_core::breaker::ConfigError;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table whose keys are all known.
pub(super) struct Table<'a> {
    errors: &'a Errors<'a>,
    entries: &'a DeTable<'a>,
    /// Its full name.
    path: String,
    /// Its header, or its braces.
    span: Range<usize>,
}

impl<'a> Table<'a> {
    /// The top of the file.
    pub(super) fn top(errors: &'a Errors<'a>, entries: &'a DeTable<'a>, keys: &Keys) -> Self {
        let table = Table { errors, entries, path: String::new(), span: 0..0 };
        table.refuse_unknown(keys);
        table
    }

    /// What stands under `key`, if anything does.
    pub(super) fn entry(&self, key: &str) -> Option<Entry<'a>> {
        let (key, value) = self.entries.get_key_value(key)?;
        Some(Entry { errors: self.errors, path: self.name(key.get_ref()), key: key.span(), value })
    }

    /// The duration under `key`, from `least` on; `None` when absent or wrong.
    pub(super) fn duration(&self, key: &str, least: Duration) -> Option<Duration> {
        self.entry(key)?.duration_from(least)
    }

    /// What `read` makes of `key`, or `usual` where it is not written; `None` where it is wrong.
    pub(super) fn or<T>(&self, key: &str, usual: T, read: impl Fn(&Entry<'a>) -> Option<T>) -> Option<T> {
        self.entry(key).map_or(Some(usual), |entry| read(&entry))
    }

    /// Reports that `key` is not there.
    pub(super) fn missing(&self, key: &str, accepted: &str) {
        self.errors.add(self.span.clone(), self.name(key), format!("missing, accepted: {accepted}"));
    }

    /// Reports something about `key`, at its value, or here when it is not written.
    pub(super) fn fault(&self, key: &str, message: &str) {
        match self.entry(key) {
            Some(entry) => entry.fault(message),
            None => self.errors.add(self.span.clone(), self.name(key), message.into()),
        }
    }

    /// Reports two keys that exclude each other, if both are written.
    pub(super) fn exclude(&self, key: &str, other: &str) {
        if let (Some(entry), Some(_)) = (self.entry(key), self.entry(other)) {
            entry.fault(&format!("found {key} beside {other}, accepted: one of the two"));
        }
    }

    /// Reports `key`, if it is written and `other` is not.
    pub(super) fn only_beside(&self, key: &str, other: &str, reason: &str) {
        if let (Some(entry), None) = (self.entry(key), self.entry(other)) {
            entry.refuse(&format!("{key} beside {other} only: {reason}"));
        }
    }

    /// Reports `key`, which contradicts the value of `other`.
    pub(super) fn refuse_beside(&self, key: &str, other: &str, value: Duration, accepted: &str) {
        let value = duration::show(value);
        match (self.entry(key), self.entry(other)) {
            (Some(entry), _) => entry.refuse(&format!("{accepted} ({other} is {value})")),
            (None, _) => self.fault(other, &format!("found {other} = {value}, accepted: {accepted}")),
        }
    }

    /// The settings, or `None` once what the core refused is reported.
    pub(super) fn checked<T>(
        &self,
        checked: Result<T, Vec<ConfigError>>,
        aliases: &[(&str, &str)],
    ) -> Option<T> {
        let report = |error: &_| self.refuse(error, "the default", aliases);
        checked.map_err(|errors| errors.iter().for_each(report)).ok()
    }

    /// Reports what the core refused, at the key that set it, or here when none did: `origin` says then where the
    /// value comes from. A field that stands under another key when written differently has that key in `aliases`.
    pub(super) fn refuse(&self, error: &ConfigError, origin: &str, aliases: &[(&str, &str)]) {
        let other =
            aliases.iter().filter(|(field, _)| *field == error.field).find_map(|(_, key)| self.find(key));
        if let Some(entry) = other.or_else(|| self.find(error.field)) {
            // More than a value is two values that contradict each other.
            return match error.found.contains(' ') {
                true => entry.fault(&format!("found {}, accepted: {}", error.found, error.accepted)),
                false => entry.refuse(&error.accepted),
            };
        }
        let at = self.find(error.field.split('.').next().unwrap_or_default());
        let at = at.map_or(self.span.clone(), |entry| entry.key);
        let message = format!("found {} ({origin}), accepted: {}", error.found, error.accepted);
        self.errors.add(at, self.name(error.field), message);
    }

    /// The entry at a dotted key; an entry on the way that is no table stands for what it abbreviates.
    pub(super) fn find(&self, dotted: &str) -> Option<Entry<'a>> {
        let Some((first, rest)) = dotted.split_once('.') else { return self.entry(dotted) };
        let entry = self.entry(first)?;
        match entry.value.get_ref() {
            DeValue::Table(_) => entry.inner()?.find(rest),
            _ => Some(entry),
        }
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.into() } else { format!("{}.{key}", self.path) }
    }

    fn refuse_unknown(&self, keys: &Keys) {
        for (key, value) in self.entries {
            let name: &str = key.get_ref();
            if keys.later.contains(&name) {
                if !matches!(value.get_ref(), DeValue::Boolean(false)) {
                    let message = "not available yet in this version, accepted: nothing here for now";
                    self.errors.add(key.span(), self.name(name), message.into());
                }
            } else if !keys.known.contains(&name) {
                let path = if self.path.is_empty() { "top of the file" } else { &self.path };
                let message = format!("unknown key {name:?}, {}", suggestion(name, keys));
                self.errors.add(key.span(), path.into(), message);
            }
        }
    }

    /// Every key with its value, for tables whose keys are the user's.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'a str, Entry<'a>)> {
        self.entries.keys().filter_map(|key| Some((key.get_ref().as_ref(), self.entry(key.get_ref())?)))
    }
}

/// What may have been meant by an unknown key.
fn suggestion(key: &str, keys: &Keys) -> String {
    let part_of = |known: &&str| known.split('_').any(|part| part == key);
    let near = nearest(key, keys.known.iter().copied()).or_else(|| keys.known.iter().copied().find(part_of));
    if let Some(near) = near {
        return format!("did you mean {near:?}?");
    }
    let homes: Vec<_> = keys::ALL.iter().filter(|other| other.known.contains(&key)).collect();
    match homes.as_slice() {
        [home] => format!("it belongs in {}", home.table),
        _ => format!("accepted: {}", keys.known.join(", ")),
    }
}

/// The known word that `word` is a slip of the finger away from.
fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let near = |other: &&str| strsim::damerau_levenshtein(word, other);
    known.min_by_key(near).filter(|best| near(best) * 3 <= best.len().max(3))
}

/// One key and its value.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    errors: &'a Errors<'a>,
    path: String,
    key: Range<usize>,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Entry<'a> {
    /// Reports the value, with what would be accepted.
    pub(super) fn refuse(&self, accepted: &str) {
        let found = match self.value.get_ref() {
            DeValue::Table(_) if !self.snippet().starts_with('{') => "a table".into(),
            DeValue::Array(_) if self.snippet().starts_with("[[") => "a list of tables".into(),
            _ => self.snippet(),
        };
        self.fault(&format!("found {found}, accepted: {accepted}"));
    }

    /// Reports something about the value.
    pub(super) fn fault(&self, message: &str) {
        self.errors.add(self.value.span(), self.path.clone(), message.into());
    }

    /// Whether it is switched off.
    pub(super) fn is_off(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Boolean(false))
    }

    /// What `read` makes of it, or `Some(None)` when it is switched off.
    pub(super) fn off_or<T>(&self, read: impl Fn(&Self) -> Option<T>) -> Option<Option<T>> {
        if self.is_off() { Some(None) } else { read(self).map(Some) }
    }

    /// A string.
    pub(super) fn text(&self, accepted: &str) -> Option<&'a str> {
        let text = self.value.get_ref().as_str();
        self.accept(text, accepted)
    }

    /// A switch.
    pub(super) fn boolean(&self) -> Option<bool> {
        self.accept(self.value.get_ref().as_bool(), "true or false")
    }

    /// A duration that someone else checks further.
    pub(super) fn duration(&self) -> Option<Duration> {
        self.accept(self.value.get_ref().as_str().and_then(duration::parse), DURATION)
    }

    /// A duration of `least` or longer.
    pub(super) fn duration_from(&self, least: Duration) -> Option<Duration> {
        let long = Some(self.duration()?).filter(|span| *span >= least);
        self.accept(long, &format!("{} or longer", duration::show(least)))
    }

    /// A number, whole or not.
    pub(super) fn number(&self, accepted: &str) -> Option<f64> {
        let number = match self.value.get_ref() {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(int) => {
                i64::from_str_radix(int.as_str(), int.radix()).ok().map(|number| number as f64)
            }
            _ => None,
        };
        self.accept(number, accepted)
    }

    /// A whole number that is not negative.
    pub(super) fn whole<T: TryFrom<u64>>(&self, accepted: &str) -> Option<T> {
        let int = self.value.get_ref().as_integer();
        let number = int.and_then(|int| u64::from_str_radix(int.as_str(), int.radix()).ok());
        self.accept(number.and_then(|number| T::try_from(number).ok()), accepted)
    }

    /// A whole number within bounds.
    pub(super) fn within(&self, least: usize, most: usize, accepted: &str) -> Option<usize> {
        let number = Some(self.whole(accepted)?).filter(|number| (least..=most).contains(number));
        self.accept(number, accepted)
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let quoted: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let mut accepted = quoted.join(" or ");
        let text = self.value.get_ref().as_str();
        if let Some(near) = text.and_then(|text| nearest(text, words.iter().map(|(word, _)| *word))) {
            accepted = format!("{} (did you mean {near:?}?)", quoted.join(", "));
        }
        let meant = words.iter().find(|(word, _)| Some(*word) == text).map(|(_, meaning)| *meaning);
        self.accept(meant, &accepted)
    }

    /// A table with these keys.
    pub(super) fn table(&self, keys: &Keys, accepted: &str) -> Option<Table<'a>> {
        let table = self.accept(self.inner(), accepted)?;
        table.refuse_unknown(keys);
        Some(table)
    }

    /// A table whose keys are the user's.
    pub(super) fn free_table(&self, accepted: &str) -> Option<Table<'a>> {
        self.accept(self.inner(), accepted)
    }

    /// The elements of a list.
    pub(super) fn list(&self, accepted: &str) -> Option<Vec<Entry<'a>>> {
        let values = self.accept(self.value.get_ref().as_array(), accepted)?;
        let element = |value| Entry { path: self.path.clone(), key: self.key.clone(), value, ..*self };
        Some(values.iter().map(element).collect())
    }

    /// A string that `parse` makes something of.
    pub(super) fn parsed<T>(&self, accepted: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let parsed = parse(self.text(accepted)?);
        self.accept(parsed, accepted)
    }

    /// The string under `key` of a table, whatever else is wrong.
    pub(super) fn peek(&self, key: &str) -> Option<&'a str> {
        self.value.get_ref().as_table()?.get(key)?.get_ref().as_str()
    }

    /// Whether it is a whole number.
    pub(super) fn is_whole(&self) -> bool {
        self.value.get_ref().is_integer()
    }

    /// Whether it is a table.
    pub(super) fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    /// Whether it is a string.
    pub(super) fn is_text(&self) -> bool {
        self.value.get_ref().is_str()
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        self.value.get_ref().is_array()
    }

    /// Whether it is left to the other settings.
    pub(super) fn is_auto(&self) -> bool {
        self.value.get_ref().as_str() == Some("auto")
    }

    fn inner(&self) -> Option<Table<'a>> {
        let entries = self.value.get_ref().as_table()?;
        Some(Table { errors: self.errors, entries, path: self.path.clone(), span: self.value.span() })
    }

    fn snippet(&self) -> String {
        self.errors.snippet(self.value.span())
    }

    fn accept<T>(&self, value: Option<T>, accepted: &str) -> Option<T> {
        if value.is_none() {
            self.refuse(accepted);
        }
        value
    }
}
