//! Calls the function for an event.

use std::fmt;
use std::future::Future;
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
    /// The call is a span in the log (feature `tracing`) and is counted (feature `metrics`). A delivery that comes twice is
    /// handled twice: the crate `clerk-webhook-store` takes care of that.
    pub fn answer(&self, event: Event, state: S) -> impl Future<Output = Answer> + Send + use<S> {
        let observation = Observation::begin(&event, Observation::DEFAULT_SCOPE);
        let handling = self.handle(event, state);
        async move {
            let result = observation.instrument(handling).await;
            if let Err(failure) = &result {
                observation.record_failure(failure);
            }
            observation.finish(Answer::from(&result))
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
