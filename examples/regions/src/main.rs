//! One service in three regions, and a front in ours.
//!
//! `cargo run --release -p example-regions` starts three regions and the front, real HTTP servers on free ports, and plays
//! seven scenes, [`scale::FACTOR`] times faster than in production. [`router`] has the circuits, thresholds and the
//! balancer, [`front`] the list of what answers when a region does not, [`script`] the scenes.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

mod front;
mod region;
mod report;
mod router;
mod scale;
mod script;

use example_stage::{clock, server};
use front::{Front, Order};
use lexopt::prelude::*;
use region::Region;
use report::Scenes;
use router::Router;
use scale::{FACTOR, scaled};
use script::SCENES;
use std::error::Error;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

const USAGE: &str = "\
One service in three regions, and what answers when they fail.

  example-regions [--cached-first] [--scenes NUMBER]
      --cached-first  the list begins with what is kept, and not with the other regions
      --scenes NUMBER plays only so many scenes";

/// What the command line asks for.
struct Arguments {
    order: Order,
    scenes: usize,
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(lexopt::Parser::from_env()) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match play(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: failed to {error}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    /// None if it is the usage that is asked for.
    fn parse(mut line: lexopt::Parser) -> Result<Option<Arguments>, lexopt::Error> {
        let mut arguments = Arguments { order: Order::default(), scenes: SCENES.len() };
        while let Some(argument) = line.next()? {
            match argument {
                Long("cached-first") => arguments.order = Order::CachedFirst,
                Long("scenes") => arguments.scenes = line.value()?.parse()?,
                Long("help") | Short('h') => return Ok(None),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(arguments))
    }
}

#[tokio::main(worker_threads = 2)]
async fn play(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (ours, _ours) = Region::start("us-east-1", Duration::from_millis(2)).await?;
    let (next, _next) = Region::start("us-west-2", Duration::from_millis(30)).await?;
    let (last, _last) = Region::start("eu-west-1", Duration::from_millis(45)).await?;
    let regions = [ours, next, last];
    let (tell, turns) = mpsc::channel();
    let front = Front::new(Router::new(&regions, &tell)?, arguments.order)?;
    let (listener, address) = server::listen().await?;
    let _serving = tokio::spawn(server::serve(listener, move |request| {
        front.clone().answer(request.uri().path().to_owned())
    }));
    println!("All waits and thresholds are {FACTOR} times shorter than in production.\n");
    println!("front      http://{address}, in us-east-1");
    for region in &regions {
        println!("{}  http://{}", region.name(), region.address());
    }

    let mut table = Scenes::new(&regions);
    for (number, scene) in SCENES.iter().enumerate().take(arguments.scenes) {
        println!("\n{}", scene.name);
        let noticed = scene.play(number, address, &regions).await;
        table.add(scene.name, &noticed, &regions);
        for turn in turns.try_iter() {
            println!("  {turn}");
        }
        // So that the next scene begins with circuits that are closed or about to probe.
        clock::pause(scaled(40.0)).await;
    }
    println!("\n{}", table.told());
    Ok(())
}
