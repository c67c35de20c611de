//! So many calls in so much time, and not one more.
//!
//! The generic cell rate algorithm (GCRA, ITU-T I.371): a quota is one moment, the *theoretical arrival time* at which
//! everything granted so far will have drained. A call is let through while that moment is no further ahead than a
//! burst reaches, and moves it on by one interval. No bucket is ever refilled and no window ever rolls, so nobody can
//! send twice the quota across a window's edge, and there is no timer.
//!
//! All of the state is one word, so the whole policy is one pure transition (`gcra.rs`) around a compare and swap. What
//! the transition computes anyway is the way out: the exact moment at which the same call will be let through.
//!
//! # Rounding
//!
//! The interval is a whole number of nanoseconds, rounded up: the quota is never exceeded, not even over years. What
//! is lost is less than `permits / per` nanoseconds of each second's worth: seven in a billion at 7 permits a second, a
//! thousandth at the worst at 1,000,000 a second.

mod cell;
mod config;
mod gcra;
mod keys;
mod snapshot;

pub use config::{Config, Settings};
pub use gcra::Grant;
pub use snapshot::{Snapshot, Tally};

use crate::breaker::ConfigError;
use crate::sync::{AtomicU64, Mutex, Relaxed, lock};
use crate::{Ratio, Rejection, Time};
use alloc::format;
use cell::Cell;
use gcra::{CLOSED, Rate};
use keys::Keys;

/// A quota that all calls share, or one for each key.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use fusebox_core::Time;
/// use fusebox_core::limiter::{Config, RateLimiter};
///
/// let quota = Config { permits: 10, per: Duration::from_secs(1), burst: 1, ..Config::default() };
/// let limiter = RateLimiter::new(quota.check().expect("the settings work"));
/// let now = Time::from_secs(1);
/// assert!(limiter.admit(0, now, Time::NEVER).is_ok());
/// let refused = limiter.admit(0, now, Time::NEVER).expect_err("one each 100 ms");
/// assert_eq!(refused.retry_at, Time::from_millis(1_100));
/// ```
///
/// # Synchronization
///
/// Every access is relaxed: a quota's word guards no other memory, and the compare and swap alone makes sure that no
/// two callers take the same permit.
#[derive(Debug)]
pub struct RateLimiter {
    interval: AtomicU64,
    tolerance: AtomicU64,
    max_wait: AtomicU64,
    /// The quota of all calls; where each key has one, that of calls without a key.
    cell: Cell,
    keys: Option<Keys>,
    plan: Mutex<Plan>,
}

/// What the rate is made of.
#[derive(Debug)]
struct Plan {
    settings: Settings,
    share: Ratio,
    /// The interval that the debts in the cells are counted in.
    scale: u64,
}

impl RateLimiter {
    /// A limiter with its whole burst unspent.
    pub fn new(settings: Settings) -> Self {
        let rate = Rate::of(settings.config(), Ratio::ONE);
        let Config { keyed, max_keys, .. } = *settings.config();
        RateLimiter {
            interval: AtomicU64::new(rate.interval),
            tolerance: AtomicU64::new(rate.tolerance),
            max_wait: AtomicU64::new(rate.max_wait),
            cell: Cell::default(),
            keys: keyed.then(|| Keys::new(max_keys)),
            plan: Mutex::new(Plan { settings, share: Ratio::ONE, scale: rate.interval }),
        }
    }

    /// The settings it works by, at its whole rate.
    pub fn settings(&self) -> Settings {
        lock(&self.plan).settings
    }

    /// Takes one permit of `key`'s quota (one quota for all unless the limiter is keyed; 0 is nobody's key), now or
    /// reserved ahead: the call may go at [`Grant::at`], which is no later than `max_wait` from now and than `latest`.
    ///
    /// # Errors
    ///
    /// [`Reason::RateLimited`](crate::Reason::RateLimited), with the exact moment from which a call that can wait as
    /// long as this one is let through if no other comes before it; [`Time::NEVER`] while the share is nothing.
    ///
    /// # Cancel safety
    ///
    /// A call that does not go on [gives its permit back](Self::refund).
    #[inline]
    pub fn admit(&self, key: u64, now: Time, latest: Time) -> Result<Grant, Rejection> {
        match &self.keys {
            Some(keys) if key != 0 => keys.admit(key, self.rate(), now, latest),
            _ => self.cell.admit(self.rate(), now, latest),
        }
    }

    /// Gives back, once, what is left of a grant whose call never went on. What has drained since is gone: the time in
    /// which nobody used it.
    ///
    /// Exact when no other permit of the quota was taken between; if one was, what had drained by now is not given back
    /// although that other call could have used it. Of permits that come back in the order in which they were taken,
    /// each may give back as much too much as drained while it was held, at most one interval.
    pub fn refund(&self, grant: Grant, key: u64, now: Time) {
        let interval = self.interval.load(Relaxed);
        match &self.keys {
            Some(keys) if key != 0 => keys.refund(grant, key, interval, now),
            _ => self.cell.refund(grant, interval, now),
        }
    }

    /// Changes rate, burst, longest wait and the number of keys. What has been spent stays spent, counted in permits.
    /// A call that asks at the same moment is judged by the old rate or by the new one.
    ///
    /// # Errors
    ///
    /// A limiter for all can not become one for each key, nor the other way round.
    pub fn reconfigure(&self, settings: Settings, now: Time) -> Result<(), ConfigError> {
        let mut plan = lock(&self.plan);
        let keyed = settings.config().keyed;
        if keyed != self.keys.is_some() {
            let accepted = "what it was when the limiter was made";
            return Err(ConfigError { field: "keyed", found: format!("{keyed}"), accepted: accepted.into() });
        }
        if let Some(keys) = &self.keys {
            keys.hold_at_most(settings.config().max_keys);
        }
        plan.settings = settings;
        self.apply(&mut plan, now);
        Ok(())
    }

    /// Lets only a share of the rate through, until told otherwise: how a queue that fills up turns its callers down.
    /// The burst keeps its number of permits and takes longer to come back. Nothing goes through at a share of zero.
    pub fn set_share(&self, share: Ratio, now: Time) {
        let mut plan = lock(&self.plan);
        if plan.share != share {
            plan.share = share;
            self.apply(&mut plan, now);
        }
    }

    /// The limiter at one moment.
    pub fn snapshot(&self, now: Time) -> Snapshot {
        let plan = lock(&self.plan);
        let rate = self.rate();
        let own = self.cell.tally();
        let keyed = self.keys.as_ref();
        Snapshot {
            share: plan.share,
            interval_nanos: (rate.interval != CLOSED).then_some(rate.interval),
            burst: plan.settings.config().burst,
            available: rate.available(self.cell.tat(), now),
            keys: keyed.map_or(0, Keys::held),
            turned_away: keyed.map_or(0, Keys::turned_away),
            totals: keyed.map_or(own, |keys| own.and(keys.tally())),
        }
    }

    #[inline]
    fn rate(&self) -> Rate {
        Rate {
            interval: self.interval.load(Relaxed),
            tolerance: self.tolerance.load(Relaxed),
            max_wait: self.max_wait.load(Relaxed),
        }
    }

    /// Puts the plan's rate in force. The debts go first: a caller between the two pays the old price, which at worst
    /// is one permit too cheap.
    fn apply(&self, plan: &mut Plan, now: Time) {
        let rate = Rate::of(plan.settings.config(), plan.share);
        if rate.interval != CLOSED && rate.interval != plan.scale {
            let scaled = |tat| gcra::scaled(tat, plan.scale, rate.interval, now);
            self.cell.scale(&scaled);
            self.keys.iter().for_each(|keys| keys.scale(&scaled));
            plan.scale = rate.interval;
        }
        self.tolerance.store(rate.tolerance, Relaxed);
        self.max_wait.store(rate.max_wait, Relaxed);
        self.interval.store(rate.interval, Relaxed);
    }
}

#[cfg(test)]
mod tests;
