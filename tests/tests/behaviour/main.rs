//! The behavior that a user sees in every framework.
//!
//! The cases of a table run over real sockets. The guide's chapter `frameworks` lists the differences.
//! Another table, without sockets, covers how the frames of a body arrive.

mod case;
mod cases;
mod client;
mod clients;
mod differences;
mod disconnects;
mod frames;
mod handling;
mod http2;
mod inbox;
mod properties;
mod seen;
mod stacks;
mod wire_request;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_tests::say;
use tokio::task::JoinSet;

use case::Case;
use differences::{Observation, Report};
use stacks::{Server, Setup, Stack};

#[tokio::test(flavor = "multi_thread")]
async fn every_stack_gives_the_expected_answer_to_every_case() {
    let cases = Arc::new(cases::all());
    let unanswered = Arc::new(differences::unanswered());
    let mut servers = JoinSet::new();
    for stack in Stack::ALL {
        for setup in Setup::ALL {
            servers.spawn(observe(stack, setup, Arc::clone(&cases), Arc::clone(&unanswered)));
        }
    }
    let observations: Vec<_> = servers.join_all().await.into_iter().flatten().collect();
    let report = Report::new(&cases, &observations);
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    say(&format!(
        "behaviour: {} cases x {} stacks, {} kinds of differences, all of them in the guide",
        cases.len(),
        Stack::ALL.len(),
        report.rows
    ));
}

/// Runs all cases of a setup, one after the other, against one server.
async fn observe(
    stack: Stack,
    setup: Setup,
    cases: Arc<Vec<Case>>,
    unanswered: Arc<BTreeSet<(String, String)>>,
) -> Vec<Observation> {
    let server = Server::start(stack, setup);
    let mut observations = Vec::new();
    for index in (0..cases.len()).filter(|index| cases[*index].setup == setup) {
        if let Some(now) = cases[index].clock {
            server.set_clock(now);
        }
        let is_listed = unanswered.contains(&(cases[index].kind_or_name().to_owned(), stack.to_string()));
        let patience = if is_listed { Duration::from_secs(1) } else { client::PATIENCE };
        let mut clients = Vec::new();
        for client in 0..cases[index].clients.len() {
            let (address, gate, cases) = (server.address, server.gate().clone(), Arc::clone(&cases));
            clients.push(tokio::spawn(async move {
                client::play(address, &gate, &cases[index].clients[client], patience).await
            }));
        }
        let mut seen = Vec::new();
        for client in clients {
            seen.extend(client.await.unwrap());
        }
        let observation = Observation { stack, case: index, seen, delivered: server.inbox.take() };
        let is_unanswered = observation.is_unanswered();
        observations.push(observation);
        if is_unanswered && !is_listed {
            break;
        }
    }
    observations
}
