//! The configuration: flag, then environment, then `--config FILE`, then default.
//!
//! All problems are reported together.

mod database;
mod file;
mod names;
mod print;
mod reader;
mod secrets;
mod sources;
mod types;
mod values;

use std::env;
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::time::Duration;

use clerk_webhook_sync::RawColumn;

use self::database::Named;
use self::file::ConfigFile;
pub(super) use self::print::{Shown, print};
use self::reader::Reader;
pub(super) use self::secrets::{AdminToken, KeySource, SecretSource};
use self::sources::{Found, Origin, Sources};
pub(super) use self::types::{ForwardConfig, KeptTables, LogFormat};
use super::args::Args;
use crate::database::SqlDatabase;
use crate::failure::Failure;
use crate::sync::{Prefix, Schema};

/// The default of the public listener, and of the administrator's listener.
const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 3000);
const ADMIN_LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 9464);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The variable with which platforms assign a port.
const PORT: &str = "PORT";

pub(super) struct Config {
    pub(super) database: SqlDatabase,
    /// The origin of the database, for messages.
    pub(super) database_source: String,
    /// The schema in Postgres. In SQLite, the prefix of the tables begins with it.
    pub(super) schema: Schema,
    pub(super) prefix: Prefix,
    pub(super) secrets: SecretSource,
    pub(super) api_key: Option<KeySource>,
    pub(super) instance: Option<String>,
    pub(super) listen: SocketAddr,
    pub(super) admin_listen: Option<SocketAddr>,
    pub(super) admin_token: Option<AdminToken>,
    pub(super) path: String,
    pub(super) migrate: bool,
    pub(super) backfill: bool,
    pub(super) reconcile_every: Option<Duration>,
    pub(super) pool: u32,
    pub(super) db_wait: Duration,
    pub(super) forward: Option<ForwardConfig>,
    pub(super) notify: Option<String>,
    pub(super) drain: Duration,
    pub(super) tables: KeptTables,
    pub(super) raw: RawColumn,
    pub(super) api_share: f64,
    pub(super) api_url: Option<String>,
    pub(super) log_format: LogFormat,
    pub(super) log: String,
    /// Whether the process ends after the checks, and changes nothing.
    pub(super) check: bool,
}

/// The settings as `--print-config` shows them, and the configuration if they have no problem.
pub(super) struct Loaded {
    pub(super) shown: Vec<Shown>,
    pub(super) config: Result<Config, Failure>,
}

/// Reads all settings.
pub(super) fn load(args: &Args) -> Loaded {
    let (file, problems) = match args.config.as_deref().map(ConfigFile::read).transpose() {
        Ok(read) => read.unzip(),
        // Without the file, its settings would seem to be missing.
        Err(problem) => return Loaded { shown: Vec::new(), config: Err(failure(&[problem])) },
    };
    let mut reader =
        Reader { sources: Sources { flags: args.settings(), file }, problems: Vec::new(), shown: Vec::new() };
    let config = read(&mut reader, args);
    // The order of the checks: the secret comes first, the file comes last.
    reader.problems.extend(problems.unwrap_or_default());
    let config = match config {
        Some(config) if reader.problems.is_empty() => Ok(config),
        _ => Err(failure(&reader.problems)),
    };
    Loaded { shown: reader.shown, config }
}

/// Returns the addresses of the listeners without the rest of the configuration.
pub(crate) fn listeners() -> Result<(SocketAddr, Option<SocketAddr>), Failure> {
    let sources = Sources { flags: Vec::new(), file: None };
    let mut reader = Reader { sources, problems: Vec::new(), shown: Vec::new() };
    let addresses = (listen(&mut reader), admin_listen(&mut reader));
    if reader.problems.is_empty() { Ok(addresses) } else { Err(failure(&reader.problems)) }
}

fn failure(problems: &[String]) -> Failure {
    match problems {
        [one] => Failure::usage(one),
        all => {
            Failure::usage(format_args!("{} problems in the configuration:\n{}", all.len(), all.join("\n")))
        }
    }
}

/// Reads the settings. Returns `None` if a required setting is missing.
fn read(reader: &mut Reader, args: &Args) -> Option<Config> {
    let secrets = signing_secret(reader);
    let named = database::read(reader);
    let is_sqlite = named.as_ref().is_some_and(|named| matches!(named.database, SqlDatabase::Sqlite(_)));
    let schema = reader.value(names::SCHEMA, (Schema::default(), "clerk"), values::schema);
    let migrate = (is_sqlite, if is_sqlite { "true" } else { "false" });
    let format =
        if io::stderr().is_terminal() { (LogFormat::Text, "text") } else { (LogFormat::Json, "json") };

    let api_key = reader.secret(names::SECRET_KEY, KeySource::new);
    let instance = reader.optional(names::INSTANCE, values::instance);
    let listen = listen(reader);
    let admin_listen = admin_listen(reader);
    let admin_token = reader.secret(names::ADMIN_TOKEN, AdminToken::new);
    let path = reader.value(names::PATH, ("/webhooks/clerk".to_owned(), "/webhooks/clerk"), values::path);
    let migrate = reader.value(names::MIGRATE, migrate, values::switch);
    let backfill = reader.value(names::BACKFILL, (true, "auto"), values::backfill);
    let reconcile_every = reader.value(names::RECONCILE_EVERY, (Some(DAY), "24h"), values::interval_or_off);
    let pool = reader.value(names::POOL, (10, "10"), values::pool);
    let db_wait = reader.value(names::DB_WAIT, (Duration::from_secs(30), "30s"), values::duration);
    let endpoint = reader.endpoint(names::FORWARD_TO, values::forward);
    let forward_secret = reader.secret(names::FORWARD_SECRET, SecretSource::new);
    let notify = reader.value(names::NOTIFY, (None, "off"), values::channel);
    if notify.is_some() && is_sqlite {
        reader.problems.push("--notify needs Postgres. Remove it, or use another database.".to_owned());
    }
    let drain = reader.value(names::DRAIN, (Duration::ZERO, "0s"), values::duration);
    let tables = reader.value(names::TABLES, (KeptTables::default(), "none"), values::tables);
    let raw = reader.value(names::RAW, (RawColumn::Redacted, "public"), values::raw);
    let api_share = reader.value(names::API_SHARE, (0.5, "0.5"), values::share);
    let log_format = reader.value(names::LOG_FORMAT, format, values::log_format);
    let log = reader.value(names::LOG, ("info".to_owned(), "info"), values::log_levels);

    let Named { database, origin } = named?;
    Some(Config {
        prefix: Prefix::of_server(&schema, database.kind()),
        database,
        database_source: origin,
        schema,
        secrets: secrets?,
        api_key,
        instance,
        listen,
        admin_listen,
        admin_token,
        path,
        migrate,
        backfill,
        reconcile_every,
        pool,
        db_wait,
        forward: endpoint.map(|endpoint| ForwardConfig { endpoint, secret: forward_secret }),
        notify,
        drain,
        tables,
        raw,
        api_share,
        api_url: args.api_url.clone(),
        log_format,
        log,
        check: args.check,
    })
}

fn signing_secret(reader: &mut Reader) -> Option<SecretSource> {
    let before = reader.problems.len();
    let secrets = reader.secret(names::SIGNING_SECRET, SecretSource::new);
    if secrets.is_none() && reader.problems.len() == before {
        reader.problems.push(
            "CLERK_WEBHOOK_SIGNING_SECRET is not set. Copy the signing secret (whsec_...) of the endpoint from the Clerk \
             Dashboard."
                .to_owned(),
        );
    }
    secrets
}

/// Returns the address of the public listener. Platforms that assign a port expect it on all interfaces.
fn listen(reader: &mut Reader) -> SocketAddr {
    let default = SocketAddr::from(LISTEN);
    let port = env::var(PORT).ok().filter(|port| !port.is_empty());
    let found = reader.find(names::LISTEN);
    let (text, origin) = match (found, port) {
        (Some(Found { text, origin, .. }), _) => (text.to_string(), origin),
        (None, Some(port)) => match values::port(&port) {
            Ok(address) => (address.to_string(), Origin::Other(PORT.to_owned())),
            Err(problem) => {
                reader.problems.push(format!("{PORT}: {problem}"));
                return default;
            }
        },
        (None, None) => (default.to_string(), Origin::Default),
    };
    reader.show(names::LISTEN, &text, &origin);
    values::address(&text).unwrap_or_else(|problem| {
        reader.problems.push(format!("{origin}: {problem}"));
        default
    })
}

fn admin_listen(reader: &mut Reader) -> Option<SocketAddr> {
    let default = SocketAddr::from(ADMIN_LISTEN);
    reader.value(names::ADMIN_LISTEN, (Some(default), &default.to_string()), values::address_or_off)
}
