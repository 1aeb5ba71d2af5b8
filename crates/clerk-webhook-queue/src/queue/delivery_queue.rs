//! The trait that stores an event before the response to the sender.

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::{Answer, Event, Handled, Observation, Outcome, Stopped};
use clerk_webhook_store::Scope;
use tokio::time::timeout;

/// How long `answer` waits for the queue. Shorter than the 15 s after which the sender closes the connection.
const ENQUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// Stores events durably before the response to the sender.
///
/// The server uses this trait. The worker uses [`JobQueue`](crate::JobQueue).
pub trait DeliveryQueue: Send + Sync + 'static {
    /// The error if the queue fails or cannot be reached.
    type Error: Error + Send + Sync + 'static;

    /// Returns the scope: the name of the endpoint whose events this queue stores.
    fn scope(&self) -> &Scope;

    /// Stores an event, unless the queue already knows its message id.
    ///
    /// The returned future finishes only after the event is durable. If the message was enqueued before, it
    /// is a duplicate, whether it is waiting, is being handled, has been handled or is a dead letter, until
    /// [`purge`](crate::purge()) deletes its id.
    ///
    /// # Errors
    ///
    /// Returns an error if the event might not be durable. Respond to the sender with an error, so that it
    /// retries.
    fn enqueue(&self, event: &Event) -> impl Future<Output = Result<Enqueued, Self::Error>> + Send;

    /// Enqueues the event and returns the answer to the sender.
    ///
    /// The answer is `queued` or `duplicate`, with status 200. If the queue fails, or does not store the
    /// event within 5 s, the answer is `store_unavailable` with status 503, and the sender retries. An
    /// [`Observation`] records a span, a log line and metrics for every event.
    fn answer(&self, event: Event) -> impl Future<Output = Answer> + Send {
        async move {
            let observation = Observation::begin(&event, self.scope().as_str());
            let work = pin!(async {
                match timeout(ENQUEUE_TIMEOUT, self.enqueue(&event)).await {
                    Ok(Ok(Enqueued::New)) => Ok(Handled::Queued),
                    Ok(Ok(Enqueued::Duplicate)) => Err(Stopped::from(Outcome::Duplicate)),
                    Ok(Err(error)) => Err(Stopped::new(Outcome::StoreUnavailable, error)),
                    Err(_) => Err(Stopped::new(
                        Outcome::StoreUnavailable,
                        "the queue did not store the event within 5 s: check that its database is reachable and not overloaded",
                    )),
                }
            });
            observation.run(work).await
        }
    }
}

/// The result of [`DeliveryQueue::enqueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Enqueued {
    /// The event is new, and is now durable.
    New,
    /// The queue already knows the message. It did not store the event again.
    Duplicate,
}

impl<Q: DeliveryQueue> DeliveryQueue for Arc<Q> {
    type Error = Q::Error;

    fn scope(&self) -> &Scope {
        Q::scope(self)
    }

    fn enqueue(&self, event: &Event) -> impl Future<Output = Result<Enqueued, Self::Error>> + Send {
        Q::enqueue(self, event)
    }

    fn answer(&self, event: Event) -> impl Future<Output = Answer> + Send {
        Q::answer(self, event)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::io;

    use clerk_webhook_core::Timestamp;
    use tokio::time::Instant;

    use super::*;

    /// A queue whose database never responds.
    struct Hanging(Scope);

    impl DeliveryQueue for Hanging {
        type Error = io::Error;

        fn scope(&self) -> &Scope {
            &self.0
        }

        async fn enqueue(&self, _event: &Event) -> io::Result<Enqueued> {
            pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_store_unavailable_if_the_queue_does_not_answer_within_5_s() {
        let event = Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), r#"{"type":"x"}"#.into())
            .unwrap();
        let began = Instant::now();
        let answer = Arc::new(Hanging(Scope::default())).answer(event).await;
        assert_eq!((answer.outcome(), answer.status()), (Outcome::StoreUnavailable, 503));
        assert_eq!(began.elapsed(), Duration::from_secs(5));
    }
}
