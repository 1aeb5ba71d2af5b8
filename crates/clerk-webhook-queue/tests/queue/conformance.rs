//! Every queue passes the conformance suite.

use std::sync::Arc;

use clerk_webhook_queue::SqliteQueue;
use clerk_webhook_queue::conformance::{Harness, Suite};
use clerk_webhook_store::Scope;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use crate::file::File;

/// Each client has a separate pool, as if it were another process.
struct Processes(File);

impl Harness for Processes {
    type Queue = SqliteQueue;

    async fn client(&self, scope: Scope) -> SqliteQueue {
        self.0.open().await.with_scope(scope)
    }

    async fn unreachable(&self) -> Option<SqliteQueue> {
        let queue = File::new().open().await;
        queue.pool().close().await;
        Some(queue)
    }
}

/// All clients share one connection to a database in memory.
struct InMemory(SqlitePool);

impl InMemory {
    async fn new() -> Self {
        let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.connect_with(SqliteConnectOptions::new().in_memory(true)).await.unwrap();
        SqliteQueue::new(pool.clone()).table("jobs").unwrap().migrate().await.unwrap();
        Self(pool)
    }
}

impl Harness for InMemory {
    type Queue = Arc<SqliteQueue>;

    async fn client(&self, scope: Scope) -> Arc<SqliteQueue> {
        Arc::new(SqliteQueue::new(self.0.clone()).table("jobs").unwrap().with_scope(scope))
    }

    /// The table of this queue does not exist.
    async fn unreachable(&self) -> Option<Arc<SqliteQueue>> {
        Some(Arc::new(SqliteQueue::new(self.0.clone()).table("missing").unwrap()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_processes_with_one_file_pass() {
    Suite::new(&Processes(File::new())).run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_in_memory_passes() {
    Suite::new(&InMemory::new().await).run().await;
}

/// Each client has a separate connection, and each scope has its own stream.
#[cfg(feature = "nats")]
struct Connections(crate::nats_queue::Names, usize);

#[cfg(feature = "nats")]
impl Harness for Connections {
    type Queue = clerk_webhook_queue::NatsQueue;

    async fn client(&self, scope: Scope) -> Self::Queue {
        let queue = self.0.unmigrated().await.with_scope(scope).replicas(self.1);
        queue.migrate().await.unwrap();
        queue
    }

    async fn unreachable(&self) -> Option<Self::Queue> {
        Some(crate::nats_queue::unreachable().await)
    }
}

#[cfg(feature = "nats")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_connections_to_nats_pass() {
    let Some(url) = clerk_webhook_tests::servers::nats("the conformance suite of NatsQueue") else { return };
    let harness = Connections(crate::nats_queue::Names::new(url), 1);
    Suite::new(&harness).run().await;
    harness.0.delete().await;
}

/// The servers of a cluster accept two records of a message at the same time.
#[cfg(feature = "nats")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_of_nats_servers_passes_the_checks_of_concurrent_clients() {
    let Some(servers) = clerk_webhook_tests::servers::Nats::start_cluster("the cluster test of NatsQueue")
    else {
        return;
    };
    let names = crate::nats_queue::Names::new(servers[0].url());
    // The servers need a moment to elect a leader.
    let elected = async { while names.unmigrated().await.replicas(3).migrate().await.is_err() {} };
    tokio::time::timeout(std::time::Duration::from_secs(60), elected).await.unwrap();
    let harness = Connections(names, 3);
    let suite = Suite::new(&harness);
    suite.concurrent_takes_are_exclusive().await;
    suite.a_stale_owner_changes_nothing().await;
    suite.one_object_at_a_time().await;
    suite.races().await;
}
#[cfg(feature = "postgres")]
mod postgres {
    use std::time::Duration;

    use clerk_webhook_queue::PostgresQueue;
    use sqlx::postgres::PgPoolOptions;

    use super::*;
    use crate::database::Database;

    /// Each client has a separate pool, as if it were on another machine.
    struct Machines(Database);

    impl Harness for Machines {
        type Queue = PostgresQueue;

        async fn client(&self, scope: Scope) -> PostgresQueue {
            // The server has a limited number of connections, and the suite creates many clients.
            let pool = PgPoolOptions::new().max_connections(8).idle_timeout(Duration::from_secs(1));
            let queue = self.0.queue(pool.connect_with(self.0.options()).await.unwrap());
            queue.migrate().await.unwrap();
            queue.with_scope(scope)
        }

        /// No server listens on this port.
        async fn unreachable(&self) -> Option<PostgresQueue> {
            let options = self.0.options().port(1);
            let pool = PgPoolOptions::new().acquire_timeout(Duration::from_secs(1));
            Some(PostgresQueue::new(pool.connect_lazy_with(options)))
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn several_machines_with_one_postgres_database_pass() {
        let Some(database) = Database::new().await else { return };
        let machines = Machines(database);
        Suite::new(&machines).run().await;
        machines.0.close().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn several_machines_behind_pgbouncer_pass() {
        let Some(database) = Database::pooled().await else { return };
        let machines = Machines(database);
        Suite::new(&machines).run().await;
        machines.0.close().await;
    }
}
