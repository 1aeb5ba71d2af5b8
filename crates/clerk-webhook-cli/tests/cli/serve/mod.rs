//! `clerk-webhook serve` as a process, with SQLite and Postgres.

mod access;
mod checks;
mod configuration;
mod endpoints;
mod forward;
mod health;
mod limits;
mod log;
mod notify;
mod outage;
mod reload;
mod replicas;
mod schema;
mod shutdown;
mod sweeps;
mod systemd;
#[cfg(feature = "tls")]
mod tls;
mod traces;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use clerk_webhook_test::{Delivery, FakeBackendApi};
use clerk_webhook_tests::servers;
use serde_json::Value;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::PATIENCE;
use crate::support::folder::Folder;
use crate::support::listener::{Answer, lines};
use crate::support::process::{SECRET, command, send_signal};

const PATH: &str = "/webhooks/clerk";

/// The database of a test.
pub(super) struct Database {
    url: String,
    schema: String,
    postgres: Option<PgPool>,
    folder: Folder,
}

impl Database {
    /// Returns a SQLite file that does not exist yet.
    fn sqlite(test: &str) -> Self {
        let folder = Folder::new(&format!("serve-{test}"));
        let url = format!("sqlite:{}", folder.join("app.db").display());
        Self { url, schema: "clerk".to_owned(), postgres: None, folder }
    }

    /// Returns a schema that does not exist yet. Returns `None` without a server.
    async fn postgres(test: &str) -> Option<Self> {
        let url = servers::postgres(test)?;
        Some(Self::postgres_at(&url, test).await)
    }

    async fn postgres_at(url: &str, test: &str) -> Self {
        let pool = PgPoolOptions::new().max_connections(2).connect(url).await.unwrap();
        let schema = format!("test_serve_{test}");
        let drop = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&pool).await.unwrap();
        let folder = Folder::new(&format!("serve-postgres-{test}"));
        Self { url: url.to_owned(), schema, postgres: Some(pool), folder }
    }

    /// Returns the command with this database, free ports, and the signing secret.
    fn command(&self) -> Command {
        let mut command = command();
        command
            .arg("serve")
            .env("DATABASE_URL", &self.url)
            .env("CLERK_WEBHOOK_SCHEMA", &self.schema)
            .env("CLERK_WEBHOOK_MIGRATE", "true")
            .env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET)
            .env("CLERK_WEBHOOK_LISTEN", "127.0.0.1:0")
            .env("CLERK_WEBHOOK_ADMIN_LISTEN", "127.0.0.1:0")
            .current_dir(self.folder.path())
            .stdout(Stdio::null());
        command
    }

    /// Returns the command with a secret key and the URL of the Backend API.
    fn command_with(&self, api_url: &str) -> Command {
        let mut command = self.command();
        command.env("CLERK_SECRET_KEY", FakeBackendApi::SECRET_KEY);
        command.args(["--api-url", api_url, "--api-share", "1"]);
        command
    }

    /// Starts a server without a secret key.
    fn serve(&self) -> Server {
        Server::start(&mut self.command())
    }

    /// Returns the number of rows of a query.
    async fn count(&self, table: &str, condition: &str) -> i64 {
        let name = match &self.postgres {
            Some(_) => format!("{}.{table}", self.schema),
            None => format!("{}_{table}", self.schema),
        };
        let query = AssertSqlSafe(format!("SELECT count(*) FROM {name} WHERE {condition}"));
        match &self.postgres {
            Some(pool) => sqlx::query_scalar(query).fetch_one(pool).await.unwrap(),
            None => {
                let pool = sqlx::SqlitePool::connect(&self.url).await.unwrap();
                let count = sqlx::query_scalar(query).fetch_one(&pool).await.unwrap();
                pool.close().await;
                count
            }
        }
    }
}

/// A running server. It is killed on drop.
pub(super) struct Server {
    process: Child,
    log: Receiver<String>,
    public: SocketAddr,
    admin: SocketAddr,
}

impl Server {
    /// Starts a server, and waits until it accepts deliveries.
    #[track_caller]
    fn start(command: &mut Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = lines(process.stderr.take().unwrap());
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { process, log, public: unknown, admin: unknown };
        let address = |line: &Value| line["address"].as_str().unwrap().parse().unwrap();
        server.admin = address(&server.line("serving health, metrics and status"));
        server.public = address(&server.line("accepting deliveries"));
        server
    }

    /// Waits for the log line with this message.
    #[track_caller]
    fn line(&self, message: &str) -> Value {
        let mut seen = Vec::new();
        let end = Instant::now() + PATIENCE;
        loop {
            match self.log.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    check_log(&line);
                    let parsed: Value = serde_json::from_str(&line).unwrap_or_default();
                    if parsed["message"].as_str().is_some_and(|found| found.contains(message)) {
                        return parsed;
                    }
                    seen.push(line);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line {message:?} in:\n{}", seen.join("\n"))
                }
            }
        }
    }

    /// Waits for the next log line.
    fn next_line(&self) -> Value {
        let line = self.log.recv_timeout(PATIENCE).expect("another line");
        check_log(&line);
        serde_json::from_str(&line).unwrap_or_default()
    }

    /// Returns the lines since the last call.
    fn lines(&self) -> Vec<Value> {
        let lines = self.log.try_iter().inspect(|line| check_log(line));
        lines.map(|line| serde_json::from_str(&line).unwrap_or_default()).collect()
    }

    fn deliver(&self, delivery: &Delivery) -> Answer {
        deliver_to(self.public, delivery).expect("an answer")
    }

    /// Sends a request to the public listener.
    fn public(&self, request: &str) -> Answer {
        exchange(self.public, format!("{request}connection: close\r\n\r\n").as_bytes()).expect("an answer")
    }

    /// Sends a GET request to the admin listener, with these further headers.
    fn admin(&self, path: &str, headers: &str) -> Answer {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{headers}connection: close\r\n\r\n", self.admin);
        exchange(self.admin, request.as_bytes()).expect("an answer")
    }

    fn status(&self) -> Value {
        self.admin("/status", "").json()
    }

    /// Waits until a condition on `/status` holds.
    #[track_caller]
    fn wait_for(&self, condition: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if condition(&status) {
                return status;
            }
            assert!(Instant::now() < end, "{status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns the value of a metric; `name` contains the labels.
    fn metric(&self, name: &str) -> Option<f64> {
        let text = self.admin("/metrics", "").body;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Sends a signal.
    fn signal(&self, signal: &str) {
        send_signal(signal, self.process.id());
    }

    /// Waits for the end of the process.
    fn ended(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a delivery. Returns `None` without an answer.
fn deliver_to(address: SocketAddr, delivery: &Delivery) -> Option<Answer> {
    let body = delivery.body();
    let mut request = format!("POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in delivery.headers() {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("connection: close\r\n\r\n");
    exchange(address, &[request.as_bytes(), &body].concat())
}

/// Sends bytes, and reads the answer until the connection closes.
fn exchange(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    (!answer.is_empty()).then(|| Answer::parse(&answer))
}

/// Checks that a log line contains no secret, no address, and no password, and that a JSON line has a message.
fn check_log(line: &str) {
    if let Ok(parsed) = serde_json::from_str::<Value>(line) {
        assert!(parsed["message"].as_str().is_some_and(|message| !message.is_empty()), "{line}");
    }
    for hidden in
        [&FakeBackendApi::SECRET_KEY["sk_test_".len()..], &SECRET["whsec_".len()..], "@example", "password"]
    {
        assert!(!line.contains(hidden), "{line}");
    }
}
