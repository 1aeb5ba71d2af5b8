//! Senders that disconnect before the answer, and servers that shut down while a handler is running.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use clerk_webhook_core::Outcome;
use clerk_webhook_store::{Claim, DeliveryKey, DeliveryStore as _, Scope};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::case::Case;
use super::client::{self, PATIENCE};
use super::handling::user;
use super::stacks::{Server, Setup, Stack};
use super::wire_request::WireRequest;

/// More time than any step of these tests needs.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_completes_after_the_sender_disconnects() {
    on_every_stack(async |stack, server| {
        let delivery = user("be slow");
        let connection = begin(&server, &delivery).await;
        drop(connection);
        let ended = timeout(LONG, server.gate().ended()).await;
        assert!(ended.is_ok(), "{stack}: the handler was dropped");
        // Wait until the completion is stored.
        assert_eq!(server.deduplicator().shutdown(LONG).await, 0, "{stack}");
        let again = Case::new(Setup::Handling, "again").answers(&delivery, Outcome::Duplicate);
        assert_answers(stack, &server, &again).await;
        assert_eq!(attempts(&server), [Some(1)], "{stack}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_waits_for_running_handlers() {
    on_every_stack(async |stack, server| {
        let delivery = user("hold");
        let connection = begin(&server, &delivery).await;
        assert_eq!(server.deduplicator().in_flight(), 1, "{stack}");
        {
            let mut shutdown = pin!(server.deduplicator().shutdown(LONG));
            let waits = std::future::poll_fn(|cx| Poll::Ready(shutdown.as_mut().poll(cx).is_pending()));
            assert!(waits.await, "{stack}");
            server.gate().open();
            assert_eq!(shutdown.await, 0, "{stack}");
        }
        assert_eq!(server.deduplicator().in_flight(), 0, "{stack}");
        let again = Case::new(Setup::Handling, "again").answers(&delivery, Outcome::Duplicate);
        assert_answers(stack, &server, &again).await;
        drop(connection);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_drops_slow_handlers_and_releases_their_leases() {
    on_every_stack(async |stack, server| {
        let delivery = user("hold");
        let stopped = Case::new(Setup::Handling, "stopped").answers(&delivery, Outcome::Failed);
        let (gate, address) = (server.gate().clone(), server.address);
        let steps = stopped.clients.into_iter().next().unwrap();
        let playing = tokio::spawn(async move { client::play(address, &gate, &steps, PATIENCE).await });
        timeout(LONG, server.gate().began()).await.unwrap();
        assert_eq!(server.deduplicator().shutdown(Duration::from_millis(1)).await, 1, "{stack}");
        assert_eq!(words(&playing.await.unwrap()), ["500 failed"], "{stack}");
        assert_eq!(server.deduplicator().in_flight(), 0, "{stack}");

        // After the shutdown, no handler starts.
        let again = Case::new(Setup::Handling, "again").answers(&delivery, Outcome::Failed);
        assert_answers(stack, &server, &again).await;
        assert_eq!(attempts(&server), [Some(1)], "{stack}");
        // The lease was released, so that the next process can claim the delivery immediately.
        let key = DeliveryKey::new(Scope::default(), delivery.message_id().parse().unwrap());
        let claim = server.deduplicator().store().claim(&key, LONG).await.unwrap();
        assert!(matches!(claim, Claim::Acquired(lease) if lease.attempt() == 2), "{stack}");
    })
    .await;
}

/// Runs the test on every stack, with all servers at the same time.
async fn on_every_stack<F>(test: impl Fn(Stack, Server) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut stacks = JoinSet::new();
    for stack in Stack::ALL {
        stacks.spawn(test(stack, Server::start(stack, Setup::Handling)));
    }
    stacks.join_all().await;
}

/// Sends a delivery and waits until its handler has started.
async fn begin(server: &Server, delivery: &WireRequest) -> TcpStream {
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(&delivery.with_length()).await.unwrap();
    timeout(LONG, server.gate().began()).await.expect("the handler starts");
    connection
}

async fn assert_answers(stack: Stack, server: &Server, case: &Case) {
    let seen = client::play(server.address, server.gate(), &case.clients[0], PATIENCE).await;
    assert_eq!(words(&seen), words(&case.expected()), "{stack}");
}

fn words(seen: &[super::seen::Seen]) -> Vec<String> {
    seen.iter().map(ToString::to_string).collect()
}

fn attempts(server: &Server) -> Vec<Option<u32>> {
    server.inbox.take().iter().map(|delivered| delivered.attempt).collect()
}
