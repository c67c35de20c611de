//! `docs/benchmarks.md`: one section per benchmark, each written without touching the other.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const HEAD: &str = "# Benchmarks\n\nWritten by the benchmarks themselves; do not edit between the markers.\n";

/// The page in the repository this binary was built from.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md")
}

/// Puts `body` in the place of the named section of the page at `path`; the section is added if it is new.
pub fn write(path: &Path, section: &str, body: &str) -> io::Result<()> {
    let page = match fs::read_to_string(path) {
        Ok(page) => page,
        Err(error) if error.kind() == io::ErrorKind::NotFound => HEAD.to_owned(),
        Err(error) => return Err(error),
    };
    fs::write(path, with_section(&page, section, body))
}

fn with_section(page: &str, section: &str, body: &str) -> String {
    let (begin, end) = (format!("<!-- {section}: begin -->"), format!("<!-- {section}: end -->"));
    let block = format!("{begin}\n{}\n{end}", body.trim());
    match (page.find(&begin), page.find(&end)) {
        (Some(from), Some(to)) if from < to => {
            format!("{}{block}{}", &page[..from], &page[to + end.len()..])
        }
        _ => format!("{}\n\n{block}\n", page.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_section_is_rewritten_and_the_other_left_alone() {
        let page = with_section(&with_section(HEAD, "core", "## Core\nold"), "proxy", "## Proxy\nkept");
        let page = with_section(&page, "core", "## Core\nnew");
        assert!(page.starts_with(HEAD.trim_end()), "{page}");
        assert!(page.contains("new\n<!-- core: end -->") && !page.contains("old"), "{page}");
        assert!(page.contains("<!-- proxy: begin -->\n## Proxy\nkept\n<!-- proxy: end -->\n"), "{page}");
    }
}
