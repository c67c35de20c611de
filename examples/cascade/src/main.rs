//! Four services in a chain over a slow database: what a circuit breaker is for.
//!
//! `cargo run --release -p example-cascade` starts the chain twice, as processes of this one program, once with each
//! file in `policies/`; calls both with the same load; locks the database for ten seconds; prints what came of it and
//! draws it. [`service`] is what runs in each process, [`run`] what is done to them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

mod arguments;
mod chart;
mod database;
mod drawing;
mod load;
mod png;
mod report;
mod run;
mod service;
mod settings;
mod svg;
mod world;

use arguments::{Arguments, USAGE};
use example_stage::{children, clock, server};
use run::Run;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use world::World;

/// Both worlds begin this long after everything is up.
const SOON: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let done = match Arguments::parse(lexopt::Parser::from_env()) {
        Ok(Arguments::Usage) => {
            println!("{USAGE}");
            Ok(())
        }
        Ok(Arguments::Serve { place, policies }) => serve(place, &policies),
        Ok(Arguments::Play { out, without, with }) => play(&out, &without, &with),
        Err(error) => {
            eprintln!("error: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: failed to {error}");
            ExitCode::FAILURE
        }
    }
}

/// One service, until its parent goes.
#[tokio::main(flavor = "current_thread")]
async fn serve(place: service::Place, policies: &Path) -> Result<(), Box<dyn Error>> {
    children::leave_with_parent();
    let settings = settings::Settings::read(policies)?;
    let (listener, address) = server::listen().await?;
    children::tell_parent(address)?;
    service::run(listener, place, &settings).await?;
    Ok(())
}

#[tokio::main(worker_threads = 2)]
async fn play(out: &Path, without: &Path, with: &Path) -> Result<(), Box<dyn Error>> {
    println!("{}", report::opening());
    let worlds = (World::start(without).await?, World::start(with).await?);
    println!("without{}\nwith   {}\n", report::places(&worlds.0), report::places(&worlds.1));
    let start = clock::precise().now() + SOON;
    let (without, with) = tokio::join!(Run::play(&worlds.0, start), Run::play(&worlds.1, start));
    drop(worlds);
    let (without, with) = (without?, with?);

    println!("Without policies:\n{}", report::seconds(&without));
    println!("With policies:\n{}\n{}", report::seconds(&with), report::turns(&with));
    println!("{}", report::comparison(&without, &with));
    println!("  {}\n", report::spared(&with).unwrap_or_default());

    let drawing = chart::draw(&without, &with);
    std::fs::create_dir_all(out)?;
    for (name, bytes) in
        [("cascade.svg", svg::write(&drawing).into_bytes()), ("cascade.png", png::paint(&drawing)?)]
    {
        let file = out.join(name);
        std::fs::write(&file, bytes)?;
        println!("  drawn in {}", file.display());
    }
    Ok(())
}
