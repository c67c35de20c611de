//! What the command line asks for.

use crate::service::Place;
use lexopt::prelude::*;
use std::path::PathBuf;

/// How to call this program.
pub(crate) const USAGE: &str = "\
Four services in a chain over a slow database, with circuit breakers and without.

  example-cascade [--out FOLDER] [--without FILE] [--with FILE]
      --out FOLDER    where cascade.svg and cascade.png go (default: target)
      --without FILE  the policies of the first chain (default: policies/without.toml)
      --with FILE     the policies of the second chain (default: policies/with.toml)

  example-cascade service --name NAME --next ADDRESS --policies FILE [--answers PATH]
      One of the services; the program starts them itself.";

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Arguments {
    Usage,
    Play { out: PathBuf, without: PathBuf, with: PathBuf },
    Serve { place: Place, policies: PathBuf },
}

impl Arguments {
    /// Reads the command line.
    pub(crate) fn parse(mut line: lexopt::Parser) -> Result<Arguments, lexopt::Error> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("policies");
        let (mut out, mut without, mut with) =
            (PathBuf::from("target"), folder.join("without.toml"), folder.join("with.toml"));
        while let Some(argument) = line.next()? {
            match argument {
                Long("help") | Short('h') => return Ok(Arguments::Usage),
                Long("out") => out = line.value()?.into(),
                Long("without") => without = line.value()?.into(),
                Long("with") => with = line.value()?.into(),
                Value(word) if word == "service" => return service(line),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Arguments::Play { out, without, with })
    }
}

fn service(mut line: lexopt::Parser) -> Result<Arguments, lexopt::Error> {
    let (mut name, mut next, mut policies, mut answers) = (None, None, None, None);
    while let Some(argument) = line.next()? {
        match argument {
            Long("name") => name = Some(line.value()?.string()?),
            Long("next") => next = Some(line.value()?.parse()?),
            Long("policies") => policies = Some(line.value()?.into()),
            Long("answers") => answers = Some(line.value()?.string()?),
            other => return Err(other.unexpected()),
        }
    }
    match (name, next, policies) {
        (Some(name), Some(next), Some(policies)) => {
            Ok(Arguments::Serve { place: Place { name, next, answers }, policies })
        }
        _ => Err("a service needs --name, --next and --policies".into()),
    }
}
