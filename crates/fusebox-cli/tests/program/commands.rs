//! What the commands that start nothing say, and with which exit code they end.

use super::child::{empty_folder, fusebox, output, text};
use std::path::{Path, PathBuf};
use std::process::Stdio;

fn in_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Runs the program; its exit code, standard output and standard error.
fn run(arguments: &str) -> (i32, String, String) {
    let output = output(arguments);
    (output.status.code().expect("no signal"), text(&output.stdout), text(&output.stderr))
}

#[test]
fn help_is_what_the_reference_says() {
    let page = std::fs::read_to_string(in_root("docs/cli.md")).expect("docs/cli.md is there");
    for command in [
        "",
        "run",
        "check",
        "explain",
        "demo",
        "queue",
        "queue list",
        "queue redrive",
        "export",
        "export alerts",
        "export envoy",
        "circuits",
        "top",
        "events",
        "override",
        "override force-open",
        "audit verify",
        "reload",
        "completions",
        "man",
    ] {
        let (code, out, err) = run(&format!("{command} --help"));
        assert_eq!((code, err.as_str()), (0, ""), "{command}");
        assert!(page.contains(out.trim_end()), "docs/cli.md does not have this:\n{out}");
    }
    let (code, out, _) = run("--version");
    assert_eq!((code, out), (0, format!("fusebox {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_to_do() {
    for (arguments, words) in [
        ("", "Usage: fusebox [OPTIONS] <COMMAND>"),
        ("run", "fusebox run --upstream http://127.0.0.1:7001"),
        ("run --config a.toml --upstream http://a", "cannot be used with"),
        ("run --upstream https://a", "--upstream: found \"https://a\", accepted: http://"),
        ("run --upstream http://a --listen here", "invalid value 'here' for '--listen <ADDR>'"),
        ("run --upstream http://127.0.0.1:8080", "calls would go round for ever"),
        ("run --upstream http://a --admin 127.0.0.1:8080", "an address other than --listen's"),
        ("run --config none.toml", "cannot read none.toml: No such file"),
        ("check none.toml", "cannot read none.toml: No such file"),
        ("explain", "<FILE>"),
        ("demo --seconds 1", "6..=600"),
        ("man nothing", "there are run, check, explain, demo, queue, export, circuits, top, events"),
        ("chekc a.toml", "a similar subcommand exists: 'check'"),
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments}: {err}");
        assert!(err.contains(words), "{arguments}: {err}");
    }
}

#[test]
fn a_good_file_is_ok_with_its_warnings() {
    let (code, out, err) = run(&format!("check {}", in_root("examples/fusebox.toml").display()));
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("ok ") && out.ends_with("0 warnings\n") && out.lines().count() == 1, "{out}");

    let doubtful = in_root("crates/fusebox-proxy/tests/golden/doubtful.toml");
    let (code, out, _) = run(&format!("check {}", doubtful.display()));
    assert_eq!(code, 0);
    let warnings = out.lines().filter(|line| line.starts_with("warning: ")).count();
    assert!(warnings > 3 && out.contains(&format!("{warnings} warnings")), "{out}");
}

#[test]
fn a_bad_file_exits_with_2_and_starts_nothing() {
    let golden = in_root("crates/fusebox-proxy/tests/golden");
    let errors = std::fs::read_to_string(golden.join("endpoints.err")).expect("a golden file");
    let file = golden.join("endpoints.toml");
    let errors = errors.trim_end().replace("endpoints.toml:", &format!("{}:", file.display()));
    for command in ["check", "explain", "run --config"] {
        let (code, out, err) = run(&format!("{command} {}", file.display()));
        assert_eq!((code, out.as_str()), (2, ""), "{command}");
        assert!(err.starts_with(&errors), "{command}: {err}");
        assert!(err.contains("cannot work") && err.contains("nothing was started"), "{command}: {err}");
    }
}

#[test]
fn explain_prints_the_plan() {
    let golden = in_root("crates/fusebox-proxy/tests/golden");
    let plan = std::fs::read_to_string(golden.join("routes.explain")).expect("a golden file");
    let (code, out, err) = run(&format!("explain {}", golden.join("routes.toml").display()));
    assert_eq!((code, out, err.as_str()), (0, plan, ""));
}

#[test]
fn a_fusebox_toml_here_is_the_usual_configuration() {
    let folder = empty_folder().join("with-a-file");
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    std::fs::write(folder.join("fusebox.toml"), "[[servcie]]\n").expect("a file");
    let output = fusebox("run").current_dir(&folder).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("did you mean \"service\"?"), "{}", text(&output.stderr));
}

#[test]
fn colours_come_when_asked_for_only() {
    let file = in_root("examples/fusebox.toml").display().to_string();
    for (arguments, no_color, coloured) in [
        (format!("check {file}"), false, false),
        (format!("check {file} --color never"), false, false),
        (format!("--color=always check {file}"), false, true),
        (format!("check {file} --color always"), true, true),
    ] {
        let mut command = fusebox(&arguments);
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let out = text(&command.output().expect("the program starts").stdout);
        assert_eq!(out.contains('\x1b'), coloured, "{arguments}: {out:?}");
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, _) = run(&format!("completions {shell}"));
        assert_eq!(code, 0);
        for word in ["explain", "upstream", "completions"] {
            assert!(out.contains(word), "{shell} does not complete {word}");
        }
    }
    let (code, out, _) = run("man");
    assert_eq!(code, 0);
    assert!(out.contains(".TH fusebox 1") && out.contains("fusebox\\-explain(1)"), "{out}");
    let (_, out, _) = run("man run");
    assert!(out.contains("\\-\\-upstream") && out.contains("fusebox run \\-\\-config fusebox.toml"), "{out}");
}

#[test]
fn a_reader_who_goes_away_is_no_fault() {
    let file = in_root("examples/fusebox.toml").display().to_string();
    for arguments in
        [format!("explain {file}"), format!("check {file}"), "--help".into(), "completions bash".into()]
    {
        let mut child = fusebox(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{arguments}");
    }
}
