//! Calls the handler for the type of an event.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use super::context::Context;
use super::registry::Registry;
use crate::answer::{Answer, Failure, Handled};
use crate::event::{Event, EventData, EventType};
use crate::observe::Observation;

/// An application's handlers, by event type.
///
/// `S` is the application state that each handler receives in its [`Context`]. Cloning increments a reference
/// count. See the [module](super) for an example.
pub struct Handlers<S = ()> {
    pub(super) registry: Arc<Registry<S>>,
}

impl<S: Send + 'static> Handlers<S> {
    /// Calls the handler for the type of the event.
    ///
    /// # Errors
    ///
    /// Returns the handler's failure. If the data cannot be decoded as the event type's payload and
    /// [`on_undecodable`](super::HandlersBuilder::on_undecodable) is not set, returns a failure that makes
    /// the sender retry.
    pub fn handle(
        &self,
        event: Event,
        state: S,
    ) -> impl Future<Output = Result<Handled, Failure>> + Send + use<S> {
        self.call(Context { state, event, attempt: None })
    }

    /// Calls the handler for the type of the event, and passes the attempt number to it.
    ///
    /// `attempt` is 1 for the first attempt to handle this message. The handler reads it with
    /// [`Context::attempt`].
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`handle`](Self::handle).
    pub fn handle_attempt(
        &self,
        event: Event,
        state: S,
        attempt: u32,
    ) -> impl Future<Output = Result<Handled, Failure>> + Send + use<S> {
        self.call(Context { state, event, attempt: Some(attempt) })
    }

    /// Calls the handler for the type of the event, and returns the answer to the sender.
    ///
    /// Creates a span and a log line (`tracing` feature), and counts the delivery (`metrics` feature). A
    /// duplicate delivery runs the handler again. To prevent that, use `Deduplicator` or `ExactlyOnce` from
    /// the `clerk-webhook-store` crate.
    pub fn answer(&self, event: Event, state: S) -> impl Future<Output = Answer> + Send + use<S> {
        self.answer_in_scope(event, state, Observation::DEFAULT_SCOPE)
    }

    /// Does the same as [`answer`](Self::answer), with `scope` as the endpoint's name in the log and the
    /// metrics.
    pub fn answer_in_scope(
        &self,
        event: Event,
        state: S,
        scope: &str,
    ) -> impl Future<Output = Answer> + Send + use<S> {
        let observation = Observation::begin(&event, scope);
        let handling = self.handle(event, state);
        async move {
            // An async block that takes a future by value stores it twice. A pinned reference avoids that.
            let handling = pin!(handling);
            let work = pin!(async { Ok(observation.time_handler(handling).await?) });
            observation.run(work).await
        }
    }

    /// Returns the event types that have a handler, in alphabetical order.
    ///
    /// Subscribe the endpoint in the Clerk Dashboard to these types.
    #[must_use]
    pub fn event_types(&self) -> Vec<EventType> {
        self.registry.event_types()
    }

    fn call(&self, cx: Context<S>) -> impl Future<Output = Result<Handled, Failure>> + Send + use<S> {
        let registry = Arc::clone(&self.registry);
        async move {
            let handler = registry.by_type.get(cx.event.event_type()).or(registry.otherwise.as_ref());
            let Some(handler) = handler else { return Ok(Handled::Ignored) };
            let handling = match handler(cx) {
                Ok(handling) => handling,
                Err((data, cx)) => match (*data, &registry.on_undecodable) {
                    (EventData::Unrecognized(data), Some(handler)) => handler(data, cx),
                    (data, _) => return Err(undecodable(&data)),
                },
            };
            handling.await?;
            Ok(Handled::Processed)
        }
    }
}

/// Creates a failure with the path of the mismatch. It contains no value from the data.
fn undecodable(data: &EventData) -> Failure {
    match data {
        EventData::Unrecognized(data) => Failure::retry(data.reason().to_string()),
        _ => Failure::retry("the data belongs to a different event type"),
    }
}

impl<S> Clone for Handlers<S> {
    fn clone(&self) -> Self {
        Self { registry: Arc::clone(&self.registry) }
    }
}

impl<S> fmt::Debug for Handlers<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.registry.fmt(f)
    }
}
