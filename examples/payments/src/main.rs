//! A payments service before two providers that misbehave: hang, fail, stumble, or take their time.
//!
//! `cargo run --release -p example-payments` starts two providers and the service, real HTTP servers on free ports, and
//! plays nine scenes. [`policies`] has what stands before the providers, [`desk`] the service itself, [`script`] the
//! scenes, [`later`] how what had to wait is made.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

mod book;
mod calls;
mod desk;
mod later;
mod notices;
mod page;
mod policies;
mod proof;
mod provider;
mod report;
mod script;

use book::{Payment, Status};
use desk::{Desk, Order};
use example_stage::client::{CallError, Client};
use example_stage::{clock, server};
use fusebox::queue::{Filter, QueueStore, Stop, StoreError, View};
use policies::{Account, WAIT};
use provider::Provider;
use report::Scenes;
use script::{SCENES, pay};
use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

/// How long what is deferred has after the last scene.
const LONGEST: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let played = match arguments.first().map(String::as_str) {
        None => play(),
        Some("proof") => reconcile(&arguments[1..]),
        Some(other) => {
            Err(format!("understand {other:?}; accepted: nothing, or proof [RUNS [FIRST SEED [PAYMENTS]]]")
                .into())
        }
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: failed to {error}");
            ExitCode::FAILURE
        }
    }
}

/// `proof [RUNS [FIRST SEED [PAYMENTS]]]`
#[tokio::main(flavor = "current_thread")]
async fn reconcile(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let number = |at: usize, usual: u64| match arguments.get(at).map(|text| (text, text.parse())) {
        None => Ok(usual),
        Some((_, Ok(number))) => Ok(number),
        Some((text, Err(_))) => Err(format!("understand {text:?}; accepted: a whole number")),
    };
    let (runs, first, payments) = (number(0, 10)?, number(1, 1)?, number(2, proof::PAYMENTS)?);
    match proof::prove(first..first.saturating_add(runs), payments).await? {
        true => Ok(()),
        false => Err("reconcile the books with the providers".into()),
    }
}

#[tokio::main(worker_threads = 2)]
async fn play() -> Result<(), Box<dyn Error>> {
    let (north, _north) = Provider::start("north").await?;
    let (south, _south) = Provider::start("south").await?;
    let (tell, turns) = mpsc::channel();
    let folder = tempfile::tempdir()?;
    let queue = folder.path().join("payments.queue");
    let desk = Desk::open([Account::with(&north, &tell)?, Account::with(&south, &tell)?], &queue)?;
    let providers = [north, south];
    let (listener, service) = server::listen().await?;
    let answering = desk.clone();
    let _serving = tokio::spawn(server::serve(listener, move |request| answering.clone().answer(request)));
    let stop = Stop::default();
    let workers = later::start(&desk, &stop);
    println!("payments  http://{service}");
    println!("queue     {}", queue.display());
    for provider in &providers {
        println!("{}     http://{}", provider.name(), provider.address());
    }

    let client = Client::new();
    let mut table = Scenes::new();
    let (mut earlier, mut shown) = (Vec::new(), Vec::new());
    for (number, scene) in SCENES.iter().enumerate() {
        println!("\n{}", scene.name);
        let came = scene.play(number, service, &providers, &earlier).await?;
        table.add(scene.name, &came, &providers);
        earlier = came.paid.iter().map(|told| told.payment.clone()).collect();
        for turn in turns.try_iter() {
            println!("  {turn}");
        }
        let waits =
            |payment: &&Payment| payment.status == Status::WillBeProcessed && !payment.asked.is_empty();
        if let Some(payment) = earlier.iter().rev().find(waits) {
            show(&client, service, &payment.id).await?;
            shown.push(payment.id.clone());
            // Where nobody could be reached at all, one customer does not wait; the amount may be held.
            if came.paid(Status::Authorised, None) == 0 {
                give_up(&desk, payment).await?;
            }
        }
        // So that the next scene begins with circuits that are closed or about to probe.
        clock::pause(WAIT * 13 / 10).await;
    }
    println!("\nuntil nothing waits");
    let items = settle(&desk).await?;
    for turn in turns.try_iter() {
        println!("  {turn}");
    }
    for id in &shown {
        show(&client, service, id).await?;
    }
    stop.now();
    for worker in workers {
        worker.await?;
    }

    println!("\n{}", table.told());
    println!("{}", report::deferred(&items));
    println!("{}", report::ledgers(&providers, &desk.book().payments()));
    let order = Order { cents: 4_200, card: "4242".into(), trusted: true };
    let again = pay(client, service, "order-0-0".into(), order).await?;
    println!(
        "  order-0-0, sent again: {} {:?}, the same payment {}",
        again.status, again.payment.status, again.payment.id
    );
    Ok(())
}

/// Waits until nothing is deferred any more, but not for ever; answers all that ever was.
async fn settle(desk: &Desk) -> Result<Vec<View>, StoreError> {
    let until = clock::precise().now() + LONGEST;
    loop {
        let items = desk.store().list(Filter::default(), usize::MAX >> 1).await?;
        if !items.iter().any(|view| view.record.state.is_live()) || clock::precise().now() >= until {
            return Ok(items);
        }
        clock::pause(WAIT / 5).await;
    }
}

/// Has a deferred payment given up.
async fn give_up(desk: &Desk, payment: &Payment) -> Result<(), StoreError> {
    let Some(item) = payment.item else { return Ok(()) };
    let until = clock::precise().now() + LONGEST;
    while !later::give_up(desk, item).await? && clock::precise().now() < until {
        clock::pause(WAIT / 50).await;
    }
    println!("  {}: the customer has gone elsewhere", payment.id);
    Ok(())
}

async fn show(client: &Client, service: SocketAddr, id: &str) -> Result<(), CallError> {
    let told = client.get(service, &format!("/payments/{id}")).await?;
    println!("  GET /payments/{id}: {}", String::from_utf8_lossy(told.body()));
    Ok(())
}
