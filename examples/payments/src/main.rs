//! A payments service before two providers that misbehave: hang, fail, stumble, or take their time.
//!
//! `cargo run --release -p example-payments` starts two providers and the service, real HTTP servers on free ports, and
//! plays nine scenes. [`policies`] has what stands before the providers, [`desk`] the service itself, [`script`] the
//! scenes.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

mod book;
mod desk;
mod policies;
mod proof;
mod provider;
mod report;
mod script;

use desk::Desk;
use example_stage::client::Client;
use example_stage::{clock, server};
use policies::{Account, WAIT};
use provider::Provider;
use report::Scenes;
use script::{SCENES, pay};
use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::sync::mpsc;

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
    let desk = Desk::new([Account::with(&north, &tell)?, Account::with(&south, &tell)?]);
    let providers = [north, south];
    let (listener, service) = server::listen().await?;
    let _serving = tokio::spawn(server::serve(listener, move |request| desk.clone().answer(request)));
    println!("payments  http://{service}");
    for provider in &providers {
        println!("{}     http://{}", provider.name(), provider.address());
    }

    let mut table = Scenes::new();
    let mut payments = BTreeMap::new();
    let mut earlier = Vec::new();
    for (number, scene) in SCENES.iter().enumerate() {
        println!("\n{}", scene.name);
        let came = scene.play(number, service, &providers, &earlier).await?;
        table.add(scene.name, &came, &providers);
        earlier = came.paid.iter().map(|told| told.payment.clone()).collect();
        for told in came.paid.iter().chain(&came.captured) {
            payments.insert(told.payment.id.clone(), told.payment.clone());
        }
        for turn in turns.try_iter() {
            println!("  {turn}");
        }
        // So that the next scene begins with circuits that are closed or about to probe.
        clock::pause(WAIT * 13 / 10).await;
    }

    println!("\n{}", table.told());
    let payments: Vec<_> = payments.into_values().collect();
    println!("{}", report::ledgers(&providers, &payments));
    let client = Client::new();
    let again = pay(client.clone(), service, "order-0-0".into(), "4242").await?;
    println!(
        "  order-0-0, sent again: {} {:?}, the same payment {}",
        again.status, again.payment.status, again.payment.id
    );
    let later = payments.iter().rev().find(|payment| payment.status == book::Status::WillBeProcessed);
    if let Some(payment) = later {
        let told = client.get(service, &format!("/payments/{}", payment.id)).await?;
        println!("  GET /payments/{}: {}", payment.id, String::from_utf8_lossy(told.body()));
    }
    println!("\n  What will be processed is remembered in memory only, and nothing here processes it.");
    Ok(())
}
