//! Where a measurement was taken: without it a figure says nothing.

use std::fs;
use std::process::Command;

/// The machine, the kernel and the compiler, as Markdown list items.
pub fn describe() -> String {
    let cpu = cpu_model().unwrap_or_else(|| "unknown CPU".into());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let rustc = first_line("rustc", &["--version"]).unwrap_or_else(|| "unknown rustc".into());
    format!("- Machine: {cpu}, {} cores, Linux {}\n- Compiler: {rustc}\n", crate::pin::cores(), kernel.trim(),)
}

/// The one-minute load average, to see whether somebody else is using the machine.
pub fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// The first line a command prints, on either stream.
pub fn first_line(command: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(command).args(args).output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
}

/// The version of a dependency, out of this package's lock file.
pub fn locked_version(package: &str) -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let name = format!("name = \"{package}\"\nversion = \"");
    lock.split(&name).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("?")
}

fn cpu_model() -> Option<String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").ok()?;
    let field = |name| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        line.split(':').nth(1).map(|value| value.trim().to_owned())
    };
    let (family, model) = (field("cpu family")?, field("model\t")?);
    Some(format!("{} (family {family}, model {model})", field("model name")?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_locked_version_is_found_by_its_exact_name() {
        assert_eq!(super::locked_version("recloser"), "1.4.0");
        assert_eq!(super::locked_version("reclose"), "?");
    }
}
