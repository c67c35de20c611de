//! The dashboard: files that are part of the program, and the headers that keep them to themselves.
//!
//! There is no build step and nothing from elsewhere: what stands in the folder `page` is what a browser gets. The files hold no data, so
//! they need no token; all that is shown is asked for by the page's own script, under the rules that hold for everybody.

use super::Asked;
use super::answer::{Answer, Problem};

/// What a browser may do with these files: run their own scripts and the page's one inline script, and talk to the server they came from.
/// Nothing else, whatever a circuit is named.
pub(crate) const CSP: &str = "default-src 'none'; script-src 'self' 'sha256-vBOUmmOOBseWYF7umUPs8lyA/gWt60gVw1o2t5RUrQM='; \
     style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The files change with the program: a browser asks each time, and is told when it has the newest.
pub(crate) const CACHE_CONTROL: &str = "no-cache";

const INDEX: &str = include_str!("page/index.html");

/// Scripts and styles by their names.
macro_rules! files {
    ($($name:literal,)*) => { &[$(($name, include_str!(concat!("page/", $name)))),*] };
}

const FILES: &[(&str, &str)] = files![
    "actions.js",
    "announce.js",
    "api.js",
    "banner.js",
    "base.css",
    "board.css",
    "board.js",
    "calls.js",
    "cause.js",
    "chain.css",
    "chain.js",
    "detail.js",
    "dialog.css",
    "dialog.js",
    "dom.js",
    "endpoints.js",
    "events.js",
    "figures.css",
    "format.js",
    "freshness.js",
    "head.css",
    "headline.js",
    "keys.js",
    "latency.js",
    "main.js",
    "meter.js",
    "narrow.css",
    "order.js",
    "panel.css",
    "queue.js",
    "route.js",
    "row.js",
    "section.js",
    "series.js",
    "settings.js",
    "shape.js",
    "signin.js",
    "spark.js",
    "stages.js",
    "store.js",
    "stream.js",
    "timeline.js",
    "views.css",
];

/// A file for a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asset {
    /// The `Content-Type` header.
    pub(crate) content_type: &'static str,
    /// The body.
    pub(crate) body: &'static str,
    /// The `ETag` header, quotes included.
    pub(crate) etag: String,
    /// The `Content-Security-Policy` header.
    pub(crate) csp: &'static str,
    /// The `Cache-Control` header.
    pub(crate) cache_control: &'static str,
}

/// The dashboard to a browser, the list of paths to everybody else, and the files that the dashboard is made of.
pub(crate) fn answer(asked: &Asked<'_>) -> Result<Answer, Problem> {
    if asked.path() == "/" && !asked.accept.is_some_and(|accept| accept.contains("text/html")) {
        return Ok(Answer::index());
    }
    let asset = find(asked.path()).ok_or_else(|| Problem::no_such_path(asked.path()))?;
    let is_known = asked.if_none_match.is_some_and(|tags| tags.contains(&asset.etag));
    let (status, body) = if is_known { (304, "") } else { (200, asset.body) };
    Ok(Answer::new(status, asset.content_type, body)
        .with("etag", asset.etag)
        .with("cache-control", asset.cache_control)
        .with("content-security-policy", asset.csp))
}

/// The file at `path`, as it stands in a request without its query: `/` is the page, its parts are under `/page/`.
pub(crate) fn find(path: &str) -> Option<Asset> {
    if path == "/" {
        return Some(Asset::new("index.html", INDEX));
    }
    let wanted = path.strip_prefix("/page/")?;
    FILES.iter().find(|(name, _)| *name == wanted).map(|(name, body)| Asset::new(name, body))
}

impl Asset {
    fn new(name: &str, body: &'static str) -> Asset {
        let content_type = match name.rsplit_once('.') {
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            _ => "text/html; charset=utf-8",
        };
        Asset { content_type, body, etag: etag(body), csp: CSP, cache_control: CACHE_CONTROL }
    }
}

/// FNV-1a: it tells versions of a file apart, and protects nothing.
fn etag(body: &str) -> String {
    let hash = body.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("\"{hash:016x}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};
    use std::collections::BTreeSet;
    use std::path::Path;

    fn folder() -> BTreeSet<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/page");
        let entries = std::fs::read_dir(path).expect("the folder of the page");
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
    }

    fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
        FILES.iter().copied().chain([("index.html", INDEX)])
    }

    #[test]
    fn every_file_of_the_folder_is_served_as_it_is() {
        let listed: BTreeSet<String> = all().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(listed, folder());
        for (name, body) in FILES {
            let asset = find(&format!("/page/{name}")).expect(name);
            let kind = if name.ends_with(".js") { "text/javascript" } else { "text/css" };
            assert!(asset.content_type.starts_with(kind), "{name}: {}", asset.content_type);
            assert_eq!(asset.body, *body);
        }
        assert_eq!(find("/").expect("the page").content_type, "text/html; charset=utf-8");
        for path in
            ["", "/page", "/page/", "/page/index.html", "/page/../page.rs", "/page/none.js", "/main.js"]
        {
            assert_eq!(find(path), None, "{path}");
        }
    }

    #[test]
    fn the_page_may_run_its_inline_script_and_has_only_that_one() {
        let scripts: Vec<&str> = INDEX.split("<script>").skip(1).collect();
        let [script] = scripts[..] else { panic!("one inline script, not {}", scripts.len()) };
        let (script, _) = script.split_once("</script>").expect("its end");
        let hash = STANDARD.encode(Sha256::digest(script));
        assert!(CSP.contains(&format!("'sha256-{hash}'")), "the script's hash is {hash}");
        assert!(!CSP.contains("unsafe"));
    }

    #[test]
    fn an_etag_tells_files_apart_and_is_quoted() {
        let tags: BTreeSet<String> = all().map(|(_, body)| etag(body)).collect();
        assert_eq!(tags.len(), all().count());
        assert!(tags.iter().all(|tag| tag.len() == 18 && tag.starts_with('"') && tag.ends_with('"')));
    }

    #[test]
    fn no_file_asks_for_anything_elsewhere() {
        let own = ["http://www.w3.org/2000/svg"];
        for (name, body) in all() {
            let rest = own.iter().fold(body.to_owned(), |rest, own| rest.replace(own, ""));
            for word in ["http:", "https:", "\"//", "'//", "(//", "@import", "wss://", "ws://"] {
                assert!(!rest.contains(word), "{name} has {word}");
            }
        }
    }

    #[test]
    fn no_script_can_make_markup_of_a_name() {
        let ways = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "DOMParser",
            "eval(",
            "new Function",
        ];
        for (name, body) in all() {
            for way in ways {
                assert!(!body.contains(way), "{name} has {way}");
            }
        }
        assert!(!INDEX.contains(" style=") && !INDEX.contains(" onload="), "the policy would not let it");
    }

    #[test]
    fn every_script_and_style_that_is_asked_for_is_there_and_none_is_left_over() {
        let asked: BTreeSet<&str> = INDEX
            .split("\"page/")
            .skip(1)
            .filter_map(|rest| rest.split_once('"').map(|(name, _)| name))
            .collect();
        let listed: BTreeSet<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(asked, listed);
        for (name, body) in FILES {
            for (_, rest) in
                body.match_indices(" from \"./").map(|(at, found)| (at, &body[at + found.len()..]))
            {
                let (imported, _) = rest.split_once('"').expect("its end");
                assert!(listed.contains(imported), "{name} imports {imported}");
            }
        }
    }

    #[test]
    fn files_are_short_enough_to_be_read() {
        for (name, body) in all() {
            assert!(body.lines().count() <= 300, "{name}");
        }
    }
}
