//! Opens Postgres.

use std::io;
use std::time::Duration;

use clerk_webhook_queue::PostgresQueue;
use clerk_webhook_store::PostgresStore;
use clerk_webhook_sync::ClerkSync;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{Connection as _, Postgres};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::clerk;
use super::opened::Open;
use super::schema::Tables;
use crate::commands::serve::config::Config;
use crate::commands::serve::notify;
use crate::database::{DatabaseKind, create_schema, why};
use crate::failure::Failure;
use crate::sync::{Prefix, Schema};

/// How long a delivery waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(5);

/// How long an attempt to connect may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The delay between two attempts.
const BETWEEN: Duration = Duration::from_millis(250);

pub(super) async fn open(
    config: &Config,
    options: &PgConnectOptions,
) -> Result<Open<Postgres, PostgresStore, PostgresQueue>, Failure> {
    let options = options.clone().application_name("clerk-webhook");
    let mut connection = connect(&options, config).await?;
    let tls = inspect(&mut connection, &options).await?;
    if config.migrate && !config.check {
        create_schema(&mut connection, config.schema.as_str()).await?;
    }
    // A connection that does not close in time is dropped.
    let _ = timeout(ATTEMPT, connection.close()).await;
    let pool = PgPoolOptions::new().max_connections(config.pool).acquire_timeout(ACQUIRE);
    let pool = pool.connect_lazy_with(options);
    let tables = tables(pool, &config.schema, config.forward.is_some())?;
    let (tables, is_complete) = tables.prepare(config).await?;
    if is_complete && config.forward.is_some() {
        check_worker(tables.sync.pool(), &config.schema).await?;
    }
    let clerk = clerk::check(config, &tables.sync, is_complete).await?;
    let sync = clerk::restrict(tables.sync, clerk.instance_id.as_deref());
    Ok(Open {
        store: tables.store,
        sync: match &config.notify {
            Some(channel) => notify::add(sync, channel),
            None => sync,
        },
        queue: tables.queue,
        api: clerk.api,
        instance_id: clerk.instance_id,
        tls: Some(tls),
    })
}

/// Returns an error if this role cannot use the tables of graphile_worker, which only their owner can.
async fn check_worker(pool: &PgPool, schema: &Schema) -> Result<(), Failure> {
    let protected = "SELECT count(*) FROM pg_catalog.pg_class c \
                     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                     JOIN pg_catalog.pg_roles r ON r.rolname = current_user \
                     WHERE n.nspname = $1 AND c.relrowsecurity AND NOT r.rolsuper AND NOT r.rolbypassrls \
                     AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')";
    let worker = schema.worker();
    let check = async {
        let mut transaction = pool.begin().await?;
        let protected: i64 = sqlx::query_scalar(protected)
            .bind(&worker)
            .persistent(false)
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await.map(|()| protected)
    };
    match check.await {
        Ok(0) => Ok(()),
        Ok(_) => Err(Failure::Schema(format!(
            "Schema {worker} belongs to another role, and row-level security protects its tables. Connect as its owner, or \
             leave out --forward-to."
        ))),
        Err(error) => {
            Err(Failure::network(format_args!("cannot read the owner of schema {worker}: {}", why(&error))))
        }
    }
}

/// Returns the parts that have tables.
pub(in super::super) fn tables(
    pool: PgPool,
    schema: &Schema,
    with_queue: bool,
) -> Result<Tables<Postgres, PostgresStore, PostgresQueue>, Failure> {
    let kind = DatabaseKind::Postgres;
    let store = PostgresStore::new(pool.clone()).table(&schema.deliveries(kind));
    let queue = PostgresQueue::new(pool.clone()).table(&schema.queue(kind));
    let queue = queue.and_then(|queue| queue.graphile_schema(&schema.worker()));
    let prefix = Prefix::of_server(schema, kind).to_string();
    Ok(Tables {
        sync: ClerkSync::new(pool).prefix(&prefix).map_err(Failure::usage)?,
        store: store.map_err(Failure::usage)?,
        queue: Some(queue.map_err(Failure::usage)?).filter(|_| with_queue),
    })
}

/// Connects, and tries again for `--db-wait` if the server may be starting.
async fn connect(options: &PgConnectOptions, config: &Config) -> Result<PgConnection, Failure> {
    let place = format!("{}:{}", options.get_host(), options.get_port());
    let end = Instant::now() + config.db_wait;
    let waited = seconds(config.db_wait);
    let mut is_announced = false;
    loop {
        let message = match timeout(ATTEMPT, PgConnection::connect_with(options)).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => match Refusal::of(&error) {
                Refusal::Refused => {
                    format!(
                        "Postgres at {place} refused connections for {waited}. Start it, or raise --db-wait."
                    )
                }
                Refusal::Starting => format!(
                    "Postgres at {place} was not ready for {waited}: {}. Wait for it, or raise --db-wait.",
                    why(&error)
                ),
                Refusal::Final => {
                    return Err(explain(&error, &place).unwrap_or_else(|| {
                        Failure::network(format_args!(
                            "cannot connect to Postgres at {place} of {}: {}",
                            config.database_source,
                            why(&error)
                        ))
                    }));
                }
            },
            Err(_) => format!(
                "Postgres at {place} did not answer for {waited}. Check the address and the firewall, or raise --db-wait."
            ),
        };
        if Instant::now() >= end {
            return Err(Failure::network(message));
        }
        if !is_announced {
            info!(server = place, "waiting for Postgres");
            is_announced = true;
        }
        sleep(BETWEEN.min(end.saturating_duration_since(Instant::now()))).await;
    }
}

/// Formats a duration as its setting.
fn seconds(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{} s", duration.as_secs()),
        _ => format!("{} ms", duration.as_millis()),
    }
}

/// Why a connection failed.
enum Refusal {
    Refused,
    /// The server, or its name, may be ready later.
    Starting,
    Final,
}

impl Refusal {
    fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => Self::Refused,
            // The certificate was rejected. Waiting does not change it.
            sqlx::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => Self::Final,
            sqlx::Error::Io(_) => Self::Starting,
            // The server is starting or stopping, or has too many connections. PgBouncer uses 08P01.
            sqlx::Error::Database(error)
                if matches!(
                    error.code().as_deref(),
                    Some("57P01" | "57P02" | "57P03" | "53300" | "08P01")
                ) =>
            {
                Self::Starting
            }
            _ => Self::Final,
        }
    }
}

/// Returns the failure if a pooler between this process and Postgres cannot run prepared statements.
fn explain(error: &sqlx::Error, place: &str) -> Option<Failure> {
    let sqlx::Error::Database(error) = error else { return None };
    // The pooler sent the parts of a statement to different servers: it does not exist, or exists already.
    matches!(error.code().as_deref(), Some("26000" | "42P05")).then(|| {
        Failure::network(format_args!(
            "The pooler at {place} does not support prepared statements. Use the direct or session port, or \
             max_prepared_statements of PgBouncer 1.21."
        ))
    })
}

/// Runs a prepared statement, and returns whether the connection is encrypted. Warns if it is not.
async fn inspect(connection: &mut PgConnection, options: &PgConnectOptions) -> Result<bool, Failure> {
    let (host, place) = (options.get_host(), format!("{}:{}", options.get_host(), options.get_port()));
    let failed = |error: sqlx::Error| {
        explain(&error, &place).unwrap_or_else(|| {
            Failure::network(format_args!("cannot use Postgres at {place}: {}", why(&error)))
        })
    };
    // In a transaction, a pooler does not change the server between the parts of the statement. A persistent statement
    // would have a name, which another client of the pooler may use on the same server.
    let mut transaction = connection.begin().await.map_err(failed)?;
    let ssl = sqlx::query_scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND $1")
        .bind(true)
        .persistent(false)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    let tls = ssl.unwrap_or(false);
    let is_accepted = matches!(options.get_ssl_mode(), PgSslMode::Disable);
    if !tls && !is_accepted && options.get_socket().is_none() && is_remote(host) {
        warn!(
            "The connection to {host} is not encrypted. Set sslmode=verify-full in DATABASE_URL, or sslmode=disable."
        );
    }
    Ok(tls)
}

/// Returns whether connections to this host leave the machine.
fn is_remote(host: &str) -> bool {
    let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    !(is_loopback || host.starts_with('/') || host.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_machines_are_remote() {
        for host in ["localhost", "127.0.0.1", "::1", "/var/run/postgresql"] {
            assert!(!is_remote(host), "{host}");
        }
        for host in ["db.example.com", "db", "10.0.0.7", "localhost.example"] {
            assert!(is_remote(host), "{host}");
        }
    }
}
