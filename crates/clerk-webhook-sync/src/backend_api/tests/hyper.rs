//! The HTTP client with a real server on a loopback socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::client::BackendApi;
use super::super::error::BackendApiErrorKind as Kind;
use super::super::hyper::HyperTransport;
use super::super::resource::Resource;
use super::super::transport::MAX_RESPONSE_BYTES;
use super::server::KEY;

const CHUNK: usize = 64 * 1024;

/// What the server counts.
#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// The chunks of the endless body that the server could send.
    chunks: AtomicUsize,
}

/// Answers the requests of a connection, until it is closed.
async fn serve(mut stream: TcpStream, counts: &Counts) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        counts.requests.fetch_add(1, Ordering::Relaxed);
        let head = String::from_utf8(head).unwrap();
        assert!(head.contains(&format!("authorization: Bearer {KEY}\r\n")), "{head}");
        let path = head.split(['?', ' ']).nth(1).unwrap();
        let answer = |status: &str, headers: &str, body: &str| {
            format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
        };
        match path {
            "/v1/instance" => {
                stream.write_all(answer("200 OK", "", r#"{"id":"ins_1"}"#).as_bytes()).await?;
            }
            "/v1/organization_domains" => {
                let answer = answer("307 Temporary Redirect", "location: /v1/instance\r\n", "");
                stream.write_all(answer.as_bytes()).await?;
            }
            _ => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
                let chunk = format!("{CHUNK:x}\r\n{}\r\n", "[".repeat(CHUNK));
                loop {
                    stream.write_all(chunk.as_bytes()).await?;
                    counts.chunks.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

#[tokio::test]
async fn keeps_connections_stops_at_the_limit_and_follows_no_redirect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let counts = Arc::new(Counts::default());
    let counting = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counting.connections.fetch_add(1, Ordering::Relaxed);
            let counts = Arc::clone(&counting);
            tokio::spawn(async move { serve(stream, &counts).await });
        }
    });
    for transport in [HyperTransport::without_tls(), HyperTransport::new().unwrap()] {
        let connections = counts.connections.load(Ordering::Relaxed);
        let api = BackendApi::new(KEY, transport).unwrap().base_url(&base_url).unwrap().share(1.0).unwrap();
        for _ in 0..3 {
            assert_eq!(api.instance().await.unwrap().id, "ins_1");
        }
        assert_eq!(counts.connections.load(Ordering::Relaxed), connections + 1);

        let requests = counts.requests.load(Ordering::Relaxed);
        let error = api.list(Resource::Domains, None).next().await.unwrap_err();
        assert_eq!((error.status(), error.kind()), (Some(307), Kind::Rejected));
        assert_eq!(counts.requests.load(Ordering::Relaxed), requests + 1);
    }
    let api = BackendApi::new(KEY, HyperTransport::without_tls()).unwrap().base_url(&base_url).unwrap();
    let page = api.existing(Resource::Users, &["user_1"]).await.unwrap_err();
    assert!(page.is_too_large(), "{page}");
    // The buffers of both sockets contain some more.
    let sent = counts.chunks.load(Ordering::Relaxed) * CHUNK;
    assert!(sent < 2 * MAX_RESPONSE_BYTES, "{sent}");
}
