//! What answers in a protected function's place.

use crate::{Circuit, Wrong, three_strikes, totals};
use fusebox::{CircuitBreaker, Error, Failure, Verdict, protect};
use futures::executor::block_on;
use std::io;
use std::sync::Arc;

/// A list that body and fallback write to.
type Log = Vec<String>;

#[test]
fn it_is_given_the_arguments_once_more_and_the_cause() {
    static CIRCUIT: Circuit = Circuit::new(|| three_strikes("profiles"));

    #[protect(breaker = CIRCUIT, fallback = guest)]
    fn profile(id: u32, mut names: Vec<String>, (low, _): (u8, u8), log: &mut Log) -> io::Result<String> {
        names.push("consumed".into());
        log.push(format!("body {id} {low}"));
        drop(names);
        Err(io::Error::other("down"))
    }

    fn guest(
        id: u32,
        names: Vec<String>,
        range: (u8, u8),
        log: &mut Log,
        cause: Error<io::Error>,
    ) -> io::Result<String> {
        log.push(format!("fallback: failed to {cause}"));
        Ok(format!("{id} {names:?} {range:?}"))
    }

    let mut log = Log::new();
    for _ in 0..4 {
        let answer = profile(7, vec!["Ann".into()], (1, 2), &mut log).expect("the fallback answers");
        assert_eq!(answer, "7 [\"Ann\"] (1, 2)");
    }
    assert_eq!(log[..2], ["body 7 1", "fallback: failed to down"]);
    assert_eq!(log.len(), 7, "the fourth call does not reach the body: {log:?}");
    assert!(log[6].starts_with("fallback: failed to call profiles: the circuit is open"), "{log:?}");
}

struct Prices {
    breaker: CircuitBreaker,
    seen: Vec<u32>,
}

impl Prices {
    #[protect(breaker = self.breaker, fallback = Self::last)]
    fn price(&mut self, item: u32) -> Result<u32, Wrong> {
        self.seen.push(item);
        Err(Wrong::Broken(item))
    }

    fn last(&mut self, item: u32, cause: Error<Wrong>) -> Result<u32, Wrong> {
        self.seen.push(item + 1);
        cause.failed().map_or(Ok(0), Err)
    }

    #[protect(breaker = self.breaker, fallback = Self::last_later)]
    async fn price_later(&mut self, item: String) -> Result<usize, Wrong> {
        self.seen.push(1);
        std::future::ready(Err(Wrong::Broken(1))).await
    }

    async fn last_later(&mut self, item: String, _: Error<Wrong>) -> Result<usize, Wrong> {
        self.seen.push(2);
        Ok(std::future::ready(item).await.len())
    }

    #[protect(breaker = self.breaker, fallback = Prices::known)]
    async fn shared(self: Arc<Self>, item: &str) -> Result<&str, Wrong> {
        Err(Wrong::Broken(1))
    }

    fn known(self: Arc<Self>, item: &str, _: Error<Wrong>) -> Result<&str, Wrong> {
        Ok(item)
    }
}

#[test]
fn a_method_lends_itself_to_the_body_and_then_to_the_fallback() {
    let mut prices = Prices { breaker: three_strikes("prices"), seen: Vec::new() };
    assert_eq!(prices.price(10), Err(Wrong::Broken(10)), "the fallback may hand the error on");
    fn send<F: Future + Send>(future: F) -> F {
        future
    }
    assert_eq!(block_on(send(prices.price_later("four".into()))), Ok(4));
    assert_eq!(prices.seen, [10, 11, 1, 2]);
    assert_eq!(block_on(send(Arc::new(prices).shared("pen"))), Ok("pen"));
}

#[test]
fn told_to_it_answers_rejections_only() {
    static CIRCUIT: Circuit = Circuit::new(|| three_strikes("strict"));

    #[protect(breaker = CIRCUIT, fallback = |code, _cause| Ok(code + 1), fallback_on = "rejected")]
    fn failing(code: u32) -> Result<u32, Wrong> {
        Err(Wrong::Broken(code))
    }

    for _ in 0..3 {
        assert_eq!(failing(500), Err(Wrong::Broken(500)));
    }
    assert_eq!(failing(500), Ok(501));
}

#[test]
fn what_is_no_failure_is_not_its_business() {
    static CIRCUIT: Circuit = Circuit::new(|| three_strikes("lenient"));

    fn not_found_is_an_answer(result: &Result<u32, Wrong>) -> Verdict {
        match result {
            Err(Wrong::Broken(404)) => Verdict::SUCCESS,
            Err(Wrong::Broken(499)) => Verdict::IGNORED,
            Err(_) => Verdict::failure(Failure::Error),
            Ok(_) => Verdict::SUCCESS,
        }
    }

    #[protect(breaker = CIRCUIT, classify = not_found_is_an_answer, fallback = |_, _| Ok(0))]
    async fn page(code: u32) -> Result<u32, Wrong> {
        Err(Wrong::Broken(code))
    }

    assert_eq!(block_on(page(404)), Err(Wrong::Broken(404)));
    assert_eq!(block_on(page(499)), Err(Wrong::Broken(499)));
    assert_eq!(block_on(page(500)), Ok(0));
    let totals = totals(&CIRCUIT);
    assert_eq!((totals.success, totals.ignored, totals.failure), (1, 1, 1));
}

#[test]
fn the_refusal_of_another_circuit_falls_back_and_counts_nowhere() {
    #[protect(breaker = outer, fallback = |_, _, cause| Ok(cause.to_string()), fallback_on = "rejected")]
    fn through(outer: &CircuitBreaker, inner: &CircuitBreaker) -> Result<String, Error<String>> {
        inner.call(|| Err("down".into()))
    }

    let (outer, inner) = (three_strikes("outer"), three_strikes("inner"));
    for _ in 0..2 {
        assert_eq!(through(&outer, &inner), Err(Error::Failed("down".into())));
    }
    inner.call(|| Err::<(), _>("down")).expect_err("the third strike");
    let answer = through(&outer, &inner).expect("the fallback answers");
    assert!(answer.starts_with("call inner: the circuit is open"), "{answer}");
    let totals = totals(&outer);
    assert_eq!((totals.failure, totals.ignored), (2, 1));
}

#[test]
fn a_panic_does_not_reach_it() {
    static CIRCUIT: Circuit = Circuit::new(|| three_strikes("panicking with a fallback"));

    #[protect(breaker = CIRCUIT, fallback = |_| Ok(()))]
    fn panicking() -> Result<(), Wrong> {
        panic!("a bug")
    }

    assert!(std::panic::catch_unwind(panicking).is_err());
    assert_eq!(totals(&CIRCUIT).failure, 1);
}
