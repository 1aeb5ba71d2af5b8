//! Accepts connections and serves HTTP/1.1 on them.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use super::connection::{ConnectionSlot, ConnectionSlots, WriteTimeout};
use super::limits::{HEADER_TIMEOUT, LAST_REQUEST, LIFETIME, MAX_HEADER_BYTES, WRITE_TIMEOUT};
use super::response::{Body, NoResponse};

/// Serves until the future is dropped.
///
/// `respond` gets each request, the peer's address, and the connection's slot.
pub(crate) async fn serve<R, F>(socket: TcpListener, respond: R)
where
    R: Fn(Request<Incoming>, SocketAddr, Arc<ConnectionSlot>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, NoResponse>> + Send + 'static,
{
    let slots = ConnectionSlots::new();
    loop {
        let Some(slot) = slots.acquire().await else { return };
        let Ok((stream, peer)) = socket.accept().await else {
            // The process might have no free file descriptor until another connection ends.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let slot = Arc::new(slot);
        let respond = respond.clone();
        tokio::spawn(connection(stream, move |request| respond(request, peer, Arc::clone(&slot))));
    }
}

async fn connection<F>(stream: TcpStream, respond: impl Fn(Request<Incoming>) -> F)
where
    F: Future<Output = Result<Response<Body>, NoResponse>>,
{
    // Small packets are sent immediately, because responses are small and the peer waits for them.
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_header_size(MAX_HEADER_BYTES);
    let stream = TokioIo::new(WriteTimeout::new(stream, WRITE_TIMEOUT));
    let mut connection = pin!(http.serve_connection(stream, service_fn(respond)));
    // A client that disconnects or does not send HTTP gets no response, and nothing is reported.
    if tokio::time::timeout(LIFETIME, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(LAST_REQUEST, connection).await;
    }
}
