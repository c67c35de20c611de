//! What the command line asks for.

use std::ffi::OsString;

use lexopt::prelude::*;

/// How to call this program.
pub(crate) const USAGE: &str = "\
The project's own chores.

  cargo xtask test [--long] [-p PACKAGE]... [FILTER]
      Runs all tests: unit and integration, documentation, loom, the examples of the library.
      --long      the long form of the tests that have one (millions of sequences)
      -p PACKAGE  only this package; may be repeated
      FILTER      only tests whose name holds it; one that holds `loom` runs the loom tests too

  cargo xtask tidy
      Checks the house rules that no compiler knows.

  cargo xtask screenshots
      Takes the pictures of the dashboard in docs/images anew.

  cargo xtask bench core|toolkit|proxy|queue [ARGUMENT]...
      Runs a benchmark beside its peers; the arguments go to the benchmark.";

/// One chore, ready to run.
#[derive(Debug, PartialEq)]
pub(crate) enum Chore {
    Usage,
    Test(Selection),
    Tidy,
    Screenshots,
    Bench { suite: Suite, arguments: Vec<OsString> },
}

/// Which tests to run, and in which form.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Selection {
    pub(crate) long: bool,
    /// Empty means the whole workspace.
    pub(crate) packages: Vec<String>,
    pub(crate) filter: Option<String>,
}

impl Selection {
    /// Whether tests of `package` are asked for.
    pub(crate) fn holds(&self, package: &str) -> bool {
        self.packages.is_empty() || self.packages.iter().any(|chosen| chosen == package)
    }
}

/// A binary of the benchmarks' workspace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Suite {
    Core,
    Toolkit,
    Proxy,
    Queue,
}

impl Suite {
    /// The name of the binary.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Suite::Core => "core",
            Suite::Toolkit => "toolkit",
            Suite::Proxy => "proxy",
            Suite::Queue => "queue",
        }
    }
}

impl Chore {
    /// Reads the command line.
    pub(crate) fn parse(mut line: lexopt::Parser) -> Result<Self, lexopt::Error> {
        match line.next()? {
            None | Some(Long("help") | Short('h')) => Ok(Chore::Usage),
            Some(Value(name)) if name == "test" => Ok(Chore::Test(selection(line)?)),
            Some(Value(name)) if name == "tidy" => alone(line, Chore::Tidy),
            Some(Value(name)) if name == "screenshots" => alone(line, Chore::Screenshots),
            Some(Value(name)) if name == "bench" => {
                let suite = match line.value()?.string()?.as_str() {
                    "core" => Suite::Core,
                    "toolkit" => Suite::Toolkit,
                    "proxy" => Suite::Proxy,
                    "queue" => Suite::Queue,
                    other => {
                        let known = "core, toolkit, proxy or queue";
                        return Err(format!("no benchmark is called '{other}': {known}").into());
                    }
                };
                Ok(Chore::Bench { suite, arguments: line.raw_args()?.collect() })
            }
            Some(other) => Err(other.unexpected()),
        }
    }
}

/// `chore`, if nothing follows.
fn alone(mut line: lexopt::Parser, chore: Chore) -> Result<Chore, lexopt::Error> {
    match line.next()? {
        None => Ok(chore),
        Some(more) => Err(more.unexpected()),
    }
}

fn selection(mut line: lexopt::Parser) -> Result<Selection, lexopt::Error> {
    let mut selection = Selection::default();
    while let Some(argument) = line.next()? {
        match argument {
            Long("long") => selection.long = true,
            Short('p') | Long("package") => selection.packages.push(line.value()?.string()?),
            Value(filter) if selection.filter.is_none() => selection.filter = Some(filter.string()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(selection)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<Chore, lexopt::Error> {
        Chore::parse(lexopt::Parser::from_args(line))
    }

    #[test]
    fn test_takes_packages_a_filter_and_the_long_form() {
        let asked = parse(&["test", "--long", "-p", "fusebox", "-pfusebox-core", "late_failure"]).unwrap();
        let Chore::Test(selection) = asked else { panic!("{asked:?}") };
        assert_eq!(selection.packages, ["fusebox", "fusebox-core"]);
        assert_eq!(selection.filter.as_deref(), Some("late_failure"));
        assert!(selection.long);
        assert!(selection.holds("fusebox") && !selection.holds("xtask"));
    }

    #[test]
    fn bench_passes_everything_after_the_suite_through() {
        let asked = parse(&["bench", "proxy", "--seconds", "5", "--", "-x"]).unwrap();
        let arguments = ["--seconds", "5", "--", "-x"].map(OsString::from).to_vec();
        assert_eq!(asked, Chore::Bench { suite: Suite::Proxy, arguments });
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for line in [
            &["tset"][..],
            &["test", "a", "b"],
            &["tidy", "now"],
            &["screenshots", "x"],
            &["bench"],
            &["bench", "disk"],
        ] {
            assert!(parse(line).is_err(), "{line:?}");
        }
    }
}
