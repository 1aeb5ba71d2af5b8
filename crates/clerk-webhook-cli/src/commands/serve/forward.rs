//! `--forward-to`: sends each event of the queue to an application, signed like Clerk's deliveries.
//!
//! The application receives the bytes that Clerk signed, with the same message id, the current time and a new
//! signature. Clerk's libraries accept it without changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clerk_webhook_core::{Context, Event, EventType, Failure as Failed, Handlers, Timestamp};
use clerk_webhook_queue::{JobQueue, RunningWorker, Worker};
use http::{HeaderValue, StatusCode};
use metrics::{counter, histogram};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::config::{Config, ForwardConfig};
use super::health::Readiness;
use super::metrics::names;
use super::storage::Storage;
use super::traces;
use crate::failure::Failure;
use crate::send::client::{Answer, Client, SendError};
use crate::send::svix;

/// The number of the attempt, beginning with 1.
const ATTEMPT: &str = "clerk-webhook-attempt";

const USER_AGENT: &str = concat!("clerk-webhook/", env!("CARGO_PKG_VERSION"));

/// The value of the header `webhook-delivery` with which an application rejects a message for good.
const ABORT: &str = "abort-message";

/// The number of attempts before an event becomes a dead letter.
const ATTEMPTS: u32 = 12;

/// How long an event waits after the process was killed while it sent the event. Longer than a request can take.
const LEASE: Duration = Duration::from_secs(20);

/// The longest `Retry-After` that is kept.
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long requests may continue after the worker was asked to stop.
const ENDING: Duration = Duration::from_secs(5);

/// How long the worker may take to give back the events whose requests were stopped.
const GIVING_BACK: Duration = Duration::from_secs(1);

/// The running forward.
pub(super) struct Forward {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Forward {
    /// Starts the forward, if one is configured.
    pub(super) fn start(
        config: &Arc<Config>,
        storage: &Storage,
        readiness: &Arc<Readiness>,
    ) -> Result<Option<Self>, Failure> {
        let Some(forward) = &config.forward else { return Ok(None) };
        let client = client(forward)?;
        let sender = Sender { config: Arc::clone(config), client };
        let handlers = Handlers::builder().otherwise(|event: Event, cx: Context<Sender>| async move {
            let attempt = cx.attempt().unwrap_or(1);
            cx.state().forward(&event, attempt).await
        });
        let handlers = handlers.build().map_err(Failure::usage)?;
        let mut worker = match storage {
            Storage::Sqlite { queue: Some(queue), .. } => start(queue, handlers, sender),
            Storage::Postgres { queue: Some(queue), .. } => start(queue, handlers, sender),
            _ => return Ok(None),
        };
        let readiness = Arc::clone(readiness);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            tokio::select! {
                () = &mut worker => {
                    readiness.worker().set(Some("the worker of the forward has ended".to_owned()));
                }
                _ = stopped => end(worker).await,
            }
        });
        Ok(Some(Self { stop, task }))
    }

    /// Ends the requests in progress, and gives back the events that were not sent.
    pub(super) async fn shutdown(self) {
        drop(self.stop);
        // A worker that panicked has nothing to end.
        let _ = self.task.await;
    }
}

/// Starts the worker. Its events were counted as deliveries when they arrived.
fn start<Q: JobQueue + Clone>(queue: &Q, handlers: Handlers<Sender>, sender: Sender) -> RunningWorker {
    let worker = Worker::new(queue.clone(), handlers, sender);
    worker.max_attempts(ATTEMPTS).lease(LEASE).delivery_metrics(false).start()
}

async fn end(worker: RunningWorker) {
    // Leases of events that cannot be given back expire.
    let _ = timeout(ENDING + GIVING_BACK, worker.shutdown(ENDING)).await;
}

fn client(forward: &ForwardConfig) -> Result<Client, Failure> {
    let client = Client::new(forward.endpoint.uri(), svix::TIMEOUT)?;
    Ok(client.with_user_agent(HeaderValue::from_static(USER_AGENT)))
}

/// Sends events to the application.
#[derive(Clone)]
struct Sender {
    config: Arc<Config>,
    client: Client,
}

impl Sender {
    async fn forward(&self, event: &Event, attempt: u32) -> Result<(), Failed> {
        let began = Instant::now();
        let result = match self.send(event, attempt).await? {
            Ok(answer) => judge(&answer),
            Err(error) => Err(Failed::retry(error.to_string())),
        };
        histogram!(names::FORWARD_DURATION).record(began.elapsed());
        let word = match &result {
            Ok(()) => "delivered",
            Err(failed) if attempt >= ATTEMPTS || is_final(failed) => "dead",
            Err(_) => "retried",
        };
        let event_type = label(event.event_type());
        counter!(names::FORWARD_ATTEMPTS, "event_type" => event_type, "result" => word).increment(1);
        result
    }

    async fn send(&self, event: &Event, attempt: u32) -> Result<Result<Answer, SendError>, Failed> {
        let Some(forward) = &self.config.forward else { return Err(Failed::retry("the forward is off")) };
        let secret = forward.secret(&self.config.secrets);
        let secret = secret.ok_or_else(|| Failed::retry("no secret signs the forward"))?;
        let body = event.raw_body();
        let signed = secret.sign(event.message_id(), Timestamp::now(), body).to_pairs();
        let others = [("content-type", "application/json".to_owned()), (ATTEMPT, attempt.to_string())];
        let headers = signed.into_iter().chain(others).map(|(name, value)| (name.to_owned(), value));
        let uri = forward.endpoint.uri();
        let span = traces::forward(uri, attempt);
        let headers = headers.chain(traces::headers(&span));
        let sent = self.client.post(uri, headers, body.clone()).instrument(span.clone()).await;
        match &sent {
            Ok(answer) => traces::record_status(&span, answer.status, !answer.status.is_success()),
            Err(error) => traces::record_failure(&span, error.kind),
        }
        Ok(sent)
    }
}

/// Returns what happens to the event after this answer. Only 2xx is a success; the client follows no redirects.
fn judge(answer: &Answer) -> Result<(), Failed> {
    if answer.status.is_success() {
        return Ok(());
    }
    let problem = format!("the application answered {}", answer.status.as_u16());
    let reply = answer.reply();
    if answer.status == StatusCode::GONE || reply.control.as_deref() == Some(ABORT) {
        return Err(Failed::abort_message(problem));
    }
    Err(match reply.retry_after {
        Some(delay) => Failed::retry_after(delay.min(LONGEST_DELAY), problem),
        None => Failed::retry(problem),
    })
}

fn is_final(failed: &Failed) -> bool {
    failed.outcome() == clerk_webhook_core::Outcome::Rejected
}

/// Returns the type for a label. Unknown types share one, so that the number of time series is bounded.
fn label(event_type: &EventType) -> String {
    if event_type.is_known() { event_type.as_str().to_owned() } else { "_OTHER".to_owned() }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use clerk_webhook_core::Outcome;
    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Answer {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers, body: Bytes::new(), elapsed: Duration::ZERO, sent_as_svix: false }
    }

    #[test]
    fn only_2xx_is_a_success() {
        for status in [200, 202, 204] {
            assert!(judge(&answer(status, &[])).is_ok(), "{status}");
        }
        for status in [301, 302, 307, 400, 401, 404, 429, 500, 503] {
            let failed = judge(&answer(status, &[("location", "/")])).unwrap_err();
            assert_eq!((failed.outcome(), failed.delay()), (Outcome::Failed, None), "{status}");
        }
    }

    #[test]
    fn an_application_can_reject_an_event_for_good() {
        for rejection in [answer(410, &[]), answer(500, &[("webhook-delivery", ABORT)])] {
            assert!(is_final(&judge(&rejection).unwrap_err()));
        }
    }

    #[test]
    fn keeps_to_the_delay_of_the_application() {
        for (value, expected) in [("7", 7), ("99999999", 24 * 60 * 60)] {
            let failed = judge(&answer(503, &[("retry-after", value)])).unwrap_err();
            assert_eq!(failed.delay(), Some(Duration::from_secs(expected)));
        }
    }
}
