//! The whole program, as a user runs it: what it claims must be so, and nothing of it stays behind.
//!
//! No figure here is a matter of a few milliseconds: a locked database answers nobody, a full pool of workers helps
//! nobody, and a fallback is there at the latest when the timeout before it has run out.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Calls that may be on their way to D when the circuit opens, on a machine that is busy with other things.
const ON_THEIR_WAY: f64 = 2.0;

fn program(out: &str) -> (Command, PathBuf) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(out);
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-cascade"));
    command.arg("--out").arg(&folder).stdin(Stdio::null());
    (command, folder)
}

/// The two numbers at the end of the line that begins with `name`: without policies, and with.
fn row(out: &str, name: &str) -> [f64; 2] {
    let line = out
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(name).filter(|rest| rest.starts_with("  ")));
    let line = line.unwrap_or_else(|| panic!("no line {name:?} in\n{out}"));
    let numbers = line.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<f64>>();
    numbers.try_into().unwrap_or_else(|numbers| panic!("{numbers:?} in {line:?}"))
}

#[test]
fn a_slow_database_takes_the_chain_down_without_policies_and_not_with_them() {
    let (mut program, folder) = program("cascade");
    let output = program.output().expect("the program starts");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));

    for service in ["A", "B"] {
        let [without, _] = row(&out, &format!("{service} answered, last 5 s"));
        assert!(without < 5.0, "{service} answers {without} % without policies\n{out}");
        let [_, with] = row(&out, &format!("{service} answered"));
        assert!(with >= 99.0, "{service} answers {with} % with policies\n{out}");
        let [_, p99] = row(&out, &format!("{service} p99"));
        assert!(p99 < 500.0, "{service} takes {p99} ms with policies\n{out}");
        let [none, some] = row(&out, &format!("{service} answered by a fallback"));
        assert!(none == 0.0 && some > 0.0, "{none} fallbacks without policies, {some} with\n{out}");
    }
    let [_, received] = row(&out, "D received");
    let allowed = out.lines().find(|line| line.contains("that open the circuit and")).unwrap_or_default();
    let numbers: Vec<f64> = allowed.split([' ', ':']).filter_map(|word| word.parse().ok()).collect();
    let [told, threshold, probes] = numbers[..] else { panic!("{allowed:?} in\n{out}") };
    assert_eq!((told, threshold), (received, 5.0), "{out}");
    assert!(probes >= 1.0 && received <= threshold + probes + ON_THEIR_WAY, "{out}");
    for turn in ["C to D: open, consecutive_failures", "C to D: half_open", "C to D: closed"] {
        assert!(out.contains(turn), "the circuit's turns hold {turn:?}\n{out}");
    }

    let svg = std::fs::read_to_string(folder.join("cascade.svg")).expect("the chart is drawn");
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
    for words in ["Without policies", "With policies", "database locked", "spared"] {
        assert!(svg.contains(words), "{words:?} is written in the chart\n{svg}");
    }
    let png = std::fs::read(folder.join("cascade.png")).expect("the chart is painted");
    assert!(png.starts_with(b"\x89PNG\r\n") && png.len() > 10_000);
}

#[test]
fn the_services_end_with_a_program_that_is_killed() {
    let mut program = program("killed").0.stdout(Stdio::piped()).spawn().expect("the program starts");
    let out = BufReader::new(program.stdout.take().expect("a pipe"));
    let places = out.lines().map_while(Result::ok).find(|line| line.starts_with("with ")).expect("addresses");
    let services: Vec<TcpStream> = places
        .split("http://")
        .skip(1)
        .map(|place| TcpStream::connect(place.split(' ').next().unwrap_or_default()).expect("it listens"))
        .collect();
    assert_eq!(services.len(), 4, "{places:?}");
    // Nothing in the program runs after this: its services must notice by themselves.
    program.kill().expect("it runs");
    program.wait().expect("it ends");
    for mut service in services {
        // The connection ends when its process does; a service that stays would hold it open.
        let read = service.read(&mut [0]);
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
}
