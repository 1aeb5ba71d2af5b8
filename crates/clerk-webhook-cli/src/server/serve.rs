//! Accepts connections and serves HTTP/1.1 on them.

use std::future::pending;
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
use tokio::sync::watch;

use super::connection::{ConnectionSlot, ConnectionSlots, WriteTimeout};
use super::limits::{LAST_REQUEST, LIFETIME, Limits, MAX_HEADER_BYTES, WRITE_TIMEOUT};
use super::response::{Body, NoResponse};

/// Serves with the limits for one developer, until the future is dropped.
///
/// `respond` gets each request, the peer's address, and the connection's slot.
pub(crate) async fn serve<R, F>(socket: TcpListener, respond: R)
where
    R: Fn(Request<Incoming>, SocketAddr, Arc<ConnectionSlot>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, NoResponse>> + Send + 'static,
{
    serve_until(socket, Limits::LOCAL, pending(), respond).await;
}

/// Serves until `stop` is ready. Then closes the socket and the idle connections, and waits until the requests
/// in flight are answered.
///
/// If the future is dropped, the connections remain open until the runtime ends.
pub(crate) async fn serve_until<R, F>(
    socket: TcpListener,
    limits: Limits,
    stop: impl Future<Output = ()>,
    respond: R,
) where
    R: Fn(Request<Incoming>, SocketAddr, Arc<ConnectionSlot>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, NoResponse>> + Send + 'static,
{
    let slots = ConnectionSlots::new(&limits);
    // Each connection holds a receiver, so the sender is closed after the last connection has ended.
    let stopping = watch::Sender::new(false);
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&socket, &slots) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else { break };
        let respond = respond.clone();
        let respond = move |request| respond(request, peer, Arc::clone(&slot));
        tokio::spawn(connection(stream, limits.header_timeout, stopping.subscribe(), respond));
    }
    drop(socket);
    stopping.send_replace(true);
    stopping.closed().await;
}

/// Waits for a slot, and then for a connection.
async fn accept(
    socket: &TcpListener,
    slots: &ConnectionSlots,
) -> Option<(TcpStream, SocketAddr, Arc<ConnectionSlot>)> {
    let slot = Arc::new(slots.acquire().await?);
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => return Some((stream, peer, slot)),
            // The process might have no free file descriptor until another connection ends.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn connection<F>(
    stream: TcpStream,
    header_timeout: Duration,
    mut stopping: watch::Receiver<bool>,
    respond: impl Fn(Request<Incoming>) -> F,
) where
    F: Future<Output = Result<Response<Body>, NoResponse>>,
{
    // Small packets are sent immediately, because responses are small and the peer waits for them.
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(header_timeout).max_header_size(MAX_HEADER_BYTES);
    let stream = TokioIo::new(WriteTimeout::new(stream, WRITE_TIMEOUT));
    let mut connection = pin!(http.serve_connection(stream, service_fn(respond)));
    let is_stopping = async {
        if stopping.wait_for(|stops| *stops).await.is_err() {
            // The server was dropped without being stopped.
            pending::<()>().await;
        }
    };
    // A client that disconnects or does not send HTTP gets no response, and nothing is reported.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = tokio::time::sleep(LIFETIME) => {}
        () = is_stopping => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(LAST_REQUEST, connection).await;
}
