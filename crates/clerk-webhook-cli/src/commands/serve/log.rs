//! The log: text or JSON lines on standard error.

use std::fmt;
use std::io;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, FilterFn, LevelFilter, Targets};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::layer::{Filter, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};

use super::config::{Config, LogFormat};
use super::quiet::{DELIVERIES, Quiet};
use super::traces::{self, Traces};
use crate::failure::Failure;
use crate::output::escaped;

/// The fields of lines about deliveries, with their names in the span. A line has the span's names, so that one search
/// finds both.
const NAMES: [(&str, &str); 3] = [
    ("message_id", "messaging.message.id"),
    ("event_type", "clerk.event.type"),
    ("outcome", "clerk.outcome"),
];

/// The levels of targets that write a line for each step of a migration. They apply if the general level is info.
/// The server itself logs that it has updated the tables.
const STEPS: &str = "graphile_worker_migrations=warn,sqlx::postgres::notice=warn";

/// Starts the log, and the traces if there are any.
pub(super) fn start(config: &Config, traces: Option<&Traces>) -> Result<(), Failure> {
    let mut levels: Targets = config.log.parse().unwrap_or_default();
    if levels.default_level() == Some(LevelFilter::INFO) {
        // A later level of the same target replaces the earlier one.
        levels = format!("{STEPS},{}", config.log).parse().unwrap_or(levels);
    }
    let filter: Box<dyn Filter<Registry> + Send + Sync> = match levels.would_enable(DELIVERIES, &Level::DEBUG)
    {
        true => Box::new(levels),
        false => Box::new(levels.and(Quiet)),
    };
    let filter = filter.and(FilterFn::new(|metadata| metadata.target() != traces::TARGET));
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let layer = match config.log_format {
        LogFormat::Text => layer.with_filter(filter).boxed(),
        LogFormat::Json => layer.fmt_fields(JsonFields::new()).event_format(Json).with_filter(filter).boxed(),
    };
    let mut layers = vec![layer];
    layers.extend(traces.map(|traces| traces.layer().boxed()));
    let started = tracing_subscriber::registry().with(layers).try_init();
    started.map_err(|error| Failure::usage(format_args!("cannot start the log: {error}")))
}

/// Writes an event as one flat object: the fields of its spans, and its own fields.
struct Json;

impl<S> FormatEvent<S, JsonFields> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Map::new();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonFields>>();
            let fields = fields.and_then(|fields| serde_json::from_str(&fields.fields).ok());
            line.extend(fields.unwrap_or_else(Map::new));
        }
        event.record(&mut Fields(&mut line));
        for (name, of_span) in NAMES {
            if let Some(value) = line.remove(name) {
                line.insert(of_span.to_owned(), value);
            }
        }
        if let Some(trace_id) = traces::current_id() {
            line.insert("trace_id".to_owned(), trace_id.into());
        }
        // Some libraries write events without a message, for example for the error of a function.
        let message = line.remove("message").filter(|message| message.is_string());
        let message = message.or_else(|| line.get("error").filter(|error| error.is_string()).cloned());
        // Later fields do not replace these.
        line.insert("timestamp".to_owned(), now().into());
        line.insert("level".to_owned(), metadata.level().as_str().into());
        line.insert("target".to_owned(), metadata.target().into());
        line.insert("message".to_owned(), message.unwrap_or_else(|| metadata.target().into()));
        let text = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{}", escaped(&text))
    }
}

/// Returns the time in UTC, with a resolution of one millisecond.
fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now).to_string()
}

/// Collects the fields of an event.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }
}
