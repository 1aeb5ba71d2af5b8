//! Migrations: concurrent, repeated, and with custom table names.

use std::time::Duration;

use clerk_webhook_store::{
    Begin, Claim, DeliveryStore as _, PostgresStore, SqliteStore, TransactionalStore as _,
};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, Row as _};

use crate::databases::{PostgresDatabase, SqliteDatabase, begin_new, key};

const LEASE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_stores_migrate_a_new_file_at_the_same_time() {
    let database = SqliteDatabase::empty("eight_instances").await;
    let file = database.file().with_file_name("another.db");
    let instances = (0..8).map(|_| {
        let file = file.clone();
        tokio::spawn(async move {
            let store = SqliteStore::open(file).await?;
            store.migrate().await?;
            store.migrate().await?;
            store.claim(&key("msg_1"), LEASE).await
        })
    });
    let mut claimed = 0;
    for instance in instances.collect::<Vec<_>>() {
        claimed += u32::from(matches!(instance.await.unwrap().unwrap(), Claim::Acquired(_)));
    }
    assert_eq!(claimed, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_stores_migrate_a_server_at_the_same_time() {
    let Some(database) = PostgresDatabase::empty("eight_instances").await else { return };
    for round in 0..10 {
        let table = format!("round_{round}");
        let instances = (0..8).map(|_| {
            let store = PostgresStore::new(database.pool().clone()).table(&table).unwrap();
            tokio::spawn(async move {
                store.migrate().await?;
                store.migrate().await?;
                store.claim(&key("msg_1"), LEASE).await
            })
        });
        let mut claimed = 0;
        for instance in instances.collect::<Vec<_>>() {
            claimed += u32::from(matches!(instance.await.unwrap().unwrap(), Claim::Acquired(_)));
        }
        assert_eq!(claimed, 1);
    }
}

/// A new application process does not wait for the old process's transactions, and does not block them.
#[tokio::test]
async fn migrate_does_not_change_an_existing_table() {
    let Some(database) = PostgresDatabase::empty("left_alone").await else { return };
    let store = PostgresStore::new(database.pool().clone());
    store.migrate().await.unwrap();
    let open = begin_new(&store, "msg_1").await;
    store.migrate().await.unwrap();
    drop(open);

    // The user needs no privilege to create tables.
    let role = format!("{}_reader", database.schema());
    let schema = database.schema();
    let create = format!(
        "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON clerk_webhook_delivery TO {role}"
    );
    sqlx::raw_sql(AssertSqlSafe(create)).execute(database.pool()).await.unwrap();
    let pool = PgPoolOptions::new().connect_with(database.options().username(&role)).await.unwrap();
    let store = PostgresStore::new(pool.clone());
    store.migrate().await.unwrap();
    begin_new(&store, "msg_2").await.commit().await.unwrap();
    assert!(PostgresStore::new(pool).table("another").unwrap().migrate().await.is_err());
    let clean_up = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    sqlx::raw_sql(AssertSqlSafe(clean_up)).execute(database.pool()).await.unwrap();
}

#[tokio::test]
async fn uses_a_custom_table_in_another_schema() {
    let Some(database) = PostgresDatabase::empty("another_schema").await else { return };
    let other =
        "CREATE SCHEMA IF NOT EXISTS test_another_schema_2; DROP TABLE IF EXISTS test_another_schema_2.order";
    sqlx::raw_sql(other).execute(database.pool()).await.unwrap();
    let longest = "x".repeat(59);
    for table in ["test_another_schema_2.order", "user", "clerk_webhook_delivery_age", &longest] {
        let store = PostgresStore::new(database.pool().clone()).table(table).unwrap();
        assert!(store.claim(&key("msg_1"), LEASE).await.is_err(), "{table} exists before the migration");
        store.migrate().await.unwrap();
        begin_new(&store, "msg_1").await.commit().await.unwrap();
        let other = begin_new(&store, "msg_2").await;
        drop(other);
        assert!(matches!(store.begin(&key("msg_1")).await.unwrap(), Begin::Duplicate { .. }));
        assert_eq!(store.purge(Duration::ZERO, 10).await.unwrap(), 1, "{table}");
    }
    let indexes = "SELECT count(*) FROM pg_indexes WHERE schemaname LIKE 'test_another_schema%' AND indexname LIKE '%_age'";
    let indexes: i64 = sqlx::query_scalar(indexes).fetch_one(database.pool()).await.unwrap();
    assert_eq!(indexes, 4);
}

#[tokio::test]
async fn uses_a_custom_table_in_an_attached_database() {
    let database = SqliteDatabase::empty("attached").await;
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    let attached = database.file().with_file_name("attached.db");
    sqlx::query("ATTACH DATABASE ?1 AS hooks").bind(attached.to_str().unwrap()).execute(&pool).await.unwrap();
    for table in ["hooks.deliveries", "order"] {
        let store = SqliteStore::new(pool.clone()).table(table).unwrap();
        assert!(store.claim(&key("msg_1"), LEASE).await.is_err(), "{table} exists before the migration");
        store.migrate().await.unwrap();
        begin_new(&store, "msg_1").await.commit().await.unwrap();
        assert!(matches!(store.begin(&key("msg_1")).await.unwrap(), Begin::Duplicate { .. }));
    }
    pool.close().await;
}

/// Applications can run the migration and the marks with another client.
#[tokio::test]
async fn the_public_statements_work_in_postgres() {
    let Some(database) = PostgresDatabase::empty("public_statements").await else { return };
    sqlx::raw_sql(PostgresStore::MIGRATION_SQL).execute(database.pool()).await.unwrap();
    let mut transaction = database.pool().begin().await.unwrap();
    for new in [true, false] {
        let mark =
            sqlx::query(PostgresStore::MARK_SQL).bind("clerk").bind("msg_1").bind("0".repeat(32)).bind("2s");
        let row = mark.fetch_optional(&mut *transaction).await.unwrap();
        assert_eq!(row.map(|row| row.get::<i32, _>("attempt")), new.then_some(1));
    }
    let look_up = sqlx::query(PostgresStore::LOOK_UP_SQL).bind("clerk").bind("msg_1");
    assert_eq!(look_up.fetch_one(&mut *transaction).await.unwrap().get::<i64, _>("state"), 1);
    transaction.commit().await.unwrap();
    let store = PostgresStore::new(database.pool().clone());
    store.migrate().await.unwrap();
    assert!(matches!(store.begin(&key("msg_1")).await.unwrap(), Begin::Duplicate { .. }));
}

#[tokio::test]
async fn the_public_statements_work_in_sqlite() {
    let database = SqliteDatabase::empty("public_statements").await;
    sqlx::raw_sql(SqliteStore::MIGRATION_SQL).execute(database.pool()).await.unwrap();
    let mut transaction = database.pool().begin_with("BEGIN IMMEDIATE").await.unwrap();
    for new in [true, false] {
        let mark = sqlx::query(SqliteStore::MARK_SQL)
            .bind("clerk")
            .bind("msg_1")
            .bind(vec![0_u8; 16])
            .bind(1_000_i64);
        let row = mark.fetch_optional(&mut *transaction).await.unwrap();
        assert_eq!(row.map(|row| row.get::<i64, _>("attempt")), new.then_some(1));
    }
    let look_up = sqlx::query(SqliteStore::LOOK_UP_SQL).bind("clerk").bind("msg_1").bind(1_000_i64);
    assert_eq!(look_up.fetch_one(&mut *transaction).await.unwrap().get::<i64, _>("state"), 1);
    transaction.commit().await.unwrap();
    let store = SqliteStore::new(database.pool().clone());
    store.migrate().await.unwrap();
    assert!(matches!(store.begin(&key("msg_1")).await.unwrap(), Begin::Duplicate { .. }));
}
