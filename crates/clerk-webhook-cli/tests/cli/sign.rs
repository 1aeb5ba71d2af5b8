//! `clerk-webhook sign`: every output format verifies.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use clerk_webhook_core::Verifier;
use clerk_webhook_test::SECRET;
use clerk_webhook_tests::say;

use crate::support::folder::File;
#[cfg(target_os = "linux")]
use crate::support::process::on_terminal;
use crate::support::process::{finish, run_with};

/// A body with all characters that a shell could interpret.
const BODY: &str =
    "{\"data\":{\"name\":\"O'Hara $HOME `id` \\\\ \\\"x\\\" %s ! é\"},\"type\":\"user.created\"}\n";

const OTHER_SECRET: &str = "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC";

#[test]
fn printed_headers_verify() {
    let signed = run_with(&["sign"], Some(SECRET), BODY.as_bytes());
    assert_eq!(signed.code, 0, "{signed:?}");
    let headers: Vec<_> = signed.stdout.lines().map(|line| line.split_once(": ").unwrap()).collect();
    assert_eq!(headers.len(), 3);
    assert!(Verifier::new(SECRET).unwrap().verify(&headers, BODY.as_bytes()).is_ok());
    let [id, timestamp, signature] = [headers[0].1, headers[1].1, headers[2].1];
    let parts = ["verify", "--body", "-", "--id", id, "--timestamp", timestamp, "--signature", signature];
    assert_eq!(run_with(&parts, Some(SECRET), BODY.as_bytes()).code, 0);
}

#[cfg(target_os = "linux")]
#[test]
fn says_that_it_reads_from_a_terminal() {
    let program = env!("CARGO_BIN_EXE_clerk-webhook");
    for arguments in [format!("sign --secret {SECRET}"), "secret check -".to_owned()] {
        let run = on_terminal(&format!("'{program}' {arguments}"), "{}\n\u{4}");
        assert!(run.stdout.contains("reading standard input; Ctrl-D ends it"), "{run:?}");
    }
}

#[test]
fn printed_requests_and_objects_verify() {
    let body = File::new("to-sign.json", BODY.as_bytes());
    for arguments in [&["sign", "--format", "http"][..], &["sign", "--format", "json"], &["sign", "--json"]] {
        for input in [&["--body", "-"], &["--body", body.path()]] {
            let signed = run_with(&[arguments, input].concat(), Some(SECRET), BODY.as_bytes());
            let verified = run_with(&["verify", "--json", "-"], Some(SECRET), signed.stdout.as_bytes());
            assert_eq!(verified.code, 0, "{signed:?} {verified:?}");
            assert_eq!(verified.objects()[0]["body_bytes"], BODY.len());
        }
    }
}

#[test]
fn uses_the_given_id_time_header_names_and_secrets() {
    let signed = run_with(
        &[
            "sign",
            "--id",
            "msg_1",
            "--at",
            "1716883200",
            "--headers",
            "webhook",
            "--secret",
            OTHER_SECRET,
            "--secret",
            SECRET,
        ],
        None,
        BODY.as_bytes(),
    );
    let lines: Vec<_> = signed.stdout.lines().collect();
    assert_eq!(lines[..2], ["webhook-id: msg_1", "webhook-timestamp: 1716883200"]);
    assert_eq!(lines[2].matches("v1,").count(), 2);
    let signature = lines[2].split_once(": ").unwrap().1;
    for secret in [SECRET, OTHER_SECRET] {
        let parts =
            ["verify", "--now", "1716883200", "--body", "-", "--id", "msg_1", "--timestamp", "1716883200"];
        let verified =
            run_with(&[&parts[..], &["--signature", signature]].concat(), Some(secret), BODY.as_bytes());
        assert_eq!(verified.code, 0, "{verified:?}");
    }
}

#[test]
fn the_curl_command_sends_the_signed_body() {
    if Command::new("curl").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "curl is not installed");
        say("skipped: curl is not installed");
        return;
    }
    // The last bodies are binary, and too long for one argument.
    for body in [BODY.as_bytes(), b"\xff a\0b", &[b'x'; 200_000]] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/webhooks/clerk?a=1&b=$HOME", listener.local_addr().unwrap());
        let signed = run_with(&["sign", "--format", "curl", "--to", &url], Some(SECRET), body);
        assert_eq!(signed.code, 0, "{signed:?}");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !request.ends_with(body) {
                let length = stream.read(&mut buffer).unwrap();
                assert!(length > 0, "{}", String::from_utf8_lossy(&request));
                request.extend_from_slice(&buffer[..length]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            request
        });
        let sent = finish(Command::new("sh").env("no_proxy", "*"), signed.stdout.as_bytes());
        assert_eq!(sent.code, 0, "{sent:?}");
        let request = server.join().unwrap();
        assert!(request.starts_with(b"POST /webhooks/clerk?a=1&b=$HOME HTTP/1.1"));
        let verified = run_with(&["verify", "-"], Some(SECRET), &request);
        assert_eq!(verified.code, 0, "{verified:?}");
    }
}

#[test]
fn rejects_invalid_options() {
    for (arguments, expected) in [
        (&["sign", "--to", "example.com/x"][..], "does not begin with http:// or https://"),
        (&["sign", "--to", "http://a b/"], "is not a URL"),
        (&["sign", "--id", "a.b"], "message id"),
        (&["sign", "--at", "soon"], "-10m"),
    ] {
        let signed = run_with(arguments, Some(SECRET), b"{}");
        assert_eq!(signed.code, 2, "{signed:?}");
        assert!(signed.stderr.contains(expected), "{signed:?}");
    }
    assert!(run_with(&["sign"], None, b"{}").stderr.contains("no signing secret"));
}

#[test]
fn the_curl_command_does_not_expand_braces_in_the_url() {
    let to = "http://127.0.0.1:3000/{a,b}";
    let signed = run_with(&["sign", "--format", "curl", "--to", to], Some(SECRET), b"{}");
    assert!(signed.stdout.starts_with("curl -i --globoff 'http://127.0.0.1:3000/{a,b}' "), "{signed:?}");
}
