//! The `#[fusebox::protect]` attribute. Use it through the `fusebox` crate.

mod arguments;
mod expand;
mod options;

use proc_macro::TokenStream;
use syn::parse_macro_input;

/// Puts a function or method behind a circuit breaker.
///
/// The function returns a `Result`: `Ok` is a success of the dependency, `Err` a failure. While the circuit is open the
/// body does not run, and the refusal becomes the function's own error through `From<fusebox::Rejected>`.
///
/// ```
/// use fusebox::{CircuitBreaker, Rejected};
/// use std::sync::LazyLock;
///
/// static PAYMENTS: LazyLock<CircuitBreaker> = LazyLock::new(|| CircuitBreaker::new("payments"));
///
/// #[derive(Debug)]
/// enum PaymentError {
///     Down(Rejected),
///     Declined,
/// }
///
/// impl From<Rejected> for PaymentError {
///     fn from(rejected: Rejected) -> Self {
///         PaymentError::Down(rejected)
///     }
/// }
///
/// #[fusebox::protect(breaker = PAYMENTS)]
/// fn pay(cents: u32) -> Result<String, PaymentError> {
///     if cents == 0 { Err(PaymentError::Declined) } else { Ok(format!("paid {cents}")) }
/// }
///
/// assert_eq!(pay(42).unwrap(), "paid 42");
/// ```
///
/// `fusebox::Error<E>`, `Box<dyn Error + Send + Sync>` and the like have that `From` already. `async fn`s run on any executor.
/// A panic in the body is one failure and goes on; a future that is dropped counts as cancelled, neither success nor failure.
/// An error that is, or is caused by, the refusal of *another* circuit counts as ignored: that circuit has counted its own
/// failures. Inside a generic function whose error type is a parameter, that cannot be seen; classify there.
///
/// # Options
///
/// * `breaker` — an expression for a `fusebox::CircuitBreaker`, evaluated at each call: a `static` (`LazyLock` too), a
///   function call, a field (`self.breaker`), anything that dereferences to one. Or a name in quotes: the circuit
///   of that name in `Registry::global()`, looked up once.
/// * `fallback` — a function that answers on a rejection, and on a failure. It takes the same parameters, `self`
///   included, and then the cause, a `fusebox::Error` of the function's own error; it returns the same
///   `Result`. In an `async fn` it may be either kind. With it, the error needs no `From<Rejected>`.
/// * `fallback_on` — `"failed"` (default), or `"rejected"` to let failures through.
/// * `classify` — a `fusebox::Classify`, such as a function `fn(&Result<T, E>) -> Verdict`, for what a result says about the
///   dependency. What it does not call a failure, no fallback touches.
///
/// ```
/// use fusebox::{Error, Verdict};
/// use std::io;
///
/// #[fusebox::protect(breaker = "profiles", fallback = guest, classify = missing_is_fine)]
/// async fn name_of(user: u32) -> io::Result<String> {
///     fetch(user).await
/// }
///
/// fn guest(_user: u32, cause: Error<io::Error>) -> io::Result<String> {
///     eprintln!("failed to {cause}");
///     Ok("guest".into())
/// }
///
/// fn missing_is_fine(result: &io::Result<String>) -> Verdict {
///     match result {
///         Err(error) if error.kind() != io::ErrorKind::NotFound => Verdict::failure(fusebox::Failure::Error),
///         _ => Verdict::SUCCESS,
///     }
/// }
/// # async fn fetch(_: u32) -> io::Result<String> { Ok("Ann".into()) }
/// ```
///
/// # What a fallback costs
///
/// The body consumes its arguments, so those that are not references are cloned first, at each call: with a fallback they must
/// be `Clone`. Pass what is dear to clone by reference or in an `Arc`. A `&mut` argument, `&mut self` included, is lent
/// to the body and then to the fallback.
///
/// # Errors
///
/// An error without `From<Rejected>` does not compile, unless there is a fallback:
///
/// ```compile_fail,E0277
/// #[fusebox::protect(breaker = "files")]
/// fn read(path: &str) -> std::io::Result<String> {
///     std::fs::read_to_string(path)
/// }
/// ```
///
/// Neither does a function that returns no `Result`:
///
/// ```compile_fail,E0308
/// #[fusebox::protect(breaker = "dice")]
/// fn roll() -> u32 {
///     4
/// }
/// ```
///
/// Nor a fallback for an argument that cannot be cloned:
///
/// ```compile_fail,E0277
/// struct Order;
///
/// #[fusebox::protect(breaker = "orders", fallback = later)]
/// fn place(order: Order) -> Result<(), String> {
///     Ok(drop(order))
/// }
///
/// fn later(_: Order, _: fusebox::Error<String>) -> Result<(), String> {
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn protect(options: TokenStream, item: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as options::Options);
    expand::expand(options, item.into()).unwrap_or_else(|error| error.into_compile_error()).into()
}
