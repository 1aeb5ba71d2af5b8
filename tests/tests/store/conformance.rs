//! Every store passes the suite.

use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_store::conformance::{Clones, Harness, Suite};
use clerk_webhook_store::{DynDeliveryStore, MemoryStore, RedisStore};
use clerk_webhook_tests::servers;

use crate::redis::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory() {
    Suite::new(&Clones(MemoryStore::new())).run().await;
}

/// What is chosen at run time is the same store.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_as_a_trait_object() {
    let store: Arc<dyn DynDeliveryStore> = Arc::new(MemoryStore::new());
    Suite::new(&Clones(store)).run().await;
}

/// On one thread nothing happens at once, but it passes there too.
#[tokio::test]
async fn memory_on_one_thread() {
    Suite::new(&Clones(MemoryStore::new())).run().await;
}

/// A suite that is called once more takes other keys.
#[tokio::test]
async fn twice_on_one_store() {
    let harness = Clones(MemoryStore::new().retention(Duration::from_secs(600)));
    for _ in 0..2 {
        let suite = Suite::new(&harness).seed(7);
        suite.keys_are_exact().await;
        suite.attempts_rise().await;
    }
    assert!(harness.unreachable().await.is_none() && !harness.expires_by_itself());
}

struct Redis {
    url: String,
    unreachable: Option<RedisStore>,
}

impl Harness for Redis {
    type Store = RedisStore;

    async fn client(&self) -> RedisStore {
        RedisStore::connect(&self.url).await.unwrap()
    }

    async fn unreachable(&self) -> Option<RedisStore> {
        self.unreachable.clone()
    }

    fn expires_by_itself(&self) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis() {
    let Some(url) = servers::redis("conformance::redis") else { return };
    let mut unreachable = None;
    if let Some(mut server) = Server::start("conformance::redis", &[]).await {
        unreachable = Some(RedisStore::connect(&server.url()).await.unwrap());
        server.kill();
    }
    Suite::new(&Redis { url, unreachable }).run().await;
}
