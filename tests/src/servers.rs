//! Servers that a test needs and that somebody has to have started.

use std::process::{Command, Stdio};

use crate::say_skipped;

/// Returns the address of a Postgres.
///
/// Where there is none, that is said in a line, and how to start one; with `CI` set it is a failure.
#[must_use]
pub fn postgres(wanted_by: &str) -> Option<String> {
    server("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:54320/postgres", wanted_by)
}

/// Returns the address of a Redis.
///
/// Where there is none, that is said in a line, and how to start one; with `CI` set it is a failure.
#[must_use]
pub fn redis(wanted_by: &str) -> Option<String> {
    server("TEST_REDIS_URL", "redis://127.0.0.1:63790/", wanted_by)
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

fn server(variable: &str, of_compose: &str, wanted_by: &str) -> Option<String> {
    let found = std::env::var(variable).ok().filter(|url| !url.is_empty());
    if found.is_none() {
        let advice = format!("start the servers with `docker compose up -d` and set {variable}={of_compose}");
        assert!(std::env::var_os("CI").is_none(), "{wanted_by} needs {variable}: {advice}");
        say_skipped(&format!("{wanted_by} needs a server; {advice}"));
    }
    found
}
