//! Which region a call goes to: ours, as long as it is fast enough.
//!
//! Each region has a circuit and thresholds of its own, and nothing that is known of one is used for another. Before any
//! circuit opens, the [`Balancer`] looks at how long a region's calls take: ours keeps all of them while that is less than
//! half of five seconds, and loses more and more up to five. A call that takes five seconds is slow for ours; from another
//! region, whose answers come from far away, it is slow at fifteen.

use crate::region::Region;
use crate::scale::scaled;
use bytes::Bytes;
use example_stage::client::{CallError, Client};
use example_stage::clock;
use fusebox::breaker::{self, HalfOpen, Setting, WaitInOpen, WaitStrategy, Window};
use fusebox::event::Event;
use fusebox::{Failure, Fuse, InvalidConfig, Outcome, Rng, Time};
use fusebox_core::SharedRng;
use fusebox_core::balancer::{Balancer, Config, Spec, Strategy, Tried};
use fusebox_core::flow::Circuits;
use hyper::Response;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// How far a region is from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nearness {
    /// It is ours.
    Same,
    /// Its answers come from far away.
    Other,
}

impl Nearness {
    /// From when on a call is slow.
    fn slow(self) -> Duration {
        scaled(match self {
            Nearness::Same => 5.0,
            Nearness::Other => 15.0,
        })
    }
}

/// A region, as the front sees it.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: &'static str,
    address: SocketAddr,
    /// Its circuit, and the time of one attempt.
    pub(crate) fuse: Fuse,
}

/// All three regions, ours first.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) routes: [Route; 3],
    balancer: Balancer,
    client: Client,
    rng: SharedRng,
}

/// A region that was picked for a call. If the call never goes there, the balancer is told so.
#[derive(Debug)]
pub(crate) struct Picked<'a> {
    router: &'a Router,
    place: usize,
    called: AtomicBool,
}

/// A call on its way to the region that was picked for it; one that is dropped has been cut off by its timeout.
struct Attempt<'a> {
    picked: &'a Picked<'a>,
    began: Time,
    outcome: Outcome,
}

impl Router {
    /// Routes to `regions`, of which the first is ours; every change of a circuit is told.
    pub(crate) fn new(regions: &[Region; 3], turns: &Sender<String>) -> Result<Router, InvalidConfig> {
        let [ours, second, third] = regions;
        let routes = [
            Route::to(ours, Nearness::Same, turns)?,
            Route::to(second, Nearness::Other, turns)?,
            Route::to(third, Nearness::Other, turns)?,
        ];
        let settings = Config {
            strategy: Strategy::P2c,
            region: Some(ours.name().into()),
            other_regions: vec![second.name().into(), third.name().into()],
            slow_same_region: Nearness::Same.slow(),
            slow_other_region: Nearness::Other.slow(),
            decay: scaled(10.0),
            penalty: scaled(5.0),
            slow_start: scaled(10.0),
            ..Config::default()
        };
        let specs = regions.each_ref().map(|region| {
            let name = region.name();
            Spec { region: Some(name.into()), ..Spec::named(name) }
        });
        Ok(Router {
            routes,
            balancer: Balancer::new(settings.check()?, &specs, clock::precise().now()),
            client: Client::new(),
            rng: SharedRng::new(Rng::seeded(1)),
        })
    }

    /// The two routes beside one, in their order.
    pub(crate) fn others(&self, place: usize) -> [&Route; 2] {
        let [ours, second, third] = &self.routes;
        match place {
            0 => [second, third],
            1 => [ours, third],
            _ => [ours, second],
        }
    }

    /// The region for a call; none if every circuit is open.
    pub(crate) fn pick(&self) -> Option<Picked<'_>> {
        let now = clock::precise().now();
        let place = self.balancer.pick(Tried::default(), self, &self.rng, now).ok()?;
        Some(Picked { router: self, place, called: AtomicBool::new(false) })
    }

    /// Asks a region, whatever the balancer makes of it.
    pub(crate) async fn ask(&self, route: &Route, path: &str) -> Result<Response<Bytes>, CallError> {
        self.client.get(route.address, path).await
    }
}

impl Circuits for Router {
    fn circuit(&self, endpoint: usize) -> &breaker::CircuitBreaker {
        self.routes[endpoint].fuse.circuit().core()
    }
}

impl Picked<'_> {
    /// The region.
    pub(crate) fn place(&self) -> usize {
        self.place
    }

    /// Asks it, and lets the balancer know how that went.
    pub(crate) async fn ask(&self, path: &str) -> Result<Response<Bytes>, CallError> {
        self.called.store(true, Relaxed);
        let (began, outcome) = (clock::precise().now(), Outcome::Failure(Failure::Timeout));
        let mut attempt = Attempt { picked: self, began, outcome };
        let answer = self.router.ask(&self.router.routes[self.place], path).await;
        attempt.outcome = if answer.is_ok() { Outcome::Success } else { Outcome::Failure(Failure::Error) };
        answer
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let (Picked { router, place, .. }, now) = (self.picked, clock::precise().now());
        router.balancer.settle(*place, self.outcome, now.nanos_since(self.began), now);
    }
}

impl Drop for Picked<'_> {
    fn drop(&mut self) {
        if !self.called.load(Relaxed) {
            self.router.balancer.give_back(self.place);
        }
    }
}

impl Route {
    fn to(region: &Region, nearness: Nearness, turns: &Sender<String>) -> Result<Route, InvalidConfig> {
        let fuse = Fuse::builder(region.name())
            .timeout(nearness.slow() + scaled(5.0))
            .breaker(breaker::Config {
                window: Window::Time(scaled(60.0)),
                consecutive_failures: Some(5),
                slow_call_duration: Setting::Is(nearness.slow()),
                wait_in_open: WaitInOpen { strategy: WaitStrategy::Fixed(scaled(30.0)), jitter: 0.1 },
                half_open_probes: 1,
                half_open: HalfOpen::Count { success_threshold: 3, probe_failures: 1 },
                ..breaker::Config::default()
            })
            .clock(clock::precise())
            .build()?;
        let turns = turns.clone();
        fuse.circuit().on_event(move |name, event| {
            if let Event::Transition(change) = event {
                // Who does not listen any more need not be told.
                let _ = turns.send(format!("{name}: {}, {}", change.to, change.cause));
            }
        });
        Ok(Route { name: region.name(), address: region.address(), fuse })
    }
}
