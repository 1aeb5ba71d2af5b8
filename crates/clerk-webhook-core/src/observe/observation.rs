//! What the log and the metrics say about a delivery that is handled.

use std::future::Future;

use crate::answer::Answer;
use crate::answer::Failure;
use crate::event::Event;

/// The handling of one event, as the log and the metrics see it.
///
/// [`Handlers::answer`](crate::Handlers::answer) and the crate `clerk-webhook-store` have one for each delivery; whoever
/// handles events in another way can have the same. Without the features `tracing` and `metrics` it does nothing.
///
/// ```
/// # use clerk_webhook_core::{Event, Timestamp};
/// use clerk_webhook_core::{Answer, Observation, Outcome};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let event = Event::from_trusted("msg_1".parse()?, Timestamp::now(), "{}".into())?;
/// let observation = Observation::begin(&event, Observation::DEFAULT_SCOPE);
/// observation.instrument(async { println!("{}", event.event_type()) }).await;
/// let answer = observation.finish(Answer::from(Outcome::Processed));
/// # assert_eq!(answer.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The span
///
/// With the feature `tracing` the handling runs in the span `clerk_webhook` (level info, target `clerk_webhook`):
///
/// | field | value |
/// |---|---|
/// | `otel.kind` | `consumer` |
/// | `messaging.system` | `clerk` |
/// | `messaging.operation.type` | `process` |
/// | `messaging.message.id` | the message id, by which Clerk's dashboard finds the message |
/// | `clerk.scope` | the endpoint |
/// | `clerk.event.type` | the event type, `_OTHER` where it is unknown |
/// | `clerk.instance_id`, `clerk.object_id` | the ids of the instance and of what the event is about |
/// | `clerk.delivery.attempt` | how often it has been handled here, under a lease |
/// | `clerk.delivery.age_ms` | how long ago the event occurred |
/// | `clerk.outcome` | the [`Outcome`](crate::Outcome) |
/// | `error.type` | the outcome, where it is a failure |
///
/// A failure is an event of the level error with the field `error`: the text of the handler's error and of all that
/// caused it. Apart from what that text says, nothing that was sent is written but ids. The text of a database error can
/// contain a value, see [`Failure`].
///
/// # The metrics
///
/// With the feature `metrics`:
///
/// | name | kind | labels |
/// |---|---|---|
/// | `clerk_webhook_deliveries_total` | counter | `scope`, `event_type`, `outcome` |
/// | `clerk_webhook_handler_duration_seconds` | histogram | `scope`, `event_type` |
/// | `clerk_webhook_delivery_lag_seconds` | histogram | `scope` |
/// | `clerk_webhook_in_flight` | gauge | `scope` |
/// | `clerk_webhook_lease_lost_total` | counter | `scope` |
/// | `clerk_webhook_last_success_timestamp_seconds` | gauge | `scope` |
/// | `clerk_webhook_verify_failures_total` | counter | `reason` (see [`Observation::refused`](crate::Observation::refused)) |
///
/// `event_type` is `_OTHER` where it is unknown, so the number of series is bounded.
#[derive(Debug)]
#[must_use = "it ends with the answer"]
pub struct Observation {
    #[cfg(feature = "metrics")]
    metrics: metrics::Metrics,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Observation {
    /// The endpoint, where nobody has given it a name.
    pub const DEFAULT_SCOPE: &'static str = "clerk";

    /// Begins with an event that came to an endpoint.
    pub fn begin(event: &Event, scope: &str) -> Self {
        #[cfg(not(any(feature = "metrics", feature = "tracing")))]
        let _ = (event, scope);
        Self {
            #[cfg(feature = "metrics")]
            metrics: metrics::Metrics::begin(event, scope),
            #[cfg(feature = "tracing")]
            span: span::of(event, scope),
        }
    }

    /// Runs something in the span.
    pub fn in_span<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        #[cfg(feature = "tracing")]
        let future = tracing::Instrument::instrument(future, self.span.clone());
        future
    }

    /// Runs the handler in the span, and measures how long it takes.
    pub fn instrument<F: Future>(&self, handler: F) -> impl Future<Output = F::Output> + use<'_, F> {
        #[cfg(feature = "metrics")]
        let handler = self.metrics.timed(handler);
        self.in_span(handler)
    }

    /// Says how often the message has been handled here, counted from 1.
    pub fn record_attempt(&self, attempt: u32) {
        #[cfg(feature = "tracing")]
        self.span.record("clerk.delivery.attempt", attempt);
        #[cfg(not(feature = "tracing"))]
        let _ = attempt;
    }

    /// Writes why the handler failed.
    pub fn record_failure(&self, failure: &Failure) {
        self.record_error(failure.error());
    }

    /// Writes why the delivery could not be handled, the handler's error or another one.
    pub fn record_error(&self, error: &(dyn std::error::Error + 'static)) {
        #[cfg(feature = "tracing")]
        self.span.in_scope(|| {
            let error = super::log::chain(error);
            tracing::error!(target: "clerk_webhook", error, "could not handle a delivery");
        });
        #[cfg(not(feature = "tracing"))]
        let _ = error;
    }

    /// Ends with the answer, and returns it.
    pub fn finish(self, answer: Answer) -> Answer {
        #[cfg(feature = "metrics")]
        self.metrics.end(answer.outcome());
        #[cfg(feature = "tracing")]
        {
            self.span.record("clerk.outcome", answer.outcome().as_str());
            if !answer.outcome().is_acknowledged() {
                self.span.record("error.type", answer.outcome().as_str());
            }
        }
        answer
    }
}

#[cfg(any(feature = "metrics", feature = "tracing"))]
const OTHER_TYPE: &str = "_OTHER";

/// Returns how long ago the event occurred; a clock that is behind that of the sender makes no negative time of it.
#[cfg(any(feature = "metrics", feature = "tracing"))]
fn age(event: &Event) -> Option<std::time::Duration> {
    let millis =
        crate::timestamp::Timestamp::now().as_millis().saturating_sub(event.occurred_at()?.as_millis());
    Some(std::time::Duration::from_millis(u64::try_from(millis).unwrap_or_default()))
}

#[cfg(feature = "tracing")]
mod span {
    use serde::Deserialize;
    use tracing::Span;
    use tracing::field::Empty;

    use super::{OTHER_TYPE, age};
    use crate::event::Event;

    pub(super) fn of(event: &Event, scope: &str) -> Span {
        let event_type = event.event_type();
        let span = tracing::info_span!(
            target: "clerk_webhook",
            "clerk_webhook",
            otel.kind = "consumer",
            messaging.system = "clerk",
            messaging.operation.type = "process",
            messaging.message.id = event.message_id().as_str(),
            clerk.scope = scope,
            clerk.event.type = if event_type.is_known() { event_type.as_str() } else { OTHER_TYPE },
            clerk.instance_id = Empty,
            clerk.object_id = Empty,
            clerk.delivery.attempt = Empty,
            clerk.delivery.age_ms = Empty,
            clerk.outcome = Empty,
            error.type = Empty,
        );
        // What has to be looked for is looked for only where somebody listens.
        if !span.is_disabled() {
            if let Some(instance_id) = event.instance_id() {
                span.record("clerk.instance_id", instance_id);
            }
            if let Some(age) = age(event) {
                span.record("clerk.delivery.age_ms", u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
            }
            // Not by `data_as`, whose error has to be looked for.
            if let Ok(Object { id: Some(id) }) = serde_json::from_str(event.raw_data()) {
                span.record("clerk.object_id", id);
            }
        }
        span
    }

    /// What most payloads have.
    #[derive(Deserialize)]
    struct Object {
        id: Option<String>,
    }
}

#[cfg(feature = "metrics")]
mod metrics {
    use std::future::Future;
    use std::sync::{Arc, Once};
    use std::time::Instant;

    use metrics::{
        SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
    };

    use super::{OTHER_TYPE, age};
    use crate::answer::Outcome;
    use crate::event::{Event, EventType};
    use crate::timestamp::Timestamp;

    const DELIVERIES: &str = "clerk_webhook_deliveries_total";
    const HANDLER_DURATION: &str = "clerk_webhook_handler_duration_seconds";
    const LAG: &str = "clerk_webhook_delivery_lag_seconds";
    const IN_FLIGHT: &str = "clerk_webhook_in_flight";
    const LEASE_LOST: &str = "clerk_webhook_lease_lost_total";
    const LAST_SUCCESS: &str = "clerk_webhook_last_success_timestamp_seconds";

    #[derive(Debug)]
    pub(super) struct Metrics {
        event_type: EventType,
        scope: SharedString,
    }

    impl Metrics {
        pub(super) fn begin(event: &Event, scope: &str) -> Self {
            describe();
            // Every label has a clone of it, which is a reference count then.
            let scope = SharedString::from_shared(Arc::from(scope));
            gauge!(IN_FLIGHT, "scope" => scope.clone()).increment(1.0);
            if let Some(age) = age(event) {
                histogram!(LAG, "scope" => scope.clone()).record(age);
            }
            Self { event_type: event.event_type().clone(), scope }
        }

        /// Returns a name that is one of few, whatever is sent.
        fn event_type(&self) -> &'static str {
            let known = EventType::ALL.iter().find(|known| **known == self.event_type);
            known.map_or(OTHER_TYPE, EventType::as_str)
        }

        pub(super) async fn timed<F: Future>(&self, handler: F) -> F::Output {
            let began = Instant::now();
            let output = handler.await;
            let labels = [("scope", self.scope.clone()), ("event_type", self.event_type().into())];
            histogram!(HANDLER_DURATION, &labels).record(began.elapsed());
            output
        }

        pub(super) fn end(&self, outcome: Outcome) {
            let labels = [
                ("scope", self.scope.clone()),
                ("event_type", self.event_type().into()),
                ("outcome", outcome.as_str().into()),
            ];
            counter!(DELIVERIES, &labels).increment(1);
            if outcome == Outcome::LeaseLost {
                counter!(LEASE_LOST, "scope" => self.scope.clone()).increment(1);
            }
            if outcome.is_acknowledged() {
                #[expect(clippy::cast_precision_loss, reason = "exact for 250,000 years of milliseconds")]
                let now = Timestamp::now().as_millis() as f64 / 1000.0;
                gauge!(LAST_SUCCESS, "scope" => self.scope.clone()).set(now);
            }
        }
    }

    /// What is in flight is so no longer, even where nobody waited for its end.
    impl Drop for Metrics {
        fn drop(&mut self) {
            gauge!(IN_FLIGHT, "scope" => self.scope.clone()).decrement(1.0);
        }
    }

    fn describe() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            describe_counter!(DELIVERIES, "Deliveries that were handled, by what became of them.");
            describe_histogram!(HANDLER_DURATION, Unit::Seconds, "How long handlers take.");
            describe_histogram!(LAG, Unit::Seconds, "How long after it occurred an event is delivered.");
            describe_gauge!(IN_FLIGHT, "Deliveries that are being handled.");
            describe_counter!(LEASE_LOST, "Deliveries that were handled and taken over meanwhile.");
            describe_gauge!(
                LAST_SUCCESS,
                Unit::Seconds,
                "When a delivery was last acknowledged (Unix time)."
            );
        });
    }
}
