//! Which requests may be sent again.

/// Which requests may be sent again, and how another attempt comes by its service and request.
///
/// A predicate is one, for requests and services that are `Clone`:
///
/// ```
/// use fusebox::{Fuse, retry, tower::FuseLayer};
/// # #[derive(Clone)] struct Request { method: &'static str }
///
/// # fn layer() -> Result<(), fusebox::InvalidConfig> {
/// let fuse = Fuse::builder("profiles").retry(retry::Config::default()).build()?;
/// let layer = FuseLayer::new(fuse).replay(|request: &Request| request.method == "GET");
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "requests of type `{Request}` cannot be sent again to `{S}` by `{Self}`",
    note = "a retry needs a request and a service that are `Clone`; `FuseLayer::once` makes every call once"
)]
pub trait Replay<S, Request> {
    /// Whether `request` may be sent again. Asked once, before the first attempt.
    fn may(&self, request: &Request) -> bool;

    /// Copies for one further attempt, taken just before the one that it may follow. Without them, that attempt's
    /// result stands. The service is a fresh clone: its readiness is awaited when its time comes.
    fn copy(&self, service: &S, request: &Request) -> Option<(S, Request)>;

    /// Whether a call can be [kept](Self::keep) while it waits for its turn or for a place. One that cannot is refused
    /// instead.
    fn keeps(&self) -> bool {
        false
    }

    /// The request, and the service that was made ready for it, for a call that waits before its first attempt. A fresh
    /// clone takes that service's place: what it reserved by becoming ready goes with the call, which could otherwise wait
    /// for a place that its own service holds.
    fn keep(&self, service: &mut S, request: Request) -> Option<(S, Request)> {
        let _ = (service, request);
        None
    }
}

/// Every request may be sent again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Always;

impl<S: Clone, Request: Clone> Replay<S, Request> for Always {
    fn may(&self, _: &Request) -> bool {
        true
    }

    fn copy(&self, service: &S, request: &Request) -> Option<(S, Request)> {
        Some((service.clone(), request.clone()))
    }

    fn keeps(&self) -> bool {
        true
    }

    fn keep(&self, service: &mut S, request: Request) -> Option<(S, Request)> {
        let next = service.clone();
        Some((std::mem::replace(service, next), request))
    }
}

/// No request may be sent again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Never;

impl<S, Request> Replay<S, Request> for Never {
    fn may(&self, _: &Request) -> bool {
        false
    }

    fn copy(&self, _: &S, _: &Request) -> Option<(S, Request)> {
        None
    }
}

impl<S: Clone, Request: Clone, F: Fn(&Request) -> bool> Replay<S, Request> for F {
    fn may(&self, request: &Request) -> bool {
        self(request)
    }

    fn copy(&self, service: &S, request: &Request) -> Option<(S, Request)> {
        Always.copy(service, request)
    }

    fn keeps(&self) -> bool {
        true
    }

    fn keep(&self, service: &mut S, request: Request) -> Option<(S, Request)> {
        Always.keep(service, request)
    }
}
