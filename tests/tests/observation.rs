//! Spans, log lines and metrics of handled deliveries. None of them contains payload data.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use clerk_webhook_core::event::marker::UserCreated;
use clerk_webhook_core::{
    Context, Event, Failure, Handled, Handlers, Observation, Outcome, ReceiveError, Timestamp, Verifier,
};
use clerk_webhook_store::{
    Deduplicator, DeliveryKey, DeliveryStore as _, ExactlyOnce, MemoryStore, Scope, SqliteStore,
};
use clerk_webhook_tests::metrics::Metrics;
use clerk_webhook_tests::{SECRET, fixture, fixtures, message_id, secret, servers, sign};
use clerk_webhook_tower::{DeduplicateLayer, VerifyWebhook, WebhookService};
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use serde_json::Value;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Connection as _, PgConnection};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Instrument as _, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context as LayerContext, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// A global subscriber that enables every callsite and records nothing.
///
/// `tracing` caches for each callsite whether a subscriber is interested. A thread that reaches a callsite
/// while another thread installs its subscriber may cache "not interested" for both. This subscriber is
/// always interested, so every test forces it first.
static ALWAYS_INTERESTED: LazyLock<()> = LazyLock::new(|| {
    tracing_subscriber::registry().init();
});

/// The spans of this workspace, and all log lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Logged>>);

#[derive(Default)]
struct Logged {
    spans: BTreeMap<u64, Fields>,
    lines: Vec<Line>,
}

/// The fields of a span or a log line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fields(BTreeMap<&'static str, String>);

#[derive(Debug)]
struct Line {
    level: Level,
    target: &'static str,
    fields: Fields,
    /// How many spans of this workspace contain the line.
    depth: usize,
    /// Whether the span of the application's request contains the line.
    is_in_request: bool,
}

impl Log {
    /// Records on this thread until the guard is dropped.
    fn listen(&self) -> DefaultGuard {
        LazyLock::force(&ALWAYS_INTERESTED);
        tracing_subscriber::registry().with(self.clone()).set_default()
    }

    /// Returns the only span.
    #[track_caller]
    fn take_span(&self) -> Fields {
        let spans = std::mem::take(&mut self.0.lock().unwrap().spans);
        assert_eq!(spans.len(), 1, "{spans:?}");
        spans.into_values().next().unwrap()
    }

    fn take_lines(&self) -> Vec<Line> {
        std::mem::take(&mut self.0.lock().unwrap().lines)
    }

    /// Checks the only line, which is about the fixture, and returns it.
    #[track_caller]
    fn take_line(&self, level: Level, outcome: &str) -> Line {
        let mut lines = self.take_lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = lines.remove(0);
        // An info line is outside the span, because it would repeat the span's fields.
        let depth = usize::from(level != Level::INFO);
        assert_eq!((line.level, line.target, line.depth), (level, "clerk_webhook", depth));
        let expected = [
            ("event_type", "user.created"),
            ("message_id", "msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa"),
            ("outcome", outcome),
        ];
        for (name, value) in expected {
            assert_eq!(line.fields.get(name), Some(value), "{line:?}");
        }
        assert!(line.fields.get("duration_ms").unwrap().parse::<u64>().is_ok(), "{line:?}");
        line
    }

    #[track_caller]
    fn take_info(&self, outcome: &str) {
        let line = self.take_line(Level::INFO, outcome);
        assert_eq!(line.fields.0.len(), 5, "{line:?}");
        assert_eq!(line.fields.get("message"), Some("answered a delivery"));
    }

    #[track_caller]
    fn take_error(&self, outcome: &str, error: &str) {
        let line = self.take_line(Level::ERROR, outcome);
        assert_eq!(line.fields.get("message"), Some("could not handle a delivery"));
        assert_eq!(line.fields.get("error"), Some(error));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _cx: LayerContext<'_, S>) {
        if attributes.metadata().target() != "clerk_webhook" {
            return;
        }
        assert_eq!(
            (attributes.metadata().name(), *attributes.metadata().level()),
            ("clerk_webhook", Level::INFO)
        );
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        self.0.lock().unwrap().spans.insert(id.into_u64(), fields);
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, _cx: LayerContext<'_, S>) {
        if let Some(fields) = self.0.lock().unwrap().spans.get_mut(&id.into_u64()) {
            record.record(fields);
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, cx: LayerContext<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let spans: Vec<_> = cx.event_scope(event).into_iter().flatten().collect();
        let depth = spans.iter().filter(|span| span.metadata().target() == "clerk_webhook").count();
        let is_in_request = spans.iter().any(|span| span.name() == "request");
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        self.0.lock().unwrap().lines.push(Line { level, target, fields, depth, is_in_request });
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

fn event(body: impl Into<Bytes>) -> Event {
    Event::from_trusted(message_id(), Timestamp::now(), body.into()).unwrap()
}

/// A handler's error, with another error as its source.
#[derive(Debug)]
struct Unsaved(io::Error);

impl fmt::Display for Unsaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the user could not be saved")
    }
}

impl std::error::Error for Unsaved {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Returns handlers that succeed, or fail with a chain of errors.
fn handlers() -> Handlers<bool> {
    let handlers = Handlers::builder().on(UserCreated, |_, cx: Context<bool>| async move {
        if *cx.state() { Ok(()) } else { Err(Unsaved(io::Error::other("connection refused")))? }
    });
    handlers.build().unwrap()
}

#[tokio::test]
async fn a_handled_delivery_has_a_span() {
    let log = Log::default();
    let _listening = log.listen();
    let deduplicator = Deduplicator::new(MemoryStore::new()).scope("sync".parse().unwrap());
    let answer = deduplicator.handle(&handlers(), event(fixture("user.created")), true).await;
    assert_eq!(answer.outcome(), Outcome::Processed);
    let mut span = log.take_span();
    let age: u64 = span.0.remove("clerk.delivery.age_ms").unwrap().parse().unwrap();
    assert!(age > 30_000_000_000, "the fixture is more than a year old");
    let expected = BTreeMap::from([
        ("otel.kind", "consumer"),
        ("messaging.system", "clerk"),
        ("messaging.operation.type", "process"),
        ("messaging.message.id", "msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa"),
        ("clerk.scope", "sync"),
        ("clerk.event.type", "user.created"),
        ("clerk.instance_id", "ins_2fAArUK24oCKCd5jY4gJfpP89tC"),
        ("clerk.object_id", "user_2fCjroEEruEbiXLF9UBxU3QkoiF"),
        ("clerk.delivery.attempt", "1"),
        ("clerk.outcome", "processed"),
    ]);
    assert_eq!(span, Fields(expected.into_iter().map(|(name, value)| (name, value.to_owned())).collect()));
    log.take_info("processed");

    // A duplicate is not counted as an attempt.
    let answer = deduplicator.handle(&handlers(), event(fixture("user.created")), true).await;
    assert_eq!(answer.outcome(), Outcome::Duplicate);
    let span = log.take_span();
    assert_eq!((span.get("clerk.outcome"), span.get("clerk.delivery.attempt")), (Some("duplicate"), None));
    assert_eq!(span.get("error.type"), None);
    log.take_info("duplicate");
}

#[tokio::test]
async fn a_failed_handler_logs_an_error_inside_the_span() {
    let log = Log::default();
    let _listening = log.listen();
    let deduplicator = Deduplicator::new(MemoryStore::new());
    for attempt in ["1", "2"] {
        deduplicator.handle(&handlers(), event(fixture("user.created")), false).await;
        let span = log.take_span();
        assert_eq!((span.get("clerk.outcome"), span.get("error.type")), (Some("failed"), Some("failed")));
        assert_eq!(span.get("clerk.delivery.attempt"), Some(attempt));
        log.take_error("failed", "the user could not be saved: connection refused");
    }
}

/// The detail of a Postgres error contains values of the existing row.
#[tokio::test]
async fn does_not_show_or_log_the_detail_of_a_database_error() {
    const ADDRESS: &str = "jo@example.com";
    let Some(url) = servers::postgres("does_not_show_or_log_the_detail_of_a_database_error") else {
        return;
    };
    let log = Log::default();
    let _listening = log.listen();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let create = "CREATE TEMPORARY TABLE member (email TEXT CONSTRAINT member_email UNIQUE)";
    sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
    let mut add = async || -> Result<Handled, Failure> {
        let insert = sqlx::query("INSERT INTO member VALUES ($1)").bind(ADDRESS);
        insert.execute(&mut connection).await?;
        Ok(Handled::Processed)
    };
    add().await.unwrap();
    let failure = add().await.unwrap_err();
    assert!(format!("{:?}", failure.error()).contains(ADDRESS), "the error has no detail");
    let shown = format!("{failure} {failure:?} {:?}", Err::<(), _>(&failure));
    assert!(shown.contains("member_email") && !shown.contains(ADDRESS), "{shown}");

    let deduplicator = Deduplicator::new(MemoryStore::new());
    let answer = deduplicator.run(event(fixture("user.created")), async |_, _| Err(failure));
    assert_eq!(answer.await.outcome(), Outcome::Failed);
    let lines = log.take_lines();
    let error = lines.iter().find_map(|line| line.fields.get("error")).unwrap();
    assert!(error.contains("member_email"), "{error}");
    assert!(!format!("{lines:?} {:?}", log.take_span()).contains(ADDRESS), "{lines:?}");
}

/// Returns an `ExactlyOnce` with an in-memory database, which is lost when its connection closes.
fn exactly_once() -> ExactlyOnce<SqliteStore> {
    let pool = SqlitePoolOptions::new().max_connections(1).connect_lazy("sqlite::memory:").unwrap();
    ExactlyOnce::new(SqliteStore::new(pool)).scope("sync".parse().unwrap())
}

#[tokio::test]
async fn every_handling_path_creates_one_span_and_one_log_line() {
    const ERROR: &str = "the user could not be saved: connection refused";
    let log = Log::default();
    let _listening = log.listen();
    let check = |scope: &str, attempt: Option<&str>, error: &str| {
        let span = log.take_span();
        assert_eq!((span.get("clerk.scope"), span.get("clerk.outcome")), (Some(scope), Some("failed")));
        assert_eq!(span.get("clerk.delivery.attempt"), attempt);
        log.take_error("failed", error);
    };
    handlers().answer(event(fixture("user.created")), false).await;
    check("clerk", None, ERROR);

    let once = exactly_once();
    once.store().migrate().await.unwrap();
    let deduplicator = Deduplicator::new(MemoryStore::new());
    for (service, scope, attempt) in [
        (WebhookService::new(handlers(), false), "clerk", None),
        (WebhookService::with_scope(handlers(), false, "mail"), "mail", None),
        (WebhookService::deduplicated(handlers(), false, deduplicator), "clerk", Some("1")),
        (WebhookService::exactly_once(handlers(), once, |_transaction| false), "sync", None),
    ] {
        let service = service.verified(Verifier::new(SECRET).unwrap());
        assert_eq!(service.oneshot(delivery()).await.unwrap().status(), 500);
        check(scope, attempt, ERROR);
    }

    let inner = service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::builder().status(503).body(Full::<Bytes>::default()).unwrap())
    });
    let deduplicated = DeduplicateLayer::new(MemoryStore::new()).layer(inner);
    let verified = VerifyWebhook::new(deduplicated, Verifier::new(SECRET).unwrap());
    assert_eq!(verified.oneshot(delivery()).await.unwrap().status(), 503);
    check("clerk", Some("1"), "the service returned status 503");
}

/// The handling runs in the request, not in a task, so a disconnect drops it.
#[tokio::test]
async fn logs_a_dropped_delivery() {
    let log = Log::default();
    let _listening = log.listen();
    let handlers: Handlers<bool> = Handlers::builder()
        .on(UserCreated, |_, cx: Context<bool>| async move {
            assert!(!cx.state(), "a panic on purpose");
            std::future::pending().await
        })
        .build()
        .unwrap();
    for panics in [true, false] {
        let handling = tokio::spawn(handlers.answer(event(fixture("user.created")), panics));
        tokio::task::yield_now().await;
        handling.abort();
        assert!(handling.await.is_err());
        let span = log.take_span();
        assert_eq!(span.get("clerk.outcome"), None);
        let lines = log.take_lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!((lines[0].level, lines[0].depth, lines[0].fields.get("outcome")), (Level::WARN, 1, None));
        assert_eq!(lines[0].fields.get("message_id"), Some("msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa"));
        assert!(
            lines[0].fields.get("message").unwrap().starts_with("dropped a delivery before it was handled")
        );
    }
}

/// sqlx repeats a source's text in the error. The log line must contain the text only once.
#[tokio::test]
async fn logs_a_missing_table_once_with_advice() {
    let log = Log::default();
    let _listening = log.listen();
    let event = event(fixture("user.created"));
    let answer = exactly_once().handle(&handlers(), event, |_transaction| true).await;
    assert_eq!(answer.outcome(), Outcome::StoreUnavailable);
    let error = "error with configuration: no such table: clerk_webhook_delivery. Call `migrate()` when the application starts";
    log.take_error("store_unavailable", error);
}

#[tokio::test]
async fn log_lines_of_a_handler_are_inside_the_span() {
    let log = Log::default();
    let _listening = log.listen();
    let handlers: Handlers = Handlers::builder()
        .on(UserCreated, |_, _| async {
            tracing::info!("from a handler");
            tokio::task::yield_now().await;
            tracing::info!("from a handler");
            Ok(())
        })
        .build()
        .unwrap();
    handlers.answer(event(fixture("user.created")), ()).await;
    let deduplicator = Deduplicator::new(MemoryStore::new());
    deduplicator.handle(&handlers, event(fixture("user.created")), ()).await;
    let lines = log.take_lines();
    let of_handlers = lines.iter().filter(|line| line.target != "clerk_webhook");
    assert_eq!(of_handlers.map(|line| line.depth).collect::<Vec<_>>(), [1; 4]);
}

/// Deliveries that are handled once run in tasks.
#[tokio::test]
async fn log_lines_are_inside_the_span_of_the_request() {
    let log = Log::default();
    let _listening = log.listen();
    let request = tracing::info_span!("request");
    let (handlers, deduplicator) = (handlers(), Deduplicator::new(MemoryStore::new()));
    for fails in [true, false] {
        let handled = deduplicator.handle(&handlers, event(fixture("user.created")), !fails);
        let answer = handled.instrument(request.clone()).await;
        assert_eq!(answer.outcome(), if fails { Outcome::Failed } else { Outcome::Processed });
        assert!(log.take_lines().iter().all(|line| line.is_in_request));
    }
}

#[tokio::test]
async fn logs_panics_and_handler_timeouts() {
    let log = Log::default();
    let _listening = log.listen();
    tokio::time::pause();
    let handlers: Handlers<bool> = Handlers::builder()
        .on(UserCreated, |user, cx: Context<bool>| async move {
            assert!(!cx.state(), "a panic on purpose for {}", user.id);
            std::future::pending().await
        })
        .build()
        .unwrap();
    let deduplicator = Deduplicator::new(MemoryStore::new());
    for (panics, error, outcome) in [
        (true, "the handler panicked", "failed"),
        (
            false,
            "the handler did not finish within `handler_timeout`: move slow work into a job",
            "handler_timeout",
        ),
    ] {
        deduplicator.handle(&handlers, event(fixture("user.created")), panics).await;
        let span = log.take_span();
        assert_eq!((span.get("clerk.outcome"), span.get("error.type")), (Some(outcome), Some(outcome)));
        log.take_error(outcome, error);
    }
}

#[tokio::test]
async fn records_all_unknown_types_under_one_name() {
    let log = Log::default();
    let _listening = log.listen();
    for body in [r#"{"data":{"id":7},"type":"newThing.created"}"#, r#"{"type":""}"#] {
        handlers().answer(event(body), true).await;
        let span = log.take_span();
        assert_eq!(
            (span.get("clerk.event.type"), span.get("clerk.outcome")),
            (Some("_OTHER"), Some("ignored"))
        );
        let absent = ["clerk.instance_id", "clerk.object_id", "clerk.delivery.age_ms"];
        assert!(absent.iter().all(|name| span.get(name).is_none()), "{span:?}");
    }
}

/// Returns a valid delivery.
fn delivery() -> Request<Full<Bytes>> {
    signed(fixture("user.created"))
}

fn signed(body: Vec<u8>) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::from(Bytes::from(body.clone())));
    *request.headers_mut() = HeaderMap::from(&sign(&body));
    request
}

/// All written output as text.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Text {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Collects all strings and numbers of a document.
fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Number(number) => drop(found.insert(number.to_string())),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(values) => values.values().for_each(|value| texts(value, found)),
        Value::Bool(_) | Value::Null => {}
    }
}

#[tokio::test]
async fn logs_no_payload_data_except_ids_at_any_level() {
    let text = Text::default();
    let writer = text.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_max_level(Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(move || writer.clone());
    LazyLock::force(&ALWAYS_INTERESTED);
    let _listening = subscriber.set_default();
    // Each event is sent with minimal data, with a forged message id, and unchanged. The handler fails.
    let failing: Handlers = Handlers::builder()
        .otherwise(|event: Event, _| async move {
            let _ = event.data();
            Err(Failure::retry("the database is down"))
        })
        .build()
        .unwrap();
    let service = WebhookService::deduplicated(failing, (), Deduplicator::new(MemoryStore::new()))
        .verified(Verifier::new(SECRET).unwrap());
    let mut sent_texts = 0;
    for (name, body) in fixtures() {
        let sent: Value = serde_json::from_slice(&body).unwrap();
        // Only text that the log also contains for minimal data may appear in the log.
        let mut minimal = serde_json::json!({ "data": {}, "type": sent["type"] });
        for (holder, key) in [("/data", "id"), ("", "instance_id"), ("", "timestamp")] {
            if let Some(value) = sent.pointer(holder).and_then(|holder| holder.get(key)) {
                minimal.pointer_mut(holder).unwrap()[key] = value.clone();
            }
        }
        let response = service.clone().oneshot(signed(minimal.to_string().into_bytes())).await.unwrap();
        assert_eq!(response.status(), 500, "{name}");
        let expected = text.take();
        assert!(
            expected.contains("the database is down") && expected.contains("clerk.outcome"),
            "{expected}"
        );

        let mut forged = signed(body.clone());
        forged.headers_mut().insert("svix-id", "msg_forged".parse().unwrap());
        let rejected = service.clone().oneshot(forged).await.unwrap();
        assert_eq!(rejected.status(), 400);
        // Rejections write at most one line per second, so the line may be missing. Use the error's text.
        let error: &dyn std::error::Error = rejected.extensions().get::<ReceiveError>().unwrap();
        let reasons: Vec<_> =
            std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect();
        let expected = format!("{expected} {reasons:?}");
        assert_eq!(service.clone().oneshot(signed(body)).await.unwrap().status(), 500, "{name}");
        let written = text.take();
        let mut found = BTreeSet::new();
        texts(&sent, &mut found);
        found.retain(|text| text.len() > 5 && !expected.contains(text.as_str()));
        sent_texts += found.len();
        for text in &found {
            assert!(!written.contains(text.as_str()), "{name}: {text} in {written}");
        }
        assert!(!written.contains(&SECRET[6..]) && !written.contains("v1,"), "{written}");
    }
    assert!(sent_texts > 500, "{sent_texts}");
}

#[tokio::test]
async fn logs_the_path_but_not_the_value_of_undecodable_data() {
    let log = Log::default();
    let _listening = log.listen();
    let body = r#"{"data":{"id":"user_1","email_addresses":"ada@example.com"},"type":"user.created"}"#;
    handlers().answer(event(body), true).await;
    let lines = log.take_lines();
    let error = lines[0].fields.get("error").unwrap();
    assert!(error.contains("data.email_addresses") && !error.contains("ada"), "{error}");
}

#[tokio::test]
async fn counts_deliveries_by_outcome() {
    LazyLock::force(&ALWAYS_INTERESTED);
    let metrics = Metrics::default();
    let _recording = metrics::set_default_local_recorder(&metrics);
    let deduplicator = Deduplicator::new(MemoryStore::new()).scope("sync".parse().unwrap());
    let created = || event(fixture("user.created"));
    let began = Timestamp::now();
    for succeeds in [false, true, true] {
        deduplicator.handle(&handlers(), created(), succeeds).await;
    }
    let unknown = |id: &str, event_type: &str| {
        let body = format!(r#"{{"data":{{"id":"thing_1"}},"type":"{event_type}"}}"#);
        Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.into()).unwrap()
    };
    for (id, event_type) in [("msg_1", "newThing.created"), ("msg_2", "newerThing.created"), ("msg_3", "")] {
        deduplicator.handle(&handlers(), unknown(id, event_type), true).await;
    }
    let count = |event_type: &str, outcome: &str| {
        metrics.get(&format!("deliveries_total{{event_type={event_type},outcome={outcome},scope=sync}}"))
    };
    assert_eq!(count("user.created", "failed"), Some(1.0));
    assert_eq!(count("user.created", "processed"), Some(1.0));
    assert_eq!(count("user.created", "duplicate"), Some(1.0));
    assert_eq!(count("_OTHER", "ignored"), Some(3.0));
    // A duplicate runs no handler.
    let durations = metrics.values("handler_duration_seconds{event_type=user.created,scope=sync}");
    assert_eq!(durations.len(), 2, "{durations:?}");
    assert!(durations.iter().all(|seconds| (0.0..60.0).contains(seconds)), "{durations:?}");
    let lags = metrics.values("delivery_lag_seconds{scope=sync}");
    assert_eq!(lags.len(), 3, "{lags:?}");
    assert!(lags.iter().all(|seconds| *seconds > 30_000_000.0), "the fixture is more than a year old");
    #[expect(clippy::cast_precision_loss, reason = "the current time fits in 53 bits")]
    let began = began.as_millis() as f64 / 1000.0;
    assert!(metrics.get("last_success_timestamp_seconds{scope=sync}").unwrap() >= began);
    assert_eq!(metrics.values("in_flight{scope=sync}"), [1.0, 0.0].repeat(6));
    assert_eq!(metrics.names().len(), 9, "{:?}", metrics.names());
}

#[tokio::test]
async fn the_in_flight_gauge_returns_to_zero_after_panics_and_drops() {
    LazyLock::force(&ALWAYS_INTERESTED);
    let metrics = Metrics::default();
    let _recording = metrics::set_default_local_recorder(&metrics);
    let seen = metrics.clone();
    let handlers: Handlers<bool> = Handlers::builder()
        .on(UserCreated, move |_, cx: Context<bool>| {
            assert_eq!(seen.get("in_flight{scope=clerk}"), Some(1.0));
            async move {
                assert!(cx.state(), "a panic on purpose");
                std::future::pending().await
            }
        })
        .build()
        .unwrap();
    let created = || event(fixture("user.created"));
    assert!(tokio::spawn(handlers.answer(created(), false)).await.unwrap_err().is_panic());
    assert_eq!(metrics.get("in_flight{scope=clerk}"), Some(0.0));
    // The same applies if the caller drops the future.
    let handling = tokio::spawn(handlers.answer(created(), true));
    tokio::task::yield_now().await;
    assert_eq!(metrics.get("in_flight{scope=clerk}"), Some(1.0));
    handling.abort();
    assert!(handling.await.unwrap_err().is_cancelled());
    assert_eq!(metrics.get("in_flight{scope=clerk}"), Some(0.0));
}

#[tokio::test]
async fn counts_lost_leases_and_rejections() {
    LazyLock::force(&ALWAYS_INTERESTED);
    let metrics = Metrics::default();
    let _recording = metrics::set_default_local_recorder(&metrics);
    let store = MemoryStore::new();
    let deduplicator = Deduplicator::new(store.clone());
    let handlers: Handlers<MemoryStore> = Handlers::builder()
        .on(UserCreated, |_, cx: Context<MemoryStore>| async move {
            let key = DeliveryKey::of(cx.event(), Scope::default());
            assert!(cx.state().forget(&key).await?);
            Ok(())
        })
        .build()
        .unwrap();
    deduplicator.handle(&handlers, event(fixture("user.created")), store).await;
    assert_eq!(metrics.get("lease_lost_total{scope=clerk}"), Some(1.0));
    let lost = "deliveries_total{event_type=user.created,outcome=lease_lost,scope=clerk}";
    assert_eq!(metrics.get(lost), Some(1.0));
    assert_eq!(metrics.get("last_success_timestamp_seconds{scope=clerk}"), None);

    let verifier = Verifier::new(SECRET).unwrap();
    let stale = secret().sign(&message_id(), Timestamp::from_secs(1), b"{}");
    for (headers, body) in
        [(sign(b"another"), "{}"), (sign(b"another"), "{}"), (stale, "{}"), (sign(b"[]"), "[]")]
    {
        Observation::refused(&verifier.receive(&headers.to_pairs(), body.into()).unwrap_err());
    }
    let rejections = |reason: &str| metrics.get(&format!("verify_failures_total{{reason={reason}}}"));
    assert_eq!(rejections("invalid_signature"), Some(2.0));
    assert_eq!(rejections("expired_timestamp"), Some(1.0));
    assert_eq!(rejections("not_an_event"), Some(1.0));
}

/// A request without a verified event means that the verification layer is missing.
#[tokio::test]
async fn counts_requests_without_a_verified_event_as_misconfigured() {
    LazyLock::force(&ALWAYS_INTERESTED);
    let metrics = Metrics::default();
    let _recording = metrics::set_default_local_recorder(&metrics);
    let misconfigured = || metrics.get("verify_failures_total{reason=misconfigured}");
    let unverified = || Request::new(Full::<Bytes>::from("{}"));
    let answered = WebhookService::new(handlers(), true).oneshot(unverified()).await.unwrap();
    assert_eq!((answered.status().as_u16(), misconfigured()), (500, Some(1.0)));
    let deduplicate = DeduplicateLayer::new(MemoryStore::new());
    let service = deduplicate.layer(WebhookService::new(handlers(), true));
    assert_eq!(service.oneshot(unverified()).await.unwrap().status(), 500);
    assert_eq!(misconfigured(), Some(2.0));
}

#[tokio::test]
async fn the_layer_counts_rejections() {
    LazyLock::force(&ALWAYS_INTERESTED);
    let metrics = Metrics::default();
    let _recording = metrics::set_default_local_recorder(&metrics);
    let service = WebhookService::new(handlers(), true).verified(Verifier::new(SECRET).unwrap());
    let mut forged = delivery();
    forged.headers_mut().insert("svix-id", "msg_forged".parse().unwrap());
    assert_eq!(service.oneshot(forged).await.unwrap().status(), 400);
    assert_eq!(metrics.get("verify_failures_total{reason=invalid_signature}"), Some(1.0));
}

#[tokio::test]
async fn labels_contain_no_payload_data_except_a_known_event_type() {
    LazyLock::force(&ALWAYS_INTERESTED);
    let metrics = Metrics::default();
    let _recording = metrics::set_default_local_recorder(&metrics);
    let service = WebhookService::deduplicated(handlers(), false, Deduplicator::new(MemoryStore::new()))
        .verified(Verifier::new(SECRET).unwrap());
    for (_, body) in fixtures() {
        service.clone().oneshot(signed(body)).await.unwrap();
    }
    let unknown =
        br#"{"data":{"id":"ada@example.com"},"instance_id":"ada@example.com","type":"ada@example.com"}"#;
    let mut request = signed(unknown.to_vec());
    let other_id = "msg_other".parse().unwrap();
    *request.headers_mut() = HeaderMap::from(&secret().sign(&other_id, Timestamp::now(), unknown));
    service.clone().oneshot(request).await.unwrap();
    let mut forged = signed(unknown.to_vec());
    forged.headers_mut().insert("svix-id", "ada@example.com".parse().unwrap());
    service.clone().oneshot(forged).await.unwrap();

    let words: BTreeSet<_> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    for name in metrics.names() {
        let (_, labels) = name.trim_end_matches('}').split_once('{').unwrap();
        for label in labels.split(',') {
            let (key, value) = label.split_once('=').unwrap();
            let is_bounded = match key {
                "scope" => value == "clerk",
                "outcome" | "reason" => words.contains(value),
                "event_type" => value == "_OTHER" || clerk_webhook_core::EventType::from(value).is_known(),
                _ => false,
            };
            assert!(is_bounded, "{name}");
        }
    }
}
