//! The server: connections, and which request is for whom.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{RwLock, mpsc, watch};

use super::connection::{Impatient, Place, Places};
use super::forward::Forward;
use super::history::History;
use super::live::Line;
use super::record::Folder;
use super::respond::Script;
use super::verdict::Judge;
use super::{page, receive};

/// How long headers may take, and how long a connection may wait for its next request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long an answer may wait for the other end to take some of it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection takes requests; a page connects anew by itself.
const LIFETIME: Duration = Duration::from_secs(300);

/// How long the last request of a connection may take: longer than silence.
const LAST_REQUEST: Duration = Duration::from_secs(60);

/// How large the headers of a request may be.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// All that a request may need.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) host: IpAddr,
    pub(super) port: u16,
    /// The only path of deliveries, unless any will do.
    pub(super) path: Option<String>,
    pub(super) max_body: usize,
    pub(super) judge: Judge,
    pub(super) history: History,
    pub(super) script: Option<Script>,
    pub(super) forward: Option<Forward>,
    pub(super) record: Option<Arc<Folder>>,
    pub(super) lines: mpsc::Sender<Line>,
    pub(super) page: page::Page,
    /// Held by each delivery that has arrived whole, until it has been shown.
    pub(super) underway: RwLock<()>,
    pub(super) ends: watch::Sender<bool>,
}

impl Listener {
    /// Lets nobody wait any more, and comes back when all that has arrived has been shown.
    pub(super) async fn end(&self) {
        self.ends.send_replace(true);
        let _all = self.underway.write().await;
    }

    /// Returns what came of some work, nothing where the end comes first.
    pub(super) async fn before_the_end<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut ends = self.ends.subscribe();
        tokio::select! {
            result = work => Some(result),
            _ = ends.wait_for(|ends| *ends) => None,
        }
    }
}

/// What is answered: whole, or as it comes.
pub(super) enum Body {
    Whole(Full<Bytes>),
    Events(mpsc::Receiver<Bytes>),
}

/// The connection is to end without an answer.
#[derive(Debug)]
pub(super) struct Silence;

/// Serves until it is dropped.
pub(super) async fn serve(socket: TcpListener, listener: Arc<Listener>) {
    let places = Places::new();
    loop {
        let Some(place) = places.take().await else { return };
        let Ok((stream, peer)) = socket.accept().await else {
            // Out of file descriptors, perhaps; others are given back meanwhile.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        tokio::spawn(connection(stream, peer, place, Arc::clone(&listener)));
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, place: Place, listener: Arc<Listener>) {
    // Answers are small and awaited.
    let _ = stream.set_nodelay(true);
    let place = Arc::new(place);
    let service = service_fn(|request| respond(Arc::clone(&listener), peer, Arc::clone(&place), request));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_header_size(MAX_HEADER_BYTES);
    let stream = TokioIo::new(Impatient::new(stream, WRITE_TIMEOUT));
    let mut connection = pin!(http.serve_connection(stream, service));
    // Whoever hangs up or sends what is not HTTP gets no answer, and there is nothing to say about it.
    if tokio::time::timeout(LIFETIME, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(LAST_REQUEST, connection).await;
    }
}

async fn respond(
    listener: Arc<Listener>,
    peer: SocketAddr,
    place: Arc<Place>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Silence> {
    let path = request.uri().path();
    if page::is_for(path) {
        if listener.page.is_open_to(&request, listener.port) {
            place.leave_to_senders();
        }
        return Ok(page::respond(&listener, peer, &request).await);
    }
    if request.method() == Method::POST {
        return receive::respond(listener, request).await;
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if path == "/" && reads && page::is_local(&listener, peer, &request) {
        let mut response = text(StatusCode::FOUND, "");
        response.headers_mut().insert(LOCATION, HeaderValue::from_static(page::ROOT));
        return Ok(response);
    }
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "deliveries are sent with POST\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    Ok(response)
}

/// Returns an answer of plain text.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    whole(status, "text/plain; charset=utf-8", text)
}

/// Returns an answer that is not to be kept.
pub(super) fn whole(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Full::new(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Events(events) => {
                events.poll_recv(cx).map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no answer was asked for")
    }
}

impl std::error::Error for Silence {}
