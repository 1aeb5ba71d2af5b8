//! `clerk-webhook health`.

use std::time::{Duration, Instant};

use super::Database;
use crate::support::process::{Run, command, finish};
use crate::support::server::{self, closed_port, response};

fn health(args: &[&str], admin: &str) -> Run {
    let mut command = command();
    finish(command.arg("health").args(args).env("CLERK_WEBHOOK_ADMIN_LISTEN", admin), b"")
}

#[test]
fn asks_a_running_server() {
    let database = Database::sqlite("health");
    let server = database.serve();
    let admin = server.admin.to_string();
    let run = health(&[], &admin);
    let expected = format!("healthy: http://{admin}/livez answered 200\n");
    assert_eq!((run.code, run.stdout), (0, expected));
    // The server listens on all interfaces in a container.
    let run = health(&["--json"], &format!("0.0.0.0:{}", server.admin.port()));
    assert_eq!((run.code, run.objects()[0]["healthy"].as_bool()), (0, Some(true)), "{run:?}");
    let run = health(&[&format!("http://{}/readyz", server.public)], "off");
    assert_eq!(run.code, 0, "{run:?}");
    let run = health(&[&format!("http://{admin}/missing")], &admin);
    assert_eq!(run.code, 1, "{run:?}");
    drop(server);

    let run = health(&[], &admin);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.starts_with("unhealthy: nothing is listening on "), "{run:?}");
}

#[test]
fn an_error_or_silence_is_unhealthy() {
    let failing = server::Server::new(|_| response(503, &[], ""));
    let run = health(&[&failing.url()], "off");
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(failing.request().line, "GET /webhooks/clerk HTTP/1.1");

    let silent = server::Server::silent();
    let began = Instant::now();
    let run = health(&[&silent.url()], "off");
    assert_eq!(run.code, 1, "{run:?}");
    assert!(began.elapsed() >= Duration::from_secs(3));

    assert_eq!(health(&[], &closed_port().to_string()).code, 1);
    assert_eq!(health(&[], "nonsense").code, 2);
    let run = health(&["ftp://127.0.0.1/"], "off");
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("such as http://127.0.0.1:9464/livez"), "{run:?}");
}
