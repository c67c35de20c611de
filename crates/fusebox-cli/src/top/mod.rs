//! `fusebox top`.
use crate::args::operate::Top;
use crate::failure::Failure;
use crate::output::Output;
pub(crate) fn run(_: &Top, _: Output) -> Result<(), Failure> { Ok(()) }
