//! The server: an Axum application with one route.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::pin;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::middleware::map_response_with_state;
use axum::response::Response;
use axum::routing::post;
use clerk_webhook::ReceiveError;
use clerk_webhook::axum::{ClerkAnswer, ClerkEvent};
use clerk_webhook::store::{Deduplicator, MemoryStore};
use clerk_webhook::{Answer, Event, EventData, Handled, Outcome, Verifier};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The outcome of a delivery, for the terminal.
pub enum Seen {
    Handled(Event),
    /// Verified, but not passed to the handler, for example because it is a duplicate.
    Acknowledged(Outcome),
    Rejected(ReceiveError),
}

#[derive(Clone)]
struct AppState {
    verifier: Verifier,
    /// Its store forgets everything when the process ends. A real application uses a database.
    deduplicator: Deduplicator<MemoryStore>,
    seen: UnboundedSender<Seen>,
}

impl FromRef<AppState> for Verifier {
    fn from_ref(state: &AppState) -> Self {
        state.verifier.clone()
    }
}

async fn webhook(State(state): State<AppState>, ClerkEvent(event): ClerkEvent) -> ClerkAnswer {
    let handler = async move |event, _attempt| {
        // A real application does its work here, or in typed handlers. After an error the sender retries.
        state.seen.send(Seen::Handled(event)).map_err(|_| "the terminal output has ended")?;
        Ok(Handled::Processed)
    };
    ClerkAnswer(state.deduplicator.run(event, handler).await)
}

/// Reports deliveries that did not reach the handler. The response's extensions contain the reason.
async fn report_others(State(state): State<AppState>, response: Response) -> Response {
    let (outcome, error) = (response.extensions().get(), response.extensions().get::<ReceiveError>());
    let seen = match (outcome, error) {
        (_, Some(error)) => Some(Seen::Rejected(error.clone())),
        (Some(&outcome), None) if outcome != Outcome::Processed => Some(Seen::Acknowledged(outcome)),
        _ => None,
    };
    if let Some(seen) = seen {
        let _ = state.seen.send(seen);
    }
    response
}

pub struct Server {
    pub url: String,
    pub seen: UnboundedReceiver<Seen>,
    task: JoinHandle<io::Result<()>>,
    stop: oneshot::Sender<()>,
}

pub async fn start(verifier: Verifier, port: u16) -> Result<Server, Box<dyn Error>> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "port {port} is in use on 127.0.0.1. Choose another port with --port, or --port 0 for any free port"
            )
        }
        _ => format!("cannot listen on 127.0.0.1:{port}: {error}"),
    })?;
    let url = format!("http://{}/webhooks/clerk", listener.local_addr()?);
    let (sender, seen) = unbounded_channel();
    let (stop, stopped) = oneshot::channel();
    let deduplicator = Deduplicator::new(MemoryStore::with_capacity(1000));
    let state = AppState { verifier, deduplicator, seen: sender };
    let app = Router::new()
        .route("/webhooks/clerk", post(webhook))
        .layer(map_response_with_state(state.clone(), report_others))
        .with_state(state);
    let serve = axum::serve(listener, app).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    Ok(Server { url, seen, task: tokio::spawn(async { serve.await }), stop })
}

impl Server {
    /// Prints each delivery until Ctrl-C or SIGTERM.
    pub async fn print_events(mut self) -> Result<(), Box<dyn Error>> {
        let mut shutdown = pin!(shutdown());
        loop {
            tokio::select! {
                Some(seen) = self.seen.recv() => println!("{seen}"),
                () = &mut shutdown => return self.stop().await,
            }
        }
    }

    /// Stops after the active requests have been answered.
    pub async fn stop(self) -> Result<(), Box<dyn Error>> {
        let _ = self.stop.send(());
        Ok(self.task.await??)
    }
}

impl Seen {
    /// Returns the name of the outcome, as in responses and logs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Handled(_) => Outcome::Processed.as_str(),
            Self::Acknowledged(outcome) => outcome.as_str(),
            Self::Rejected(error) => Answer::from(error).outcome().as_str(),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handled(event) => {
                write!(f, "{} ({}): {}", event.event_type(), event.message_id(), describe(event))
            }
            Self::Acknowledged(outcome) => write!(f, "{outcome}"),
            Self::Rejected(error) => {
                let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                write!(f, "rejected: {reason}")
            }
        }
    }
}

/// Describes the event with its typed data.
fn describe(event: &Event) -> String {
    match event.data() {
        EventData::UserCreated(user) | EventData::UserUpdated(user) => {
            let email = user.primary_email_address();
            format!(
                "{} is {}, {} ({})",
                user.id,
                user.full_name().unwrap_or_else(|| "(no name)".to_owned()),
                email.and_then(|email| email.email_address.as_deref()).unwrap_or("no email address"),
                if email.is_some_and(|email| email.is_verified()) { "verified" } else { "not verified" },
            )
        }
        EventData::UserDeleted(user) => format!("{} was deleted", user.id.as_deref().unwrap_or("a user")),
        EventData::Unrecognized(data) => format!("data not recognized: {}", data.reason()),
        _ => format!("data of the type {}", event.event_type().payload_name().unwrap_or("unknown")),
    }
}

async fn shutdown() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select!(_ = tokio::signal::ctrl_c() => {}, _ = terminate.recv() => {});
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}
