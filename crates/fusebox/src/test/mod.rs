//! For tests of your own pipelines: virtual time, a dependency that does what its script says, and a diary of what the
//! circuits did. Nothing sleeps.
//!
//! In async tests time is tokio's paused one: build with [`Clock::tokio`](crate::Clock::tokio) and run the test with
//! `#[tokio::test(start_paused = true)]`. In blocking tests it is a [`ManualClock`](crate::ManualClock), which the script
//! advances.
//!
//! ```
//! use fusebox::test::{Diary, Script};
//! use fusebox::{Clock, Fuse, retry};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ledger = Fuse::builder("ledger")
//!     .clock(Clock::tokio())
//!     .timeout(Duration::from_secs(1))
//!     .retry(retry::Config::default())
//!     .build()?;
//! assert_eq!(ledger.pipeline().describe(), "Fallback › Breaker › Retry › Timeout");
//!
//! let diary = Diary::of(ledger.circuit());
//! let script = Script::new().hangs().answers(Duration::from_millis(20), Ok::<_, String>(7));
//! assert_eq!(ledger.run(|| script.call()).await, Ok(7));
//! assert_eq!((script.attempts(), script.executions(), script.cancelled()), (2, 1, 1));
//! assert!(diary.changes().is_empty(), "one timeout opens nothing");
//! # Ok(())
//! # }
//! ```

mod diary;
mod script;

pub use diary::Diary;
pub use script::Script;
