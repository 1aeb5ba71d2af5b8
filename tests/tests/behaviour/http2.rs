//! Requests over HTTP/2 with prior knowledge.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::channel::Channel;
use http_body_util::{BodyExt as _, Either, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::seen::{Reply, Seen};
use super::wire_request::WireRequest;

/// A delivery on one HTTP/2 stream.
pub struct Stream {
    pub delivery: WireRequest,
    arrival: Arrival,
}

#[derive(Clone, Copy)]
enum Arrival {
    /// The complete body, with a `content-length`.
    Complete,
    /// Frames of this size, without a length.
    Framed(usize),
    /// This many bytes of the body, and then nothing.
    Stalled(usize),
}

type Body = Either<Full<Bytes>, Channel<Bytes, Infallible>>;

impl Stream {
    pub fn complete(delivery: &WireRequest) -> Self {
        Self { delivery: delivery.clone(), arrival: Arrival::Complete }
    }

    pub fn framed(delivery: &WireRequest, size: usize) -> Self {
        Self { delivery: delivery.clone(), arrival: Arrival::Framed(size) }
    }

    pub fn stalled(delivery: &WireRequest, after: usize) -> Self {
        Self { delivery: delivery.clone(), arrival: Arrival::Stalled(after) }
    }

    fn request(&self) -> Request<Body> {
        let WireRequest { method, target, headers, body, .. } = &self.delivery;
        let mut request = Request::builder().method(*method).uri(format!("http://localhost{target}"));
        for (name, value) in headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
            request = request.header(name, value.as_slice());
        }
        request.body(self.arrival.body(body)).unwrap()
    }
}

impl Arrival {
    fn body(self, body: &Bytes) -> Body {
        let (size, end) = match self {
            Self::Complete => return Either::Left(Full::new(body.clone())),
            Self::Framed(size) => (size, body.len()),
            Self::Stalled(after) => (after, after),
        };
        let (mut frames, channel) = Channel::new(1);
        let (body, ends) = (body.slice(..end), end == body.len());
        tokio::spawn(async move {
            for frame in body.chunks(size) {
                // A server may stop reading after it has rejected the request.
                if frames.send_data(Bytes::copy_from_slice(frame)).await.is_err() {
                    return;
                }
            }
            if !ends {
                pending::<()>().await;
            }
        });
        Either::Right(channel)
    }
}

/// Sends all requests concurrently, and returns the answers in the order of the requests.
pub async fn exchange(address: SocketAddr, streams: &[(Stream, Seen)], patience: Duration) -> Vec<Seen> {
    let stream = TcpStream::connect(address).await.unwrap();
    let Ok((sender, connection)) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await else {
        return vec![Seen::Closed; streams.len()];
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(async { drop(connection.await) });
    let mut answers = Vec::new();
    for (stream, _) in streams {
        let (sender, request) = (sender.clone(), stream.request());
        answers.push(tokio::spawn(timeout(patience, send(sender, request))));
    }
    let mut seen = Vec::new();
    for answer in answers {
        seen.push(match answer.await.unwrap() {
            Ok(Ok(reply)) => Seen::from(&reply),
            Ok(Err(_)) => Seen::Closed,
            Err(_) => Seen::Nothing,
        });
    }
    seen
}

async fn send(mut sender: SendRequest<Body>, request: Request<Body>) -> hyper::Result<Reply> {
    sender.ready().await?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let headers = head.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let headers = headers.collect();
    let body = body.collect().await?.to_bytes().to_vec();
    Ok(Reply { status: head.status.as_u16(), headers, body })
}
