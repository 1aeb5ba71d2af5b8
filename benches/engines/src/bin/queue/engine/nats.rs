//! NATS JetStream.

use async_nats::Client;
use async_nats::jetstream::{self, Context, stream};
use clerk_webhook_core::Event;
use clerk_webhook_queue::{DeliveryQueue as _, NatsQueue};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::{Engine, new_event};
use crate::Fallible;

/// The stream of the bare writes, and the beginning of the names of all streams.
const BARE: &str = "bench_queue";

/// The number of concurrent events while a queue is filled.
const AT_ONCE: usize = 256;

#[derive(Clone)]
pub struct Nats {
    client: Client,
    context: Context,
}

impl Nats {
    pub async fn start(address: &str) -> Fallible<Self> {
        let client = async_nats::connect(address).await?;
        let context = jetstream::new(client.clone());
        let nats = Self { client, context };
        nats.clean().await?;
        let bare = stream::Config {
            name: BARE.to_owned(),
            subjects: vec![BARE.to_owned()],
            storage: stream::StorageType::File,
            ..stream::Config::default()
        };
        nats.context.create_stream(bare).await?;
        Ok(nats)
    }
}

impl Engine for Nats {
    type Queue = NatsQueue;

    fn name(&self) -> &'static str {
        "NATS"
    }

    async fn settings(&self) -> Fallible<String> {
        let version = self.client.server_info().version;
        Ok(format!("version {version}, one replica, default `sync_interval`, one connection."))
    }

    fn jobs_per_second(&self) -> Option<f64> {
        Some(3000.0)
    }

    async fn new_queue(&self, name: &str) -> Fallible<NatsQueue> {
        // The default `max_payload` of the server is too small for the default body limit.
        let queue =
            NatsQueue::new(self.client.clone()).prefix(&format!("{BARE}_{name}"))?.body_limit(64 * 1024);
        queue.migrate().await?;
        Ok(queue)
    }

    async fn write(&self, event: &Event) {
        let stored = self.context.publish(BARE, event.raw_body().clone()).await.expect("NATS is reachable");
        stored.await.expect("JetStream stores the message");
    }

    async fn fill(&self, queue: &NatsQueue, count: usize) -> Fallible<()> {
        let enqueued = futures_util::stream::iter(0..count)
            .map(async |_| queue.enqueue(&new_event()).await)
            .buffer_unordered(AT_ONCE)
            .try_for_each(async |_| Ok(()));
        Ok(enqueued.await?)
    }

    /// Also removes the streams of an interrupted run.
    async fn clean(&self) -> Fallible<()> {
        let names: Vec<String> = self.context.stream_names().try_collect().await?;
        for name in names.iter().filter(|name| name.starts_with(BARE)) {
            self.context.delete_stream(name).await?;
        }
        Ok(())
    }
}
