//! What happens while nobody looks: every change of every circuit, and once a second how fast each goes.
//!
//! Circuits tell their events on whatever thread makes them, which may be one that serves calls: there they are put into a list and
//! nothing else. A thread of its own numbers them, looks at the circuits, and gives frames to those who follow `/events`. Without that
//! thread, everything is still there, as of the last look.

mod entry;
mod feed;
mod file;
mod log;
mod row;
mod summary;
mod track;

pub(crate) use entry::LogEvent;
pub(crate) use feed::Feed;
pub(crate) use summary::Override;
pub(crate) use track::{Counts, Rates};

use super::held::Held;
use super::left_closed::LeftClosed;
use super::wall::Wall;
use crate::breaker::Snapshot;
use crate::event::Event;
use crate::{CircuitBreaker, Registry, Time};
use bytes::Bytes;
use feed::Frames;
use file::Diary;
use log::Log;
use row::{Row, Sources};
use serde::Serialize;
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;
use summary::{QueueBrief, Summary};
use track::Track;

/// Events that may wait to be numbered.
const WAITING: usize = 8_192;
/// How often rates are worked out, and streams told what is new.
const SECOND: Duration = Duration::from_secs(1);
/// How soon after a change streams see the circuit as it is now.
const SOON: Duration = Duration::from_millis(250);

/// What a watch looks at.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) registry: Registry,
    pub(crate) subjects: Held,
    pub(crate) left_closed: LeftClosed,
}

/// Follows the circuits of a registry.
#[derive(Clone, Debug)]
pub(crate) struct Watch(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Tells one run of the process from the next.
    boot: String,
    heard: Mutex<Heard>,
    seen: Mutex<Seen>,
    frames: Arc<Mutex<Frames>>,
    thread: OnceLock<Thread>,
}

/// Events that are not numbered yet.
#[derive(Debug, Default)]
struct Heard {
    waiting: VecDeque<(Arc<str>, Event, Time)>,
    dropped: u64,
}

#[derive(Debug, Default)]
struct Seen {
    log: Log,
    /// The newest event of earlier runs.
    before: u64,
    pages: Pages,
    tracks: HashMap<String, Tracked>,
    ticked: Time,
    updated: Time,
    /// Something happened that no update has shown.
    due: bool,
}

/// What is kept in a file. The file is written without anything being held up.
#[derive(Debug, Default)]
struct Pages {
    /// Away while it is written.
    diary: Option<Diary>,
    is_kept: bool,
    waiting: Vec<Arc<LogEvent>>,
    /// Events that could not be written.
    lost: u64,
}

#[derive(Debug)]
struct Tracked {
    track: Track,
    news: u64,
}

/// What is told of a circuit beside its snapshot.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Live {
    #[serde(flatten)]
    pub(crate) rates: Rates,
    pub(crate) spark: Vec<Counts>,
}

#[derive(Serialize)]
struct SnapshotFrame<'a> {
    generated_at: Option<String>,
    instance: &'a str,
    version: &'static str,
    boot: &'a str,
    seq: u64,
    /// The first event of this run.
    first_seq: u64,
    summary: Summary,
    circuits: Vec<Row>,
    overrides: Vec<Override>,
    missed: Vec<Arc<LogEvent>>,
    lost: u64,
    queue: Option<QueueBrief>,
}

#[derive(Serialize)]
struct UpdateFrame {
    generated_at: Option<String>,
    seq: u64,
    /// Whether another second is over, and not only something happened.
    tick: bool,
    summary: Summary,
    circuits: Vec<Row>,
    gone: Vec<String>,
    overrides: Vec<Override>,
    queue: Option<QueueBrief>,
}

impl Watch {
    /// Follows the circuits of `registry`, those made later too.
    pub(crate) fn follow(registry: &Registry) -> Watch {
        let shared = Arc::new(Shared {
            boot: format!("{:08x}", RandomState::new().hash_one("boot") as u32),
            heard: Mutex::default(),
            seen: Mutex::default(),
            frames: Arc::default(),
            thread: OnceLock::new(),
        });
        let (weak, clock) = (Arc::downgrade(&shared), registry.clock().clone());
        registry.subscribe(Arc::new(move |name, event| {
            let Some(shared) = weak.upgrade() else { return };
            let mut heard = lock(&shared.heard);
            if heard.waiting.len() >= WAITING {
                heard.waiting.pop_front();
                heard.dropped += 1;
            }
            heard.waiting.push_back((name.into(), event.clone(), clock.now()));
            drop(heard);
            shared.thread.get().inspect(|thread| thread.unpark());
        }));
        Watch(shared)
    }

    /// Keeps what happens in the file at `path` from now on, and takes up what it holds of the last day.
    pub(crate) fn keep(&self, path: &Path, wall: &Wall) -> io::Result<()> {
        let (diary, events) = Diary::open(path, wall.date(wall.now()).unwrap_or_default())?;
        let mut seen = lock(&self.0.seen);
        events.into_iter().for_each(|event| drop(seen.log.add(event)));
        seen.before = seen.log.newest();
        seen.pages = Pages { diary: Some(diary), is_kept: true, ..Pages::default() };
        Ok(())
    }

    /// Events that could not be written down.
    pub(crate) fn unwritten(&self) -> u64 {
        lock(&self.0.seen).pages.lost
    }

    /// Writes into the file what has happened since the last time. Whoever asks for something meanwhile does not wait for the disk.
    pub(crate) fn write_down(&self) {
        let mut seen = lock(&self.0.seen);
        let Some(mut diary) = seen.pages.diary.take() else { return };
        let events = std::mem::take(&mut seen.pages.waiting);
        drop(seen);
        events.iter().for_each(|event| diary.write(event));
        if diary.is_long() {
            let kept = lock(&self.0.seen).log.kept();
            diary.shorten(&kept);
        }
        let mut seen = lock(&self.0.seen);
        seen.pages.lost = diary.lost();
        seen.pages.diary = Some(diary);
    }

    /// Starts the thread, once. It ends with the last handle.
    pub(crate) fn start(&self, subject: Subject) {
        self.0.thread.get_or_init(|| {
            let weak = Arc::downgrade(&self.0);
            let run = move || {
                while let Some(shared) = weak.upgrade() {
                    let watch = Watch(shared);
                    let rest = watch.look(&subject);
                    watch.write_down();
                    drop(watch);
                    thread::park_timeout(rest);
                }
            };
            match thread::Builder::new().name("fusebox-watch".into()).spawn(run) {
                Ok(handle) => handle.thread().clone(),
                // Without it rates stand still, and everything else is told when it is asked for.
                Err(_) => thread::current(),
            }
        });
    }

    /// Looks at the circuits now, and says how long nothing needs to be looked at.
    pub(crate) fn look(&self, subject: &Subject) -> Duration {
        let now = subject.registry.clock().now();
        let wall = Wall::read(now);
        let mut seen = lock(&self.0.seen);
        self.number(&mut seen, subject, &wall);
        let tick = now.since(seen.ticked) >= SECOND || seen.ticked == Time::ZERO;
        if tick || seen.due && now.since(seen.updated) >= SOON {
            self.update(&mut seen, subject, &wall, tick);
        }
        let next_tick = SECOND.saturating_sub(now.since(seen.ticked));
        let next = if seen.due { SOON.saturating_sub(now.since(seen.updated)) } else { next_tick };
        next.min(next_tick).max(Duration::from_millis(1))
    }

    /// Numbers what was heard and tells it.
    fn number(&self, seen: &mut Seen, subject: &Subject, wall: &Wall) {
        let heard = std::mem::take(&mut *lock(&self.0.heard));
        seen.log.skip(heard.dropped);
        for (name, event, at) in heard.waiting {
            let circuit = subject.registry.find(&name);
            let names = circuit.as_ref().map_or((&*name, &*name), entry::names);
            let Some(event) = LogEvent::new(names, &event, at, wall) else { continue };
            let event = seen.log.add(event);
            if seen.pages.is_kept {
                seen.pages.waiting.push(event.clone());
            }
            seen.due = true;
            let mut frames = lock(&self.0.frames);
            if frames.are_read() {
                frames.push(self.frame("log", event.seq(), &*event));
            }
        }
    }

    /// Works out rates once a second, and tells whoever reads what has changed.
    fn update(&self, seen: &mut Seen, subject: &Subject, wall: &Wall, tick: bool) {
        let circuits = subject.registry.all();
        let told = lock(&self.0.frames).are_read();
        // Each with whether it is news.
        let mut rows = Vec::with_capacity(if told { circuits.len() } else { 0 });
        let mut names = Vec::with_capacity(circuits.len());
        let Seen { log, tracks, .. } = seen;
        let sources = Sources {
            wall,
            left_closed: &subject.left_closed,
            log,
            regions: if told { row::regions(&subject.subjects.read()) } else { Default::default() },
        };
        for circuit in &circuits {
            let snapshot = circuit.core().snapshot(wall.now());
            let tracked = tracked(tracks, circuit, &snapshot, wall.now());
            if tick {
                tracked.track.tick(&snapshot.totals, wall.now());
            }
            names.push(circuit.name().clone());
            if told {
                let row = Row::new(circuit, &snapshot, &tracked.track, &sources);
                let news = row.mark_of_news(&tracked.track);
                let is_news = news != tracked.news || tick && !tracked.track.is_quiet();
                tracked.news = news;
                rows.push((if tick { row.after_a_second(&tracked.track) } else { row }, is_news));
            }
        }
        let exists: std::collections::HashSet<&str> = names.iter().map(|name| &**name).collect();
        let gone: Vec<String> = tracks.keys().filter(|name| !exists.contains(&***name)).cloned().collect();
        gone.iter().for_each(|name| drop(tracks.remove(name)));
        if tick {
            seen.log.trim(wall.date(wall.now()).unwrap_or_default());
            seen.ticked = wall.now();
        }
        (seen.updated, seen.due) = (wall.now(), false);
        if told {
            let all = || rows.iter().map(|(row, _)| row);
            let (summary, overrides) = (Summary::new(all(), wall), all().filter_map(Row::held).collect());
            let frame = UpdateFrame {
                generated_at: wall.rfc3339(wall.now()),
                seq: seen.log.newest(),
                tick,
                summary,
                circuits: rows.into_iter().filter_map(|(row, is_news)| is_news.then_some(row)).collect(),
                gone,
                overrides,
                queue: QueueBrief::read(&subject.subjects.read()),
            };
            lock(&self.0.frames).push(self.frame("update", frame.seq, &frame));
        }
    }

    /// A stream of what happens, which begins with how it stands; `None` when too many read already. `last` is the number of the last event
    /// that its reader has seen, if it has read before.
    pub(crate) fn feed(&self, subject: &Subject, instance: &str, last: Option<&str>) -> Option<Feed> {
        self.look(subject);
        Feed::open(&self.0.frames, || {
            let mut first = b"retry: 1000\n".to_vec();
            first.extend(self.snapshot(subject, instance, last));
            first.into()
        })
    }

    fn snapshot(&self, subject: &Subject, instance: &str, last: Option<&str>) -> Bytes {
        let wall = Wall::read(subject.registry.clock().now());
        let circuits = subject.registry.all();
        let mut seen = lock(&self.0.seen);
        let Seen { log, tracks, before, .. } = &mut *seen;
        let sources = Sources {
            wall: &wall,
            left_closed: &subject.left_closed,
            log,
            regions: row::regions(&subject.subjects.read()),
        };
        let mut rows: Vec<_> = circuits
            .iter()
            .map(|circuit| {
                let snapshot = circuit.core().snapshot(wall.now());
                let tracked = tracked(tracks, circuit, &snapshot, wall.now());
                Row::new(circuit, &snapshot, &tracked.track, &sources).whole(&tracked.track)
            })
            .collect();
        rows.sort_by_cached_key(Row::order);
        let last = last.and_then(|id| id.strip_prefix(&*self.0.boot)?.strip_prefix('-')?.parse().ok());
        let (missed, lost) = last.map(|last| log.since(last)).unwrap_or_default();
        let frame = SnapshotFrame {
            generated_at: wall.rfc3339(wall.now()),
            instance,
            version: env!("CARGO_PKG_VERSION"),
            boot: &self.0.boot,
            seq: log.newest(),
            first_seq: *before + 1,
            summary: Summary::new(rows.iter(), &wall),
            overrides: rows.iter().filter_map(Row::held).collect(),
            circuits: rows,
            missed,
            lost,
            queue: QueueBrief::read(&subject.subjects.read()),
        };
        self.frame("snapshot", frame.seq, &frame)
    }

    /// What happened to a circuit, or to all of them, the newest first, and how many events of it are lost.
    pub(crate) fn story(
        &self,
        subject: &Subject,
        circuit: Option<&str>,
        most: usize,
    ) -> (Vec<Arc<LogEvent>>, u64) {
        self.look(subject);
        let seen = lock(&self.0.seen);
        circuit.map_or_else(|| seen.log.latest(most), |circuit| seen.log.story(circuit, most))
    }

    /// How fast a circuit goes.
    pub(crate) fn live(&self, circuit: &str) -> Live {
        let seen = lock(&self.0.seen);
        let track = seen.tracks.get(circuit).map(|tracked| &tracked.track);
        track.map(|track| Live { rates: track.rates(), spark: track.spark() }).unwrap_or_default()
    }

    fn frame(&self, event: &str, seq: u64, data: &impl Serialize) -> Bytes {
        // Plain structs: see `answer::encoded`.
        let data = serde_json::to_string(data).expect("plain structs serialize");
        format!("id: {}-{seq}\nevent: {event}\ndata: {data}\n\n", self.0.boot).into()
    }
}

/// Every hold there is.
pub(crate) fn overrides(circuits: &[CircuitBreaker], wall: &Wall) -> Vec<Override> {
    circuits.iter().filter_map(|circuit| Override::of(circuit, wall)).collect()
}

fn tracked<'a>(
    tracks: &'a mut HashMap<String, Tracked>,
    circuit: &CircuitBreaker,
    snapshot: &Snapshot,
    now: Time,
) -> &'a mut Tracked {
    if !tracks.contains_key(&**circuit.name()) {
        let track = Track::new(&snapshot.totals, now);
        tracks.insert(circuit.name().to_string(), Tracked { track, news: 0 });
    }
    tracks.get_mut(&**circuit.name()).expect("there since the line above")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
