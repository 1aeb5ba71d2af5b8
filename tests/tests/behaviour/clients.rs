//! Sends deliveries from the official Svix and Standard Webhooks libraries for Node and Python to every
//! stack.

use std::sync::Mutex;
use std::thread;

use clerk_webhook_tests::clients::{Client, official_clients};
use clerk_webhook_tests::fixture;

use super::stacks::{PATH, Server, Setup, Stack};

#[tokio::test(flavor = "multi_thread")]
async fn every_stack_verifies_deliveries_of_the_official_clients() {
    let clients = official_clients("sending official deliveries to every framework");
    let mut servers = Vec::new();
    for stack in Stack::ALL {
        servers.push((stack, Server::start(stack, Setup::Standard)));
    }
    let failures = tokio::task::block_in_place(|| failures(&servers, &clients));
    assert!(failures.is_empty(), "{}", failures.join("\n"));

    let body = fixture("user.created");
    for (stack, server) in servers {
        let delivered = server.inbox.take();
        assert_eq!(delivered.len(), clients.len() * Client::accepted(), "{stack}");
        assert!(delivered.iter().all(|delivered| delivered.event_type == "user.created"), "{stack}");
        assert!(delivered.iter().all(|delivered| delivered.body == body), "{stack}");
    }
}

/// Runs one client per CPU core at the same time.
fn failures(servers: &[(Stack, Server)], clients: &[Client]) -> Vec<String> {
    let pairs = servers.iter().flat_map(|server| clients.iter().map(move |client| (server, client)));
    let (pairs, failures) = (Mutex::new(pairs), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some(((stack, server), client)) = pairs.lock().unwrap().next() else { break };
                    let url = format!("http://{}{PATH}", server.address);
                    let found = client.failures(&url);
                    let found = found.into_iter().map(|failure| format!("{stack}: {failure}"));
                    failures.lock().unwrap().extend(found);
                }
            });
        }
    });
    failures.into_inner().unwrap()
}
