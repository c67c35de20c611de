//! `[service.breaker]`: a preset, and every field over it.

use super::chain::CALL_TIMEOUT;
use super::header;
use super::keys::{ADAPTIVE, BREAKER, HALF_OPEN, RECOVERY_RAMP, WAIT, WINDOW};
use super::plan::Key;
use super::reader::{Entry, Table};
use fusebox_core::breaker::{
    CancelCountsAs, Config, ConfigError, HalfOpen, Preset, Ramp, RunMode, Setting, Settings, SlowCountsAs,
    StreakReset, WaitInOpen, WaitStrategy, Window,
};
use std::sync::Arc;
use std::time::Duration;

/// Circuits by key when nothing else is said.
pub(super) const MAX_CIRCUITS: usize = 1_000;

/// From here on a call to another region is slow when nothing else is said.
pub(super) const SLOW_ELSEWHERE: Duration = Duration::from_secs(15);

const ENFORCEMENT: &str = "a share above 0, up to 1 (0.1 is a tenth of the callers)";
const COUNT: &str = "a whole number, or false for off";
const SHARE: &str = "a share above 0, up to 1 (0.5 is one half), or false for off";

/// Fields of the core that stand elsewhere when written in full.
const ALIASES: &[(&str, &str)] = &[
    ("window", "window.time"),
    ("wait_in_open.base", "wait_in_open.fixed"),
    ("wait_in_open.percentile", "wait_in_open.adaptive.percentile"),
];

/// Fields that can be switched off.
const OFF: &[&str] = &[
    "failure_count",
    "consecutive_failures",
    "failure_rate",
    "slow_call_duration",
    "slow_call_rate",
    "half_open_limit",
];

/// A breaker as configured.
pub(super) struct Breaker {
    pub(super) settings: Arc<Settings>,
    /// Before endpoints of other regions.
    pub(super) elsewhere: Arc<Settings>,
    pub(super) preset: Preset,
    pub(super) key: Option<Key>,
    pub(super) max_circuits: usize,
}

/// The breaker of `home`, which may write none.
pub(super) fn read(home: &Table<'_>, call_timeout: Option<Duration>) -> Option<Breaker> {
    let Some(entry) = home.entry("breaker") else {
        let preset = Preset::Default;
        let (settings, elsewhere) = check(home, Config::default(), preset, call_timeout)?;
        return Some(Breaker { settings, elsewhere, preset, key: None, max_circuits: MAX_CIRCUITS });
    };
    let t = entry.table(&BREAKER, "a table, as [service.breaker]")?;
    let preset = t.entry("preset").and_then(|e| e.word(&Preset::ALL)).unwrap_or(Preset::Default);
    let mut config = preset.config();
    let c = &mut config;
    set(&mut c.window, t.entry("window").and_then(|e| window(&e)));
    set(&mut c.failure_count, count(&t, "failure_count"));
    set(&mut c.consecutive_failures, count(&t, "consecutive_failures"));
    set(&mut c.failure_rate, share(&t, "failure_rate"));
    set(&mut c.minimum_calls, t.entry("minimum_calls").and_then(|e| e.whole("a whole number from 1 on")));
    set(&mut c.slow_call_duration, t.entry("slow_call_duration").and_then(|e| setting(&e)));
    let slow = [("rate", SlowCountsAs::Rate), ("failure", SlowCountsAs::Failure)];
    set(&mut c.slow_counts_as, t.entry("slow_counts_as").and_then(|e| e.word(&slow)));
    set(&mut c.slow_call_rate, share(&t, "slow_call_rate"));
    set(&mut c.hung_calls, t.entry("hung_calls").and_then(|e| e.boolean()));
    set(&mut c.wait_in_open, t.entry("wait_in_open").and_then(|e| wait(&e)));
    set(
        &mut c.half_open_probes,
        t.entry("half_open_probes").and_then(|e| e.whole("a whole number from 1 to 1000")),
    );
    let preset_half_open = c.half_open;
    set(&mut c.half_open, half_open(&t, preset_half_open));
    set(&mut c.probe_lease, t.entry("probe_lease").and_then(|e| setting(&e)));
    set(&mut c.half_open_limit, t.entry("half_open_limit").and_then(|e| e.off_or(Entry::duration)));
    set(&mut c.streak_reset, t.entry("streak_reset").and_then(|e| streak_reset(&e)));
    let cancel = [("nothing", CancelCountsAs::Nothing), ("failure", CancelCountsAs::Failure)];
    set(&mut c.cancel_counts_as, t.entry("cancel_counts_as").and_then(|e| e.word(&cancel)));
    set(&mut c.recovery_ramp, t.entry("recovery_ramp").and_then(|e| e.off_or(ramp)));
    set(&mut c.mode, t.entry("mode").and_then(|e| e.word(&RunMode::ALL)));
    set(&mut c.enforcement, t.entry("enforcement").and_then(|e| e.number(ENFORCEMENT)));
    let key = t.entry("key").and_then(|e| header::key(&e));
    let max_circuits = t.entry("max_circuits").and_then(|e| max_circuits(&e));
    t.only_beside("max_circuits", "key", "without a key there is one circuit");
    let (settings, elsewhere) = check(&t, config, preset, call_timeout)?;
    let max_circuits = max_circuits.unwrap_or(MAX_CIRCUITS);
    Some(Breaker { settings, elsewhere, preset, key, max_circuits })
}

/// The settings of a breaker that nothing is said of.
pub(super) fn usual() -> Option<Arc<Settings>> {
    Config::default().check(Some(CALL_TIMEOUT)).ok().map(Arc::new)
}

/// The name of `preset` in the file.
pub(super) fn preset_name(preset: Preset) -> &'static str {
    Preset::ALL.iter().find(|(_, known)| *known == preset).map_or("default", |(name, _)| name)
}

/// The settings before endpoints of our own region and of others.
fn check(
    at: &Table<'_>,
    config: Config,
    preset: Preset,
    call_timeout: Option<Duration>,
) -> Option<(Arc<Settings>, Arc<Settings>)> {
    let origin = format!("from preset {:?}", preset_name(preset));
    let report = |error: &ConfigError| {
        let can_be_off =
            OFF.contains(&error.field) && at.find(error.field).is_some_and(|entry| !entry.is_off());
        let off = if can_be_off { ", or false for off" } else { "" };
        let error = ConfigError { accepted: format!("{}{off}", error.accepted), ..error.clone() };
        at.refuse(&error, &origin, ALIASES);
    };
    let own_words = at.find("slow_call_duration").is_some_and(|entry| !entry.is_auto());
    let slow_call_duration = match config.slow_call_duration {
        Setting::Auto => Setting::Is(SLOW_ELSEWHERE),
        Setting::Is(preset) if !own_words => Setting::Is(preset.max(SLOW_ELSEWHERE)),
        written => written,
    };
    let far = Config { slow_call_duration, ..config.clone() };
    let near = config.check(call_timeout).map_err(|errors| errors.iter().for_each(report)).ok()?;
    Some((Arc::new(near), Arc::new(far.check(call_timeout).ok()?)))
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn count(t: &Table<'_>, key: &str) -> Option<Option<u32>> {
    t.entry(key)?.off_or(|e| e.whole(COUNT))
}

fn share(t: &Table<'_>, key: &str) -> Option<Option<f64>> {
    t.entry(key)?.off_or(|e| e.number(SHARE))
}

fn setting(e: &Entry<'_>) -> Option<Setting<Duration>> {
    if e.is_auto() {
        return Some(Setting::Auto);
    }
    Some(e.off_or(Entry::duration)?.map_or(Setting::Off, Setting::Is))
}

fn window(e: &Entry<'_>) -> Option<Window> {
    let accepted = "a duration, as \"60s\", or { calls = 100 }";
    if e.is_text() {
        return e.duration().map(Window::Time);
    }
    let t = e.table(&WINDOW, accepted)?;
    t.exclude("calls", "time");
    let time = t.entry("time").map(|e| e.duration().map(Window::Time));
    let calls = t.entry("calls").map(|e| e.whole("a whole number from 1 to 1000000").map(Window::Calls));
    if calls.is_none() && time.is_none() {
        e.refuse(accepted);
    }
    calls.or(time)?
}

/// A wait starts from the default one, whatever the preset: half of one rule and half of another is neither.
fn wait(e: &Entry<'_>) -> Option<WaitInOpen> {
    let usual = Duration::from_secs(300);
    let growing = |base: Duration, multiplier, max: Option<Duration>| WaitStrategy::Exponential {
        base,
        multiplier,
        max: max.unwrap_or(usual.max(base)),
    };
    if e.is_text() {
        return Some(WaitInOpen { strategy: growing(e.duration()?, 2.0, None), ..WaitInOpen::default() });
    }
    let t = e.table(&WAIT, "a duration, as \"30s\", or a table with base, fixed or adaptive")?;
    for other in ["adaptive", "base", "multiplier", "max"] {
        t.exclude(other, "fixed");
    }
    t.exclude("multiplier", "adaptive");
    let span = |key| t.entry(key).map(|e| e.duration());
    let number = |key, accepted| t.entry(key).map(|e| e.number(accepted));
    let base = span("base").unwrap_or(Some(Duration::from_secs(30)));
    let max = span("max").map_or(Some(None), |max| max.map(Some));
    let multiplier = number("multiplier", "a number of 1 or more").unwrap_or(Some(2.0));
    let jitter = number("jitter", "a share from 0 to below 1").unwrap_or(Some(WaitInOpen::default().jitter));
    let strategy = match (t.entry("fixed"), t.entry("adaptive")) {
        (Some(fixed), _) => WaitStrategy::Fixed(fixed.duration()?),
        (None, Some(e)) => {
            let t = e.table(&ADAPTIVE, "a table, as { percentile = 0.5 }")?;
            let percentile =
                t.entry("percentile").map_or(Some(0.5), |e| e.number("a share above 0, up to 1"));
            let (base, max) = (base?, max?);
            WaitStrategy::Adaptive { percentile: percentile?, base, max: max.unwrap_or(usual.max(base)) }
        }
        (None, None) => growing(base?, multiplier?, max?),
    };
    Some(WaitInOpen { strategy, jitter: jitter? })
}

fn half_open(t: &Table<'_>, preset: HalfOpen) -> Option<HalfOpen> {
    let number = |t: &Table<'_>, key| t.entry(key).map(|e| e.whole("a whole number from 1 on"));
    let (successes, failures) = (number(t, "success_threshold"), number(t, "probe_failures"));
    if let Some(e) = t.entry("half_open") {
        t.exclude("half_open", "success_threshold");
        t.exclude("half_open", "probe_failures");
        let t = e.table(&HALF_OPEN, "a table, as { sample = 10, failure_rate = 0.5 }")?;
        let sample = number(&t, "sample").unwrap_or(Some(10));
        let rate = t.entry("failure_rate").map_or(Some(0.5), |e| e.number("a share above 0, up to 1"));
        return Some(HalfOpen::Sample { sample: sample?, failure_rate: rate? });
    }
    if successes.is_none() && failures.is_none() {
        return None;
    }
    let (usual_successes, usual_failures) = match preset {
        HalfOpen::Count { success_threshold, probe_failures } => (success_threshold, probe_failures),
        HalfOpen::Sample { .. } => (3, 1),
    };
    let success_threshold = successes.unwrap_or(Some(usual_successes))?;
    Some(HalfOpen::Count { success_threshold, probe_failures: failures.unwrap_or(Some(usual_failures))? })
}

fn streak_reset(e: &Entry<'_>) -> Option<StreakReset> {
    if e.is_text() {
        return e.word(&[("at_close", StreakReset::AtClose)]);
    }
    e.number("a number of waits, as 2, or \"at_close\"").map(StreakReset::AfterWaits)
}

fn ramp(e: &Entry<'_>) -> Option<Ramp> {
    let usual = Ramp::default();
    if e.is_text() {
        return Some(Ramp { over: e.duration()?, ..usual });
    }
    let t = e.table(
        &RECOVERY_RAMP,
        "a duration, as \"10s\", a table, as { from = 0.1, over = \"10s\" }, or false for off",
    )?;
    let from = t.or("from", usual.from, |e| e.number("a share above 0, below 1"));
    let over = t.or("over", usual.over, Entry::duration);
    Some(Ramp { from: from?, over: over? })
}

fn max_circuits(e: &Entry<'_>) -> Option<usize> {
    let accepted = "a whole number from 1 to 100000";
    e.within(1, 100_000, accepted)
}
