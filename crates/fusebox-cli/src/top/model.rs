//! What `fusebox top` knows, and how it learns: frames of the feed and answers come in, a screen is drawn from it.

use super::dialog::Dialog;
use super::line::TimeLine;
use crate::admin::shapes::{LogEvent, Override, QueueBrief, Row, Snapshot, Summary, Update};
use crate::operate::one::All;
use crate::operate::{words, worst_first};
use fusebox_core::Time;
use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

/// How long a notice stands.
const NOTICE: Duration = Duration::from_secs(8);
/// An update comes every second; without several of them, what is shown is old.
const FRESH: Duration = Duration::from_secs(4);

/// Everything that a screen shows.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) address: String,
    pub(super) version: String,
    pub(super) instance: String,
    pub(super) summary: Summary,
    pub(super) overrides: Vec<Override>,
    pub(super) overrides_at: Time,
    pub(super) queue: Option<QueueBrief>,
    pub(super) link: Link,
    pub(super) filter: String,
    pub(super) view: View,
    pub(super) detail: Option<Detail>,
    rows: HashMap<String, Entry>,
    /// The chosen circuit, by name: it stays chosen where it moves to.
    chosen: Option<String>,
    /// The proxy's own time, in seconds since 1970.
    second: u64,
    notice: Option<(String, Time)>,
}

/// Whether the proxy is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// It was heard at this moment.
    Live(Time),
    /// It has not been since, and why.
    Lost(Time, String),
}

/// What is in front.
#[derive(Debug)]
pub(super) enum View {
    List,
    /// The filter is being typed.
    Filter,
    /// All about the chosen circuit, from this line on.
    Detail(u16),
    Order(Dialog),
    Help,
}

/// A circuit, and when that was so.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) row: Row,
    pub(super) at: Time,
    pub(super) line: TimeLine,
}

/// All about one circuit, or why that is not known.
#[derive(Debug)]
pub(super) struct Detail {
    pub(super) name: String,
    /// When it was read, or asked for again.
    pub(super) at: Time,
    pub(super) all: Result<Box<All>, String>,
}

impl Model {
    pub(super) fn new(address: String, now: Time) -> Model {
        Model {
            address,
            version: String::new(),
            instance: String::new(),
            summary: Summary { text: "connecting".into(), ..Summary::default() },
            overrides: Vec::new(),
            overrides_at: now,
            queue: None,
            link: Link::Live(now),
            filter: String::new(),
            view: View::List,
            detail: None,
            rows: HashMap::new(),
            chosen: None,
            second: 0,
            notice: None,
        }
    }

    /// Everything anew.
    pub(super) fn snapshot(&mut self, frame: Snapshot, now: Time) {
        self.heard(now, &frame.generated_at);
        (self.version, self.instance) = (frame.version, frame.instance);
        self.aside(frame.summary, (frame.overrides, frame.queue), now);
        self.rows.clear();
        for mut row in frame.circuits {
            let mut line = TimeLine::of(&std::mem::take(&mut row.spark), self.second);
            line.mark(&row.marks, self.second);
            self.rows.insert(row.name.clone(), Entry { row, at: now, line });
        }
        self.keep_choice();
    }

    /// What has changed.
    pub(super) fn update(&mut self, frame: Update, now: Time) {
        self.heard(now, &frame.generated_at);
        self.aside(frame.summary, (frame.overrides, frame.queue), now);
        for name in frame.gone {
            self.rows.remove(&name);
        }
        for row in frame.circuits {
            let old = self.rows.remove(&row.name);
            let mut line = old.map_or_else(|| TimeLine::of(&[], self.second), |old| old.line);
            line.mark(&row.marks, self.second);
            if let Some(counts) = row.last {
                line.set(self.second, counts);
            }
            self.rows.insert(row.name.clone(), Entry { row, at: now, line });
        }
        self.rows.values_mut().for_each(|entry| entry.line.advance(self.second));
        self.keep_choice();
    }

    /// A change of a circuit, as it happened; the row that shows it comes after.
    pub(super) fn log(&mut self, event: &LogEvent, now: Time) {
        self.link = Link::Live(now);
        let said = format!("{} {}", event.circuit, crate::operate::one::happened(event));
        self.say(words::plain(&said), now);
    }

    fn aside(
        &mut self,
        summary: Summary,
        (overrides, queue): (Vec<Override>, Option<QueueBrief>),
        now: Time,
    ) {
        (self.summary, self.overrides, self.overrides_at, self.queue) = (summary, overrides, now, queue);
    }

    fn heard(&mut self, now: Time, date: &str) {
        self.link = Link::Live(now);
        let since_1970 = words::date(date).and_then(|date| date.duration_since(UNIX_EPOCH).ok());
        self.second = since_1970.map_or(self.second + 1, |date| date.as_secs());
    }

    /// A sign of life without news.
    pub(super) fn beat(&mut self, now: Time) {
        self.link = Link::Live(now);
    }

    /// The connection is gone since the last that was heard.
    pub(super) fn lost(&mut self, why: String) {
        let since = match &self.link {
            Link::Live(since) | Link::Lost(since, _) => *since,
        };
        self.link = Link::Lost(since, words::plain(&why));
    }

    /// Whether what is shown is true now; else for how long it has not been known.
    pub(super) fn silence(&self, now: Time) -> Result<Duration, Duration> {
        match &self.link {
            Link::Live(heard) if now.since(*heard) < FRESH => Ok(now.since(*heard)),
            Link::Live(heard) | Link::Lost(heard, _) => Err(now.since(*heard)),
        }
    }

    /// Shows `text` for a while.
    pub(super) fn say(&mut self, text: String, now: Time) {
        self.notice = Some((text, now));
    }

    /// What is to be said, if anything is.
    pub(super) fn notice(&self, now: Time) -> Option<&str> {
        let (text, since) = self.notice.as_ref()?;
        (now.since(*since) < NOTICE).then_some(text)
    }

    /// The circuits that the filter lets through, the worst first.
    pub(super) fn shown(&self) -> Vec<&Entry> {
        let wanted = self.filter.to_lowercase();
        let matches = |row: &Row| {
            let face = words::Face::of(row).word.to_lowercase();
            [&row.name, &row.service, &face].iter().any(|text| text.to_lowercase().contains(&wanted))
        };
        let mut shown: Vec<_> = self.rows.values().filter(|entry| matches(&entry.row)).collect();
        shown.sort_by(|a, b| worst_first(&a.row, &b.row));
        shown
    }

    /// All circuits, shown or not.
    pub(super) fn known(&self) -> usize {
        self.rows.len()
    }

    /// The chosen circuit.
    pub(super) fn chosen(&self) -> Option<&Entry> {
        self.rows.get(self.chosen.as_deref()?)
    }

    /// Its name, while it is looked at: it may be gone.
    pub(super) fn chosen_name(&self) -> Option<&str> {
        self.chosen.as_deref()
    }

    /// Chooses the circuit so many further down, or up.
    pub(super) fn choose(&mut self, further: isize) {
        let shown = self.shown();
        let at = shown.iter().position(|entry| Some(&entry.row.name) == self.chosen.as_ref()).unwrap_or(0);
        let at = at.saturating_add_signed(further).min(shown.len().saturating_sub(1));
        self.chosen = shown.get(at).map(|entry| entry.row.name.clone());
    }

    /// Chooses another circuit if the chosen one is not there to be seen.
    pub(super) fn keep_choice(&mut self) {
        if matches!(self.view, View::Detail(_) | View::Order(_)) {
            return;
        }
        let is_seen = self.shown().iter().any(|entry| Some(&entry.row.name) == self.chosen.as_ref());
        if !is_seen {
            self.chosen = self.shown().first().map(|entry| entry.row.name.clone());
        }
    }
}
