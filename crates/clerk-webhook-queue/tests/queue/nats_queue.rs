//! Queues on a shared NATS server.

use std::time::Duration;

use async_nats::jetstream;
use clerk_webhook_queue::NatsQueue;
use clerk_webhook_store::Owner;
use clerk_webhook_tests::servers;
use futures_util::TryStreamExt as _;

/// The body limit that Debian's server allows, with a `max_payload` of 1 MiB.
pub(crate) const BODY_LIMIT: usize = 512 * 1024;

/// The names of a test on a shared server. [`delete`](Self::delete) deletes its streams.
pub(crate) struct Names {
    pub(crate) url: String,
    pub(crate) prefix: String,
}

impl Names {
    pub(crate) fn new(url: String) -> Self {
        Self { url, prefix: format!("test-{}", Owner::random()) }
    }

    /// Returns a queue with a separate connection and an existing stream.
    pub(crate) async fn queue(&self) -> NatsQueue {
        let queue = self.unmigrated().await;
        queue.migrate().await.unwrap();
        queue
    }

    pub(crate) async fn unmigrated(&self) -> NatsQueue {
        let queue = NatsQueue::connect(&self.url).await.unwrap();
        queue.prefix(&self.prefix).unwrap().body_limit(BODY_LIMIT)
    }

    pub(crate) async fn delete(&self) {
        let context = jetstream::new(async_nats::connect(&self.url).await.unwrap());
        let names: Vec<String> = context.stream_names().try_collect().await.unwrap();
        for name in names.iter().filter(|name| name.starts_with(&self.prefix)) {
            context.delete_stream(name).await.unwrap();
        }
    }
}

/// Returns a queue whose server does not exist.
pub(crate) async fn unreachable() -> NatsQueue {
    let port = servers::free_port();
    let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
    let client = options.connect(format!("nats://127.0.0.1:{port}")).await.unwrap();
    NatsQueue::new(client).timeout(Duration::from_millis(200))
}
