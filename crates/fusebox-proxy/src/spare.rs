//! What answers in the dependency's place, one after the other, as the list is written.

use crate::answer;
use crate::backing::Backing;
use crate::config::{Defer, Fallback, FallbackItem, Policies, Service};
use crate::deferred::{Backlog, Reached, Taken};
use crate::forward::{Call, live};
use crate::kept::{Answer, Larder, Shelf};
use crate::lane::Lane;
use crate::reply::Reply;
use crate::walk::Walk;
use bytes::Bytes;
use fusebox::{Time, Verdict};
use fusebox_core::fallback::{Kind, Told};
use fusebox_core::flow::End;
use fusebox_core::outcome;
use http::header::AGE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use std::rc::Rc;
use std::sync::Arc;

/// One that may have an answer, ready to be asked.
#[derive(Debug)]
pub(crate) enum Spare {
    /// What was kept.
    Cached(Arc<Larder>),
    /// The own route of the service with this name.
    Service(Arc<str>),
    /// The service's endpoints in other regions.
    Region,
    /// The call is kept, to be made later.
    Queue(Arc<Backlog>, Defer),
    /// An answer kept ready.
    Static { status: StatusCode, headers: HeaderMap, body: Bytes },
}

impl Spare {
    /// The list of `fallback`, in its order.
    /// `before` is the larder that the route had, and what it kept answers by.
    pub(crate) fn list(
        fallback: &Fallback,
        backing: &Backing,
        route: &str,
        before: Option<(&FallbackItem, &Arc<Larder>)>,
    ) -> Vec<Spare> {
        let spare = |item: &FallbackItem| match item {
            FallbackItem::Cached { .. } if before.is_some_and(|(by, _)| by == item) => {
                before.map(|(_, larder)| Spare::Cached(larder.clone()))
            }
            FallbackItem::Cached { fresh, stale, max_bytes, scope, max_body, levels } => {
                let levels = backing.levels(levels, route, *max_bytes, *max_body);
                let larder = Larder::new(
                    (*fresh, *stale),
                    *max_bytes,
                    *max_body,
                    scope,
                    (backing.clock(), route, levels),
                    before.map(|(_, larder)| &**larder),
                )?;
                Some(Spare::Cached(Arc::new(larder)))
            }
            FallbackItem::Service { name } => Some(Spare::Service(name.as_str().into())),
            FallbackItem::Region => Some(Spare::Region),
            FallbackItem::Queue(defer) => Some(Spare::Queue(backing.backlog.clone()?, defer.clone())),
            FallbackItem::Static { status, headers, body } => {
                Some(Spare::Static { status: *status, headers: headers.clone(), body: body.clone() })
            }
        };
        fallback.list.iter().filter_map(spare).collect()
    }

    /// Whether a list asks other regions, and there are some.
    pub(crate) fn needs_elsewhere(service: &Service, policies: &Policies) -> bool {
        let list = policies.fallback.iter().flat_map(|fallback| &fallback.list);
        let named = list.into_iter().any(|item| *item == FallbackItem::Region);
        named && service.endpoints.iter().any(|endpoint| policies.is_elsewhere(endpoint))
    }
}

/// The first answer of the list, if there is one. The call has to be over by `deadline`.
pub(crate) async fn stand_in(
    call: &Call<'_>,
    lane: &Rc<Lane>,
    shelf: Option<&Shelf>,
    (deadline, reached): (Time, bool),
) -> Option<Response<Reply>> {
    let counters = &lane.route.fallbacks;
    let mut reached = Reached { own: reached, others: false };
    let mut is_full = false;
    for spare in &lane.route.spares {
        let (kind, answered, source) = match spare {
            Spare::Cached(larder) => match larder.look(shelf).await {
                Some((kept, source)) => (Kind::Cached, Some(cached(call, &kept, source)), name(source)),
                None => (Kind::Cached, None, ""),
            },
            Spare::Service(name) => {
                let other = call.session.worker.own_lane(name);
                let (answered, tried) = elsewhere(call, other, deadline).await;
                reached.others |= tried;
                (Kind::Alternative, answered, answer::ALTERNATIVE)
            }
            Spare::Region => {
                let (there, tried) = elsewhere(call, lane.elsewhere.clone(), deadline).await;
                reached.others |= tried;
                (Kind::OtherRegion, there, answer::OTHER_REGION)
            }
            Spare::Queue(backlog, defer) => {
                let taken = backlog.take(call, &lane.route, defer, reached).await;
                is_full |= matches!(taken, Taken::Refused("full"));
                let answered = match taken {
                    Taken::Answered(response) => Some(response),
                    Taken::Refused(_) => None,
                };
                (Kind::Queue, answered, answer::DEFERRED)
            }
            Spare::Static { status, headers, body } => {
                (Kind::Default, Some(ready(call, *status, headers, body)), "default")
            }
        };
        counters.told(kind, if answered.is_some() { Told::Answered } else { Told::Nothing });
        if let Some(mut response) = answered {
            answer::say_source(&mut response, source);
            return Some(response);
        }
    }
    if !lane.route.spares.is_empty() {
        counters.unanswered();
    }
    is_full.then(|| answer::queue_full(call.session, &lane.route.name))
}

fn name(source: outcome::Source) -> &'static str {
    if source == outcome::Source::Cached { "cached" } else { "stale" }
}

fn cached(call: &Call<'_>, kept: &Answer, source: outcome::Source) -> Response<Reply> {
    let mut response = ready(call, StatusCode::OK, &kept.headers, &kept.body);
    if let outcome::Source::Stale { age } = source {
        response.headers_mut().insert(AGE, HeaderValue::from(age.as_secs()));
    }
    response
}

fn ready(call: &Call<'_>, status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Response<Reply> {
    let mut response = Response::new(Reply::ready(body.clone(), call.session.clone()));
    *response.status_mut() = status;
    response.headers_mut().clone_from(headers);
    response
}

/// The answer of another route, through its own policies, and whether that may have done what was asked; its own fallbacks are not
/// asked.
async fn elsewhere(
    call: &Call<'_>,
    lane: Option<Rc<Lane>>,
    deadline: Time,
) -> (Option<Response<Reply>>, bool) {
    // Something of a call that may be made once only has left already.
    let Some(lane) = lane.filter(|_| call.source.is_whole()) else { return (None, false) };
    let (fuses, ask) = call.source.with_headers(|headers| {
        (lane.fuses(headers), lane.route.asking.ask(headers, call.source.has_body()))
    });
    let mut walk = Walk::new(call.session, &lane, fuses, &call.source, ask, deadline);
    let before = call.source.left();
    let finish = walk.run(&call.source).await;
    let reached = call.source.left() > before;
    match walk.last.take() {
        Some((endpoint, Ok(head))) if finish.end == End::Result && walk.verdict == Some(Verdict::SUCCESS) => {
            (Some(live(call.session, &mut walk, endpoint, head, None)), reached)
        }
        last => {
            walk.last = last;
            walk.discard();
            (None, reached)
        }
    }
}
