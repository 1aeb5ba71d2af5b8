//! Who may read `/status` and the page.

use super::{Database, Server, exchange};

const TOKEN: &str = "token-of-16-characters-or-more";

/// Returns the header of Basic authentication.
fn basic(credentials: &str) -> String {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
    format!("authorization: Basic {encoded}\r\n")
}

#[test]
fn a_token_protects_the_status_and_the_page() {
    let database = Database::sqlite("token");
    let server = Server::start(database.command().env("CLERK_WEBHOOK_ADMIN_TOKEN", TOKEN));
    for path in ["/", "/status"] {
        for (headers, status) in [
            (String::new(), 401),
            ("authorization: Bearer false\r\n".to_owned(), 401),
            ("authorization: Bearer\r\n".to_owned(), 401),
            ("authorization: Bearer \r\n".to_owned(), 401),
            (format!("authorization: Bearer {}\r\n", &TOKEN[..TOKEN.len() - 1]), 401),
            (format!("authorization: Bearer {TOKEN}x\r\n"), 401),
            (format!("authorization: {TOKEN}\r\n"), 401),
            (basic(TOKEN), 401),
            (basic(&format!("{TOKEN}:")), 401),
            (format!("authorization: Bearer {TOKEN}\r\n"), 200),
            (basic(&format!("anyone:{TOKEN}")), 200),
        ] {
            let answer = server.admin(path, &headers);
            assert_eq!(answer.status, status, "{path} {headers}");
            assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{path} {headers}");
            assert_eq!(answer.body.contains("users"), status == 200, "{path} {headers}");
        }
    }
    // Probes and scrapers need no token.
    for path in ["/livez", "/healthz", "/readyz", "/metrics"] {
        assert_eq!(server.admin(path, "").status, 200, "{path}");
    }
    assert!(!server.admin("/metrics", "").body.contains(TOKEN));
}

#[test]
fn without_a_token_only_this_machine_may_read_the_status() {
    let server = Database::sqlite("local").serve();
    assert_eq!(server.admin("/status", "").status, 200);
    // No default token exists.
    assert_eq!(
        server.admin("/status", "x-forwarded-for: 203.0.113.7\r\nauthorization: Bearer false\r\n").status,
        403
    );
    assert_eq!(server.admin("/", "x-forwarded-for: 203.0.113.7\r\n").status, 403);
    let rebound = b"GET /status HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    let answer = exchange(server.admin, rebound).unwrap();
    assert!(answer.status == 403 && answer.body.contains("CLERK_WEBHOOK_ADMIN_TOKEN"), "{answer:?}");
}

#[test]
fn the_admin_listener_rejects_other_methods_and_paths() {
    let server = Database::sqlite("methods").serve();
    for path in ["/", "/status", "/metrics", "/readyz"] {
        let request = format!("POST {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", server.admin);
        assert_eq!(exchange(server.admin, request.as_bytes()).unwrap().status, 405, "{path}");
    }
    assert_eq!(server.admin("/webhooks/clerk", "").status, 404);
}
