//! Calls the function for an event.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use super::context::Context;
use super::registry::Registry;
use crate::answer::{Answer, Failure, Handled};
use crate::event::{Event, EventData, EventType};
use crate::observe::Observation;

/// The handlers of an application, by event type.
///
/// A clone is one reference count. See the [module](super) for an example.
pub struct Handlers<S = ()> {
    pub(super) registry: Arc<Registry<S>>,
}

impl<S: Send + 'static> Handlers<S> {
    /// Calls the handler for the type of the event.
    ///
    /// # Errors
    ///
    /// Returns the failure of the handler, and one where the data is not what its type says, unless
    /// [`on_undecodable`](super::HandlersBuilder::on_undecodable) handles that.
    pub fn handle(
        &self,
        event: Event,
        state: S,
    ) -> impl Future<Output = Result<Handled, Failure>> + Send + use<S> {
        self.call(Context { state, event, attempt: None })
    }

    /// Calls the handler for the type of the event, and says how often the message has been handled so far, counted
    /// from 1.
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle).
    pub fn handle_attempt(
        &self,
        event: Event,
        state: S,
        attempt: u32,
    ) -> impl Future<Output = Result<Handled, Failure>> + Send + use<S> {
        self.call(Context { state, event, attempt: Some(attempt) })
    }

    /// Calls the handler for the type of the event, and returns how to answer the sender.
    ///
    /// Writes a span and a log line (feature `tracing`), and counts the delivery (feature `metrics`). A duplicate delivery runs
    /// the handler again. Use `Deduplicator` or `ExactlyOnce` of the crate `clerk-webhook-store` to prevent that.
    pub fn answer(&self, event: Event, state: S) -> impl Future<Output = Answer> + Send + use<S> {
        self.answer_in_scope(event, state, Observation::DEFAULT_SCOPE)
    }

    /// Does what [`answer`](Self::answer) does, and names the endpoint in the log and in the metrics.
    pub fn answer_in_scope(
        &self,
        event: Event,
        state: S,
        scope: &str,
    ) -> impl Future<Output = Answer> + Send + use<S> {
        let observation = Observation::begin(&event, scope);
        let handling = self.handle(event, state);
        async move {
            // Pinned here: a future that takes another future by value reserves space for it twice.
            let handling = pin!(handling);
            let work = pin!(async { Ok(observation.time_handler(handling).await?) });
            observation.run(work).await
        }
    }

    /// Returns the event types that have a handler, in alphabetical order: what to subscribe an endpoint to.
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

/// Names the place where the data departs from its type, and nothing that stands there.
fn undecodable(data: &EventData) -> Failure {
    match data {
        EventData::Unrecognized(data) => Failure::retry(data.reason().to_string()),
        _ => Failure::retry("the data is that of another event type"),
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
