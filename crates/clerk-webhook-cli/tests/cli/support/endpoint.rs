//! Endpoints that are built with Axum.

use std::sync::mpsc::{self, Receiver};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use clerk_webhook_axum::ClerkEvent;
use clerk_webhook_core::{Event, Verifier};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use super::process::SECRET;

/// An endpoint in this process. It stops when it is dropped.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    _runtime: Runtime,
}

impl Endpoint {
    pub(crate) fn start(router: Router) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}/webhooks/clerk", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, _runtime: runtime }
    }

    /// Starts an endpoint whose responses are computed from each request's headers and body.
    pub(crate) fn answering<A: IntoResponse>(
        answer: impl Fn(HeaderMap, Bytes) -> A + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::start(Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
            let answer = answer(headers, body).into_response();
            async move { answer }
        }))
    }
}

/// Starts a receiver with this project's Axum adapter, and returns it with a channel of its verified events.
pub(crate) fn receiver() -> (Endpoint, Receiver<Event>) {
    let (sender, events) = mpsc::channel();
    let handler = move |ClerkEvent(event): ClerkEvent| {
        let sender = sender.clone();
        async move {
            let _ = sender.send(event);
            StatusCode::OK
        }
    };
    let router = Router::new().route("/webhooks/clerk", post(handler));
    (Endpoint::start(router.with_state(Verifier::new(SECRET).unwrap())), events)
}

/// Returns the message id in these headers.
pub(crate) fn message_id(headers: &HeaderMap) -> String {
    headers["svix-id"].to_str().unwrap().to_owned()
}
