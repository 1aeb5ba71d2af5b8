//! Receives Clerk webhooks in a Tower service on hyper, without a web framework.
//!
//! Run with: `CLERK_WEBHOOK_SIGNING_SECRET=whsec_… cargo run -p example-tower-hyper`

use std::{convert::Infallible, error::Error, pin::pin, time::Duration};

use bytes::Bytes;
use clerk_webhook::tower::VerifyWebhookLayer;
use clerk_webhook::{Event, EventData, Verifier};
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::{conn::auto::Builder, graceful::GracefulShutdown};
use hyper_util::service::TowerToHyperService;
use tower::{Layer, ServiceExt, service_fn};
use tracing::info;

/// Receives only verified events. The layer inserts them into the request's extensions.
async fn webhook(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Some(event) = request.extensions().get::<Event>() {
        match event.data() {
            EventData::UserCreated(user) => {
                info!(id = %event.message_id(), user = user.id, "a user has joined")
            }
            _ => info!(id = %event.message_id(), event_type = %event.event_type(), "nothing to do"),
        }
    }
    Ok(Response::default())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let verifier = Verifier::from_env()?;
    let verified = VerifyWebhookLayer::new(verifier)
        .read_timeout(|| tokio::time::sleep(Duration::from_secs(10)))
        .layer(service_fn(webhook));
    let routes = service_fn(move |request: Request<hyper::body::Incoming>| {
        let verified = verified.clone();
        async move {
            if (request.method(), request.uri().path()) == (&Method::POST, "/webhooks/clerk") {
                return verified.oneshot(request).await;
            }
            Ok(Response::builder().status(404).body(Default::default()).unwrap_or_default())
        }
    });
    let listener = tokio::net::TcpListener::bind(example_support::address()?).await?;
    println!("listening on http://{}/webhooks/clerk", listener.local_addr()?);
    let mut server = Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
    let connections = GracefulShutdown::new();
    let mut shutdown = pin!(example_support::stop_signal());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await; // Possibly out of file descriptors.
            continue;
        };
        let service = TowerToHyperService::new(routes.clone());
        let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
        tokio::spawn(connections.watch(connection));
    }
    tokio::time::timeout(Duration::from_secs(20), connections.shutdown()).await?;
    Ok(())
}
