//! A server on this machine that answers like Clerk's Backend API.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use clerk_webhook_test::FakeBackendApi;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// What the server does with a request instead of answering.
type Rule = Box<dyn Fn(&str, usize) -> Option<Reaction> + Send + Sync>;

pub(crate) enum Reaction {
    /// Answers with this status, and asks for a retry after a second.
    Status(u16),
    /// Never answers.
    Hang,
}

/// A running server. It ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Clerk {
    pub(crate) fake: FakeBackendApi,
    pub(crate) url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    rule: Mutex<Option<Rule>>,
    requests: AtomicUsize,
    hanging: Notify,
}

impl Clerk {
    pub(crate) async fn start(fake: FakeBackendApi) -> Self {
        let shared = Arc::new(Shared::default());
        let layer = middleware::from_fn_with_state(Arc::clone(&shared), react);
        let router = Router::new().fallback_service(fake.clone()).layer(layer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { fake, url, shared }
    }

    /// Sets a rule for the path with its query, and the number of earlier requests since this call.
    pub(crate) fn set_rule(&self, rule: impl Fn(&str, usize) -> Option<Reaction> + Send + Sync + 'static) {
        self.shared.requests.store(0, Ordering::Relaxed);
        *self.shared.rule.lock().unwrap() = Some(Box::new(rule));
    }

    pub(crate) fn remove_rule(&self) {
        *self.shared.rule.lock().unwrap() = None;
    }

    /// Waits until a request hangs.
    pub(crate) async fn hanging(&self) {
        self.shared.hanging.notified().await;
    }
}

async fn react(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let earlier = shared.requests.fetch_add(1, Ordering::Relaxed);
    let path = request.uri().to_string();
    let reaction = shared.rule.lock().unwrap().as_ref().and_then(|rule| rule(&path, earlier));
    match reaction {
        None => next.run(request).await,
        Some(Reaction::Status(status)) => {
            let status = axum::http::StatusCode::from_u16(status).unwrap();
            (status, [("retry-after", "1")], r#"{"errors":[{"code":"too_many_requests"}]}"#).into_response()
        }
        Some(Reaction::Hang) => {
            shared.hanging.notify_one();
            std::future::pending().await
        }
    }
}
