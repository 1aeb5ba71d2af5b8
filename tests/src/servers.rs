//! Finds the servers that some tests need but do not start.

use std::process::{Command, Stdio};

use crate::say_skipped;

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

/// Returns whether `redis-server` is installed, for a test that starts and kills a server.
///
/// If it is not installed, the function prints how to install it. If `CI` is set, it panics instead.
#[must_use]
pub fn has_redis_program(needed_by: &str) -> bool {
    let version = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
    let found = version.is_ok_and(|status| status.success());
    if !found {
        assert!(
            std::env::var_os("CI").is_none(),
            "{needed_by} needs redis-server; install Debian's redis-server"
        );
        say_skipped(&format!("{needed_by} needs redis-server; install Debian's redis-server"));
    }
    found
}

fn compose_advice(setting: &str) -> String {
    format!("start the servers with `docker compose up -d` and set {setting}")
}

fn server(variable: &str, advice: &str, needed_by: &str) -> Option<String> {
    let found = std::env::var(variable).ok().filter(|url| !url.is_empty());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{needed_by} needs {variable}: {advice}");
        say_skipped(&format!("{needed_by} needs a server; {advice}"));
    }
    found
}
