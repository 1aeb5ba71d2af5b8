//! Opens the queue. Only this file knows the engines.

use clerk_webhook_queue::{NatsQueue, NatsQueueError, PostgresQueue, SqliteQueue};
use clerk_webhook_store::{InvalidTableName, Scope};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::actions;
use super::args::{Action, QueueArgs};
use crate::database::{self, DatabaseKind, LONGEST, SqlDatabase, why};
use crate::environment;
use crate::failure::Failure;
use crate::output::{Output, printable};
use crate::sync::Schema;

/// A queue that is not open yet. Its URL is never printed, because it can contain a password.
enum Engine {
    Sql(SqlDatabase),
    /// The URL of a NATS server.
    Nats(String),
}

/// Opens the queue, performs the action, and closes the queue.
pub(super) async fn perform(action: &Action, args: &QueueArgs, output: &Output) -> Result<(), Failure> {
    let (engine, source) = engine(args)?;
    if args.schema.is_some() && (args.table.is_some() || args.graphile_schema.is_some()) {
        return Err(Failure::usage(
            "--schema selects the queue of serve, and --table the queue of your application: leave one of them out",
        ));
    }
    if args.graphile_schema.is_some() && args.table.is_none() {
        return Err(Failure::usage("--graphile-schema needs --table: the table of your application's queue"));
    }
    let scope = args.scope.parse().map_err(|error| Failure::usage(format_args!("--scope: {error}")))?;
    match engine {
        Engine::Sql(SqlDatabase::Sqlite(options)) => {
            if args.graphile_schema.is_some() || args.prefix.is_some() {
                return Err(Failure::usage(
                    "a queue in SQLite has no --graphile-schema and no --prefix: leave them out",
                ));
            }
            // Reading does not change the file.
            let options = if action.writes() { *options } else { options.read_only(true) };
            let queue = open_sqlite(options, scope, args, source).await?;
            let explain = |error| explain_sql(&error, args, "--table");
            let performed = actions::perform(action, &queue, &explain, output).await;
            queue.pool().close().await;
            performed
        }
        Engine::Sql(SqlDatabase::Postgres(options)) => {
            if args.prefix.is_some() {
                return Err(Failure::usage("--prefix is only for NATS: leave it out"));
            }
            let queue = open_postgres(*options, scope, args, source).await?;
            let explain = |error| explain_sql(&error, args, "--table and --graphile-schema");
            let performed = actions::perform(action, &queue, &explain, output).await;
            queue.pool().close().await;
            performed
        }
        Engine::Nats(url) => {
            if args.schema.is_some() || args.table.is_some() {
                return Err(Failure::usage(
                    "a queue in NATS has no table: leave out --schema, --table and --graphile-schema",
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
        match database::scheme(text) {
            Some("nats") => Some(Self::Nats(text.to_owned())),
            _ => SqlDatabase::of(text).map(Self::Sql),
        }
    }
}

async fn open_sqlite(
    options: SqliteConnectOptions,
    scope: Scope,
    args: &QueueArgs,
    source: &str,
) -> Result<SqliteQueue, Failure> {
    let pool = database::open_sqlite(options, source).await?;
    let queue = SqliteQueue::new(pool).with_scope(scope);
    let table = match &args.table {
        Some(table) => table.clone(),
        None => Schema::find(args.schema.as_ref())?.queue(DatabaseKind::Sqlite),
    };
    queue.table(&table).map_err(|error| invalid("--table", &error))
}

async fn open_postgres(
    options: PgConnectOptions,
    scope: Scope,
    args: &QueueArgs,
    source: &str,
) -> Result<PostgresQueue, Failure> {
    let pool = database::open_postgres(options, source).await?;
    let queue = PostgresQueue::new(pool).with_scope(scope);
    let (table, worker) = match &args.table {
        Some(table) => (table.clone(), args.graphile_schema.clone()),
        None => {
            let schema = Schema::find(args.schema.as_ref())?;
            (schema.queue(DatabaseKind::Postgres), Some(schema.worker()))
        }
    };
    let queue = queue.table(&table).map_err(|error| invalid("--table", &error))?;
    match worker {
        Some(name) => queue.graphile_schema(&name).map_err(|error| invalid("--graphile-schema", &error)),
        None => Ok(queue),
    }
}

fn invalid(option: &str, error: &InvalidTableName) -> Failure {
    Failure::usage(format_args!("{option}: {error}"))
}

/// Explains an error of SQLite or Postgres. `options` are the options that select the table of an application.
fn explain_sql(error: &sqlx::Error, args: &QueueArgs, options: &str) -> Failure {
    let options =
        if args.table.is_some() { options } else { "--schema, or pass the --table of your application" };
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
        for text in ["queue.db", "sqlite:queue.db", "postgres://user:hidden@host/app"] {
            assert!(matches!(Engine::of(text), Some(Engine::Sql(_))), "{text}");
        }
        assert!(matches!(Engine::of("nats://127.0.0.1:4222"), Some(Engine::Nats(_))));
        for text in ["mysql:app", "file:queue.db"] {
            assert!(Engine::of(text).is_none(), "{text}");
        }
    }
}
