//! Opens the queue. Only this file knows the engines.

use std::time::Duration;

use clerk_webhook_queue::{NatsQueue, NatsQueueError, PostgresQueue, SqliteQueue};
use clerk_webhook_store::{InvalidTableName, Scope};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};

use super::actions;
use super::args::{Action, QueueArgs};
use crate::database_error::{LONGEST, why};
use crate::environment;
use crate::failure::Failure;
use crate::output::{Output, printable};

/// How long a connection to Postgres may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A queue that is not open yet. Its URL is never printed, because it can contain a password.
enum Engine {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Box<PgConnectOptions>),
    /// The URL of a NATS server.
    Nats(String),
}

/// Opens the queue, performs the action, and closes the queue.
pub(super) async fn perform(action: &Action, args: &QueueArgs, output: &Output) -> Result<(), Failure> {
    let (engine, source) = engine(args)?;
    let scope = args.scope.parse().map_err(|error| Failure::usage(format_args!("--scope: {error}")))?;
    match engine {
        Engine::Sqlite(options) => {
            if args.graphile_schema.is_some() || args.prefix.is_some() {
                return Err(Failure::usage(
                    "a queue in SQLite has no --graphile-schema and no --prefix: leave them out",
                ));
            }
            // Reading does not change the file.
            let options = if action.writes() { *options } else { options.read_only(true) };
            let queue = open_sqlite(options, scope, args, source).await?;
            let explain = |error| explain_sql(&error, "--table");
            let performed = actions::perform(action, &queue, &explain, output).await;
            queue.pool().close().await;
            performed
        }
        Engine::Postgres(options) => {
            if args.prefix.is_some() {
                return Err(Failure::usage("--prefix is only for NATS: leave it out"));
            }
            let queue = open_postgres(*options, scope, args, source).await?;
            let explain = |error| explain_sql(&error, "--table and --graphile-schema");
            let performed = actions::perform(action, &queue, &explain, output).await;
            queue.pool().close().await;
            performed
        }
        Engine::Nats(url) => {
            if args.table.is_some() || args.graphile_schema.is_some() {
                return Err(Failure::usage(
                    "a queue in NATS has no table: leave out --table and --graphile-schema",
                ));
            }
            let explain = |error| explain_nats(&error, &url, source);
            let mut queue = NatsQueue::connect(&url).await.map_err(explain)?.with_scope(scope);
            if let Some(prefix) = &args.prefix {
                queue = queue
                    .prefix(prefix)
                    .map_err(|error| Failure::usage(format_args!("--prefix: {error}")))?;
            }
            actions::perform(action, &queue, &explain, output).await
        }
    }
}

/// Finds the queue that the arguments or the environment name, and returns it with the source of its URL.
fn engine(args: &QueueArgs) -> Result<(Engine, &'static str), Failure> {
    let (text, source) = match &args.database {
        Some(text) => (text.clone(), "--database"),
        None => from_environment()?,
    };
    if text.starts_with("nats:") && text.contains(',') {
        return Err(Failure::usage(format_args!(
            "{source} names several NATS servers: pass the URL of one of them with --database"
        )));
    }
    if text.starts_with("tls:") {
        return Err(Failure::usage(format_args!(
            "{source} requires TLS, which this command does not support for NATS"
        )));
    }
    let engine = Engine::of(&text).ok_or_else(|| {
        Failure::usage(format_args!(
            "{source} does not name a queue that this command can read: it expects the path of a SQLite file, or a \
             URL such as sqlite:queue.db, postgres://host/database or nats://host:4222"
        ))
    })?;
    Ok((engine, source))
}

/// Returns the value and the name of the only variable that is set.
fn from_environment() -> Result<(String, &'static str), Failure> {
    let mut variables = environment::vars(&["DATABASE_URL", "NATS_URL"])?;
    variables.retain(|variable| !variable.value.is_empty());
    match (variables.pop(), variables.pop()) {
        (Some(variable), None) => {
            let name = variable.name;
            Ok((variable.announced(), name))
        }
        // An application often has a database beside its queue in NATS.
        (Some(_), Some(_)) => Err(Failure::usage(
            "DATABASE_URL and NATS_URL are both set: name the queue with --database \"$NATS_URL\" or --database \
             \"$DATABASE_URL\"",
        )),
        (None, _) => Err(Failure::usage(
            "the queue is not specified. Pass --database with a SQLite file or a URL such as postgres://host/database or \
             nats://host:4222, or set DATABASE_URL or NATS_URL",
        )),
    }
}

impl Engine {
    fn of(text: &str) -> Option<Self> {
        let options = match scheme(text) {
            None => SqliteConnectOptions::new().filename(text),
            Some("sqlite") => text.parse().ok()?,
            Some("postgres" | "postgresql") => {
                // A pooler in transaction mode rejects cached statements.
                let options: PgConnectOptions = text.parse().ok()?;
                return Some(Self::Postgres(Box::new(options.statement_cache_capacity(0))));
            }
            Some("nats") => return Some(Self::Nats(text.to_owned())),
            Some(_) => return None,
        };
        // A missing file is an error: it is probably a wrong path.
        let options = options.create_if_missing(false).synchronous(SqliteSynchronous::Full);
        Some(Self::Sqlite(Box::new(options)))
    }
}

/// Returns the scheme of a URL, or `None` if the text is a path. A single letter is a drive of Windows.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    is_scheme.then_some(scheme)
}

async fn open_sqlite(
    options: SqliteConnectOptions,
    scope: Scope,
    args: &QueueArgs,
    source: &str,
) -> Result<SqliteQueue, Failure> {
    if options.get_filename().is_dir() {
        return Err(Failure::usage(format_args!("{source} is a folder: pass the path of the SQLite file")));
    }
    if !options.get_filename().exists() {
        return Err(Failure::network(format_args!(
            "the SQLite file of {source} does not exist: check its path"
        )));
    }
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
    let pool = pool.map_err(|error| {
        Failure::network(format_args!("cannot open the SQLite file of {source}: {}", why(&error)))
    })?;
    let queue = SqliteQueue::new(pool).with_scope(scope);
    match &args.table {
        Some(name) => queue.table(name).map_err(|error| invalid("--table", &error)),
        None => Ok(queue),
    }
}

async fn open_postgres(
    options: PgConnectOptions,
    scope: Scope,
    args: &QueueArgs,
    source: &str,
) -> Result<PostgresQueue, Failure> {
    let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(CONNECT_TIMEOUT);
    let pool = pool.connect_with(options).await.map_err(|error| {
        Failure::network(format_args!("cannot connect to the Postgres server of {source}: {}", why(&error)))
    })?;
    let mut queue = PostgresQueue::new(pool).with_scope(scope);
    if let Some(name) = &args.table {
        queue = queue.table(name).map_err(|error| invalid("--table", &error))?;
    }
    if let Some(name) = &args.graphile_schema {
        queue = queue.graphile_schema(name).map_err(|error| invalid("--graphile-schema", &error))?;
    }
    Ok(queue)
}

fn invalid(option: &str, error: &InvalidTableName) -> Failure {
    Failure::usage(format_args!("{option}: {error}"))
}

/// Explains an error of SQLite or Postgres. `options` are the options that select the table.
fn explain_sql(error: &sqlx::Error, options: &str) -> Failure {
    match error {
        // The options were valid, so only a missing table or schema has this kind. The text names it.
        sqlx::Error::Configuration(reason) => Failure::usage(format_args!(
            "{}, and check {options}",
            printable(reason.to_string().as_bytes(), LONGEST)
        )),
        error => Failure::network(format_args!("cannot use the queue: {}", why(error))),
    }
}

fn explain_nats(error: &NatsQueueError, url: &str, source: &str) -> Failure {
    match error {
        NatsQueueError::MissingStream { name } => Failure::usage(format_args!(
            "the stream {} is missing: check --scope and --prefix, start the application once, or call `migrate()`",
            printable(name.as_bytes(), LONGEST)
        )),
        // The client's message can contain parts of the URL.
        NatsQueueError::Connect(_) if url.contains('@') => Failure::network(format_args!(
            "cannot connect to the NATS server of {source}: check the URL, the user name and the password, and that the \
             server is running"
        )),
        error => Failure::network(printable(error.to_string().as_bytes(), 2 * LONGEST)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_paths_and_urls_of_known_engines() {
        for text in
            ["queue.db", "./a/queue.db", "/tmp/a:b.db", r"C:\queue.db", "sqlite:queue.db", "sqlite:///a.db"]
        {
            assert!(Engine::of(text).is_some(), "{text}");
        }
        for text in ["postgres://user:hidden@host/app", "postgresql://host"] {
            assert!(matches!(Engine::of(text), Some(Engine::Postgres(_))), "{text}");
        }
        for text in
            ["postgres://user:hidden@host:port/app", "mysql:app", "sqlite:a?mode=wrong", "file:queue.db"]
        {
            assert!(Engine::of(text).is_none(), "{text}");
        }
    }

    #[test]
    fn never_creates_the_file() {
        let Some(Engine::Sqlite(options)) = Engine::of("sqlite:queue.db?mode=rwc") else { panic!() };
        assert!(format!("{options:?}").contains("create_if_missing: false"), "{options:?}");
    }
}
