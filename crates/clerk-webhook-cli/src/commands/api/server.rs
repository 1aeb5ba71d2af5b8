//! Answers a request with the fake API's response.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use clerk_webhook_test::{Delay, FakeBackendApi};
use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::report::Line;
use crate::server::response::{Body, NoResponse};

#[derive(Debug)]
pub(super) struct Server {
    api: FakeBackendApi,
    lines: mpsc::Sender<Line>,
    /// The time until which the API's clock has been moved.
    moved: Mutex<Instant>,
}

impl Server {
    pub(super) fn new(api: FakeBackendApi, lines: mpsc::Sender<Line>) -> Self {
        Self { api, lines, moved: Mutex::new(Instant::now()) }
    }

    pub(super) async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, NoResponse> {
        self.move_clock();
        let (mut parts, body) = self.api.answer(&request).into_parts();
        let delay = parts.extensions.remove::<Delay>().map(|Delay(delay)| delay);
        let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let is_cut = length.is_some_and(|length: usize| length > body.len());
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        let line = Line {
            method: request.method().clone(),
            target: target.to_owned(),
            status: parts.status,
            bytes: body.len(),
            delay,
            is_cut,
        };
        // The printer has ended if the reader of the output closed the pipe. The command then ends too.
        let _ = self.lines.send(line).await;
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        let body = if is_cut { cut(body) } else { Body::Complete(Full::new(body)) };
        Ok(Response::from_parts(parts, body))
    }

    /// Moves the API's clock by the time that has passed here.
    fn move_clock(&self) {
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        self.api.pass(now.saturating_duration_since(*moved));
        *moved = now;
    }
}

/// Returns a body that ends before its `Content-Length`, so that the server closes the connection.
fn cut(bytes: Bytes) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _ = sender.send(bytes).await;
        // The server writes the bytes while it waits for more. Without this wait, it would not even send the headers.
        let _ = sender.reserve().await;
    });
    Body::Events(receiver)
}
