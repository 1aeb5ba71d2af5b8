//! A PgBouncer in transaction mode between the sync and Postgres, with three server connections for all
//! clients.

use clerk_webhook_core::Outcome;
use clerk_webhook_store::{ExactlyOnce, PostgresStore};
use clerk_webhook_sync::{Applied, BackfillOptions, Change, ClerkSync, ReconcileOptions};
use clerk_webhook_test::{History, Scenario};
use clerk_webhook_tests::servers;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Postgres, Row as _};

use crate::databases::{Engine as _, T, deleted, event, membership, organization, user};
use crate::histories::{apply, assert_true, everything};
use crate::import::{api, clerk};

/// How many tasks share the three connections to the server.
const TASKS: usize = 16;

/// A schema for one test, and the options to connect to it through the pooler.
struct Pooler {
    options: PgConnectOptions,
    schema: String,
    /// Connects to the server directly.
    direct: PgPool,
}

impl Pooler {
    async fn create(test: &str) -> Option<Self> {
        let options: PgConnectOptions = servers::pgbouncer(test)?.parse().unwrap();
        let schema = format!("test_sync_pooler_{test}");
        let direct: PgConnectOptions = servers::postgres(test)?.parse().unwrap();
        let direct = PgPool::connect_with(direct.options([("search_path", &schema)])).await.unwrap();
        Postgres::run(&direct, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"))
            .await;
        Some(Self { options, schema, direct })
    }

    /// Returns a sync that connects through the pooler, with this statement cache capacity.
    fn sync(&self, statements: usize) -> ClerkSync<Postgres> {
        let options = self.options.clone().statement_cache_capacity(statements);
        let pool = PgPoolOptions::new().max_connections(TASKS as u32).connect_lazy_with(options);
        // The pooler does not forward a search_path.
        ClerkSync::new(pool).prefix(&format!("{}.clerk_", self.schema)).unwrap()
    }

    /// Returns a sync that connects to the server directly, for reading.
    fn direct(&self) -> ClerkSync<Postgres> {
        ClerkSync::new(self.direct.clone())
    }

    async fn migrated(&self) -> ClerkSync<Postgres> {
        let sync = self.sync(0);
        sync.migrate().await.unwrap();
        sync
    }
}

/// Asserts that no statement for this schema is prepared on any of the pooler's server connections.
async fn assert_no_statement_is_left(pooler: &Pooler) {
    let sync = pooler.sync(0);
    let mut open = Vec::new();
    // Each open transaction holds a different server connection.
    for _ in 0..3 {
        let mut transaction = sync.pool().begin().await.unwrap();
        let rows = sqlx::raw_sql("SELECT statement FROM pg_prepared_statements").fetch_all(&mut *transaction);
        for row in rows.await.unwrap() {
            let statement: String = row.get(0);
            assert!(!statement.contains(&pooler.schema), "{statement}");
        }
        open.push(transaction);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn histories_behind_a_pooler_end_in_the_data_of_clerk() {
    for seed in 0..2 {
        let Some(pooler) = Pooler::create("histories").await else { return };
        let sync = everything(pooler.migrated().await);
        let scenario = if seed == 0 { Scenario::Churn } else { Scenario::All };
        let history = History::builder().scenario(scenario).seed(seed).events(400).build();
        apply(&sync, &history, seed, TASKS).await;
        assert_true(&everything(pooler.direct()), &history.truth()).await;
        assert_no_statement_is_left(&pooler).await;
    }
}

/// With prepared statements, an event that needs one statement could run another client's statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deletions_behind_a_pooler_are_written_to_the_tables_of_their_types() {
    let Some(pooler) = Pooler::create("deletions").await else { return };
    let sync = pooler.migrated().await;
    let types = ["organization", "organizationDomain", "role", "permission"];
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let sync = sync.clone();
            tokio::spawn(async move {
                for number in 0..60 {
                    let event_type = types[(task + number) % 4];
                    let id = format!("{event_type}_{task}_{number}");
                    let event = event(&format!("{event_type}.deleted"), T, deleted(&id));
                    assert_eq!(sync.apply(&event).await.unwrap(), Applied::Tombstoned, "{id}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for (event_type, table) in types.iter().zip(["organizations", "domains", "roles", "permissions"]) {
        let ids = Postgres::texts(&pooler.direct, &format!("SELECT id FROM clerk_{table}")).await;
        assert_eq!(ids.len(), TASKS * 60 / 4, "{table}");
        for id in ids.into_iter().flatten() {
            assert!(id.starts_with(&format!("{event_type}_")), "{id} is in {table}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn queries_behind_a_pooler_return_the_requested_rows() {
    let Some(pooler) = Pooler::create("queries").await else { return };
    let sync = pooler.migrated().await;
    for number in 0..TASKS {
        let (user_id, org_id) = (format!("user_{number}"), format!("org_{number}"));
        for event in [
            event("user.created", T, user(&user_id, &format!("Name{number}"), T)),
            event("organization.created", T, organization(&org_id, &format!("Org{number}"), T)),
            event(
                "organizationMembership.created",
                T,
                membership(&format!("orgmem_{number}"), &org_id, &user_id, T),
            ),
        ] {
            sync.apply(&event).await.unwrap();
        }
    }
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let sync = sync.clone();
            tokio::spawn(async move {
                let (user_id, org_id) = (format!("user_{number}"), format!("org_{number}"));
                for _ in 0..40 {
                    assert_eq!(sync.user(&user_id).await.unwrap().unwrap().id, user_id);
                    assert_eq!(sync.organization(&org_id).await.unwrap().unwrap().id, org_id);
                    let members = sync.members(&org_id).await.unwrap();
                    assert_eq!(members.len(), 1);
                    assert_eq!(members[0].0.user_id.as_deref(), Some(&*user_id));
                    let email = format!("name{number}@example.com");
                    assert_eq!(sync.user_by_primary_email(&email).await.unwrap().unwrap().id, user_id);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(sync.forget_user("user_1").await.unwrap());
    assert!(sync.user("user_1").await.unwrap().is_none());
    assert!(!sync.forget_email("nobody@example.com").await.unwrap());
    assert_no_statement_is_left(&pooler).await;
}

/// A named statement of one import would stay on the server connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_import_behind_a_pooler_leaves_no_statement() {
    let Some(pooler) = Pooler::create("import").await else { return };
    let (sync, clerk) = (pooler.migrated().await, clerk());
    sync.backfill(&api(&clerk), BackfillOptions::default()).await.unwrap();
    assert_no_statement_is_left(&pooler).await;
    let options = ReconcileOptions::default().dry_run(true);
    assert!(pooler.direct().reconcile(&api(&clerk), options).await.unwrap().is_in_step());
}

/// The hooks of four clients leave statements of the same name on three server connections.
#[tokio::test]
async fn hooks_of_several_clients_run_behind_a_pooler() {
    let Some(pooler) = Pooler::create("clients").await else { return };
    let _ = pooler.migrated().await;
    for number in 0..4 {
        let sync = pooler.sync(0).on_change(|change, connection| {
            Box::pin(async move {
                sqlx::query("SELECT $1").bind(format!("{change:?}")).execute(connection).await?;
                Ok(())
            })
        });
        let event = event("user.created", T, user(&format!("user_{number}"), "Ada", T));
        assert_eq!(sync.apply(&event).await.unwrap(), Applied::Inserted);
    }
}

/// The hook runs an ordinary statement, without precautions for poolers.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_marks_and_writes_of_hooks_are_committed_together_behind_a_pooler() {
    let Some(pooler) = Pooler::create("hooks").await else { return };
    pooler.sync(0).migrate().await.unwrap();
    Postgres::run(
        &pooler.direct,
        "CREATE TABLE joined (id TEXT NOT NULL); CREATE TABLE left_again (id TEXT NOT NULL)",
    )
    .await;
    let schema = pooler.schema.clone();
    let sync = pooler.sync(0).on_change(move |change, connection| {
        let schema = schema.clone();
        Box::pin(async move {
            if let Change::User(user) = change {
                let table = if user.after.is_some() { "joined" } else { "left_again" };
                let insert = AssertSqlSafe(format!("INSERT INTO {schema}.{table} VALUES ($1)"));
                sqlx::query(insert).bind(user.id).execute(connection).await?;
            }
            Ok(())
        })
    });
    let store =
        PostgresStore::new(sync.pool().clone()).table(&format!("{}.deliveries", pooler.schema)).unwrap();
    store.migrate().await.unwrap();
    let exactly_once = ExactlyOnce::new(store);
    let handlers =
        clerk_webhook_core::Handlers::builder().otherwise(sync.transactional_handler()).build().unwrap();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (exactly_once, handlers) = (exactly_once.clone(), handlers.clone());
            tokio::spawn(async move {
                for number in 0..20 {
                    let id = format!("user_{task}_{number}");
                    for event in [
                        event("user.created", T, user(&id, "Ada", T)),
                        event("user.deleted", T + 1, deleted(&id)),
                    ] {
                        let answer = exactly_once.handle(&handlers, event, |transaction| transaction).await;
                        assert_eq!(answer.outcome(), Outcome::Processed);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for (query, count) in [
        ("SELECT id FROM joined", TASKS * 20),
        ("SELECT DISTINCT id FROM joined", TASKS * 20),
        ("SELECT id FROM left_again", TASKS * 20),
        ("SELECT id FROM clerk_users WHERE deleted_at IS NOT NULL", TASKS * 20),
        ("SELECT message_id FROM deliveries WHERE state = 1", TASKS * 40),
    ] {
        assert_eq!(Postgres::texts(&pooler.direct, query).await.len(), count, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn migrate_rejects_a_pool_that_keeps_statements_behind_a_pooler() {
    let Some(pooler) = Pooler::create("rejected").await else { return };
    for migrated in [false, true] {
        let error = pooler.sync(100).migrate().await.unwrap_err();
        assert!(error.to_string().contains("statement_cache_capacity(0)"), "{error}");
        if !migrated {
            pooler.sync(0).migrate().await.unwrap();
        }
    }
}
