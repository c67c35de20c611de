//! Options that do not exist, are missing, given twice, or of the wrong kind.

use fusebox::protect;

#[protect]
fn no_circuit() -> Result<(), String> {
    Ok(())
}

#[protect(breaker = "a", fall_back = later)]
fn misspelt() -> Result<(), String> {
    Ok(())
}

#[protect(breaker = "a", timeout = 3)]
fn unknown() -> Result<(), String> {
    Ok(())
}

#[protect(breaker = "a", breaker = "b")]
fn twice() -> Result<(), String> {
    Ok(())
}

#[protect(breaker = 5)]
fn a_number() -> Result<(), String> {
    Ok(())
}

#[protect(breaker = "")]
fn no_name() -> Result<(), String> {
    Ok(())
}

#[protect("a")]
fn no_key() -> Result<(), String> {
    Ok(())
}

#[protect(breaker "a")]
fn no_equals() -> Result<(), String> {
    Ok(())
}

fn main() {}
