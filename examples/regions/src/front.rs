//! The front in our region: what callers see of the service, and the list of what answers when a region does not.

use crate::router::{Route, Router};
use crate::scale::scaled;
use bytes::Bytes;
use example_stage::client::CallError;
use example_stage::server;
use fusebox::cache::{Cache, Key};
use fusebox::outcome::Source;
use fusebox::{Answer, Error, Fallbacks, InvalidConfig};
use http_body_util::Full;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};
use std::sync::Arc;

/// Says where an answer came from.
pub(crate) const SOURCE: &str = "fusebox-source";
/// Says from which region.
pub(crate) const REGION: &str = "region";

/// What stands behind a call that its region did not answer: each a list, in its written order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// The other regions, then what is kept, then the default.
    #[default]
    RegionsFirst,
    /// What is kept, then the other regions, then the default.
    CachedFirst,
}

/// The front.
#[derive(Debug)]
pub(crate) struct Front {
    router: Router,
    kept: Cache<String, Page>,
    order: Order,
}

/// An answer of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Page {
    text: Bytes,
    /// Whose it is; nobody's, if it is the default.
    region: &'static str,
}

impl Front {
    /// A front with nothing kept.
    pub(crate) fn new(router: Router, order: Order) -> Result<Arc<Front>, InvalidConfig> {
        let weigh = |path: &String, page: &Page| (path.len() + page.text.len()) as u64;
        let kept = Cache::builder(weigh).fresh_for(scaled(60.0)).stale_for(scaled(3_600.0)).build()?;
        Ok(Arc::new(Front { router, kept, order }))
    }

    /// Answers a caller.
    pub(crate) async fn answer(self: Arc<Self>, path: String) -> Response<Full<Bytes>> {
        match self.page(&path).await {
            Ok(Answer { value: Page { text, region }, source }) => {
                let mut response = server::answer(StatusCode::OK, text);
                let headers = response.headers_mut();
                headers.insert(SOURCE, HeaderValue::from_static(written(source)));
                headers.insert(REGION, HeaderValue::from_static(region));
                response
            }
            Err(error) => server::answer(StatusCode::BAD_GATEWAY, format!("failed to {error}")),
        }
    }

    async fn page(&self, path: &str) -> Result<Answer<Page>, Error<CallError>> {
        let routes = &self.router.routes;
        // Where no region is fit, our circuit says why, and the list answers.
        let picked = self.router.pick();
        let place = picked.as_ref().map_or(0, |picked| picked.place());
        let (first, [second, third]) = (&routes[place], self.router.others(place));
        let asked = async || match &picked {
            Some(picked) => picked.ask(path).await.map(|answer| page(first, answer)),
            None => self.ask(first, path).await,
        };
        let key = Key::shared(path.to_owned());
        let otherwise = |_: fusebox::Cause<'_, Page, CallError>| Page {
            text: Bytes::from_static(b"nothing new"),
            region: "none",
        };
        // This is what a user of fusebox writes; the order is hers.
        match self.order {
            Order::RegionsFirst => {
                let list = Fallbacks::new()
                    .other_region(&second.fuse, || self.ask(second, path))
                    .other_region(&third.fuse, || self.ask(third, path))
                    .cached(&self.kept, key)
                    .or_default(otherwise);
                first.fuse.run_chain(asked, list).await
            }
            Order::CachedFirst => {
                let list = Fallbacks::new()
                    .cached(&self.kept, key)
                    .other_region(&second.fuse, || self.ask(second, path))
                    .other_region(&third.fuse, || self.ask(third, path))
                    .or_default(otherwise);
                first.fuse.run_chain(asked, list).await
            }
        }
    }

    async fn ask(&self, route: &Route, path: &str) -> Result<Page, CallError> {
        self.router.ask(route, path).await.map(|answer| page(route, answer))
    }
}

fn page(route: &Route, answer: Response<Bytes>) -> Page {
    Page { text: answer.into_body(), region: route.name }
}

fn written(source: Source) -> &'static str {
    match source {
        Source::Live => "live",
        Source::Cached => "cached",
        Source::Stale { .. } => "stale",
        Source::Alternative => "alternative",
        Source::OtherRegion => "other_region",
        Source::Default => "default",
        _ => "unknown",
    }
}
