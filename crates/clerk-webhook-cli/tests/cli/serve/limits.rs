//! Slow and many clients.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use clerk_webhook_test::{Delivery, fixture};

use super::{Database, PATH};
use crate::support::PATIENCE;

#[test]
fn closes_connections_that_do_not_complete_their_headers() {
    let server = Database::sqlite("half-a-header").serve();
    for address in [server.public, server.admin] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"POST /webhooks/clerk HTTP/1.1\r\nhost: a\r\nsvix-i").unwrap();
        let mut answer = Vec::new();
        // Fails only if the connection is still open after the time limit of the test.
        stream.read_to_end(&mut answer).unwrap();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
}

#[test]
fn answers_a_body_that_does_not_arrive() {
    let server = Database::sqlite("half-a-body").serve();
    let delivery = Delivery::of(fixture::user_created());
    let headers: String =
        delivery.headers().iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut stream = TcpStream::connect(server.public).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n{headers}\r\n{{");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn accepts_512_connections_and_the_administrator() {
    let server = Database::sqlite("connections").serve();
    let mut occupied: Vec<_> = (0..512).map(|_| TcpStream::connect(server.public).unwrap()).collect();
    let mut waiting = TcpStream::connect(server.public).unwrap();
    waiting.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    waiting.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let error = waiting.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    assert_eq!(server.admin("/livez", "").status, 200);
    // The connection is accepted after another one has ended.
    occupied.pop();
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
