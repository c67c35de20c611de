//! What [`protect`](crate::protect) expands to. The attribute alone uses it.

use crate::circuit::CircuitBreaker;
use crate::classify::Classify;
use crate::error::{Error, Rejected};
use fusebox_core::Verdict;
use fusebox_core::pipeline::FallbackOn;
use std::error::Error as StdError;
use std::future::{Future, Ready, ready};
use std::ops::ControlFlow::{self, Break, Continue};
use std::ops::Deref;

/// A circuit, and how the results of one function are judged.
#[derive(Debug)]
pub struct Protection<'a, K, R> {
    /// The circuit that the function stands behind.
    pub circuit: &'a CircuitBreaker,
    /// What its results say.
    pub classify: K,
    /// Whether a result is another circuit's refusal: that says nothing of this dependency, whatever the classifier
    /// makes of it.
    pub refused: R,
}

/// A result, and what it is for the circuit and for the fallback.
type Judged<T, E> = Result<(T, Verdict), (E, Verdict)>;

impl<K, R> Protection<'_, K, R> {
    /// Calls `body`; a refusal becomes its error.
    pub fn call<T, E>(self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: From<Rejected>,
        K: Classify<T, E>,
        R: Fn(&Result<T, E>) -> bool,
    {
        self.circuit.call_with(verdict, || self.judge(body())).map(first).map_err(own)
    }

    /// Calls `body`; goes on with the cause where the fallback is to answer.
    pub fn attempt<T, E>(
        self,
        on: FallbackOn,
        body: impl FnOnce() -> Result<T, E>,
    ) -> ControlFlow<Result<T, E>, Error<E>>
    where
        K: Classify<T, E>,
        R: Fn(&Result<T, E>) -> bool,
    {
        settled(on, self.circuit.call_with(verdict, || self.judge(body())))
    }

    /// Runs `body`; a refusal becomes its error.
    pub async fn run<T, E>(self, body: impl Future<Output = Result<T, E>>) -> Result<T, E>
    where
        E: From<Rejected>,
        K: Classify<T, E>,
        R: Fn(&Result<T, E>) -> bool,
    {
        let judged = async { self.judge(body.await) };
        self.circuit.run_with(verdict, judged).await.map(first).map_err(own)
    }

    /// Runs `body`; goes on with the cause where the fallback is to answer.
    pub async fn attempt_later<T, E>(
        self,
        on: FallbackOn,
        body: impl Future<Output = Result<T, E>>,
    ) -> ControlFlow<Result<T, E>, Error<E>>
    where
        K: Classify<T, E>,
        R: Fn(&Result<T, E>) -> bool,
    {
        let judged = async { self.judge(body.await) };
        settled(on, self.circuit.run_with(verdict, judged).await)
    }

    fn judge<T, E>(&self, result: Result<T, E>) -> Judged<T, E>
    where
        K: Classify<T, E>,
        R: Fn(&Result<T, E>) -> bool,
    {
        let refused = (self.refused)(&result);
        let verdict = if refused { Verdict::REFUSED } else { self.classify.classify(&result) };
        match result {
            Ok(value) => Ok((value, verdict)),
            Err(error) => Err((error, verdict)),
        }
    }
}

fn verdict<T, E>(judged: &Judged<T, E>) -> Verdict {
    match judged {
        Ok((_, verdict)) | Err((_, verdict)) => *verdict,
    }
}

fn first<T>((value, _): (T, Verdict)) -> T {
    value
}

/// The function's own error.
fn own<E: From<Rejected>>(error: Error<(E, Verdict)>) -> E {
    match error {
        Error::Failed((error, _)) => error,
        Error::Rejected(rejected) => rejected.into(),
        Error::TimedOut | Error::DeadlineExceeded => unreachable!("a breaker alone has no timeout"),
    }
}

/// A refusal goes on to the fallback, this circuit's or another's; a failure where that is wanted; nothing else.
fn settled<T, E>(
    on: FallbackOn,
    result: Result<(T, Verdict), Error<(E, Verdict)>>,
) -> ControlFlow<Result<T, E>, Error<E>> {
    let (error, verdict) = match result {
        Ok((value, _)) => return Break(Ok(value)),
        Err(Error::Failed(failed)) => failed,
        Err(Error::Rejected(rejected)) => return Continue(Error::Rejected(rejected)),
        Err(Error::TimedOut | Error::DeadlineExceeded) => unreachable!("a breaker alone has no timeout"),
    };
    if on.answers(verdict) { Continue(Error::Failed(error)) } else { Break(Err(error)) }
}

/// What the fallback of an `async fn` may return; `When` keeps the two kinds apart.
pub trait Fallback<T, E, When> {
    /// The answer to come.
    type Answer: Future<Output = Result<T, E>>;
    /// Waits for it.
    fn answer(self) -> Self::Answer;
}

/// See [`Fallback`].
#[derive(Debug)]
pub enum AtOnce {}

/// See [`Fallback`].
#[derive(Debug)]
pub enum Later {}

impl<T, E> Fallback<T, E, AtOnce> for Result<T, E> {
    type Answer = Ready<Self>;
    fn answer(self) -> Ready<Self> {
        ready(self)
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> Fallback<T, E, Later> for F {
    type Answer = F;
    fn answer(self) -> F {
        self
    }
}

/// Gives a block the type it returns.
pub fn never<R>() -> R {
    unreachable!("it stands behind `if false`")
}

/// An error, asked whether it is a circuit's refusal or caused by one. Method resolution takes the first of these traits
/// that fits the error's type: [`ByType`], [`ByChain`], [`ByTarget`], [`Never`].
#[derive(Debug)]
pub struct Asked<'a, E>(pub &'a E);

/// For fusebox's own error, whatever is in it.
pub trait ByType {
    /// Whether it is a refusal.
    fn is_refusal(&self) -> bool;
}

/// For errors of the standard kind.
pub trait ByChain {
    /// Whether it is a refusal, or caused by one.
    fn is_refusal(&self) -> bool;
}

/// For boxes of such errors.
pub trait ByTarget {
    /// Whether it is a refusal, or caused by one.
    fn is_refusal(&self) -> bool;
}

/// For everything else.
pub trait Never {
    /// No.
    fn is_refusal(&self) -> bool {
        false
    }
}

impl<E> ByType for &&&Asked<'_, Error<E>> {
    fn is_refusal(&self) -> bool {
        self.0.is_rejected()
    }
}

impl<E: StdError + 'static> ByChain for &&Asked<'_, E> {
    fn is_refusal(&self) -> bool {
        has_refusal(self.0)
    }
}

impl<E: Deref<Target: AsStdError>> ByTarget for &Asked<'_, E> {
    fn is_refusal(&self) -> bool {
        has_refusal(self.0.deref().as_std_error())
    }
}

impl<E> Never for Asked<'_, E> {}

/// The trait objects that error boxes dereference to.
pub trait AsStdError {
    /// The error without its markers.
    fn as_std_error(&self) -> &(dyn StdError + 'static);
}

impl AsStdError for dyn StdError + 'static {
    fn as_std_error(&self) -> &(dyn StdError + 'static) {
        self
    }
}

impl AsStdError for dyn StdError + Send + 'static {
    fn as_std_error(&self) -> &(dyn StdError + 'static) {
        self
    }
}

impl AsStdError for dyn StdError + Send + Sync + 'static {
    fn as_std_error(&self) -> &(dyn StdError + 'static) {
        self
    }
}

fn has_refusal(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|error| error.is::<Rejected>())
}
