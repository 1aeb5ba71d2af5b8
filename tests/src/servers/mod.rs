//! Finds the servers that some tests need but do not start, and starts servers for a single test.

mod started;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use crate::say_skipped;

pub use started::{Nats, Postgres, free_port};

/// Returns the URL of a Postgres server.
///
/// If `TEST_POSTGRES_URL` is not set, the function prints how to start a server and returns `None`. If `CI`
/// is set, it panics instead.
#[must_use]
pub fn postgres(needed_by: &str) -> Option<String> {
    server(
        "TEST_POSTGRES_URL",
        &compose_advice("TEST_POSTGRES_URL=postgres://postgres@127.0.0.1:54320/postgres"),
        needed_by,
    )
}

/// Returns the URL of a PgBouncer in transaction mode with three connections to the server of [`postgres`].
///
/// If `TEST_PGBOUNCER_URL` is not set, the function prints how to start a server and returns `None`. If `CI`
/// is set, it panics instead.
#[must_use]
pub fn pgbouncer(needed_by: &str) -> Option<String> {
    let debian = r#"run `eval "$(bash .ci/servers.sh)"` on Debian, which sets TEST_PGBOUNCER_URL"#;
    server("TEST_PGBOUNCER_URL", debian, needed_by)
}

/// Returns the URL of a Redis server.
///
/// If `TEST_REDIS_URL` is not set, the function prints how to start a server and returns `None`. If `CI` is
/// set, it panics instead.
#[must_use]
pub fn redis(needed_by: &str) -> Option<String> {
    server("TEST_REDIS_URL", &compose_advice("TEST_REDIS_URL=redis://127.0.0.1:63790/"), needed_by)
}

/// Returns the URL of a NATS server with JetStream.
///
/// If `TEST_NATS_URL` is not set, the function prints how to start a server and returns `None`. If `CI` is
/// set, it panics instead.
#[must_use]
pub fn nats(needed_by: &str) -> Option<String> {
    server("TEST_NATS_URL", &compose_advice("TEST_NATS_URL=nats://127.0.0.1:42220"), needed_by)
}

/// Returns whether a server's program is installed, for a test that starts and kills a server.
///
/// If it is not installed, the function prints how to install it. If `CI` is set, it panics instead.
#[must_use]
pub fn has_program(program: &str, needed_by: &str) -> bool {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    // Not every program knows this argument.
    let found = version.is_ok();
    if !found {
        not_installed(program, needed_by);
    }
    found
}

/// Returns the path of the newest `pg_ctl`, for a test that starts and kills a Postgres server.
///
/// If Postgres is not installed, the function prints how to install it and returns `None`. If `CI` is set, it
/// panics instead.
fn pg_ctl(needed_by: &str) -> Option<PathBuf> {
    // Debian keeps the programs of each version in a folder that is not on the path.
    let debian = Path::new("/usr/lib/postgresql");
    let versions = fs::read_dir(debian).into_iter().flatten().flatten();
    let on_path = env::var_os("PATH").unwrap_or_default();
    let folders = versions.map(|version| version.path().join("bin")).chain(env::split_paths(&on_path));
    let mut found: Vec<_> =
        folders.map(|folder| folder.join("pg_ctl")).filter(|path| path.exists()).collect();
    found.sort();
    if found.is_empty() {
        not_installed("postgresql", needed_by);
    }
    found.pop()
}

fn not_installed(package: &str, needed_by: &str) {
    let advice = format!("{needed_by} needs {package}; install Debian's package {package}");
    assert!(env::var_os("CI").is_none(), "{advice}");
    say_skipped(&advice);
}

fn compose_advice(setting: &str) -> String {
    format!("start the servers with `docker compose up -d` and set {setting}")
}

fn server(variable: &str, advice: &str, needed_by: &str) -> Option<String> {
    let found = env::var(variable).ok().filter(|url| !url.is_empty());
    if found.is_none() {
        assert!(env::var_os("CI").is_none(), "{needed_by} needs {variable}: {advice}");
        say_skipped(&format!("{needed_by} needs a server; {advice}"));
    }
    found
}
