//! The breaker against its reference: random configurations, random calls, virtual time.
//!
//! 20,000 sequences a run, a million with `FUSEBOX_LONG=1`. The seed is printed; `FUSEBOX_SEED` sets it.

mod generate;
mod model;

use fusebox_core::breaker::{
    Cause, CircuitBreaker, Config, Hold, Mode, ProbeCounts, State, Ticket, Totals, Window, WindowCounts,
};
use fusebox_core::event::Event;
use fusebox_core::{Outcome, Reason, Rng, Time};
use generate::{Op, Span, config, ms, step};
use model::{Model, Told, Why};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config as RunnerConfig, RngAlgorithm, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What both sides must agree on after every step.
#[derive(Debug, PartialEq)]
struct Seen {
    state: State,
    shadow: Option<State>,
    ramp: Option<u32>,
    recovery: Option<Duration>,
    since: Time,
    retry_at: Time,
    window: WindowCounts,
    run: u32,
    hung: u32,
    probes: ProbeCounts,
    streak: u32,
    held: Option<(Mode, Time)>,
    totals: Totals,
    told: Vec<Told>,
}

struct Pair {
    real: CircuitBreaker,
    model: Model,
    heard: Arc<Mutex<Vec<Event>>>,
    tickets: Vec<(Ticket, model::Ticket)>,
    slow: Duration,
    bucket: Duration,
    now: Time,
    /// The rules that are said never to fire; forgotten with the first hold.
    never: Vec<&'static str>,
    epochs: (u64, u64),
    /// What this sequence has come through.
    reached: BTreeSet<&'static str>,
}

/// What a run must have come through, each in a few sequences at least; else it proves little.
const REACHED: [&str; 18] = [
    "consecutive_failures",
    "failure_count",
    "failure_rate",
    "slow_call_rate",
    "tripped by time alone",
    "wait over",
    "recovered",
    "probes failed",
    "phase limit",
    "operator",
    "override ended",
    "late",
    "half-open full",
    "recovering",
    "would reject",
    "unenforced",
    "learned",
    "tripped beside a rule that never does",
];

impl Pair {
    fn new(config: Config, start: Time) -> Pair {
        let settings = config.check(None).expect("only settings that work are generated");
        let slow = settings.slow_call_duration().unwrap_or(ms(1));
        let bucket = match settings.config().window {
            Window::Time(span) => span / 10,
            Window::Calls(_) => ms(700),
        };
        let warnings = settings.warnings().into_iter();
        let never = warnings.filter(|doubt| doubt.text.starts_with("can never be the rule that fires"));
        let never = never.map(|doubt| doubt.field).collect();
        let model = Model::new(&settings, start);
        let real = CircuitBreaker::new(settings, Rng::seeded(1), start);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        real.subscribe(Arc::new(move |event: &Event| {
            ear.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
        }));
        let epochs = (real.epoch(), model.epoch);
        Pair {
            real,
            model,
            heard,
            tickets: Vec::new(),
            slow,
            bucket,
            now: start,
            never,
            epochs,
            reached: BTreeSet::new(),
        }
    }

    fn pick(&self, any: usize) -> Option<usize> {
        any.checked_rem(self.tickets.len())
    }

    fn advance(&mut self, span: Span) {
        let beside = |at: Time, by: i64| match at {
            Time::NEVER => self.now,
            at => Time::from_nanos(at.as_nanos().saturating_add_signed(by)),
        };
        let to = match span {
            Span::Of(span) => self.now + span,
            Span::Buckets(n) => self.now + self.bucket * n,
            Span::Due(by) => beside(self.model.next_due(), by),
            Span::Slow(by, any) => {
                self.pick(any).map_or(self.now, |i| beside(self.tickets[i].1.began + self.slow, by))
            }
        };
        self.now = self.now.max(to);
        // Plain closed calls need not notice that a forced-closed hold has run out; a timer does.
        if self.model.hold.is_some_and(|(mode, expires)| mode == Mode::ForcedClosed && expires <= self.now) {
            self.real.tick(self.now);
            self.model.observe(self.now);
        }
    }

    fn admit(&mut self, key: u64) -> Result<bool, TestCaseError> {
        let (real, model) = (self.real.admit_for(key, self.now), self.model.admit(key, self.now));
        match (real, model) {
            (Ok(real), Ok(model)) => {
                prop_assert_eq!(real.is_probe(), model.probe.is_some(), "probe or not");
                prop_assert_eq!(real.is_unenforced(), model.unenforced, "enforced or not");
                self.tickets.push((real, model));
                Ok(true)
            }
            (Err(real), Err(model)) => {
                prop_assert_eq!((real.reason, real.retry_at), model, "rejections differ");
                match real.reason {
                    Reason::HalfOpenFull => drop(self.reached.insert("half-open full")),
                    Reason::Recovering => drop(self.reached.insert("recovering")),
                    _ => {}
                }
                Ok(false)
            }
            (Ok(_), Err(model)) => {
                Err(TestCaseError::fail(format!("admitted; the model rejects: {model:?}")))
            }
            (Err(real), Ok(_)) => Err(TestCaseError::fail(format!("rejected: {real:?}; the model admits"))),
        }
    }

    fn settle(&mut self, index: usize, outcome: Outcome) {
        let (real, model) = self.tickets.swap_remove(index);
        self.real.settle(real, outcome, self.now);
        self.model.settle(model, outcome, self.now);
    }

    fn step(&mut self, span: Span, op: Op) -> Result<(), TestCaseError> {
        self.advance(span);
        let (now, trips) = (self.now, self.model.totals.trips());
        self.model.observe(now);
        if self.model.totals.trips() > trips {
            self.reached.insert("tripped by time alone");
        }
        match op {
            Op::Admit(key) => {
                self.admit(key)?;
            }
            Op::Call(outcome, key) => {
                if self.admit(key)? {
                    self.settle(self.tickets.len() - 1, outcome);
                }
            }
            Op::Settle(outcome, any) => {
                if let Some(i) = self.pick(any) {
                    self.settle(i, outcome);
                }
            }
            Op::Overdue(any) => {
                if let Some(i) = self.pick(any) {
                    self.real.overdue(&mut self.tickets[i].0, now);
                    self.model.overdue(&mut self.tickets[i].1, now);
                }
            }
            Op::Tick => {
                self.real.tick(now);
                self.model.observe(now);
            }
            Op::Hold(mode, span) => {
                self.never.clear();
                let (actor, reason) = (String::from("ops"), String::from("drill"));
                self.real.hold(Hold { mode, actor, reason, expires: now + span }, now);
                self.model.hold(mode, now + span, now);
            }
            Op::Release => {
                self.real.release(now);
                self.model.release(now);
            }
            Op::Reset => {
                self.real.reset(now);
                self.model.reset(now);
            }
        }
        self.compare()
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        let now = self.now;
        self.model.observe(now);
        prop_assert_eq!(self.real.state(now), self.model.shown(), "state");
        let real = self.real.snapshot(now);
        let heard = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        let real = Seen {
            state: real.state,
            shadow: real.shadow,
            ramp: real.ramp.map(|share| share.ppm()),
            recovery: real.recovery,
            since: real.since,
            retry_at: real.retry_at,
            window: real.window,
            run: real.consecutive_failures,
            hung: real.hung,
            probes: real.probes,
            streak: real.streak,
            held: real.hold.map(|hold| (hold.mode, hold.expires)),
            totals: real.totals,
            told: heard.iter().filter_map(told).collect(),
        };
        let (window, run, hung, probes) = self.model.counts(now);
        let model = Seen {
            state: self.model.shown(),
            shadow: self.model.shadows().then_some(self.model.state),
            ramp: self.model.ramp_share(now),
            recovery: self.model.recovery(),
            since: self.model.since,
            retry_at: self.model.retry_at(),
            window,
            run,
            hung,
            probes,
            streak: self.model.streak,
            held: self.model.hold,
            totals: self.model.totals,
            told: std::mem::take(&mut self.model.told),
        };
        prop_assert_eq!(&real, &model, "left is the breaker, right the model, at {}", now);
        for told in &real.told {
            let what = name(told.why);
            prop_assert!(!self.never.contains(&what), "said never to fire, and fired: {}", what);
            self.reached.insert(what);
        }
        if !self.never.is_empty() && real.totals.trips() > 0 {
            self.reached.insert("tripped beside a rule that never does");
        }
        let totals = &real.totals;
        for (what, times) in [
            ("late", totals.late),
            ("would reject", totals.would_reject),
            ("unenforced", totals.unenforced),
            ("learned", u64::from(real.recovery.is_some())),
        ] {
            if times > 0 {
                self.reached.insert(what);
            }
        }
        let epochs = (self.real.epoch(), self.model.epoch);
        prop_assert_eq!(
            epochs.0 > self.epochs.0,
            epochs.1 > self.epochs.1,
            "an epoch began in one of them only"
        );
        self.epochs = epochs;
        let due = self.real.next_due();
        prop_assert!(due <= self.model.next_due(), "its timer sleeps past what is due: {}", due);
        prop_assert!(due > now, "its timer would spin: {} is due at {}", due, now);
        Ok(())
    }
}

fn name(why: Why) -> &'static str {
    match why {
        Why::Tripped(rule, _) => rule.as_str(),
        Why::WaitOver => "wait over",
        Why::Recovered(_) => "recovered",
        Why::ProbesFailed(_) => "probes failed",
        Why::PhaseLimit => "phase limit",
        Why::Operator => "operator",
        Why::OverrideEnded => "override ended",
    }
}

fn told(event: &Event) -> Option<Told> {
    let Event::Transition(change) = event else { return None };
    let why = match change.cause {
        Cause::Tripped(trip) => Why::Tripped(trip.rule, trip.counted),
        Cause::WaitOver => Why::WaitOver,
        Cause::Recovered { good } => Why::Recovered(good),
        Cause::ProbesFailed { bad, .. } => Why::ProbesFailed(bad),
        Cause::PhaseLimit(_) => Why::PhaseLimit,
        Cause::Operator => Why::Operator,
        Cause::OverrideEnded => Why::OverrideEnded,
        other => unreachable!("nothing generated causes {other:?}"),
    };
    Some(Told { from: change.from, to: change.to, why, at: change.at, retry_at: change.retry_at })
}

fn seed() -> u64 {
    match std::env::var("FUSEBOX_SEED") {
        Ok(seed) => seed.parse().expect("FUSEBOX_SEED is a number"),
        Err(_) => std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0),
    }
}

#[test]
fn the_breaker_does_what_the_reference_does_whatever_comes() {
    let (seed, long) = (seed(), std::env::var_os("FUSEBOX_LONG").is_some());
    let cases = if long { 1_000_000 } else { 20_000 };
    eprintln!("FUSEBOX_SEED={seed} ({cases} sequences)");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let runner = RunnerConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..RunnerConfig::default()
    };
    let reached = RefCell::new(BTreeMap::new());
    let starts = select(vec![Time::ZERO, Time::from_millis(123_456)]);
    let sequences = (config(), starts, prop::collection::vec(step(), 1..60));
    let outcome = TestRunner::new_with_rng(runner, rng).run(&sequences, |(config, start, steps)| {
        let mut pair = Pair::new(config, start);
        steps.into_iter().try_for_each(|(span, op)| pair.step(span, op))?;
        let mut reached = reached.borrow_mut();
        pair.reached.into_iter().for_each(|what| *reached.entry(what).or_insert(0u64) += 1);
        Ok(())
    });
    if let Err(divergence) = outcome {
        panic!("FUSEBOX_SEED={seed}: {divergence:#}");
    }
    let reached = reached.into_inner();
    eprintln!("{reached:?}");
    for what in REACHED {
        assert!(
            reached.get(what).is_some_and(|sequences| *sequences >= 5),
            "FUSEBOX_SEED={seed}: {what}: {reached:?}"
        );
    }
}
