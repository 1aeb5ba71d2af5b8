//! Migrations create the tables, with any prefix, and if several processes migrate at the same time.

use clerk_webhook_sync::{Applied, ClerkSync, SyncDatabase};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{Pool, Postgres, Sqlite};

use crate::databases::{Engine, T, deleted, event, membership, migrated, on_both_engines, user};

on_both_engines!(
    empty:
    the_migrations_can_run_as_files,
    an_older_version_is_updated,
    a_member_who_left_before_version_3_is_not_live,
    rows_with_a_future_time_from_version_2_change_again,
);

async fn works<DB: SyncDatabase>(sync: &ClerkSync<DB>, name: &str) {
    let id = format!("orgmem_{name}");
    let joined = event("organizationMembership.created", T + 9, membership(&id, "org_1", "user_1", T));
    sync.apply(&event("user.created", T + 9, user("user_1", "Ada", T))).await.unwrap();
    assert_eq!(sync.apply(&joined).await.unwrap(), Applied::Inserted, "{name}");
    assert_eq!(sync.members("org_1").await.unwrap().len(), 1, "{name}");
}

async fn all_at_once<DB: SyncDatabase>(pool: &Pool<DB>, prefix: &str) {
    let instances = (0..8).map(|_| {
        let sync = ClerkSync::new(pool.clone()).prefix(prefix).unwrap();
        tokio::spawn(async move {
            sync.migrate().await?;
            sync.migrate().await
        })
    });
    for instance in instances.collect::<Vec<_>>() {
        instance.await.unwrap().unwrap();
    }
    works(&ClerkSync::new(pool.clone()).prefix(prefix).unwrap(), "1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_instances_migrate_a_new_file_at_once() {
    let file = std::env::temp_dir().join(format!("clerk-webhook-sync-{}.db", std::process::id()));
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePoolOptions::new().max_connections(8).connect_with(options).await.unwrap();
    for prefix in ["a_", "b_"] {
        all_at_once(&pool, prefix).await;
    }
    pool.close().await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_instances_migrate_a_server_at_once() {
    let Some(pool) = Postgres::empty("at_once").await else { return };
    for round in 0..5 {
        all_at_once(&pool, &format!("round_{round}_")).await;
    }
}

/// If the tables exist, `migrate` needs neither a lock nor the privilege to create tables.
#[tokio::test]
async fn migrate_does_not_lock_existing_tables() {
    let Some(sync) = migrated::<Postgres>("left_alone").await else { return };
    let mut open = sync.pool().begin().await.unwrap();
    sync.apply_in(&mut open, &event("user.created", T + 9, user("user_1", "Ada", T))).await.unwrap();
    sync.migrate().await.unwrap();
    sqlx::query("SET LOCAL default_transaction_read_only = on").execute(&mut *open).await.unwrap();
    drop(open);

    let role = "test_sync_left_alone_writer";
    let create = format!(
        "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA test_sync_left_alone TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA test_sync_left_alone TO {role}"
    );
    Postgres::run(sync.pool(), &create).await;
    let options = (*sync.pool().connect_options()).clone().username(role);
    let pool = sqlx::postgres::PgPoolOptions::new().connect_with(options).await.unwrap();
    let of_role = ClerkSync::new(pool.clone());
    of_role.migrate().await.unwrap();
    works(&of_role, "2").await;
    assert!(of_role.prefix("another_").unwrap().migrate().await.is_err());
    pool.close().await;
    Postgres::run(sync.pool(), &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn tables_with_another_prefix_in_another_schema_work() {
    let Some(pool) = Postgres::empty("other_names").await else { return };
    let other = "test_sync_other_names_2";
    Postgres::run(&pool, &format!("DROP SCHEMA IF EXISTS {other} CASCADE; CREATE SCHEMA {other}")).await;
    for prefix in ["clerk_", &format!("{other}."), &format!("{other}.clerk_"), &"x".repeat(32)] {
        let sync = ClerkSync::new(pool.clone()).prefix(prefix).unwrap();
        assert!(sync.user("user_1").await.is_err(), "the tables of {prefix} exist before the migration");
        sync.migrate().await.unwrap();
        works(&sync, "1").await;
        assert!(sync.forget_user("user_1").await.unwrap());
    }
    let indexes = "SELECT count(*)::text FROM pg_indexes WHERE schemaname LIKE 'test_sync_other_names%' AND indexname LIKE '%users_email'";
    assert_eq!(Postgres::texts(&pool, indexes).await, [Some("4".to_owned())]);
}

#[tokio::test]
async fn tables_with_another_prefix_in_an_attached_database_work() {
    let pool = Sqlite::empty("attached").await.unwrap();
    Sqlite::run(&pool, "ATTACH DATABASE ':memory:' AS auth; CREATE TABLE users (id TEXT)").await;
    for prefix in ["clerk_", "auth.", "auth.clerk_", "order_"] {
        let sync = ClerkSync::new(pool.clone()).prefix(prefix).unwrap();
        assert!(sync.user("user_1").await.is_err(), "the tables of {prefix} exist before the migration");
        sync.migrate().await.unwrap();
        sync.migrate().await.unwrap();
        works(&sync, "1").await;
        assert!(sync.forget_user("user_1").await.unwrap());
    }
    assert!(Sqlite::texts(&pool, "SELECT id FROM main.users").await.is_empty());
}

/// SQLite stores a view's text and parses it when it opens the file.
#[tokio::test]
async fn an_attached_database_can_be_attached_under_another_name() {
    let [application, file] = ["application", "attached"].map(|name| {
        std::env::temp_dir().join(format!("clerk-webhook-sync-{name}-{}.db", std::process::id()))
    });
    // A database that is attached to a database in memory is in memory too.
    let open = async |file: &std::path::Path| {
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
        SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
    };
    let attach = |name: &str| format!("ATTACH DATABASE '{}' AS {name}", file.display());
    let pool = open(&application).await;
    Sqlite::run(&pool, &attach("auth")).await;
    let sync = ClerkSync::new(pool.clone()).prefix("auth.clerk_").unwrap();
    sync.migrate().await.unwrap();
    works(&sync, "1").await;
    pool.close().await;

    let (other, main) = (open(&application).await, open(&file).await);
    Sqlite::run(&other, &attach("other")).await;
    for (pool, prefix) in [(&other, "other.clerk_"), (&main, "clerk_")] {
        let sync = ClerkSync::new(pool.clone()).prefix(prefix).unwrap();
        assert_eq!(sync.members("org_1").await.unwrap().len(), 1, "{prefix}");
        let views = prefix.replace("clerk_", "sqlite_master");
        let views = Sqlite::texts(pool, &format!("SELECT name FROM {views} WHERE type = 'view'")).await;
        assert_eq!(views.len(), 11);
        for view in views.into_iter().flatten() {
            let view = prefix.replace("clerk_", &view);
            Sqlite::texts(pool, &format!("SELECT id FROM {view}")).await;
        }
        sync.migrate().await.unwrap();
        pool.close().await;
    }
    for file in [application, file] {
        let _ = std::fs::remove_file(file);
    }
}

/// Other tools may run the files, even twice.
async fn the_migrations_can_run_as_files<DB: Engine>(pool: Pool<DB>) {
    for file in [DB::MIGRATIONS, DB::MIGRATIONS].concat() {
        <DB as Engine>::run(&pool, file).await;
    }
    let sync = ClerkSync::new(pool);
    sync.migrate().await.unwrap();
    works(&sync, "1").await;
}

/// The first version's tables and rows stay unchanged.
async fn an_older_version_is_updated<DB: Engine>(pool: Pool<DB>) {
    <DB as Engine>::run(&pool, DB::MIGRATIONS[0]).await;
    let sync = ClerkSync::new(pool);
    works(&sync, "1").await;
    let everything =
        "SELECT id || ' ' || tie FROM clerk_users UNION ALL SELECT id || ' ' || tie FROM clerk_memberships
                      UNION ALL SELECT email FROM clerk_user_emails ORDER BY 1";
    let before = DB::texts(sync.pool(), everything).await;
    assert_eq!(before.len(), 3);
    for _ in 0..2 {
        sync.migrate().await.unwrap();
    }
    assert_eq!(DB::texts(sync.pool(), everything).await, before);
    let versions = format!("SELECT {} FROM clerk_sync_schema ORDER BY version", DB::as_text("version"));
    let all: Vec<_> = (1..=DB::MIGRATIONS.len()).map(|version| Some(version.to_string())).collect();
    assert_eq!(DB::texts(sync.pool(), &versions).await, all);
    for name in ["sessions", "subscriptions", "subscription_items", "waitlist_entries"] {
        for source in [format!("clerk_{name}"), format!("clerk_active_{name}")] {
            assert!(DB::texts(sync.pool(), &format!("SELECT id FROM {source}")).await.is_empty());
        }
    }
    let again = event("user.created", T + 9, user("user_1", "Ada", T));
    assert_eq!(sync.apply(&again).await.unwrap(), Applied::Stale);
    works(&sync, "2").await;
}

/// Tombstones from version 2 lack `created_at`.
async fn a_member_who_left_before_version_3_is_not_live<DB: Engine>(pool: Pool<DB>) {
    for file in &DB::MIGRATIONS[..2] {
        <DB as Engine>::run(&pool, file).await;
    }
    let sync = ClerkSync::new(pool);
    let joined =
        |id, user, at| event("organizationMembership.created", at + 9, membership(id, "org_1", user, at));
    let left = |id, user, at, until| {
        event("organizationMembership.deleted", until, membership(id, "org_1", user, at))
    };
    for event in [
        joined("orgmem_1", "user_1", T),
        joined("orgmem_2", "user_1", T + 100),
        left("orgmem_2", "user_1", T + 100, T + 200),
        left("orgmem_3", "user_2", T, T + 100),
        joined("orgmem_4", "user_2", T + 200),
        joined("orgmem_5", "user_3", T),
        event("user.deleted", T + 300, deleted("user_3")),
    ] {
        sync.apply(&event).await.unwrap();
    }
    <DB as Engine>::run(
        sync.pool(),
        "UPDATE clerk_memberships SET created_at = NULL WHERE deleted_at IS NOT NULL",
    )
    .await;
    let live = "SELECT id FROM clerk_active_memberships ORDER BY id";
    assert_eq!(DB::texts(sync.pool(), live).await, ["orgmem_1", "orgmem_4"].map(|id| Some(id.to_owned())));
    sync.migrate().await.unwrap();
    assert_eq!(DB::texts(sync.pool(), live).await, [Some("orgmem_4".to_owned())]);
    // A resent event restores `created_at`.
    assert_eq!(sync.apply(&joined("orgmem_2", "user_1", T + 100)).await.unwrap(), Applied::Stale);
    let created_at =
        format!("SELECT {} FROM clerk_memberships WHERE id = 'orgmem_2'", DB::as_text("created_at"));
    assert_eq!(DB::texts(sync.pool(), &created_at).await, [Some((T + 100).to_string())]);
    assert_eq!(DB::texts(sync.pool(), live).await, [Some("orgmem_4".to_owned())]);
}

/// Version 2 accepted times far in the future.
async fn rows_with_a_future_time_from_version_2_change_again<DB: Engine>(pool: Pool<DB>) {
    for file in &DB::MIGRATIONS[..2] {
        <DB as Engine>::run(&pool, file).await;
    }
    let sync = ClerkSync::new(pool);
    sync.apply(&event("user.created", T + 9, user("user_1", "Ada", T))).await.unwrap();
    sync.apply(&event("user.created", T + 9, user("user_2", "Ada", T))).await.unwrap();
    let freeze = format!("UPDATE clerk_users SET updated_at = {} WHERE id = 'user_1'", 2_000 * T);
    <DB as Engine>::run(sync.pool(), &freeze).await;
    sync.migrate().await.unwrap();
    for (id, expected) in [("user_1", T + 9), ("user_2", T)] {
        let updated_at = format!("SELECT {} FROM clerk_users WHERE id = '{id}'", DB::as_text("updated_at"));
        assert_eq!(DB::texts(sync.pool(), &updated_at).await, [Some(expected.to_string())], "{id}");
        let update = event("user.updated", T + 20, user(id, "Grace", T + 15));
        assert_eq!(sync.apply(&update).await.unwrap(), Applied::Updated, "{id}");
    }
}

/// A database whose encoding is not UTF-8 rejects some characters, even in comments.
#[test]
fn the_migration_files_are_ascii() {
    let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut files = 0;
    for folder in ["clerk-webhook-sync", "clerk-webhook-store"] {
        for database in ["postgres", "sqlite"] {
            for file in std::fs::read_dir(format!("{crates}/{folder}/migrations/{database}")).unwrap() {
                let path = file.unwrap().path();
                assert!(std::fs::read(&path).unwrap().is_ascii(), "{path:?}");
                files += 1;
            }
        }
    }
    assert!(files >= 8, "{files}");
}

#[tokio::test]
async fn a_database_with_the_encoding_latin1_is_migrated() {
    let Some(pool) = Postgres::empty("latin1").await else { return };
    let name = "test_sync_latin1";
    Postgres::run(&pool, &format!("DROP DATABASE IF EXISTS {name}")).await;
    let create =
        format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'");
    Postgres::run(&pool, &create).await;
    let options = (*pool.connect_options()).clone().database(name).options([("search_path", "public")]);
    let latin1 = sqlx::postgres::PgPoolOptions::new().connect_with(options).await.unwrap();
    let sync = ClerkSync::new(latin1.clone());
    sync.migrate().await.unwrap();
    works(&sync, "1").await;
    let store = clerk_webhook_store::PostgresStore::new(latin1.clone());
    store.migrate().await.unwrap();
    for file in Postgres::MIGRATIONS {
        Postgres::run(&latin1, file).await;
    }
    latin1.close().await;
    Postgres::run(&pool, &format!("DROP DATABASE {name}")).await;
}
