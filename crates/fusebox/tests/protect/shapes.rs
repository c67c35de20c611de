//! Every kind of function the attribute goes on.

use crate::{Circuit, Wrong, three_strikes, totals};
use fusebox::{CircuitBreaker, Registry, protect};
use futures::executor::block_on;
use std::fmt::{Debug, Display};
use std::sync::Arc;

static SHAPES: Circuit = Circuit::new(|| three_strikes("shapes"));

fn shapes() -> &'static CircuitBreaker {
    &SHAPES
}

#[protect(breaker = SHAPES)]
fn parse(text: &str) -> Result<u32, Wrong> {
    let number: u32 = text.parse()?;
    if number > 100 {
        return Err(Wrong::Broken(number));
    }
    Ok(number)
}

#[protect(breaker = shapes())]
async fn parse_later(text: &str) -> Result<u32, Wrong> {
    let number: u32 = std::future::ready(text).await.parse()?;
    if number > 100 {
        return Err(Wrong::Broken(number));
    }
    Ok(number)
}

#[protect(breaker = SHAPES)]
fn longer<'a, 'b: 'a>(left: &'a str, right: &'b str) -> Result<&'a str, Wrong> {
    Ok(if left.len() > right.len() { left } else { right })
}

#[protect(breaker = SHAPES)]
async fn first_word(text: &str) -> Result<&str, Wrong> {
    Ok(text.split(' ').next().unwrap_or_default())
}

#[protect(breaker = SHAPES)]
fn total<T, const N: usize>(parts: [T; N], mut start: u64) -> Result<u64, Wrong>
where
    T: Into<u64> + Copy,
{
    for part in parts {
        start += part.into();
    }
    Ok(start)
}

#[protect(breaker = SHAPES)]
async fn shown<T: Display + Send>(value: T, also: impl Debug) -> Result<String, Wrong> {
    Ok(format!("{value} {also:?}"))
}

struct Point {
    x: i32,
    #[expect(dead_code, reason = "patterns may leave things out")]
    y: i32,
}

#[protect(breaker = SHAPES)]
fn patterns((a, b): (u32, u32), Point { x, y: _ }: Point, mut last: u32, _: &str) -> Result<i64, Wrong> {
    last += 1;
    Ok(i64::from(a + b + last) + i64::from(x))
}

#[protect(breaker = SHAPES)]
fn even(below: u32) -> Result<impl Iterator<Item = u32>, Wrong> {
    Ok((0..below).filter(|n| n % 2 == 0))
}

type Answer<T> = Result<T, Wrong>;

#[protect(breaker = SHAPES)]
async fn odd(below: &str) -> Answer<impl Iterator<Item = u32>> {
    let below = std::future::ready(below).await.parse()?;
    Ok((0..below).filter(|n| n % 2 == 1))
}

#[protect(breaker = SHAPES)]
fn boxed(text: &str) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    Ok(text.parse::<u32>()?)
}

#[test]
fn functions_keep_their_signatures_and_their_question_marks() {
    assert_eq!(parse("7"), Ok(7));
    assert_eq!(parse("x"), Err(Wrong::Broken(400)));
    assert_eq!(parse("101"), Err(Wrong::Broken(101)));
    assert_eq!(longer("ab", "c"), Ok("ab"));
    assert_eq!(total([1u32, 2, 3], 10), Ok(16));
    assert_eq!(patterns((1, 2), Point { x: -4, y: 0 }, 5, ""), Ok(5));
    assert_eq!(even(5).map(Iterator::collect), Ok(vec![0, 2, 4]));
    assert_eq!(boxed("12").expect("a number"), 12);
}

#[test]
fn async_functions_run_on_any_executor_and_their_futures_are_send() {
    fn send<F: Future + Send>(future: F) -> F {
        future
    }
    assert_eq!(block_on(send(parse_later("7"))), Ok(7));
    assert_eq!(block_on(parse_later("x")), Err(Wrong::Broken(400)));
    assert_eq!(block_on(parse_later("101")), Err(Wrong::Broken(101)));
    assert_eq!(block_on(first_word("one two")), Ok("one"));
    assert_eq!(block_on(odd("4")).map(Iterator::collect), Ok(vec![1, 3]));
    assert_eq!(block_on(send(shown(1, "a"))), Ok("1 \"a\"".into()));
}

struct Client {
    breaker: CircuitBreaker,
    sent: u32,
}

impl Client {
    fn new() -> Self {
        Client { breaker: three_strikes("client"), sent: 0 }
    }

    #[protect(breaker = self.breaker)]
    fn peek(&self) -> Result<u32, Wrong> {
        Ok(self.sent)
    }

    #[protect(breaker = self.breaker)]
    fn send(&mut self, count: u32) -> Result<u32, Wrong> {
        self.sent += count;
        self.peek()
    }

    #[protect(breaker = &self.breaker)]
    async fn send_later(&mut self, count: u32) -> Result<&u32, Wrong> {
        self.sent += std::future::ready(count).await;
        Ok(&self.sent)
    }

    #[protect(breaker = self.breaker)]
    fn close(self) -> Result<Self, Wrong> {
        Ok(self)
    }

    #[protect(breaker = self.breaker)]
    async fn share(self: Arc<Self>) -> Result<Arc<Self>, Wrong> {
        Ok(self)
    }
}

trait Store {
    fn load(&self, key: &str) -> Result<String, Wrong>;
}

impl Store for Client {
    #[protect(breaker = self.breaker)]
    fn load(&self, key: &str) -> Result<String, Wrong> {
        Ok(key.to_owned())
    }
}

#[test]
fn methods_take_their_circuit_from_a_field() {
    let mut client = Client::new();
    assert_eq!(client.send(2), Ok(2));
    assert_eq!(block_on(client.send_later(3)), Ok(&5));
    assert_eq!(client.load("key"), Ok("key".into()));
    let client = client.close().expect("closed");
    let client = block_on(Arc::new(client).share()).expect("shared");
    assert_eq!(totals(&client.breaker).success, 6, "send calls peek through the same circuit");
}

#[protect(breaker = circuits.circuit(&key))]
fn keyed(circuits: &Registry, key: String) -> Result<String, Wrong> {
    if key.starts_with('b') { Err(Wrong::Broken(1)) } else { Ok(key) }
}

#[test]
fn the_circuit_may_depend_on_the_arguments() {
    let registry = Registry::default();
    assert_eq!(keyed(&registry, "a".into()), Ok("a".into()));
    assert_eq!(keyed(&registry, "b".into()), Err(Wrong::Broken(1)));
    let failures = |name| totals(&registry.find(name).expect("it was made")).failure;
    assert_eq!((failures("a"), failures("b")), (0, 1));
}

#[protect(breaker = "the one and only")]
fn named<T>(value: T) -> Result<T, Wrong> {
    Ok(value)
}

#[test]
fn a_name_stands_for_the_circuit_in_the_global_registry() {
    assert_eq!((named(1u8), named("one")), (Ok(1), Ok("one")));
    let circuit = Registry::global().find("the one and only").expect("it was made");
    assert_eq!(totals(&circuit).success, 2);
}
