//! `fusebox audit`.
use crate::args::operate::AuditCommand;
use crate::failure::Failure;
use crate::output::Output;
pub(super) async fn run(_: &AuditCommand, _: Output) -> Result<(), Failure> {
    Ok(())
}
