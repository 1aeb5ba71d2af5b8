//! Traces: sends spans to a collector with OTLP, if a standard variable of OpenTelemetry names one.

use std::collections::HashMap;
use std::env;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::field::Empty;
use tracing::{Level, Metadata, Span, info, info_span, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::{Layer, Registry};

use crate::failure::Failure;
use crate::send::client::{Client, SendErrorKind};
use crate::send::endpoint::Endpoint;

/// The target of the spans that exist only for traces. The log does not repeat their fields in its lines.
pub(super) const TARGET: &str = "clerk_webhook::traces";

/// The beginning of the targets whose spans are sent. It includes the span of the core.
const TARGETS: &str = "clerk_webhook";

/// The variables, the first of which is only for traces.
const ENDPOINT: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOL: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// What to do about an invalid URL of a collector.
const ADVICE: &str = "use http:// or https:// without a user name and password, such as http://127.0.0.1:4318. Put \
     credentials into OTEL_EXPORTER_OTLP_HEADERS";

/// How long a request to the collector may take.
const REQUEST: Duration = Duration::from_secs(10);

/// How long the last spans may take at the end of the process.
pub(super) const ENDING: Duration = Duration::from_secs(2);

/// Sends the spans. Clones share the connection to the collector.
#[derive(Clone)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Reads the variables. Returns `None` if they name no collector, or turn traces off.
    pub(super) fn from_env(runtime: &Handle) -> Result<Option<Self>, Failure> {
        let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || variable("OTEL_TRACES_EXPORTER").is_some_and(|exporter| exporter == "none");
        let Some((name, url)) = first(ENDPOINT).filter(|_| !is_off) else { return Ok(None) };
        if let Some((variable, protocol)) =
            first(PROTOCOL).filter(|(_, protocol)| protocol != "http/protobuf")
        {
            return Err(Failure::usage(format_args!(
                "{variable} is {protocol:?}, but the server sends traces with http/protobuf. Set it to http/protobuf, \
                 and {name} to that port of the collector, usually 4318."
            )));
        }
        // The general variable names the collector, and the other one the complete URL.
        let url = if name == ENDPOINT[0] { url } else { url.trim_end_matches('/').to_owned() + "/v1/traces" };
        // The error of `parse` is about URLs of webhooks.
        let endpoint = Endpoint::parse(&url).map_err(|_| invalid(name, ADVICE))?;
        let collector = Collector {
            client: Client::new(endpoint.uri(), REQUEST)?,
            runtime: runtime.clone(),
            is_failing: AtomicBool::new(false),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_endpoint(endpoint.uri().to_string())
            .build()
            .map_err(|error| invalid(name, error))?;
        let provider =
            SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(exporter).build();
        Ok(Some(Self { provider }))
    }

    /// Returns the layer that records spans.
    pub(super) fn layer(&self) -> impl Layer<Registry> + Send + Sync + use<> {
        let is_recorded = |metadata: &Metadata<'_>| {
            *metadata.level() <= Level::INFO && metadata.target().starts_with(TARGETS)
        };
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("clerk-webhook"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(FilterFn::new(is_recorded).with_max_level_hint(Level::INFO))
    }

    /// Sends the last spans. Blocks the thread, but not for longer than [`ENDING`].
    pub(super) fn shutdown(&self) {
        if self.provider.shutdown_with_timeout(ENDING).is_err() {
            warn!("the collector did not take the last spans");
        }
    }
}

/// Returns a span for the request of a delivery.
pub(super) fn delivery(path: &str) -> Span {
    info_span!(
        target: TARGET,
        "delivery",
        otel.name = format_args!("POST {path}"),
        otel.kind = "server",
        http.request.method = "POST",
        http.route = path,
        http.response.status_code = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// Returns a span for a request to the application.
pub(super) fn forward(uri: &Uri, attempt: u32) -> Span {
    info_span!(
        target: TARGET,
        "forward",
        otel.name = "POST",
        otel.kind = "client",
        http.request.method = "POST",
        server.address = uri.host().unwrap_or_default(),
        server.port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 }),
        http.request.resend_count = attempt.saturating_sub(1),
        http.response.status_code = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// Records the status of a response, and whether it is an error.
pub(super) fn record_status(span: &Span, status: StatusCode, is_error: bool) {
    span.record("http.response.status_code", status.as_u16());
    if is_error {
        record_error(span, status.as_str());
    }
}

/// Records that a request had no response.
pub(super) fn record_failure(span: &Span, kind: SendErrorKind) {
    record_error(
        span,
        match kind {
            SendErrorKind::Refused => "refused",
            SendErrorKind::Timeout => "timeout",
            SendErrorKind::Other => "_OTHER",
        },
    );
}

fn record_error(span: &Span, error_type: &str) {
    span.record("error.type", error_type);
    span.record("otel.status_code", "ERROR");
}

/// Returns the headers that make the receiver's spans children of this span.
pub(super) fn headers(span: &Span) -> impl Iterator<Item = (String, String)> + use<> {
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut headers);
    headers.into_iter().filter(|(_, value)| !value.is_empty())
}

/// Returns the trace of the current span.
pub(super) fn current_id() -> Option<String> {
    opentelemetry::Context::map_current(|context| {
        let span = context.span();
        let context = span.span_context();
        context.is_valid().then(|| context.trace_id().to_string())
    })
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn first(names: [&'static str; 2]) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| Some((name, variable(name)?)))
}

fn invalid(name: &str, problem: impl std::fmt::Display) -> Failure {
    Failure::usage(format_args!("cannot send traces to the collector in {name}: {problem}"))
}

/// Returns what the spans say about the process. `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` replace it.
fn resource() -> Resource {
    let own = [
        KeyValue::new("service.name", "clerk-webhook"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
    ];
    let resource = Resource::builder_empty()
        .with_attributes(own)
        .with_detectors(&[Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())]);
    match variable("OTEL_SERVICE_NAME") {
        Some(name) => resource.with_service_name(name).build(),
        None => resource.build(),
    }
}

/// Sends requests on the runtime, because the thread that exports spans has none. Logs when requests begin to fail, and
/// when they succeed again.
#[derive(Debug)]
struct Collector {
    client: Client,
    runtime: Handle,
    is_failing: AtomicBool,
}

impl Collector {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let answer = self.runtime.spawn(async move { client.send(request.map(Full::new)).await }).await?;
        let answer = answer.inspect_err(|error| self.failed(error)).map_err(|error| error.to_string())?;
        if answer.status.is_success() {
            if self.is_failing.swap(false, Ordering::Relaxed) {
                info!("the collector takes spans again");
            }
        } else {
            self.failed(format_args!("the collector answered {}", answer.status.as_u16()));
        }
        let mut response = Response::new(answer.body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }

    fn failed(&self, error: impl std::fmt::Display) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            warn!(%error, "cannot send traces; spans are dropped until the collector takes them");
        }
    }
}

impl HttpClient for Collector {
    fn send_bytes<'s, 'f>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(self.send(request))
    }
}
