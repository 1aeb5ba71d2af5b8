//! A test's environment: a database, receivers that use it, and the record of their runs.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::{fs, process};

use clerk_webhook_tests::process::Receiver;
use clerk_webhook_tests::random::Random;
use clerk_webhook_tests::sender::Message;
use clerk_webhook_tests::{say, servers};
use clerk_webhook_tests_once::record::{History, Record};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

/// The store's engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
    Redis,
}

/// The variant of deduplication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    Leases,
    Transactions,
}

/// The database, the record and the seed of a test.
///
/// Removes the database and the files on drop, unless the test failed.
pub struct Stage {
    name: String,
    pub variant: Variant,
    folder: PathBuf,
    store: Store,
    pub seed: u64,
    pub record: Record,
    _turn: Turn,
}

enum Store {
    File(PathBuf),
    Database { server: String, name: String },
    Redis(String),
}

/// Tests that load the processors run alone, because leases could expire otherwise. Tests that mostly wait
/// run together.
static TURN: RwLock<()> = RwLock::new(());

/// The guard that a test holds while it runs.
enum Turn {
    Together { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

impl Stage {
    /// Creates a database for the test. Returns `None` if no server is available.
    pub fn new(test: &str, engine: Engine, variant: Variant) -> Option<Self> {
        Self::set_up(test, engine, variant, || Turn::Together {
            _guard: TURN.read().unwrap_or_else(PoisonError::into_inner),
        })
    }

    /// Like [`new`](Self::new), but for a test that loads the processors.
    pub fn alone(test: &str, engine: Engine, variant: Variant) -> Option<Self> {
        Self::set_up(test, engine, variant, || Turn::Alone {
            _guard: TURN.write().unwrap_or_else(PoisonError::into_inner),
        })
    }

    fn set_up(test: &str, engine: Engine, variant: Variant, turn: fn() -> Turn) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let seed = Random::seed();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("once_{}_{number}_{seed}", process::id());
        let description = format!("{test} on {engine:?}");
        let server = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(servers::postgres(&description)?),
            Engine::Redis => Some(servers::redis(&description)?),
        };
        let turn = turn();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        fs::create_dir_all(&folder).expect("could not create the folder");
        let record = Record::open(folder.join("record")).expect("could not create the record");
        let store = Store::new(engine, server, &name, &folder);
        Some(Self { name, variant, folder, store, seed, record, _turn: turn })
    }

    /// Starts a receiver with additional environment variables.
    pub fn start(&self, variables: &[(&str, &str)]) -> Receiver {
        self.start_on(&self.store.address(), variables)
    }

    /// Starts a receiver that connects to a different address for the database, such as a proxy.
    pub fn start_on(&self, address: &str, variables: &[(&str, &str)]) -> Receiver {
        let variant = match self.variant {
            Variant::Leases => "leases",
            Variant::Transactions => "transactions",
        };
        let mut receiver = Command::new(env!("CARGO_BIN_EXE_receiver"));
        receiver.env("STORE", address).env("VARIANT", variant).env("SCOPE", &self.name);
        receiver.env("RECORD", self.folder.join("record")).env("SEED", self.seed.to_string());
        Receiver::start(receiver.envs(variables.iter().copied()))
    }

    /// Returns the address of the database.
    pub fn address(&self) -> String {
        self.store.address()
    }

    /// Returns the folder for the test's files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the message with a number.
    pub fn message(&self, number: usize) -> Message {
        let id = format!("msg_{}_{number}", self.seed).parse().expect("the id is valid");
        Message { id, body: br#"{"data":{},"type":"test.once"}"#.to_vec() }
    }

    /// Returns the record so far.
    pub fn history(&self) -> History {
        let mut history = History::open(self.folder.join("record")).expect("could not open the record");
        history.refresh();
        history
    }

    /// Kills a receiver with SIGKILL, and records that.
    pub fn kill(&self, receiver: Receiver) {
        let process = receiver.id();
        receiver.kill();
        self.record.killed(process);
    }

    /// Checks at the end of a test that each of these messages was handled, and none of them twice.
    pub fn check(&self, messages: usize) {
        let history = self.history();
        assert_eq!(history.violations(), &[] as &[String]);
        let effects = self.effects();
        for number in 0..messages {
            let id = self.message(number).id;
            assert!(history.has_completed(&id), "{id} was not handled: {:?}", history.lines(&id));
            let effects =
                effects.as_ref().map_or(1, |effects| effects.get(id.as_str()).copied().unwrap_or(0));
            assert_eq!(effects, 1, "number of effects of {id}, with the record {:?}", history.lines(&id));
        }
    }

    /// Returns the number of effects of each message, if they are in the database.
    pub fn effects(&self) -> Option<BTreeMap<String, i64>> {
        const SELECT: &str = "SELECT message_id, count(*) FROM effect GROUP BY message_id";
        let rows: Vec<(String, i64)> = match &self.store {
            _ if self.variant == Variant::Leases => return None,
            Store::File(path) => block_on(async {
                let mut connection = SqliteConnectOptions::new().filename(path).connect().await?;
                sqlx::query_as(SELECT).fetch_all(&mut connection).await
            }),
            Store::Database { .. } => block_on(async {
                let mut connection = PgConnection::connect(&self.store.address()).await?;
                sqlx::query_as(SELECT).fetch_all(&mut connection).await
            }),
            Store::Redis(_) => return None,
        };
        Some(rows.into_iter().collect())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say(&format!(
                "set SEED={} to repeat the random decisions. The test's files are in {:?}",
                self.seed, self.folder
            ));
            return;
        }
        if let Store::Database { server, name } = &self.store {
            execute(server, format!("DROP DATABASE {name} WITH (FORCE)"));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Store {
    fn new(engine: Engine, server: Option<String>, name: &str, folder: &Path) -> Self {
        const EFFECT: &str = "CREATE TABLE effect (message_id TEXT NOT NULL)";
        match (engine, server) {
            (Engine::Postgres, Some(server)) => {
                execute(&server, format!("CREATE DATABASE {name}"));
                let store = Self::Database { server, name: name.to_owned() };
                execute(&store.address(), EFFECT.to_owned());
                store
            }
            (Engine::Redis, Some(server)) => Self::Redis(server),
            _ => {
                let path = folder.join("deliveries.db");
                block_on(async {
                    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
                    let mut connection = options.connect().await?;
                    sqlx::raw_sql(EFFECT).execute(&mut connection).await?;
                    connection.close().await
                });
                Self::File(path)
            }
        }
    }

    fn address(&self) -> String {
        match self {
            Self::File(path) => path.to_str().expect("the path is UTF-8").to_owned(),
            Self::Database { server, name } => {
                let (server, _) = server.rsplit_once('/').expect("the URL has a database");
                format!("{server}/{name}")
            }
            Self::Redis(address) => address.clone(),
        }
    }
}

fn execute(address: &str, statement: String) {
    block_on(async {
        let mut connection = PgConnection::connect(address).await?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await
    });
}

fn block_on<T>(future: impl Future<Output = sqlx::Result<T>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("could not create a runtime").block_on(future).expect("the database returned an error")
}
