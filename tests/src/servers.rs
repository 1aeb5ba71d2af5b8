//! Servers that a test needs and that somebody has to have started.

use std::process::{Command, Stdio};

use crate::say_skipped;

/// Returns the address of a Postgres.
///
/// Where there is none, that is said in a line, and how to start one; with `CI` set it is a failure.
#[must_use]
pub fn postgres(wanted_by: &str) -> Option<String> {
    server(
        "TEST_POSTGRES_URL",
        &of_compose("TEST_POSTGRES_URL=postgres://postgres@127.0.0.1:54320/postgres"),
        wanted_by,
    )
}

/// Returns the address of a PgBouncer in transaction mode, with three connections to the server of [`postgres`].
///
/// If there is none, a line says so, and how to start one; with `CI` set it is a failure.
#[must_use]
pub fn pgbouncer(wanted_by: &str) -> Option<String> {
    let debian = r#"run `eval "$(bash .ci/servers.sh)"` on Debian, which sets TEST_PGBOUNCER_URL"#;
    server("TEST_PGBOUNCER_URL", debian, wanted_by)
}

/// Returns the address of a Redis.
///
/// Where there is none, that is said in a line, and how to start one; with `CI` set it is a failure.
#[must_use]
pub fn redis(wanted_by: &str) -> Option<String> {
    server("TEST_REDIS_URL", &of_compose("TEST_REDIS_URL=redis://127.0.0.1:63790/"), wanted_by)
}

/// Returns whether the program `redis-server` is there, for a test that starts and kills one of its own.
///
/// Where it is not, that is said in a line; with `CI` set it is a failure.
#[must_use]
pub fn has_redis_program(wanted_by: &str) -> bool {
    let asked = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
    let found = asked.is_ok_and(|status| status.success());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{wanted_by} needs the program redis-server");
        say_skipped(&format!("{wanted_by} needs the program redis-server; install Debian's redis-server"));
    }
    found
}

fn of_compose(setting: &str) -> String {
    format!("start the servers with `docker compose up -d` and set {setting}")
}

fn server(variable: &str, advice: &str, wanted_by: &str) -> Option<String> {
    let found = std::env::var(variable).ok().filter(|url| !url.is_empty());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{wanted_by} needs {variable}: {advice}");
        say_skipped(&format!("{wanted_by} needs a server; {advice}"));
    }
    found
}
