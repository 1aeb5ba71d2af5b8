//! Each complete program in the README and the guide works in a new project outside this workspace.
//!
//! A project is a `Cargo.toml` block with a `[package]`, and the Rust block after it. A test writes both
//! into an empty folder, builds the project as a user would, runs it, and sends deliveries. All projects
//! share one target folder.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use std::{env, fs, thread};

use clerk_webhook_tests::clients::official_clients;
use clerk_webhook_tests::process::eventually;
use clerk_webhook_tests::sender::{Message, attempt};
use clerk_webhook_tests::{SECRET, fixture, folder, servers};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

const VARIABLE: &str = "CLERK_WEBHOOK_SIGNING_SECRET";

#[test]
fn the_first_program_of_the_readme_verifies_deliveries_of_the_official_libraries() {
    let clients = official_clients("the first program in the README");
    if clients.is_empty() {
        return;
    }
    let project = Project::write("webhook");
    let server = project.start();
    for client in clients {
        let failures = client.failures(&server.url());
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
    let log = server.stop();
    let rejection = log.lines().find(|line| line.contains("WARN")).expect("the log contains a rejection");
    assert!(
        rejection.contains("invalid_signature") || rejection.contains("expired_timestamp"),
        "{rejection}"
    );
}

#[test]
fn the_first_program_of_the_readme_reports_a_missing_secret() {
    let project = Project::write("webhook");
    project.build();
    let output = project.program().env_remove(VARIABLE).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        text.starts_with("Error: CLERK_WEBHOOK_SIGNING_SECRET is not set. Copy the signing secret"),
        "{text}"
    );
}

#[test]
fn the_axum_program_skips_duplicates_and_shuts_down_gracefully() {
    let server = Project::write("webhooks").start();
    assert_eq!(server.deliver("msg_1", "user.created"), "processed");
    assert_eq!(server.deliver("msg_1", "user.created"), "duplicate");
    assert_eq!(server.deliver("msg_2", "session.created"), "ignored");
    assert_eq!(server.forge(), 400);
    let folder = Arc::clone(&server.folder);
    let log = server.terminate();
    let handled = log.lines().find(|line| line.contains("msg_1") && line.contains("processed"));
    assert!(handled.is_some_and(|line| line.contains("INFO") && line.contains("user.created")), "{log}");
    assert_eq!(count_in_sqlite(&folder.0.join("app.db"), "SELECT count(*) FROM welcome_mails"), 1);
}

#[test]
fn the_actix_program_receives_deliveries() {
    assert_receives("webhooks-actix");
}

#[test]
fn the_poem_program_receives_deliveries() {
    assert_receives("webhooks-poem");
}

#[test]
fn the_rocket_program_receives_deliveries() {
    assert_receives("webhooks-rocket");
}

#[test]
fn the_warp_program_receives_deliveries() {
    assert_receives("webhooks-warp");
}

#[test]
fn the_hyper_program_receives_deliveries() {
    assert_receives("webhooks-hyper");
}

#[test]
fn the_program_with_users_in_sqlite_writes_a_row() {
    let server = assert_receives("users-sqlite");
    let folder = Arc::clone(&server.folder);
    server.stop();
    assert_eq!(count_in_sqlite(&folder.0.join("app.db"), "SELECT count(*) FROM clerk_active_users"), 1);
}

#[test]
fn the_program_with_users_in_postgres_writes_a_row() {
    let Some(url) = servers::postgres("the program with users in Postgres") else { return };
    let name = format!("blank_project_{}", std::process::id());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let execute = |url: &str, statement: String| {
        runtime.block_on(async {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        });
    };
    execute(&url, format!("CREATE DATABASE {name}"));
    let database = format!("{}/{name}", url.rsplit_once('/').unwrap().0);

    let project = Project::write("users-postgres");
    let server = project.start_with(&[("DATABASE_URL", &database)]);
    assert_eq!(server.deliver("msg_1", "user.created"), "processed");
    server.stop();
    let rows: i64 = runtime.block_on(async {
        let mut connection = PgConnection::connect(&database).await.unwrap();
        sqlx::query_scalar("SELECT count(*) FROM clerk_active_users")
            .fetch_one(&mut connection)
            .await
            .unwrap()
    });
    execute(&url, format!("DROP DATABASE {name}"));
    assert_eq!(rows, 1);
}

#[test]
fn the_program_with_a_queue_answers_before_it_handles() {
    let server = Project::write("webhooks-queue").start();
    assert_eq!(server.deliver("msg_1", "user.created"), "queued");
    assert_eq!(server.deliver("msg_1", "user.created"), "duplicate");
    assert_eq!(server.forge(), 400);
    let folder = Arc::clone(&server.folder);
    eventually("the end of the job", || {
        let done = "SELECT count(*) FROM clerk_webhook_queue WHERE state = 1";
        (count_in_sqlite(&folder.0.join("queue.db"), done) == 1).then_some(())
    });
    assert!(server.terminate().contains("sent a welcome mail to user_"));
}

#[test]
fn the_tests_with_the_test_kit_pass() {
    let output = Project::write("webhooks-tested").cargo(&["test"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_complete_program_has_a_test() {
    let mut names: Vec<_> = projects().into_keys().collect();
    names.sort();
    let tested = [
        "users-postgres",
        "users-sqlite",
        "webhook",
        "webhooks",
        "webhooks-actix",
        "webhooks-hyper",
        "webhooks-poem",
        "webhooks-queue",
        "webhooks-rocket",
        "webhooks-tested",
        "webhooks-warp",
    ];
    assert_eq!(names, tested);
}

#[test]
fn the_guide_shows_the_example_for_axum() {
    let (_, program) = &projects()["webhooks"];
    let example = fs::read_to_string(folder("../examples/axum/src/main.rs")).unwrap();
    assert!(*program == example, "copy examples/axum/src/main.rs into guide/axum.md");
}

fn assert_receives(name: &str) -> Server {
    let server = Project::write(name).start();
    assert_eq!(server.deliver("msg_1", "user.created"), "processed");
    assert_eq!(server.forge(), 400);
    server
}

fn count_in_sqlite(database: &std::path::Path, count: &'static str) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = SqliteConnection::connect(database.to_str().unwrap()).await.unwrap();
        sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap()
    })
}

/// Returns the manifest and the source of each complete program, by package name.
fn projects() -> BTreeMap<String, (String, String)> {
    let guide = folder("../crates/clerk-webhook/src/guide");
    let chapters = fs::read_dir(guide).unwrap().map(|entry| entry.unwrap().path());
    let mut projects = BTreeMap::new();
    for document in chapters.chain([folder("../README.md")]) {
        let text = fs::read_to_string(&document).unwrap();
        let mut manifest = None;
        for block in text.split("\n```").skip(1).step_by(2) {
            let (language, content) = block.split_once('\n').unwrap();
            let content = format!("{}\n", content.trim_end());
            if language == "toml" && content.starts_with("[package]") {
                manifest = Some(content);
            } else if language.starts_with("rust")
                && let Some(manifest) = manifest.take()
            {
                let name = manifest.split('"').nth(1).unwrap().to_owned();
                let earlier = projects.insert(name, (manifest, content));
                assert!(earlier.is_none(), "{}: two projects have the same name", document.display());
            }
        }
        assert!(manifest.is_none(), "{}: no Rust block follows a `Cargo.toml` block", document.display());
    }
    projects
}

/// Returns the target folder, which is the workspace's, so that Cargo compiles no dependency again that the
/// workspace uses with the same features.
fn target() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("..")
}

/// A folder that is removed when this value is dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A project in a folder outside the workspace.
struct Project {
    folder: Arc<Folder>,
    name: String,
    port: u16,
}

impl Project {
    /// Writes the project with this name into an empty folder, and replaces port 3000 with a free port.
    fn write(name: &str) -> Self {
        let (manifest, program) = projects().remove(name).unwrap();
        let port = servers::free_port();
        let unique = format!("clerk-webhook-blank-{name}-{}-{port}", std::process::id());
        let folder_of_project = env::temp_dir().join(unique);
        let source = folder_of_project.join("src");
        fs::create_dir_all(&source).unwrap();
        let crates = fs::canonicalize(folder("../crates")).unwrap();
        let manifest = manifest.replace("../clerk-webhook/crates", crates.to_str().unwrap());
        fs::write(folder_of_project.join("Cargo.toml"), manifest).unwrap();
        // Use the versions that the workspace is tested with.
        fs::copy(folder("../Cargo.lock"), folder_of_project.join("Cargo.lock")).unwrap();
        let file = if program.contains("fn main") { "main.rs" } else { "lib.rs" };
        fs::write(source.join(file), program.replace("3000", &port.to_string())).unwrap();
        Self { folder: Arc::new(Folder(folder_of_project)), name: name.to_owned(), port }
    }

    /// Runs Cargo, and asserts that it succeeds without a warning.
    fn cargo(&self, arguments: &[&str]) -> Output {
        let output = Command::new(env!("CARGO"))
            .args(arguments)
            .args(["--quiet", "--target-dir"])
            .arg(target())
            // The workspace's profile, so that Cargo does not compile these packages again.
            .args(["--config", "profile.dev.package.sha2.opt-level=3"])
            .args(["--config", "profile.dev.package.libsqlite3-sys.opt-level=1"])
            .current_dir(&self.folder.0)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "0")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !errors.contains("warning"),
            "cargo {arguments:?} in {}:\n{}{errors}",
            self.name,
            String::from_utf8_lossy(&output.stdout),
        );
        output
    }

    fn build(&self) {
        /// Projects with the same name share the target file. Cargo builds one project at a time anyway.
        static BUILD: Mutex<()> = Mutex::new(());
        let _guard = BUILD.lock().unwrap_or_else(PoisonError::into_inner);
        // Otherwise Cargo reuses the program of another project with this name, if that program was built
        // after this source was written.
        for source in fs::read_dir(self.folder.0.join("src")).unwrap() {
            let source = fs::File::options().write(true).open(source.unwrap().path()).unwrap();
            source.set_modified(SystemTime::now()).unwrap();
        }
        self.cargo(&["build"]);
        // Copy the program, because the next project with this name overwrites it in the target folder.
        let built = target().join("debug").join(&self.name);
        fs::copy(built, self.folder.0.join("program")).unwrap();
    }

    fn program(&self) -> Command {
        let mut program = Command::new(self.folder.0.join("program"));
        program.current_dir(&self.folder.0);
        program
    }

    fn start(&self) -> Server {
        self.start_with(&[])
    }

    fn start_with(&self, variables: &[(&str, &str)]) -> Server {
        self.build();
        let mut process = self
            .program()
            .env(VARIABLE, SECRET)
            .env("PORT", self.port.to_string())
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = process.stdout.take().unwrap();
        let log = thread::spawn(move || {
            let mut log = Vec::new();
            output.read_to_end(&mut log).unwrap();
            String::from_utf8_lossy(&log).into_owned()
        });
        let port = self.port;
        eventually("the start of the server", || {
            assert!(process.try_wait().unwrap().is_none(), "{} exited", self.name);
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Server { process, log: Some(log), port, folder: Arc::clone(&self.folder) }
    }
}

/// A project's running program.
struct Server {
    process: Child,
    log: Option<thread::JoinHandle<String>>,
    port: u16,
    folder: Arc<Folder>,
}

impl Server {
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/webhooks/clerk", self.port)
    }

    /// Delivers the fixture of an event type, and returns the outcome.
    fn deliver(&self, id: &str, event_type: &str) -> String {
        let message = Message { id: id.parse().unwrap(), body: fixture(event_type) };
        attempt(&self.url(), &message, Duration::from_secs(20)).unwrap().outcome()
    }

    /// Sends a request without a signature, and returns the status.
    fn forge(&self) -> u16 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request =
            "POST /webhooks/clerk HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Kills the program and returns its log.
    fn stop(mut self) -> String {
        self.process.kill().unwrap();
        self.log_after_exit()
    }

    /// Terminates the program and returns its log.
    #[cfg(unix)]
    fn terminate(mut self) -> String {
        let kill = Command::new("sh").args(["-c", "kill -TERM $0", &self.process.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let status = eventually("the exit of the program", || self.process.try_wait().unwrap());
        assert!(status.success(), "{status}");
        self.log_after_exit()
    }

    #[cfg(not(unix))]
    fn terminate(self) -> String {
        self.stop()
    }

    fn log_after_exit(&mut self) -> String {
        self.process.wait().unwrap();
        self.log.take().unwrap().join().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
