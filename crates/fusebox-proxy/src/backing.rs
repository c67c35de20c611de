//! Where answers are kept beside the process's own memory: in a file, in Redis, each behind a circuit.

use crate::config::{FallbackItem, Levels, Plan, Policies, RedisPlan};
use crate::deferred::Backlog;
use crate::journal::Journal;
use fusebox::admin;
use fusebox::cache::{CacheFile, Level, LevelBuilder, Redis};
use fusebox::{Clock, Registry};
use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What an answer has beside its body: its head, its key.
const BESIDES: usize = 64 << 10;
/// A disk that takes longer than this is none.
const DISK: Duration = Duration::from_millis(100);

/// What makes levels, each file and each Redis once however many routes share it.
pub(crate) struct Backing {
    pub(crate) registry: Registry,
    journal: Journal,
    /// Where calls are kept that are made later.
    pub(crate) backlog: Option<Arc<Backlog>>,
    /// Tells callers apart, the same way as long as the proxy runs.
    pub(crate) hash: RandomState,
    files: RefCell<Vec<(PathBuf, CacheFile)>>,
    redises: RefCell<Vec<(RedisPlan, Redis)>>,
}

impl Backing {
    pub(crate) fn new(registry: &Registry, journal: &Journal, backlog: Option<&Arc<Backlog>>) -> Self {
        Backing {
            registry: registry.clone(),
            journal: journal.clone(),
            backlog: backlog.cloned(),
            hash: RandomState::new(),
            files: RefCell::default(),
            redises: RefCell::default(),
        }
    }

    /// Lets go of files and servers that no route of `plan` keeps answers in.
    pub(crate) fn let_go(&self, plan: &Plan) {
        let routes = plan.services.iter().flat_map(|service| &service.routes);
        let lists = routes.filter_map(|route| Some(&route.policies.fallback.as_ref()?.list)).flatten();
        let levels: Vec<&Levels> = lists.filter_map(levels).collect();
        let file = |path: &PathBuf| levels.iter().any(|levels| levels.persist.as_ref() == Some(path));
        self.files.borrow_mut().retain(|(path, _)| file(path));
        let redis = |known: &RedisPlan| levels.iter().any(|levels| levels.redis.as_ref() == Some(known));
        self.redises.borrow_mut().retain(|(known, _)| redis(known));
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.registry.clock()
    }

    /// The levels of a route: the file, then Redis. One that cannot be had is said, and left out.
    pub(crate) fn levels(&self, levels: &Levels, route: &str, max_bytes: u64, max_body: usize) -> Vec<Level> {
        let file = levels.persist.as_deref().and_then(|path| {
            let level = Level::builder(self.file(path, max_bytes)?).timeout(DISK);
            self.start(level, &format!("cache-file:{route}"), DISK, max_body)
        });
        let redis = levels.redis.as_ref().and_then(|plan| {
            let level = Level::builder(self.redis(plan)?).timeout(plan.timeout);
            self.start(level, &format!("cache-redis:{route}"), plan.timeout, max_body)
        });
        file.into_iter().chain(redis).collect()
    }

    fn start(&self, level: LevelBuilder, name: &str, timeout: Duration, max_body: usize) -> Option<Level> {
        let settings = Arc::new(self.said(Level::breaker().check(Some(timeout)).map_err(|_| name))?);
        let circuit = self.registry.circuit_of(name, name, &settings);
        let journal = self.journal.clone();
        let level = level
            .circuit(circuit)
            .max_entry_bytes(max_body.saturating_add(BESIDES))
            .on_trouble(move |line| journal.say(admin::Level::Warn, format!("fusebox: {line}")));
        self.said(level.start())
    }

    fn file(&self, path: &Path, max_bytes: u64) -> Option<CacheFile> {
        let mut files = self.files.borrow_mut();
        if let Some((_, known)) = files.iter().find(|(known, _)| known == path) {
            return Some(known.clone());
        }
        let file = self.said(CacheFile::at(path, max_bytes))?;
        files.push((path.into(), file.clone()));
        Some(file)
    }

    fn redis(&self, plan: &RedisPlan) -> Option<Redis> {
        let mut redises = self.redises.borrow_mut();
        let same = |known: &RedisPlan| known.address == plan.address && known.prefix == plan.prefix;
        if let Some((_, known)) = redises.iter().find(|(known, _)| same(known)) {
            return Some(known.clone());
        }
        let redis = self.said(Redis::at(plan.address.clone()))?.prefix(plan.prefix.as_str());
        redises.push((plan.clone(), redis.clone()));
        Some(redis)
    }

    /// What there is; why there is not is said.
    fn said<T, E: std::fmt::Display>(&self, made: Result<T, E>) -> Option<T> {
        let say = |error| {
            let line = format!("fusebox: failed to keep answers elsewhere: {error}");
            self.journal.say(admin::Level::Error, line);
        };
        made.map_err(say).ok()
    }
}

/// How many circuits the levels of a route have.
pub(crate) fn most_circuits(policies: &Policies) -> usize {
    let list = policies.fallback.iter().flat_map(|fallback| &fallback.list);
    list.filter_map(levels).map(Levels::count).sum()
}

fn levels(item: &FallbackItem) -> Option<&Levels> {
    match item {
        FallbackItem::Cached { levels, .. } => Some(levels),
        _ => None,
    }
}
