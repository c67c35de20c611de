//! What the attribute does not go on.

use fusebox::protect;

#[protect(breaker = "a")]
fn no_result() {}

#[protect(breaker = "a")]
const fn compile_time() -> Result<(), String> {
    Ok(())
}

#[protect(breaker = "a")]
unsafe fn dangerous() -> Result<(), String> {
    Ok(())
}

#[protect(breaker = "a")]
struct Client;

trait Store {
    #[protect(breaker = "a")]
    fn load(&self) -> Result<(), String>;
}

fn main() {}
