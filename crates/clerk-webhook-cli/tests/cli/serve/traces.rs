//! Traces with OTLP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clerk_webhook_test::{Delivery, fixture};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use prost::Message as _;
use serde_json::Value;

use super::{Database, PATH, Server};
use crate::support::process::finish;
use crate::support::server::{self, closed_port, response};

/// A collector that takes spans.
struct Collector {
    server: server::Server,
    spans: Vec<Span>,
}

impl Collector {
    fn start() -> Self {
        Self { server: server::Server::new(|_| response(200, &[], "")), spans: Vec::new() }
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Waits for the span with this kind and this value of an attribute.
    #[track_caller]
    fn span(&mut self, kind: SpanKind, name: &str, value: &str) -> Span {
        let is_searched = |span: &&Span| span.kind() == kind && attribute(&span.attributes, name) == value;
        loop {
            if let Some(span) = self.spans.iter().find(is_searched) {
                return span.clone();
            }
            let request = self.server.request();
            assert_eq!(request.line, "POST /v1/traces HTTP/1.1");
            assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
            self.spans.extend(spans(&request));
        }
    }
}

fn decode(request: &server::Request) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap()
}

fn spans(request: &server::Request) -> impl Iterator<Item = Span> {
    let scopes = decode(request).resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans)
}

/// Returns an attribute as text, or an empty text.
fn attribute(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.as_ref()) {
        Some(AnyValue { value: Some(any_value::Value::StringValue(text)) }) => text.clone(),
        Some(AnyValue { value: Some(any_value::Value::IntValue(number)) }) => number.to_string(),
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Waits for the log line about a delivery.
#[track_caller]
fn answered(server: &Server) -> Value {
    let line = server.line("answered a delivery");
    assert!(!line["messaging.message.id"].is_null(), "{line}");
    line
}

#[test]
fn a_delivery_is_a_span_with_the_trace_id_of_its_log_line() {
    let mut collector = Collector::start();
    let database = Database::sqlite("traces");
    let mut command = database.command();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()).env("OTEL_BSP_SCHEDULE_DELAY", "50");
    let server = Server::start(&mut command);
    assert_eq!(server.deliver(&Delivery::of(fixture::user_created()).id("msg_1")).status, 200);

    let event = collector.span(SpanKind::Consumer, "messaging.message.id", "msg_1");
    let request = collector.span(SpanKind::Server, "http.route", PATH);
    assert_eq!((request.name.as_str(), event.name.as_str()), ("POST /webhooks/clerk", "clerk_webhook"));
    assert_eq!((&event.trace_id, &event.parent_span_id), (&request.trace_id, &request.span_id));
    assert_eq!(attribute(&request.attributes, "http.response.status_code"), "200");
    assert_eq!(attribute(&event.attributes, "clerk.outcome"), "processed");
    let line = answered(&server);
    assert_eq!(line["trace_id"], hex(&request.trace_id));
    // The fields of the request are only in the trace.
    assert!(line.get("http.route").is_none(), "{line}");
    // Neither an address nor a signature.
    let bytes = format!("{event:?}{request:?}");
    assert!(!bytes.contains("example") && !bytes.contains("v1,"), "{bytes}");
}

#[test]
fn a_refused_delivery_is_a_span_without_an_event() {
    let mut collector = Collector::start();
    let database = Database::sqlite("traces-refused");
    let mut command = database.command();
    let url = collector.url() + "/v1/traces";
    command.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url).env("OTEL_BSP_SCHEDULE_DELAY", "50");
    let server = Server::start(&mut command);
    let answer = server.public(&format!("POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n"));
    let request = collector.span(SpanKind::Server, "http.response.status_code", &answer.status.to_string());
    assert!(answer.status >= 400 && answer.status < 500);
    // The sender's mistake is not an error of the server.
    assert_eq!(request.status.map_or(0, |status| status.code), StatusCode::Unset as i32);
}

#[test]
fn the_forward_continues_the_trace() {
    let mut collector = Collector::start();
    let application = server::Server::new(|_| response(503, &[("retry-after", "600")], ""));
    let database = Database::sqlite("traces-forward");
    let mut command = database.command();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()).env("OTEL_BSP_SCHEDULE_DELAY", "50");
    let server = Server::start(command.args(["--forward-to", &application.url()]));
    assert_eq!(server.deliver(&Delivery::of(fixture::user_created())).status, 200);
    let request = application.request();
    let span = collector.span(SpanKind::Client, "http.response.status_code", "503");
    let parent = format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id));
    assert_eq!(request.header("traceparent"), Some(parent.as_str()));
    assert_eq!(request.header("tracestate"), None);
    assert_eq!(span.status.as_ref().unwrap().code, StatusCode::Error as i32);
    assert_eq!(attribute(&span.attributes, "server.address"), "127.0.0.1");
    assert_eq!(attribute(&span.attributes, "http.request.resend_count"), "0");
}

#[test]
fn the_variables_name_the_service_and_authenticate() {
    let collector = Collector::start();
    let database = Database::sqlite("traces-resource");
    for (name, expected) in [(None, "clerk-webhook"), (Some("users"), "users")] {
        let mut command = database.command();
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
            .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20token")
            .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
            .env("OTEL_BSP_SCHEDULE_DELAY", "50");
        if let Some(name) = name {
            command.env("OTEL_SERVICE_NAME", name);
        }
        let server = Server::start(&mut command);
        server.deliver(&Delivery::of(fixture::user_created()));
        let request = collector.server.request();
        drop(server);
        collector.server.taken();
        assert_eq!(request.header("authorization"), Some("Bearer token"));
        let resource = decode(&request).resource_spans.remove(0).resource.unwrap();
        assert_eq!(attribute(&resource.attributes, "service.name"), expected);
        assert_eq!(attribute(&resource.attributes, "service.version"), env!("CARGO_PKG_VERSION"));
        assert_eq!(attribute(&resource.attributes, "deployment.environment.name"), "test");
    }
}

#[test]
fn traces_are_off_by_default_and_can_be_turned_off() {
    let collector = Collector::start();
    let database = Database::sqlite("traces-off");
    let with_collector = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())];
    let off = [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")];
    for off in [None, Some(off[0]), Some(off[1])] {
        let mut command = database.command();
        if let Some((name, value)) = off {
            command.envs(with_collector.clone()).env(name, value);
        }
        let mut server = Server::start(command.env("OTEL_BSP_SCHEDULE_DELAY", "50"));
        server.deliver(&Delivery::of(fixture::user_created()).id("msg_1"));
        server.signal("TERM");
        assert_eq!(server.ended().code(), Some(0));
        assert!(server.lines().iter().all(|line| line.get("trace_id").is_none()), "{off:?}");
    }
    assert!(collector.server.taken().is_empty());
}

#[test]
fn a_dead_collector_delays_the_end_by_two_seconds_at_most() {
    let database = Database::sqlite("traces-dead");
    for (url, fails) in [(format!("http://{}", closed_port()), true), (server::Server::silent().url(), false)]
    {
        let mut command = database.command();
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", url).env("OTEL_BSP_SCHEDULE_DELAY", "50");
        let mut server = Server::start(&mut command);
        assert_eq!(server.deliver(&Delivery::of(fixture::user_created())).status, 200);
        if fails {
            let line = server.line("cannot send traces");
            assert_eq!(line["level"], "WARN");
            assert!(line["error"].as_str().unwrap().contains("nothing is listening"), "{line}");
        }
        let begin = Instant::now();
        server.signal("TERM");
        assert_eq!(server.ended().code(), Some(0));
        // Requests to the collector take up to 10 s. The other steps have nothing to wait for.
        assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    }
}

#[test]
fn says_when_spans_arrive_again() {
    let requests = Arc::new(AtomicUsize::new(0));
    let collector = server::Server::new(move |_| {
        let is_first = requests.fetch_add(1, Ordering::Relaxed) == 0;
        response(if is_first { 400 } else { 200 }, &[], "")
    });
    let database = Database::sqlite("traces-again");
    let mut command = database.command();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()).env("OTEL_BSP_SCHEDULE_DELAY", "50");
    let server = Server::start(&mut command);
    server.deliver(&Delivery::of(fixture::user_created()).id("msg_1"));
    server.line("cannot send traces");
    server.deliver(&Delivery::of(fixture::user_created()).id("msg_2"));
    server.line("takes spans again");
}

#[test]
fn refuses_settings_that_it_cannot_follow() {
    let database = Database::sqlite("traces-refuses");
    let collector = "http://127.0.0.1:4318";
    for (name, value, expected) in [
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc",
            "Set it to http/protobuf, and OTEL_EXPORTER_OTLP_ENDPOINT to that port",
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "Set it to http/protobuf"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "collector",
            "collector in OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: use http:// or https:// without",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://u:secret-password@host",
            "collector in OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: use http:// or https:// without",
        ),
    ] {
        let mut command = database.command();
        let run = finish(command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector).env(name, value), b"");
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(expected) && !run.stderr.contains("secret-password"), "{}", run.stderr);
    }
}
