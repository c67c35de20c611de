//! The proof, as anybody runs it, with fewer payments: `cargo run --release -p example-payments -- proof` has all of them.

use std::process::{Command, Stdio};

#[test]
fn the_books_reconcile_with_the_providers_to_the_cent() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_example-payments"));
    let output = program.args(["proof", "2", "41", "1500"]).stdin(Stdio::null()).output().expect("it starts");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Vec<u64>> = out
        .lines()
        .filter_map(|line| {
            line.split_whitespace().map(|cell| cell.parse().ok()).collect::<Option<Vec<u64>>>()
        })
        .filter(|row| row.len() == 12)
        .collect();
    assert_eq!(rows.len(), 2, "{out}");
    for row in rows {
        let [_, live, other, deferred, replayed, found, expired, dead, crashes, cents, twice, lost] = row[..]
        else {
            panic!()
        };
        assert_eq!((live + other + deferred, replayed + found + expired + dead), (1_500, deferred), "{out}");
        assert_eq!((twice, lost), (0, 0), "{out}");
        assert!(crashes > 5 && found > 5 && expired > 0 && cents > 0, "it was no fair weather: {out}");
    }
}
