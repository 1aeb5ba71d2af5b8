//! The quickstart is the first command that a new user runs.

use std::process::Command;

fn quickstart(arguments: &[&str], secret: Option<&str>) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    command.args(arguments).env_remove("PORT").env_remove("CLERK_WEBHOOK_SECRET");
    match secret {
        Some(secret) => command.env("CLERK_WEBHOOK_SIGNING_SECRET", secret),
        None => command.env_remove("CLERK_WEBHOOK_SIGNING_SECRET"),
    };
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn the_demonstration_succeeds() {
    let (code, text) = quickstart(&["--once"], None);
    assert_eq!(code, Some(0), "{text}");
    for (sent, answer) in [
        ("a valid delivery", "200 OK                 processed"),
        ("the same delivery again", "200 OK                 duplicate"),
        ("forged", "400 Bad Request"),
        ("stale", "400 Bad Request"),
        ("altered", "400 Bad Request"),
        ("too large", "413 Payload Too Large"),
    ] {
        let line = text.lines().find(|line| line.starts_with(sent));
        assert!(line.is_some_and(|line| line.contains(answer)), "{text}");
    }
    assert!(text.contains("Ada Lovelace"), "{text}");
}

#[test]
fn explains_invalid_settings_before_it_starts() {
    let (code, text) = quickstart(&["--port", "http"], None);
    assert_eq!((code, text.as_str()), (Some(2), "error: 'http' is not a port from 0 to 65535\n"));

    let (code, text) = quickstart(&[], Some("sk_test_pasted"));
    assert_eq!(code, Some(2));
    assert!(text.contains("not a signing secret") && !text.contains("pasted"), "{text}");
}

#[test]
fn reports_a_port_that_is_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, text) = quickstart(&["--once", "--port", &port], None);
    assert_eq!(code, Some(2));
    assert!(text.contains(&format!("port {port} is in use")), "{text}");
}
