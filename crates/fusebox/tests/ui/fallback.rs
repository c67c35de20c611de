//! Fallbacks that cannot answer.

use fusebox::protect;

#[protect(breaker = "a", fallback = "later")]
fn a_string() -> Result<(), String> {
    Ok(())
}

#[protect(breaker = "a", fallback = later())]
fn a_call() -> Result<(), String> {
    Ok(())
}

#[protect(breaker = "a", fallback_on = "rejected")]
fn when_but_not_what() -> Result<(), String> {
    Ok(())
}

#[protect(breaker = "a", fallback = later, fallback_on = "timeout")]
fn never() -> Result<(), String> {
    Ok(())
}

#[protect(breaker = "a", fallback = |cause| Ok(0))]
fn forgotten(_number: u32) -> Result<u32, String> {
    Ok(1)
}

#[protect(breaker = "a", fallback = async |cause| Ok(0))]
async fn an_async_closure() -> Result<u32, String> {
    Ok(1)
}

fn main() {}
