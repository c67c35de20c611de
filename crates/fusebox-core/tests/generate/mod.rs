//! Random configurations and random steps.

use fusebox_core::breaker::{
    CancelCountsAs, Config, HalfOpen, Mode, Ramp, RunMode, Setting, SlowCountsAs, StreakReset, WaitInOpen,
    WaitStrategy, Window,
};
use fusebox_core::{Failure, Outcome};
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;

/// How far time moves before a step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Span {
    Of(Duration),
    /// To the next thing that time brings about, or a nanosecond beside it.
    Due(i64),
    /// To the moment at which some ticket becomes slow, or a nanosecond beside it.
    Slow(i64, usize),
    Buckets(u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// With a key; 0 is none.
    Admit(u64),
    Settle(Outcome, usize),
    /// A call that takes no time.
    Call(Outcome, u64),
    Overdue(usize),
    Tick,
    Hold(Mode, Duration),
    Release,
    Reset,
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A number taken apart, digit by digit: cheap to generate, and smaller numbers are simpler steps.
struct Digits(u32);

impl Digits {
    fn below(&mut self, n: u32) -> u32 {
        let digit = self.0 % n;
        self.0 /= n;
        digit
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }

    fn outcome(&mut self) -> Outcome {
        match self.below(14) {
            0..6 => Outcome::Success,
            6..11 => Outcome::Failure(Failure::Error),
            11 => Outcome::Failure(Failure::Overloaded { retry_after_secs: self.of(&[0, 1, 3, 20]) }),
            12 => Outcome::Ignored,
            _ => Outcome::Cancelled,
        }
    }

    fn span(&mut self) -> Span {
        match self.below(18) {
            0..6 => Span::Of(Duration::ZERO),
            6 => Span::Of(Duration::from_nanos(1)),
            7..10 => Span::Of(ms(u64::from(self.below(3_000)))),
            10..12 => Span::Buckets(self.of(&[1, 1, 4, 9])),
            12..15 => Span::Due(self.of(&[0, 1, -1])),
            15..17 => Span::Slow(self.of(&[0, 1, -1]), self.0 as usize),
            _ => Span::Of(ms(3_000 + u64::from(self.below(57_000)))),
        }
    }

    fn op(&mut self) -> Op {
        match self.below(80) {
            0..24 => Op::Admit(u64::from(self.below(4))),
            24..44 => Op::Call(self.outcome(), u64::from(self.below(4))),
            44..64 => Op::Settle(self.outcome(), self.0 as usize),
            64..72 => Op::Overdue(self.0 as usize),
            72..76 => Op::Tick,
            76 | 77 => {
                let mode = self.of(&[Mode::ForcedOpen, Mode::ForcedClosed, Mode::Disabled, Mode::Shadow]);
                Op::Hold(
                    mode,
                    self.of(&[Duration::MAX, ms(500), ms(2_000), ms(7_000), Duration::from_nanos(1)]),
                )
            }
            78 => Op::Release,
            _ => Op::Reset,
        }
    }
}

pub(crate) fn step() -> impl Strategy<Value = (Span, Op)> {
    any::<(u32, u32)>().prop_map(|(span, op)| {
        let (mut span, mut op) = (Digits(span), Digits(op));
        match op.below(10) {
            9 => {
                let ticket = op.0 as usize;
                (Span::Slow(span.of(&[0, 1, -1]), ticket), Op::Overdue(ticket))
            }
            _ => (span.span(), op.op()),
        }
    })
}

fn wait() -> impl Strategy<Value = WaitStrategy> {
    let base = select(vec![ms(400), ms(1_000), ms(2_500)]);
    (base, select(vec![1.0, 1.5, 2.0]), 1u32..12, 0..3).prop_map(|(base, multiplier, times, kind)| {
        let max = base * times;
        match kind {
            0 => WaitStrategy::Fixed(base),
            1 => WaitStrategy::Exponential { base, multiplier, max },
            _ => WaitStrategy::Adaptive { percentile: multiplier / 2.0 - 0.25, base, max },
        }
    })
}

fn half_open() -> impl Strategy<Value = HalfOpen> {
    prop_oneof![
        (1u32..4, 1u32..3).prop_map(|(success_threshold, probe_failures)| HalfOpen::Count {
            success_threshold,
            probe_failures
        }),
        (1u32..6, rate()).prop_map(|(sample, failure_rate)| HalfOpen::Sample { sample, failure_rate }),
    ]
}

/// A threshold, off more often than on, so that every rule gets its turn.
fn few() -> impl Strategy<Value = Option<u32>> {
    prop::option::weighted(0.35, 1u32..6)
}

fn rate() -> impl Strategy<Value = f64> {
    select(vec![0.07, 0.25, 1.0 / 3.0, 0.5, 0.6, 0.8, 1.0])
}

pub(crate) fn config() -> impl Strategy<Value = Config> {
    let window = prop_oneof![
        2 => (1u32..9).prop_map(Window::Calls),
        3 => select(vec![ms(10_000), Duration::from_nanos(9_999_999_999), ms(95)]).prop_map(Window::Time),
    ];
    let slow = prop_oneof![
        1 => Just(Setting::Off),
        3 => select(vec![ms(500), ms(1_500), ms(4_000)]).prop_map(Setting::Is),
    ];
    let limit = prop::option::of(select(vec![ms(900), ms(3_000), ms(4_500)]));
    let reset = prop_oneof![
        1 => Just(StreakReset::AtClose),
        3 => select(vec![0.0, 0.5, 2.0]).prop_map(StreakReset::AfterWaits),
    ];
    let ramp = prop::option::weighted(
        0.3,
        (select(vec![0.1, 0.3, 0.75]), select(vec![ms(600), ms(5_000), ms(15_000)])),
    );
    let modes = (ramp, prop::bool::weighted(0.15), select(vec![1.0, 1.0, 1.0, 0.5, 0.3]));
    let rules = (few(), few(), prop::option::of(rate()), 1u32..7);
    let slowness = (slow, any::<bool>(), prop::option::of(rate()), prop::bool::weighted(0.8));
    let recovery = (wait(), 1u32..4, half_open(), select(vec![ms(700), ms(3_000), ms(6_000)]), limit, reset);
    (window, rules, slowness, recovery, modes, any::<bool>()).prop_map(
        |(window, rules, slowness, recovery, (ramp, shadow, enforcement), cancel_fails)| {
            let most = if let Window::Calls(n) = window { n } else { u32::MAX };
            let (consecutive_failures, failure_count, failure_rate, minimum_calls) = rules;
            let (slow_call_duration, slow_fails, slow_call_rate, hung_calls) = slowness;
            let (strategy, half_open_probes, half_open, lease, half_open_limit, streak_reset) = recovery;
            let slow_rule = slow_call_rate.is_some() && slow_call_duration != Setting::Off;
            let ruled =
                consecutive_failures.or(failure_count).is_some() || failure_rate.is_some() || slow_rule;
            Config {
                window,
                consecutive_failures: if ruled { consecutive_failures } else { Some(2) },
                failure_count: failure_count.map(|n| n.min(most)),
                failure_rate,
                minimum_calls: minimum_calls.min(most),
                slow_call_duration,
                slow_counts_as: if slow_fails { SlowCountsAs::Failure } else { SlowCountsAs::Rate },
                slow_call_rate,
                hung_calls,
                wait_in_open: WaitInOpen { strategy, jitter: 0.0 },
                half_open_probes,
                half_open,
                probe_lease: Setting::Is(lease),
                half_open_limit,
                streak_reset,
                recovery_ramp: ramp.map(|(from, over)| Ramp { from, over }),
                mode: if shadow { RunMode::Shadow } else { RunMode::Enforce },
                enforcement,
                cancel_counts_as: if cancel_fails {
                    CancelCountsAs::Failure
                } else {
                    CancelCountsAs::Nothing
                },
            }
        },
    )
}
