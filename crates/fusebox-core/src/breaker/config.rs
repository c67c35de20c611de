//! What a user may set, with the defaults.

use core::time::Duration;

/// A circuit breaker's configuration: plain fields, every value writable, nothing checked yet.
///
/// [`Config::check`] makes [`Settings`](super::Settings) of it, the only thing a breaker accepts. Start from a
/// [`Preset`](super::Preset) or from the default and change fields:
///
/// ```
/// use fusebox_core::breaker::{Config, Window};
/// let config = Config { window: Window::Calls(100), minimum_calls: 20, ..Config::default() };
/// assert!(config.check(None).is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What is remembered: the last calls, or the last stretch of time. Default: 60 s.
    pub window: Window,
    /// Trips at this many failures in the window. Default: off.
    pub failure_count: Option<u32>,
    /// Trips at this many failures in a row, however far apart. An attempt overdue past `slow_call_duration`
    /// extends the run. Default: 10.
    pub consecutive_failures: Option<u32>,
    /// Trips when this share of the window's calls failed and `minimum_calls` are in it. Default: 0.5.
    pub failure_rate: Option<f64>,
    /// The evidence both rates need. Default: 10.
    pub minimum_calls: u32,
    /// An attempt this long or longer is slow, successful or not. [`Setting::Auto`] is half the call timeout
    /// where one is set, else 5 s.
    pub slow_call_duration: Setting<Duration>,
    /// Whether a slow call also counts as a failure. Default: for the slow rate only.
    pub slow_counts_as: SlowCountsAs,
    /// Trips when this share of the window's calls was slow and `minimum_calls` are in it. Default: 0.8.
    pub slow_call_rate: Option<f64>,
    /// Whether attempts in flight past `slow_call_duration` count as slow without having finished.
    /// Default: on.
    pub hung_calls: bool,
    /// How long the circuit stays open before it probes.
    pub wait_in_open: WaitInOpen,
    /// Probes in flight at once while half-open. Default: 3.
    pub half_open_probes: u32,
    /// What closes a half-open circuit, and what opens it again.
    pub half_open: HalfOpen,
    /// A probe without a verdict for this long is a failed probe and gives its slot back. [`Setting::Auto`] is
    /// the call timeout and a tenth of it where one is set, else the base of `wait_in_open`; it can not be turned off.
    pub probe_lease: Setting<Duration>,
    /// A half-open phase that has not closed after this long, counted only while a probe is in flight, opens
    /// again. Default: off; leases alone make wedging impossible.
    pub half_open_limit: Option<Duration>,
    /// When an open circuit's wait goes back to its base.
    pub streak_reset: StreakReset,
    /// After a recovery, a closed circuit lets a growing share of its calls through, so that a dependency that has just
    /// come back is not met by everyone at once. Default: off; [`Ramp::default`] is 10 % to 100 % over 10 s.
    pub recovery_ramp: Option<Ramp>,
    /// Whether calls are refused at all. Default: they are.
    pub mode: RunMode,
    /// The share of the calls that the circuit is enforced for, by a stable hash of the call's key; the others are
    /// measured while it is closed, and pass it when it is not. Default: 1, everyone.
    pub enforcement: f64,
    /// What a dropped permit counts as. Default: nothing but its own counter (and slow, once, when it was).
    pub cancel_counts_as: CancelCountsAs,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            window: Window::Time(Duration::from_secs(60)),
            failure_count: None,
            consecutive_failures: Some(10),
            failure_rate: Some(0.5),
            minimum_calls: 10,
            slow_call_duration: Setting::Auto,
            slow_counts_as: SlowCountsAs::Rate,
            slow_call_rate: Some(0.8),
            hung_calls: true,
            wait_in_open: WaitInOpen::default(),
            half_open_probes: 3,
            half_open: HalfOpen::Count { success_threshold: 3, probe_failures: 1 },
            probe_lease: Setting::Auto,
            half_open_limit: None,
            streak_reset: StreakReset::AfterWaits(2.0),
            recovery_ramp: None,
            mode: RunMode::Enforce,
            enforcement: 1.0,
            cancel_counts_as: CancelCountsAs::Nothing,
        }
    }
}

/// A field that has a default which depends on other settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Setting<T> {
    /// Worked out from the other settings.
    #[default]
    Auto,
    /// This value.
    Is(T),
    /// Not used.
    Off,
}

/// What a breaker remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Window {
    /// The last calls that counted, this many.
    Calls(u32),
    /// The last stretch of time, in ten buckets: the current one and the nine before it.
    Time(Duration),
}

/// Whether slowness is a failure too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowCountsAs {
    /// Slow calls count toward `slow_call_rate` only.
    Rate,
    /// Slow calls also count as failures.
    Failure,
}

/// The growing share of calls that a circuit lets through after a recovery.
///
/// The calls that go are evenly spread, without dice. The others are refused as
/// [`Recovering`](crate::Reason::Recovering), with the ramp's end as the moment to come back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    /// The share that the ramp begins with, above 0 and below 1. Default: 0.1.
    pub from: f64,
    /// How long it takes to let everyone through. Default: 10 s.
    pub over: Duration,
}

impl Default for Ramp {
    fn default() -> Self {
        Ramp { from: 0.1, over: Duration::from_secs(10) }
    }
}

/// Whether a circuit refuses calls, or only tells what it would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum RunMode {
    /// Refuses what its state says.
    #[default]
    Enforce,
    /// Measures, trips and probes as it would, and refuses nothing; what it would have refused is counted.
    Shadow,
}

impl RunMode {
    /// Every mode, with the name it has in configuration files.
    pub const ALL: [(&'static str, RunMode); 2] =
        [("enforce", RunMode::Enforce), ("shadow", RunMode::Shadow)];
}

/// What a dropped permit counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelCountsAs {
    /// Its own counter only.
    Nothing,
    /// A failure, for users whose own timeouts stand outside.
    Failure,
}

/// How long a circuit stays open before it probes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WaitInOpen {
    /// The rule for the wait.
    pub strategy: WaitStrategy,
    /// Each wait is drawn from ± this share around the strategy's. Default: 0.1.
    pub jitter: f64,
}

impl Default for WaitInOpen {
    fn default() -> Self {
        let (base, max) = (Duration::from_secs(30), Duration::from_secs(300));
        WaitInOpen { strategy: WaitStrategy::Exponential { base, multiplier: 2.0, max }, jitter: 0.1 }
    }
}

/// The rule for an open circuit's wait, before jitter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WaitStrategy {
    /// Always the same. A dependency's `Retry-After` cannot lengthen it.
    Fixed(Duration),
    /// The first wait of a streak is `base`; each next one `multiplier` times longer, up to `max`.
    Exponential {
        /// The first wait.
        base: Duration,
        /// The factor from one wait to the next, at least 1.
        multiplier: f64,
        /// The longest wait.
        max: Duration,
    },
    /// Learned: a percentile of this circuit's last 20 recovery times (trip to first good probe), within `base..=max`.
    /// A recovery lies between the last bad probe and the first good one, and is kept as that interval. An outage is
    /// probed at about that time, and a quarter of it later at first if it lasts; now and then at half of it too,
    /// so that shorter outages are learned as well. Exponential from `base`, doubling, until three recoveries
    /// are known, and for a circuit that trips again before its recovery has lasted.
    Adaptive {
        /// Which percentile, 0 to 1. The median, 0.5, is a good start.
        percentile: f64,
        /// The shortest wait.
        base: Duration,
        /// The longest wait.
        max: Duration,
    },
}

/// What closes a half-open circuit, and what opens it again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HalfOpen {
    /// Closes at `success_threshold` good probes; opens at the `probe_failures`-th bad one.
    Count {
        /// Good probes that close. Default: 3.
        success_threshold: u32,
        /// The bad probe that opens again. Default: the first.
        probe_failures: u32,
    },
    /// Closes when `sample` probes have settled and less than `failure_rate` of them were bad; opens as soon as
    /// that has become impossible.
    Sample {
        /// Probes in the sample.
        sample: u32,
        /// The share of bad probes that keeps it from closing.
        failure_rate: f64,
    },
}

/// When an open circuit's wait goes back to its base.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StreakReset {
    /// Once closed for this many times the last wait, so that a flapping circuit keeps its longer waits.
    AfterWaits(f64),
    /// As soon as it closes.
    AtClose,
}

/// A named starting point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// [`Config::default`]: rate rules, a consecutive rule for sudden death, slow and hung calls.
    Default,
    /// The values of the classic sample: 5 failures or half of at least 10 calls in 60 s, a 30 s wait, three
    /// probes; slow after 5 s at half of the calls; the streak ends when the circuit closes.
    Seed,
    /// resilience4j's defaults: half of the last 100 calls, a fixed 60 s wait, a sample of 10 probes.
    Resilience4j,
    /// Polly's defaults: a tenth of at least 100 calls in 30 s, a fixed 5 s wait, one probe.
    Polly,
}

impl Preset {
    /// Every preset, with the name it has in configuration files.
    pub const ALL: [(&'static str, Preset); 4] = [
        ("default", Preset::Default),
        ("seed", Preset::Seed),
        ("resilience4j", Preset::Resilience4j),
        ("polly", Preset::Polly),
    ];

    /// The preset with this name.
    pub fn named(name: &str) -> Option<Preset> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, preset)| *preset)
    }

    /// The configuration this preset stands for.
    pub fn config(self) -> Config {
        let fixed =
            |secs| WaitInOpen { strategy: WaitStrategy::Fixed(Duration::from_secs(secs)), jitter: 0.0 };
        match self {
            Preset::Default => Config::default(),
            Preset::Seed => Config {
                failure_count: Some(5),
                consecutive_failures: None,
                slow_call_duration: Setting::Is(Duration::from_secs(5)),
                slow_call_rate: Some(0.5),
                streak_reset: StreakReset::AtClose,
                ..Config::default()
            },
            Preset::Resilience4j => Config {
                window: Window::Calls(100),
                consecutive_failures: None,
                minimum_calls: 100,
                slow_call_duration: Setting::Is(Duration::from_secs(60)),
                slow_call_rate: Some(1.0),
                hung_calls: false,
                wait_in_open: fixed(60),
                half_open_probes: 10,
                half_open: HalfOpen::Sample { sample: 10, failure_rate: 0.5 },
                ..Config::default()
            },
            Preset::Polly => Config {
                window: Window::Time(Duration::from_secs(30)),
                consecutive_failures: None,
                failure_rate: Some(0.1),
                minimum_calls: 100,
                slow_call_duration: Setting::Off,
                slow_call_rate: None,
                hung_calls: false,
                wait_in_open: fixed(5),
                half_open_probes: 1,
                half_open: HalfOpen::Count { success_threshold: 1, probe_failures: 1 },
                ..Config::default()
            },
        }
    }
}
