//! What happens to the regions, scene by scene, and what callers of the front notice.

use crate::front::{REGION, SOURCE};
use crate::region::{Mood, Region};
use bytes::Bytes;
use example_stage::client::{CallError, Client};
use example_stage::clock;
use hyper::Response;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinSet;

/// Calls in a scene.
pub(crate) const CALLS: u32 = 80;
/// From one call to the next.
const PERIOD: Duration = Duration::from_millis(25);
/// Pages that are asked for again and again.
const PAGES: u32 = 10;

/// What is wrong for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// How each region does, ours first.
    moods: [Mood; 3],
    /// Whether every second page is one that nobody has asked for before.
    new_pages: bool,
}

const fn scene(name: &'static str, moods: [Mood; 3]) -> Scene {
    Scene { name, moods, new_pages: false }
}

use Mood::{Failing, Slow, Well};

/// The whole play. Seconds are those of production.
pub(crate) const SCENES: [Scene; 7] = [
    scene("all is well", [Well, Well, Well]),
    scene("ours takes 3.5 s: not yet slow", [Slow(3.5), Well, Well]),
    scene("ours fails", [Failing, Well, Well]),
    scene("ours fails, the next takes 8 s", [Failing, Slow(8.0), Well]),
    scene("ours and the next fail", [Failing, Failing, Well]),
    Scene { name: "every region fails", moods: [Failing, Failing, Failing], new_pages: true },
    scene("all is well again", [Well, Well, Well]),
];

/// What a caller noticed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noticed {
    /// Where the answer came from; nothing, if there was none.
    pub(crate) source: Option<String>,
    /// Which region gave it.
    pub(crate) region: Option<String>,
    /// After how long.
    pub(crate) took: Duration,
}

impl Scene {
    /// Plays it: calls at a steady pace, whatever comes of them.
    pub(crate) async fn play(&self, number: usize, front: SocketAddr, regions: &[Region]) -> Vec<Noticed> {
        for (region, mood) in regions.iter().zip(self.moods) {
            region.turns(mood);
        }
        let (client, start) = (Client::new(), clock::precise().now());
        let mut calls = JoinSet::new();
        for n in 0..CALLS {
            clock::until(start + PERIOD * n).await;
            let path = match self.new_pages && n % 2 == 1 {
                true => format!("/new/{number}-{n}"),
                false => format!("/page/{}", n / 2 % PAGES),
            };
            calls.spawn(call(client.clone(), front, path));
        }
        calls.join_all().await
    }
}

async fn call(client: Client, front: SocketAddr, path: String) -> Noticed {
    let began = clock::precise().now();
    let answer: Result<Response<Bytes>, CallError> = client.get(front, &path).await;
    let said = |name| {
        let value = answer.as_ref().ok()?.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    Noticed { source: said(SOURCE), region: said(REGION), took: clock::precise().now().since(began) }
}
