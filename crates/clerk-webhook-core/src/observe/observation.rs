//! The span, the log line and the metrics for a verified delivery.

use std::future::Future;

use crate::answer::{Answer, Handled, Stopped};
use crate::event::Event;
#[cfg(any(feature = "metrics", feature = "tracing"))]
use crate::event::EventType;

/// The span, the log line and the metrics for handling one event.
///
/// [`Handlers::answer`](crate::Handlers::answer), `WebhookService`, `Deduplicator` and `ExactlyOnce` already
/// call [`run`](Self::run). Use `Observation` only if you handle events without them. Without the `tracing`
/// and `metrics` features, `run` only awaits the work and returns the answer.
///
/// ```
/// # use clerk_webhook_core::{Event, Timestamp};
/// use clerk_webhook_core::{Handled, Observation, Outcome, Stopped};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let event = Event::from_trusted("msg_1".parse()?, Timestamp::now(), r#"{"type":"x"}"#.into())?;
/// let observation = Observation::begin(&event, Observation::DEFAULT_SCOPE);
/// let work = async {
///     if event.event_type() != "user.created" {
///         return Err(Stopped::new(Outcome::Rejected, "the queue takes only new users"));
///     }
///     Ok(Handled::Queued)
/// };
/// let answer = observation.run(work).await;
/// # assert_eq!(answer.status(), 422);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The span
///
/// With the `tracing` feature, the event is handled in a span named `clerk_webhook` (level info, target
/// `clerk_webhook`):
///
/// | field | value |
/// |---|---|
/// | `otel.kind` | `consumer` |
/// | `messaging.system` | `clerk` |
/// | `messaging.operation.type` | `process` |
/// | `messaging.message.id` | the message id, which you can search for in the Clerk Dashboard |
/// | `clerk.scope` | the scope, which names the endpoint |
/// | `clerk.event.type` | the event type, or `_OTHER` if it is unknown |
/// | `clerk.instance_id` | the Clerk instance id |
/// | `clerk.object_id` | the `id` in the event data |
/// | `clerk.delivery.attempt` | the number of this attempt to handle the message (with `Deduplicator`) |
/// | `clerk.delivery.age_ms` | the time since the event occurred, in ms |
/// | `clerk.outcome` | the [`Outcome`](crate::Outcome) |
/// | `error.type` | the outcome, if the answer is not 2xx |
///
/// # The log line
///
/// Each handled delivery has one log line with the fields `event_type`, `message_id`, `outcome` and
/// `duration_ms`. Its level is:
///
/// - **info** if no error occurred. The line is written outside the span, because the span has the same
///   fields.
/// - **error** if the event could not be handled, or its completion could not be stored. The additional
///   `error` field contains the text of the error and its sources.
/// - **warn** if the future was dropped before the handler finished. The `outcome` field is missing.
///
/// The log contains no payload data other than ids, with one exception: the error text in the `error` field
/// can quote a value; see [`Failure`](crate::Failure).
///
/// # The metrics
///
/// With the `metrics` feature:
///
/// | name | kind | labels | value |
/// |---|---|---|---|
/// | `clerk_webhook_deliveries_total` | counter | `scope`, `event_type`, `outcome` | answered deliveries |
/// | `clerk_webhook_handler_duration_seconds` | histogram | `scope`, `event_type` | handler duration |
/// | `clerk_webhook_delivery_lag_seconds` | histogram | `scope` | time from the event to its delivery |
/// | `clerk_webhook_in_flight` | gauge | `scope` | deliveries in progress |
/// | `clerk_webhook_lease_lost_total` | counter | `scope` | deliveries with the `lease_lost` outcome |
/// | `clerk_webhook_last_success_timestamp_seconds` | gauge | `scope` | Unix time of the last 2xx response |
/// | `clerk_webhook_verify_failures_total` | counter | `reason` | [rejected](Self::refused) deliveries |
///
/// The `event_type` label is `_OTHER` for an unknown type, so that the number of time series is bounded.
#[derive(Debug)]
#[must_use = "`run` returns the answer"]
pub struct Observation {
    #[cfg(feature = "metrics")]
    metrics: Option<metrics::Metrics>,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
    #[cfg(feature = "tracing")]
    line: Option<Box<line::Line>>,
}

impl Observation {
    /// The scope of an endpoint that has no name: `clerk`.
    pub const DEFAULT_SCOPE: &'static str = "clerk";

    /// Starts observing an event. `scope` names the endpoint that received it.
    pub fn begin(event: &Event, scope: &str) -> Self {
        Self::start(event, scope, true)
    }

    /// Starts observing an event, and records no metrics.
    ///
    /// Use it for later work on an event whose delivery was already counted, such as a job of a queue.
    pub fn begin_without_metrics(event: &Event, scope: &str) -> Self {
        Self::start(event, scope, false)
    }

    fn start(event: &Event, scope: &str, has_metrics: bool) -> Self {
        #[cfg(not(any(feature = "metrics", feature = "tracing")))]
        let _ = (event, scope);
        #[cfg(not(feature = "metrics"))]
        let _ = has_metrics;
        Self {
            #[cfg(feature = "metrics")]
            metrics: has_metrics.then(|| metrics::Metrics::begin(event, scope)),
            #[cfg(feature = "tracing")]
            span: span::of(event, scope),
            #[cfg(feature = "tracing")]
            line: line::Line::begin(event),
        }
    }

    /// Runs `work` in the span, records its result, and returns the answer.
    ///
    /// Call it once per observation. To avoid moving a large future, pin the future with `pin!` and pass the
    /// pinned reference.
    #[cfg_attr(
        not(feature = "tracing"),
        expect(clippy::manual_async_fn, reason = "`tracing` wraps the work first")
    )]
    pub fn run<'a, F>(&'a self, work: F) -> impl Future<Output = Answer> + use<'a, F>
    where
        F: Future<Output = Result<Handled, Stopped>>,
    {
        #[cfg(feature = "tracing")]
        let work = tracing::Instrument::instrument(work, self.span.clone());
        async move {
            let stopped = match work.await {
                Ok(handled) => Stopped::from(Answer::from(handled)),
                Err(stopped) => stopped,
            };
            self.finish(&stopped);
            stopped.answer()
        }
    }

    /// Awaits the handler and measures its duration (`metrics` feature).
    ///
    /// Call it inside the future that you pass to [`run`](Self::run).
    pub fn time_handler<'a, F: Future>(&'a self, handler: F) -> impl Future<Output = F::Output> + use<'a, F> {
        #[cfg(feature = "metrics")]
        let handler = metrics::timed(self.metrics.as_ref(), handler);
        handler
    }

    /// Records in the span the number of this attempt to handle the message, starting at 1.
    pub fn record_attempt(&self, attempt: u32) {
        #[cfg(feature = "tracing")]
        self.span.record("clerk.delivery.attempt", attempt);
        #[cfg(not(feature = "tracing"))]
        let _ = attempt;
    }

    fn finish(&self, stopped: &Stopped) {
        let outcome = stopped.answer().outcome();
        #[cfg(feature = "metrics")]
        if let Some(metrics) = &self.metrics {
            metrics.end(outcome);
        }
        #[cfg(feature = "tracing")]
        {
            self.span.record("clerk.outcome", outcome.as_str());
            if !outcome.is_acknowledged() {
                self.span.record("error.type", outcome.as_str());
            }
            if let Some(line) = &self.line {
                // The span already has the line's other fields, so the line becomes an event in the span only
                // if it has an error.
                match stopped.error() {
                    None => line.write(outcome, None),
                    error => self.span.in_scope(|| line.write(outcome, error)),
                }
            }
        }
        #[cfg(not(any(feature = "metrics", feature = "tracing")))]
        let _ = outcome;
    }
}

/// Writes the log line if the server drops the request or the handler panics. No other code would log these
/// cases.
#[cfg(feature = "tracing")]
impl Drop for Observation {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            self.span.in_scope(|| line.write_dropped());
        }
    }
}

#[cfg(any(feature = "metrics", feature = "tracing"))]
const OTHER_TYPE: &str = "_OTHER";

/// Returns the name of a known event type, or `_OTHER`, so that logs and labels contain no text from the
/// request.
#[cfg(any(feature = "metrics", feature = "tracing"))]
fn type_name(event_type: &EventType) -> &'static str {
    EventType::ALL.iter().find(|known| *known == event_type).map_or(OTHER_TYPE, EventType::as_str)
}

/// Returns the time since the event occurred, or `None` if the body does not contain the time of the event, or
/// if the platform has no clock. Returns zero if this machine's clock is behind the sender's clock.
#[cfg(any(feature = "metrics", feature = "tracing"))]
fn age(event: &Event) -> Option<std::time::Duration> {
    let now = crate::timestamp::Timestamp::from(crate::clock::system()?);
    let millis = now.as_millis().saturating_sub(event.occurred_at()?.as_millis());
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
        // These fields are computed only if the span is enabled.
        if !span.is_disabled() {
            if let Some(instance_id) = event.instance_id() {
                span.record("clerk.instance_id", instance_id);
            }
            if let Some(age) = age(event) {
                span.record("clerk.delivery.age_ms", u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
            }
            // `data_as` would compute the path of a mismatch, which is not needed here.
            if let Ok(Object { id: Some(id) }) = serde_json::from_str(event.raw_data()) {
                span.record("clerk.object_id", id);
            }
        }
        span
    }

    /// The only field of the data that is recorded. Most payloads have it.
    #[derive(Deserialize)]
    struct Object {
        id: Option<String>,
    }
}

#[cfg(feature = "tracing")]
mod line {
    use std::error::Error;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use super::type_name;
    use crate::answer::Outcome;
    use crate::clock;
    use crate::event::{Event, EventType};
    use crate::message_id::MessageId;

    /// The log line's fields that are known before the event is handled.
    #[derive(Debug)]
    pub(super) struct Line {
        event_type: EventType,
        message_id: MessageId,
        /// `None` if the platform has no clock.
        began: Option<Instant>,
        is_written: AtomicBool,
    }

    impl Line {
        /// Starts a log line, or returns `None` if no subscriber is interested in errors.
        pub(super) fn begin(event: &Event) -> Option<Box<Self>> {
            tracing::enabled!(target: "clerk_webhook", tracing::Level::ERROR).then(|| {
                Box::new(Self {
                    event_type: event.event_type().clone(),
                    message_id: event.message_id().clone(),
                    began: clock::monotonic(),
                    is_written: AtomicBool::new(false),
                })
            })
        }

        pub(super) fn write(&self, outcome: Outcome, error: Option<&(dyn Error + Send + Sync + 'static)>) {
            self.is_written.store(true, Ordering::Relaxed);
            let (event_type, message_id, duration_ms) = self.fields();
            let outcome = outcome.as_str();
            match error {
                None => tracing::info!(
                    target: "clerk_webhook",
                    event_type, message_id, outcome, duration_ms, "answered a delivery"
                ),
                Some(error) => tracing::error!(
                    target: "clerk_webhook",
                    event_type, message_id, outcome, duration_ms,
                    error = crate::error_text::Chain(error).to_string(), "could not handle a delivery"
                ),
            }
        }

        /// Writes a log line for a dropped delivery, unless its line has already been written.
        pub(super) fn write_dropped(&self) {
            if !self.is_written.load(Ordering::Relaxed) {
                let (event_type, message_id, duration_ms) = self.fields();
                tracing::warn!(
                    target: "clerk_webhook",
                    event_type, message_id, duration_ms,
                    "dropped a delivery before it was handled: the sender closed the connection, the handler panicked, or the runtime shut down"
                );
            }
        }

        fn fields(&self) -> (&'static str, &str, Option<u64>) {
            let millis =
                self.began.map(|began| u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
            (type_name(&self.event_type), self.message_id.as_str(), millis)
        }
    }
}

#[cfg(feature = "metrics")]
mod metrics {
    use std::future::Future;
    use std::sync::{Arc, Once};

    use metrics::{
        SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
    };

    use super::{age, type_name};
    use crate::answer::Outcome;
    use crate::clock;
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
            // The text of the scope is shared, because every label gets a clone of it.
            let scope = SharedString::from_shared(Arc::from(scope));
            gauge!(IN_FLIGHT, "scope" => scope.clone()).increment(1.0);
            if let Some(age) = age(event) {
                histogram!(LAG, "scope" => scope.clone()).record(age);
            }
            Self { event_type: event.event_type().clone(), scope }
        }

        pub(super) fn end(&self, outcome: Outcome) {
            let labels = [
                ("scope", self.scope.clone()),
                ("event_type", type_name(&self.event_type).into()),
                ("outcome", outcome.as_str().into()),
            ];
            counter!(DELIVERIES, &labels).increment(1);
            if outcome == Outcome::LeaseLost {
                counter!(LEASE_LOST, "scope" => self.scope.clone()).increment(1);
            }
            if outcome.is_acknowledged()
                && let Some(now) = clock::system()
            {
                #[expect(clippy::cast_precision_loss, reason = "exact for 250,000 years of milliseconds")]
                let now = Timestamp::from(now).as_millis() as f64 / 1000.0;
                gauge!(LAST_SUCCESS, "scope" => self.scope.clone()).set(now);
            }
        }
    }

    /// Awaits the handler and records its duration, unless there are no metrics.
    pub(super) async fn timed<F: Future>(metrics: Option<&Metrics>, handler: F) -> F::Output {
        let began = clock::monotonic();
        let output = handler.await;
        if let (Some(Metrics { event_type, scope }), Some(began)) = (metrics, began) {
            let labels = [("scope", scope.clone()), ("event_type", type_name(event_type).into())];
            histogram!(HANDLER_DURATION, &labels).record(began.elapsed());
        }
        output
    }

    /// Decrements the in-flight gauge, even if the future was dropped.
    impl Drop for Metrics {
        fn drop(&mut self) {
            gauge!(IN_FLIGHT, "scope" => self.scope.clone()).decrement(1.0);
        }
    }

    fn describe() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            describe_counter!(DELIVERIES, "Answered deliveries, by outcome.");
            describe_histogram!(HANDLER_DURATION, Unit::Seconds, "Duration of handlers.");
            describe_histogram!(LAG, Unit::Seconds, "Time from the event to its delivery.");
            describe_gauge!(IN_FLIGHT, "Deliveries in progress.");
            describe_counter!(
                LEASE_LOST,
                "Deliveries whose lease expired or was taken over before their completion was stored."
            );
            describe_gauge!(
                LAST_SUCCESS,
                Unit::Seconds,
                "Unix time of the last delivery that was answered with 2xx."
            );
        });
    }
}
