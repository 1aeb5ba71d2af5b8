//! What the server talks to: the application that receives the forward, and Clerk's Backend API.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use clerk_webhook_axum::ClerkEvent;
use clerk_webhook_core::{EventType, Verifier};
use clerk_webhook_test::{FakeBackendApi, HistoryEvent};
use clerk_webhook_tests::SECRET;
use clerk_webhook_tests::sender::Message;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The running application and the running API. They end with the runtime.
pub struct Outside {
    pub application_url: String,
    pub api_url: String,
    received: Arc<Mutex<HashMap<String, usize>>>,
}

impl Outside {
    pub fn start(api: FakeBackendApi, runtime: &Runtime) -> Self {
        let received = Arc::new(Mutex::new(HashMap::new()));
        let ids = Arc::clone(&received);
        // The extractor has verified the signature.
        let receive = move |ClerkEvent(event): ClerkEvent| {
            let id = event.message_id().as_str().to_owned();
            *ids.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default() += 1;
            async { StatusCode::NO_CONTENT }
        };
        let verifier = Verifier::new(SECRET).expect("the constant is a valid secret");
        let application = Router::new().route("/webhooks/clerk", post(receive)).with_state(verifier);
        Self {
            application_url: serve(application, runtime) + "/webhooks/clerk",
            api_url: serve(Router::new().fallback_service(api), runtime) + "/v1",
            received,
        }
    }

    /// Returns how often the application has received each message.
    pub fn received(&self) -> HashMap<String, usize> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Returns the message of an event, unless it is a one-time code: the codes of a history are too old to be forwarded.
pub fn message_of(event: &HistoryEvent) -> Option<Message> {
    let is_code = matches!(event.event_type(), EventType::EmailCreated | EventType::SmsCreated);
    (!is_code).then(|| Message { id: event.message_id().clone(), body: event.body().to_vec() })
}

/// Serves a router on a free port, and returns its URL.
fn serve(router: Router, runtime: &Runtime) -> String {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port is free");
    let address = listener.local_addr().expect("the listener has an address");
    runtime.spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}
