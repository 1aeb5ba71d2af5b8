//! Databases with migrated, empty tables.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use clerk_webhook_sync::ClerkSync;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, Postgres};
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::apply::Fallible;

/// The location of the SQLite file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The folder for temporary files, which is usually on a disk.
    Disk,
    /// A file in `/dev/shm`, which is in memory.
    Shm,
    /// No file: an in-memory database.
    Memory,
}

/// A SQLite database. Its folder is removed on drop.
pub struct File {
    pub sync: ClerkSync<Sqlite>,
    folder: PathBuf,
}

impl File {
    /// Returns whether this machine has the location.
    pub fn has(place: Place) -> bool {
        place != Place::Shm || Path::new("/dev/shm").is_dir()
    }

    /// Opens a database with the settings of `SqliteStore::open`: write-ahead log and one connection.
    pub async fn open(place: Place, synchronous: SqliteSynchronous) -> Fallible<Self> {
        let parent = if place == Place::Shm { PathBuf::from("/dev/shm") } else { env::temp_dir() };
        // Several databases are open at the same time.
        static FILES: AtomicU32 = AtomicU32::new(0);
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("clerk-webhook-bench-sync-{}-{number}", process::id()));
        fs::create_dir(&folder)?;
        let file = if place == Place::Memory { ":memory:".into() } else { folder.join("sync.db") };
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous);
        // An in-memory database disappears when its connection closes.
        let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let sync = ClerkSync::new(pool.connect_with(options).await?);
        sync.migrate().await?;
        Ok(Self { sync, folder })
    }

    /// Sets the page cache size, in KiB, and checkpoints the write-ahead log.
    ///
    /// With a large cache, a large transaction writes each page once instead of once per row.
    pub async fn cache(&self, kib: u32) -> Fallible<()> {
        let pragma = AssertSqlSafe(format!("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA cache_size = -{kib}"));
        sqlx::raw_sql(pragma).execute(self.sync.pool()).await?;
        Ok(())
    }

    /// Returns the file's size.
    pub fn bytes(&self) -> Fallible<u64> {
        Ok(fs::metadata(self.folder.join("sync.db"))?.len())
    }

    pub async fn close(self) {
        self.sync.pool().close().await;
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // A failure leaves files only in a folder for temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The settings for Postgres connections.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub connections: u32,
    /// Whether a commit waits for the disk, if `fsync` is on.
    pub synchronous_commit: bool,
    /// Whether the pool tests a connection before each use, as sqlx does by default.
    pub test_before_acquire: bool,
}

impl Usage {
    /// sqlx's and Postgres's defaults, with a number of connections.
    pub fn by_default(connections: u32) -> Self {
        Self { connections, synchronous_commit: true, test_before_acquire: true }
    }

    async fn connect(self, address: &str) -> Fallible<PgPool> {
        let commit = if self.synchronous_commit { "on" } else { "off" };
        let options: PgConnectOptions = address.parse()?;
        let options = options.options([("synchronous_commit", commit), ("client_min_messages", "warning")]);
        let pool = PgPoolOptions::new()
            .max_connections(self.connections)
            .min_connections(self.connections)
            .test_before_acquire(self.test_before_acquire);
        Ok(pool.connect_with(options).await?)
    }
}

/// A schema in Postgres.
pub struct Schema {
    pub sync: ClerkSync<Postgres>,
    name: &'static str,
}

impl Schema {
    /// Returns the URL of the server, if it is set.
    pub fn address() -> Option<String> {
        let variables =
            ["TEST_POSTGRES_URL", "DATABASE_URL"].into_iter().find_map(|name| env::var(name).ok());
        variables.filter(|address| !address.is_empty())
    }

    /// Prints that Postgres is skipped.
    pub fn say_skipped() {
        println!("Postgres: skipped, because neither `TEST_POSTGRES_URL` nor `DATABASE_URL` is set.\n");
    }

    pub async fn create(address: &str, name: &'static str, usage: Usage) -> Fallible<Self> {
        let pool = usage.connect(address).await?;
        let create = format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&pool).await?;
        let sync = ClerkSync::new(pool).prefix(&format!("{name}."))?;
        sync.migrate().await?;
        Ok(Self { sync, name })
    }

    /// Returns the server's version and its `fsync` setting.
    pub async fn server(address: &str) -> Fallible<(String, String)> {
        let pool = Usage::by_default(1).connect(address).await?;
        let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&pool).await?;
        let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&pool).await?;
        pool.close().await;
        let version = version.split_whitespace().next().unwrap_or_default().to_owned();
        Ok((version, fsync))
    }

    /// Runs the maintenance that the server would otherwise do some time after the tables have grown.
    pub async fn settle(&self) -> Fallible<()> {
        for table in ["users", "user_emails"] {
            let statement = AssertSqlSafe(format!("VACUUM ANALYZE {}.{table}", self.name));
            sqlx::raw_sql(statement).execute(self.sync.pool()).await?;
        }
        sqlx::raw_sql("CHECKPOINT").execute(self.sync.pool()).await?;
        Ok(())
    }

    pub async fn bytes(&self) -> Fallible<u64> {
        let query = "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c \
                     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r'";
        let bytes: i64 = sqlx::query_scalar(query).bind(self.name).fetch_one(self.sync.pool()).await?;
        Ok(bytes.try_into()?)
    }

    pub async fn remove(self) -> Fallible<()> {
        let drop = AssertSqlSafe(format!("DROP SCHEMA {} CASCADE", self.name));
        sqlx::raw_sql(drop).execute(self.sync.pool()).await?;
        self.sync.pool().close().await;
        Ok(())
    }
}
