//! Migrations, poolers, settings and errors of the Postgres queue.

use std::time::Duration;

use clerk_webhook_queue::{DeliveryQueue as _, Enqueued, JobQueue as _, PostgresQueue, TakeOptions};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::database::Database;
use crate::file::event;
use crate::postgres::{event_about, take};

const LONG: Duration = Duration::from_secs(60);

/// Behind PgBouncer, concurrent migrations use different server connections for their transactions.
#[tokio::test(flavor = "multi_thread")]
async fn many_processes_can_migrate_at_the_same_time() {
    for database in [Database::new().await, Database::pooled().await] {
        let Some(database) = database else { return };
        for only_graphile in [false, true] {
            if only_graphile {
                database.execute(&format!("DROP SCHEMA {} CASCADE", database.graphile())).await;
            }
            let mut migrations = JoinSet::new();
            for _ in 0..16 {
                let pool = PgPoolOptions::new().max_connections(1).connect_with(database.options());
                let queue = database.queue(pool.await.unwrap());
                migrations.spawn(async move { queue.migrate().await });
            }
            while let Some(migrated) = migrations.join_next().await {
                migrated.unwrap().unwrap();
            }
        }
        assert_eq!(database.open().await.enqueue(&event("msg_1")).await.unwrap(), Enqueued::New);
        database.close().await;
    }
}

#[tokio::test]
async fn refuses_a_pooler_if_the_pool_caches_statements() {
    let Some(database) = Database::pooled().await else { return };
    let pool = PgPoolOptions::new().connect_with(database.options().statement_cache_capacity(100)).await;
    let error = database.queue(pool.unwrap()).migrate().await.unwrap_err().to_string();
    assert!(error.contains("statement_cache_capacity(0)"), "{error}");
    database.close().await;
}

#[tokio::test]
async fn leaves_no_prepared_statement_behind_a_pooler() {
    let Some(database) = Database::pooled().await else { return };
    // A pool without a cache on a direct connection shows its own statements.
    let direct = std::env::var("TEST_POSTGRES_URL").unwrap();
    let options: sqlx::postgres::PgConnectOptions = direct.parse().unwrap();
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options.statement_cache_capacity(0));
    let queue = database.queue(pool.await.unwrap());
    queue.migrate().await.unwrap();
    for id in ["msg_1", "msg_2"] {
        queue.enqueue(&event(id)).await.unwrap();
    }
    let job = take(&queue).await.unwrap();
    let _ = queue.renew(&job.lease, LONG).await.unwrap();
    let _ = queue.retry(&job.lease, LONG, "a failure").await.unwrap();
    let job = take(&queue).await.unwrap();
    let _ = queue.complete(&job.lease).await.unwrap();
    assert!(take(&queue).await.is_none());
    let mut connection = queue.pool().acquire().await.unwrap();
    let names = sqlx::raw_sql("SELECT name FROM pg_prepared_statements").fetch_all(&mut *connection).await;
    assert_eq!(names.unwrap().len(), 0);
    database.close().await;
}

#[tokio::test]
async fn works_with_a_higher_isolation_level_of_the_pool() {
    let Some(database) = Database::new().await else { return };
    let options = database.options().options([("default_transaction_isolation", "serializable")]);
    let pool = PgPoolOptions::new().connect_with(options).await.unwrap();
    let queue = database.queue(pool);
    queue.migrate().await.unwrap();
    let mut works = JoinSet::new();
    for task in 0..4 {
        let queue = queue.clone();
        works.spawn(async move {
            for number in 0..10 {
                let id = format!("msg_{task}_{number}");
                queue.enqueue(&event_about(&id, &format!("user_{task}"))).await.unwrap();
                if let Some(job) = queue.take(&TakeOptions::default()).await.unwrap() {
                    let _ = queue.complete(&job.lease).await.unwrap();
                }
            }
        });
    }
    while let Some(worked) = works.join_next().await {
        worked.unwrap();
    }
    database.close().await;
}

#[tokio::test]
async fn repeats_a_statement_that_conflicts_with_another_transaction_a_limited_number_of_times() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    let (schema, table) = (&database.schema, database.table());
    for (code, tries) in [("40001", 64), ("40P01", 64), ("XX000", 1)] {
        // A sequence counts the tries, because its changes are not rolled back.
        database
            .execute(&format!(
                "DROP SEQUENCE IF EXISTS {schema}.tries; CREATE SEQUENCE {schema}.tries;
                 CREATE OR REPLACE FUNCTION {schema}.fail() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN
                        PERFORM nextval('{schema}.tries');
                        RAISE EXCEPTION USING ERRCODE = '{code}';
                    END $$;
                 CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON {table}
                    FOR EACH ROW EXECUTE FUNCTION {schema}.fail()"
            ))
            .await;
        let error = timeout(LONG, queue.enqueue(&event("msg_1"))).await.unwrap().unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some(code));
        assert_eq!(database.number(&format!("SELECT last_value FROM {schema}.tries")).await, tries, "{code}");
    }
    database.close().await;
}

#[tokio::test]
async fn a_missing_table_or_schema_is_an_error_with_advice() {
    let Some(database) = Database::new().await else { return };
    let queue = database.queue(database.pool().await);
    let text = "Call `migrate()` when the application starts";
    for _ in 0..2 {
        let error = queue.enqueue(&event("msg_1")).await.unwrap_err().to_string();
        assert!(error.ends_with(text), "{error}");
        let error = queue.take(&TakeOptions::default()).await.unwrap_err().to_string();
        assert!(error.ends_with(text), "{error}");
        // Only this crate's table exists in the second round.
        let migration = PostgresQueue::MIGRATION_SQL.replace("clerk_webhook_queue", "jobs");
        let mut connection = PgConnection::connect_with(&database.options()).await.unwrap();
        let path = format!("SET search_path = {}; {migration}", database.schema);
        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(path))).await.unwrap();
    }
    assert_eq!(queue.answer(event("msg_1")).await.status(), 503);
    database.close().await;
}

#[tokio::test]
async fn rejects_names_that_are_not_safe_in_a_statement() {
    let options = sqlx::postgres::PgConnectOptions::new_without_pgpass();
    let queue = PostgresQueue::new(PgPoolOptions::new().connect_lazy_with(options));
    for name in ["two words", "a.b.c", "Jobs", "", r#"a""#] {
        assert!(queue.clone().table(name).is_err(), "{name}");
        assert!(queue.clone().graphile_schema(name).is_err(), "{name}");
    }
    assert!(queue.clone().table("hooks.order").is_ok());
    assert!(queue.clone().graphile_schema("hooks.order").is_err());
    assert!(queue.graphile_schema("order").is_ok());
}

#[tokio::test]
async fn debug_and_errors_show_nothing_of_the_payload() {
    let Some(database) = Database::new().await else { return };
    let queue = database.open().await;
    queue.enqueue(&event("msg_1")).await.unwrap();
    let job = take(&queue).await.unwrap();
    let _ = queue.bury(&job.lease, "a failure").await.unwrap();
    let dead = queue.dead_letters(9).await.unwrap();
    let text = format!("{queue:?} {job:?} {dead:?} {:?}", queue.stats().await.unwrap());
    assert!(text.starts_with("PostgresQueue") && !text.contains("Ada") && !text.contains("user_"), "{text}");
    database.close().await;
}

/// The guide names these two privileges. Until Postgres 14, every role has the one on `public`.
#[tokio::test]
async fn the_first_migration_needs_two_privileges() {
    let Some(database) = Database::separate().await else { return };
    let options = database.options();
    let name = options.get_database().unwrap().to_owned();
    let role = format!("{name}_app");
    database.execute(&format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN")).await;
    let pool = PgPoolOptions::new().connect_with(options.username(&role)).await.unwrap();
    let queue = PostgresQueue::new(pool);

    database.execute(&format!("GRANT CREATE ON SCHEMA public TO {role}")).await;
    assert!(queue.migrate().await.is_err());
    database.execute(&format!("GRANT CREATE ON DATABASE {name} TO {role}")).await;
    queue.migrate().await.unwrap();
    assert_eq!(queue.enqueue(&event("msg_1")).await.unwrap(), Enqueued::New);
    assert!(take(&queue).await.is_some());

    queue.pool().close().await;
    database.execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await;
    database.close().await;
}
