//! Every store passes the conformance suite.

use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_store::conformance::{Clones, Harness, Suite};
use clerk_webhook_store::{DynDeliveryStore, MemoryStore, PostgresStore, RedisStore, SqliteStore};
use clerk_webhook_tests::servers;
use sqlx::postgres::PgPoolOptions;

use crate::databases::{Engine, PostgresDatabase, SqliteDatabase};
use crate::redis::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory() {
    Suite::new(&Clones(MemoryStore::new())).run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_as_a_trait_object() {
    let store: Arc<dyn DynDeliveryStore> = Arc::new(MemoryStore::new());
    Suite::new(&Clones(store)).run().await;
}

/// The suite also works on a single thread.
#[tokio::test]
async fn memory_on_one_thread() {
    Suite::new(&Clones(MemoryStore::new())).run().await;
}

/// Two suites with the same seed use different keys.
#[tokio::test]
async fn two_suites_on_one_store() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite() {
    Suite::new(&SqliteDatabase::create("conformance").await.unwrap()).run().await;
}

/// With the pool of `SqliteStore::open`, which has one connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_with_one_connection() {
    let database = SqliteDatabase::empty("conformance_of_one").await;
    let store = SqliteStore::open(database.file()).await.unwrap();
    store.migrate().await.unwrap();
    Suite::new(&Clones(store)).run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres() {
    if let Some(database) = PostgresDatabase::create("conformance").await {
        Suite::new(&database).run().await;
    }
}

impl Harness for SqliteDatabase {
    type Store = SqliteStore;

    async fn client(&self) -> SqliteStore {
        self.patient_store().await
    }

    async fn unreachable(&self) -> Option<SqliteStore> {
        let store = self.other_store().await;
        store.pool().close().await;
        Some(store)
    }
}

impl Harness for PostgresDatabase {
    type Store = PostgresStore;

    async fn client(&self) -> PostgresStore {
        self.patient_store().await
    }

    async fn unreachable(&self) -> Option<PostgresStore> {
        let pool = PgPoolOptions::new().acquire_timeout(Duration::from_millis(100));
        Some(PostgresStore::new(pool.connect_lazy_with(self.options().host("127.0.0.1").port(1))))
    }
}
