//! Over TCP, byte by byte as it is on the wire.
//!
//! Three servers answer alike: hyper with the layer and without axum, axum with the layer on a route, and
//! axum with the extractor. Their handlers send back the body that they have received.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use clerk_webhook_axum::ClerkEvent;
use clerk_webhook_tests::{fixture, sign};
use clerk_webhook_tower::VerifyWebhookLayer;
use http::{Request, Response};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::{Layer as _, service_fn};

use super::support::{BODY, PATH, verifier};

struct Server {
    name: &'static str,
    address: std::net::SocketAddr,
    calls: Arc<AtomicUsize>,
    /// The accepting tasks, which end with the server.
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(
        name: &'static str,
        serve: impl AsyncFnOnce(TcpListener, Arc<AtomicUsize>, &mut JoinSet<()>),
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::default();
        let mut tasks = JoinSet::new();
        serve(listener, Arc::clone(&calls), &mut tasks).await;
        Self { name, address, calls, _tasks: tasks }
    }

    async fn all() -> [Self; 3] {
        [
            Self::start("hyper", async |listener, calls, tasks| {
                let service = VerifyWebhookLayer::new(verifier()).layer(service_fn(
                    move |request: Request<Full<Bytes>>| {
                        calls.fetch_add(1, Ordering::SeqCst);
                        async { Ok::<_, std::convert::Infallible>(Response::new(request.into_body())) }
                    },
                ));
                let service = TowerToHyperService::new(service);
                tasks.spawn(async move {
                    loop {
                        let (stream, _) = listener.accept().await.unwrap();
                        let http = hyper::server::conn::http1::Builder::new();
                        let connection = http.serve_connection(TokioIo::new(stream), service.clone());
                        // A client that breaks off is not an error of the server.
                        tokio::spawn(async { drop(connection.await) });
                    }
                });
            })
            .await,
            Self::start("axum with the layer", async |listener, calls, tasks| {
                let handler = async move |body: Bytes| {
                    calls.fetch_add(1, Ordering::SeqCst);
                    body
                };
                let app = Router::new().route(PATH, post(handler).layer(VerifyWebhookLayer::new(verifier())));
                tasks.spawn(async { axum::serve(listener, app).await.unwrap() });
            })
            .await,
            Self::start("axum with the extractor", async |listener, calls, tasks| {
                let handler = async move |ClerkEvent(event): ClerkEvent| {
                    calls.fetch_add(1, Ordering::SeqCst);
                    event.raw_body().clone()
                };
                let app = Router::new().route(PATH, post(handler)).with_state(verifier());
                tasks.spawn(async { axum::serve(listener, app).await.unwrap() });
            })
            .await,
        ]
    }

    async fn connect(&self) -> Client {
        Client(BufReader::new(TcpStream::connect(self.address).await.unwrap()))
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// Fails where a server waits for what will never come, instead of waiting with it.
async fn in_time<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(30), future).await.expect("the server says nothing")
}

/// A client that writes what it is told and reads one response after the other.
struct Client(BufReader<TcpStream>);

#[derive(Debug)]
struct Reply {
    status: u16,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Client {
    async fn send(&mut self, request: &[u8]) -> Reply {
        self.0.write_all(request).await.unwrap();
        self.reply().await
    }

    async fn reply(&mut self) -> Reply {
        in_time(self.read_reply()).await
    }

    async fn read_reply(&mut self) -> Reply {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).await.unwrap(), 0, "closed after {lines:?}");
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_ascii_lowercase()),
            }
        }
        let status = lines.remove(0).split(' ').nth(1).unwrap().parse().unwrap();
        let length = lines.iter().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).await.unwrap();
        Reply { status, headers: lines, body }
    }
}

impl Reply {
    #[track_caller]
    fn assert_accepted(&self, body: &[u8], server: &Server) {
        assert_eq!(self.status, 200, "{}", server.name);
        assert_eq!(self.body, body, "{}", server.name);
    }

    #[track_caller]
    fn assert_refused(&self, status: u16, server: &Server) {
        assert_eq!(self.status, status, "{}", server.name);
        let is_problem = self.headers.iter().any(|line| line == "content-type: application/problem+json");
        assert!(is_problem, "{}: {self:?}", server.name);
        assert!(!self.headers.iter().any(|line| line.starts_with("webhook-delivery")), "{}", server.name);
    }
}

/// Returns the head of a request that is signed for a body, up to the line that says how that comes.
fn head(signed: &[u8], framing: &str) -> Vec<u8> {
    let mut head = format!("POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
    for (name, value) in sign(signed).to_pairs() {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("{framing}\r\n\r\n"));
    head.into_bytes()
}

fn with_length(signed: &[u8], body: &[u8]) -> Vec<u8> {
    [&head(signed, &format!("Content-Length: {}", body.len())), body].concat()
}

fn chunked(signed: &[u8], body: &[u8], size: usize, trailers: &str) -> Vec<u8> {
    let mut request = head(signed, "Transfer-Encoding: chunked");
    for chunk in body.chunks(size) {
        request.extend(format!("{:x}\r\n", chunk.len()).bytes().chain(chunk.iter().copied()));
        request.extend(b"\r\n");
    }
    request.extend(format!("0\r\n{trailers}\r\n").bytes());
    request
}

#[tokio::test]
async fn signed_bodies_arrive() {
    let body = fixture("user.created");
    for server in Server::all().await {
        let requests = [
            with_length(&body, &body),
            chunked(&body, &body, 7, ""),
            chunked(&body, &body, body.len(), ""),
            chunked(&body, &body, 500, "X-Checksum: 1\r\nSvix-Id: msg_other\r\n"),
        ];
        let mut kept = server.connect().await;
        for request in &requests {
            server.connect().await.send(request).await.assert_accepted(&body, &server);
            // One connection carries them all as well.
            kept.send(request).await.assert_accepted(&body, &server);
        }
        assert_eq!(server.calls(), 2 * requests.len());
    }
}

#[tokio::test]
async fn bodies_that_come_in_many_packets_arrive() {
    for server in Server::all().await {
        let mut client = server.connect().await;
        client.0.get_ref().set_nodelay(true).unwrap();
        for byte in with_length(BODY.as_bytes(), BODY.as_bytes()) {
            client.0.write_all(&[byte]).await.unwrap();
            client.0.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        client.reply().await.assert_accepted(BODY.as_bytes(), &server);
    }
}

#[tokio::test]
async fn the_case_of_header_names_does_not_matter() {
    let request = String::from_utf8(with_length(BODY.as_bytes(), BODY.as_bytes())).unwrap();
    for [id, timestamp, signature] in [
        ["Svix-Id", "Svix-Timestamp", "Svix-Signature"],
        ["SVIX-ID", "SVIX-TIMESTAMP", "SVIX-SIGNATURE"],
        ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"],
    ] {
        let request = request.replace("svix-id", id).replace("svix-timestamp", timestamp);
        let request = request.replace("svix-signature", signature);
        for server in Server::all().await {
            let reply = server.connect().await.send(request.as_bytes()).await;
            reply.assert_accepted(BODY.as_bytes(), &server);
        }
    }
}

#[tokio::test]
async fn forgeries_are_refused_and_the_connection_goes_on() {
    let body = fixture("user.created");
    let unsigned = format!("POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}");
    for server in Server::all().await {
        let mut client = server.connect().await;
        for forged in [
            with_length(b"another body", &body),
            chunked(b"another body", &body, 100, ""),
            with_length(&body, &body[..body.len() - 1]),
            unsigned.clone().into_bytes(),
        ] {
            client.send(&forged).await.assert_refused(400, &server);
            let calls = server.calls();
            client.send(&with_length(&body, &body)).await.assert_accepted(&body, &server);
            assert_eq!(server.calls(), calls + 1, "{}", server.name);
        }
    }
}

#[tokio::test]
async fn a_length_above_the_limit_is_refused_before_the_body_is_sent() {
    for server in Server::all().await {
        for length in ["2097153", "1099511627776", "9223372036854775807"] {
            let mut client = server.connect().await;
            let reply = client.send(&head(BODY.as_bytes(), &format!("Content-Length: {length}"))).await;
            reply.assert_refused(413, &server);
        }
        // Nobody can have so many bytes, which hyper says itself, in its own way.
        let mut client = server.connect().await;
        let reply = client.send(&head(BODY.as_bytes(), "Content-Length: 18446744073709551615")).await;
        assert!((400..500).contains(&reply.status), "{}: {reply:?}", server.name);
        assert_eq!(server.calls(), 0);
        let body = BODY.as_bytes();
        server.connect().await.send(&with_length(body, body)).await.assert_accepted(body, &server);
    }
}

#[tokio::test]
async fn a_chunked_body_is_read_up_to_the_limit() {
    let mut body = BODY.as_bytes().to_vec();
    for (length, fits) in [(2_097_152, true), (2_097_153, false)] {
        body.resize(length, b' ');
        let request = chunked(&body, &body, 64 * 1024, "");
        for server in Server::all().await {
            let Client(stream) = server.connect().await;
            let (read, mut write) = stream.into_inner().into_split();
            // A server may stop reading once it has refused: writing may fail and must not hold up reading.
            let writing = async { drop(write.write_all(&request).await) };
            let reading = async {
                let mut line = String::new();
                BufReader::new(read).read_line(&mut line).await.unwrap();
                line
            };
            let ((), status_line) = in_time(async { tokio::join!(writing, reading) }).await;
            let expected = if fits { "HTTP/1.1 200" } else { "HTTP/1.1 413" };
            assert!(status_line.starts_with(expected), "{}: {status_line}", server.name);
        }
    }
}

#[tokio::test]
async fn a_body_that_is_cut_off_reaches_no_handler_and_harms_nobody() {
    let body = fixture("user.created");
    for server in Server::all().await {
        for request in [with_length(&body, &body), chunked(&body, &body, 100, "")] {
            for missing in [1, 7, body.len() / 2, body.len() - 1] {
                let Client(mut stream) = server.connect().await;
                stream.write_all(&request[..request.len() - missing]).await.unwrap();
                stream.shutdown().await.unwrap();
                // The server has dealt with it once it closes its side; whether it says anything is its affair.
                let mut rest = Vec::new();
                in_time(stream.read_to_end(&mut rest)).await.unwrap();
                assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"), "{}", server.name);
                assert_eq!(server.calls(), 0, "{}", server.name);
            }
            // This one does not even wait for an answer.
            let Client(mut stream) = server.connect().await;
            stream.write_all(&request[..request.len() / 2]).await.unwrap();
            drop(stream);
        }
        server.connect().await.send(&with_length(&body, &body)).await.assert_accepted(&body, &server);
        assert_eq!(server.calls(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_connections_at_once_are_each_answered_right() {
    const CONNECTIONS: usize = 64;
    for server in Server::all().await {
        let server = Arc::new(server);
        let mut clients = JoinSet::new();
        for index in 0..CONNECTIONS {
            let server = Arc::clone(&server);
            clients.spawn(async move {
                let body = format!(r#"{{"data":{{"number":{index}}},"type":"test"}}"#).into_bytes();
                let mut client = server.connect().await;
                for size in 1..5 {
                    client.send(&with_length(&body, &body)).await.assert_accepted(&body, &server);
                    client.send(&with_length(b"another body", &body)).await.assert_refused(400, &server);
                    client.send(&chunked(&body, &body, size, "")).await.assert_accepted(&body, &server);
                }
            });
        }
        clients.join_all().await;
        assert_eq!(server.calls(), CONNECTIONS * 8, "{}", server.name);
    }
}
