//! `clerk-webhook scenario` sends complete histories as Svix does.

use std::collections::{BTreeMap, BTreeSet};
use std::future;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post_service;
use clerk_webhook_core::{Context, Event, Failure, Handlers, Verifier};
use clerk_webhook_store::{Deduplicator, MemoryStore};
use clerk_webhook_test::{History, SECRET, Scenario};
use clerk_webhook_tower::WebhookService;
use serde_json::Value;

use crate::support::endpoint::{Endpoint, message_id};
#[cfg(unix)]
use crate::support::process::send_signal;
use crate::support::scenario::{objects, scenario, start, summary, unread};
use crate::support::server::{closed_port, read};

/// The number of successful runs per message id.
type Handled = Arc<Mutex<BTreeMap<String, u32>>>;

/// Returns a pseudorandom number below `of`. The sequence is the same in each run, apart from thread
/// scheduling.
fn draw(of: u64) -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(1);
    let drawn = STATE.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
    ((drawn ^ (drawn >> 31)).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 33) % of
}

async fn handle(event: Event, cx: Context<Handled>) -> Result<(), Failure> {
    if draw(100) < 20 {
        return Err("the database is unavailable".into());
    }
    *cx.state().lock().unwrap().entry(event.message_id().to_string()).or_default() += 1;
    Ok(())
}

/// A middleware that rejects some requests and loses some responses.
async fn unreliable(request: Request, next: Next) -> Response {
    match draw(100) {
        0..10 => StatusCode::CONFLICT.into_response(),
        10..15 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "3600")]).into_response(),
        15..18 => StatusCode::TOO_MANY_REQUESTS.into_response(),
        18..20 => {
            // The event is handled, but the sender receives no response.
            next.run(request).await;
            future::pending().await
        }
        _ => next.run(request).await,
    }
}

#[test]
fn an_unreliable_endpoint_handles_each_event_once() {
    let handled = Handled::default();
    let handlers = Handlers::builder().otherwise(handle).build().unwrap();
    let deduplicator = Deduplicator::new(MemoryStore::new());
    let service = WebhookService::deduplicated(handlers, Arc::clone(&handled), deduplicator);
    let verified = service.verified(Verifier::new(SECRET).unwrap());
    let server = Endpoint::start(
        Router::new().fallback_service(post_service(verified)).layer(middleware::from_fn(unreliable)),
    );

    let (code, summary) = summary(&format!(
        "all --seed 7 --shuffle --duplicate 3 --concurrency 8 --retry --time-scale 20000 --timeout 250ms --to {}",
        server.url
    ));
    assert_eq!(code, 0, "{summary}");
    let handled = handled.lock().unwrap();
    let history = History::builder().seed(7).events(250).build();
    let ids: BTreeSet<_> = history.events().iter().map(|event| event.message_id().to_string()).collect();
    assert_eq!(handled.keys().cloned().collect::<BTreeSet<_>>(), ids, "each event must be handled");
    assert_eq!(handled.values().filter(|count| **count != 1).count(), 0, "no event may be handled twice");

    let outcome = |name: &str| summary["outcomes"][name].as_u64().unwrap_or(0);
    assert!(outcome("processed") <= 250, "{summary}");
    for name in ["duplicate", "failed", "409", "503", "429", "no_answer_in_time"] {
        assert!(outcome(name) > 0, "{name}: {summary}");
    }
    assert_eq!((&summary["messages"], &summary["deliveries"]), (&250.into(), &750.into()));
    assert!(summary["attempts"].as_u64() > summary["deliveries"].as_u64());
}

#[test]
fn lists_messages_without_a_2xx_response() {
    let server =
        Endpoint::answering(|_, _| (StatusCode::BAD_GATEWAY, r#"{"outcome":"\u001b[31mout of order"}"#));
    let history = History::builder().scenario(Scenario::Team).seed(3).events(30).build();
    let (code, summary) = summary(&format!("team --seed 3 --events 30 --to {}", server.url));
    assert_eq!((code, &summary["undelivered"], &summary["delivered"]), (1, &30.into(), &0.into()));
    let named = summary["undelivered_messages"].as_array().unwrap();
    for (message, event) in named.iter().zip(history.events()) {
        assert_eq!(message["message_id"], event.message_id().as_str());
        assert_eq!(message["event_type"], event.event_type().as_str());
        assert_eq!((&message["attempts"], &message["last_outcome"]), (&1.into(), &"502".into()));
    }
    assert_eq!(named.len(), 30);

    let output = scenario(&format!("team --seed 3 --events 30 --each --to {}", server.url));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("30 of 30 messages never got a 2xx response"), "{text}");
    assert!(text.contains(history.events()[0].message_id().as_str()), "{text}");
    assert!(text.contains("and 10 more"), "{text}");
    let advice =
        "Every attempt had the outcome 502. To see why, run `clerk-webhook trigger user.created` with";
    assert!(text.contains(advice), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

/// Returns the attempts of one message, with `--retry` and `--each`.
fn attempts(url: &str, more: &str) -> (i32, Vec<Value>) {
    let arguments = format!("signup --events 1 --retry --time-scale 1e6 --each {more} --to {url}");
    let (code, objects) = objects(&arguments);
    (code, objects.into_iter().filter(|object| object["type"] == "attempt").collect())
}

/// Asserts that the planned delays are as expected and that the jitter is at most 20 %.
fn assert_delays(attempts: &[Value], expected: &[f64]) {
    let planned: Vec<_> =
        attempts.iter().filter_map(|attempt| attempt["planned_delay_seconds"].as_f64()).collect();
    assert_eq!(planned, expected);
    let mut jitter = BTreeSet::new();
    for (attempt, planned) in attempts.iter().zip(expected) {
        let ratio = attempt["delay_seconds"].as_f64().unwrap() / planned;
        assert!((0.8..=1.2).contains(&ratio), "{attempt}");
        jitter.insert((ratio * 1e6).round() as u64);
    }
    assert!(jitter.len() > 1 || expected.len() < 2, "no jitter: {jitter:?}");
    let numbers: Vec<_> = attempts.iter().filter_map(|attempt| attempt["attempt"].as_u64()).collect();
    assert_eq!(numbers, (1..=attempts.len() as u64).collect::<Vec<_>>());
}

#[test]
fn retries_according_to_the_schedule_of_svix() {
    let server = Endpoint::answering(|_, _| StatusCode::INTERNAL_SERVER_ERROR);
    let (code, attempts) = attempts(&server.url, "");
    assert_eq!((code, attempts.len()), (1, 8));
    assert_delays(&attempts, &[5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 36_000.0]);
    assert_eq!(attempts[7]["next"], "given_up");
}

#[test]
fn retry_after_extends_the_delay_up_to_twice() {
    for (retry_after, expected) in [("7", [7.0, 300.0]), ("400", [10.0, 400.0]), ("86400", [10.0, 600.0])] {
        let requests = Arc::new(AtomicUsize::new(0));
        let server = Endpoint::answering(move |_, _| match requests.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => (StatusCode::CONFLICT, [("retry-after", retry_after)]).into_response(),
            _ => StatusCode::NO_CONTENT.into_response(),
        });
        let (code, attempts) = attempts(&server.url, "");
        assert_eq!((code, attempts.len()), (0, 3));
        assert_delays(&attempts, &expected);
        assert_eq!(attempts[2]["next"], "delivered");
    }
}

#[test]
fn retries_429_on_the_usual_schedule() {
    let requests = Arc::new(AtomicUsize::new(0));
    let server = Endpoint::answering(move |_, _| match requests.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::OK,
    });
    let (_, attempts) = attempts(&server.url, "");
    assert_delays(&attempts, &[5.0, 300.0]);
}

#[test]
fn waits_at_least_a_minute_after_a_timeout() {
    let requests = Arc::new(AtomicUsize::new(0));
    let server = Endpoint::start(Router::new().fallback(move || {
        let number = requests.fetch_add(1, Ordering::Relaxed);
        async move {
            if number == 0 {
                future::pending::<()>().await;
            }
        }
    }));
    let (code, attempts) = attempts(&server.url, "--timeout 200ms");
    assert_eq!((code, &attempts[0]["outcome"]), (0, &"no_answer_in_time".into()));
    assert_delays(&attempts, &[60.0]);
}

#[test]
fn retries_on_the_schedule_after_two_failed_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let receiver = thread::spawn(move || {
        for number in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            read(&stream).unwrap();
            if number == 2 {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .unwrap();
                // Wait until the sender closes the connection.
                let _ = stream.read(&mut [0; 16]);
            }
        }
    });
    let (code, attempts) = attempts(&url, "");
    assert_eq!((code, &attempts[0]["outcome"]), (0, &"connection_failed".into()));
    assert_delays(&attempts, &[5.0]);
    assert_eq!((&attempts[0]["resent"], &attempts[1]["resent"]), (&true.into(), &false.into()));
    receiver.join().unwrap();
}

#[test]
fn signs_each_attempt_again_with_the_same_id() {
    let verifier = Verifier::new(SECRET).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (noted, verified) = (Arc::clone(&seen), verifier.clone());
    let server = Endpoint::answering(move |headers, body| {
        // Respond with 200 even if verification fails, so that a failing test ends quickly.
        let Ok(event) = verified.receive(&headers, body) else { return StatusCode::OK };
        let mut seen = noted.lock().unwrap();
        seen.push((event.message_id().to_string(), event.attempted_at().as_secs()));
        if seen.len() == 1 { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
    });
    // The first delay is at least 4 s, so after scaling it is longer than one second.
    let arguments = format!("signup --events 1 --retry --time-scale 3.9 --to {}", server.url);
    assert_eq!(summary(&arguments).0, 0);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].0, seen[1].0);
    assert!(seen[1].1 > seen[0].1, "{seen:?}");
}

#[test]
fn does_not_retry_an_aborted_message() {
    let server = Endpoint::answering(|_, _| {
        (StatusCode::UNPROCESSABLE_ENTITY, [("webhook-delivery", "abort-message")])
    });
    let (code, attempts) = attempts(&server.url, "");
    assert_eq!((code, attempts.len(), &attempts[0]["next"]), (1, 1, &"aborted".into()));
}

#[test]
fn stops_if_the_endpoint_is_disabled() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let server = Endpoint::answering(move |_, _| match counted.fetch_add(1, Ordering::Relaxed) {
        0..4 => StatusCode::OK.into_response(),
        _ => (StatusCode::GONE, [("webhook-delivery", "disable")]).into_response(),
    });
    let (code, summary) = summary(&format!("churn --events 100 --retry --to {}", server.url));
    assert_eq!((code, &summary["stopped"]), (1, &"disabled".into()));
    assert_eq!((&summary["delivered"], &summary["undelivered"]), (&4.into(), &1.into()));
    assert_eq!(requests.load(Ordering::Relaxed), 5);
    requests.store(0, Ordering::Relaxed);
    let output = scenario(&format!("team --seed 3 --to {}", server.url)).stdout;
    let text = String::from_utf8(output).unwrap();
    assert!(text.contains("until you enable the endpoint in the dashboard"), "{text}");
    assert!(!text.contains("Every attempt"), "{text}");
}

#[cfg(unix)]
#[test]
fn prints_a_summary_if_interrupted() {
    let (arrived, arrival) = std::sync::mpsc::channel();
    let requests = AtomicUsize::new(0);
    let server = Endpoint::start(Router::new().fallback({
        let state = Arc::new((requests, arrived));
        move || {
            let number = state.0.fetch_add(1, Ordering::Relaxed);
            state.1.send(()).unwrap();
            async move {
                if number > 0 {
                    future::pending::<()>().await;
                }
            }
        }
    }));
    let command = start(&format!("--json churn --events 9 --seed 1 --to {}", server.url));
    arrival.recv().unwrap();
    arrival.recv().unwrap();
    send_signal("INT", command.id());
    let output = command.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines = String::from_utf8(output.stdout).unwrap();
    let summary: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["stopped"], &summary["delivered"]), (&"interrupted".into(), &1.into()));
    assert_eq!(summary["undelivered"], 1);
    assert!(summary["undelivered_messages"][0]["message_id"].is_string(), "{summary}");
    assert_eq!(summary["undelivered_messages"][0]["last_outcome"], Value::Null);
}

#[test]
fn fails_immediately_if_nothing_listens() {
    let address = closed_port();
    let output = scenario(&format!("all --concurrency 8 --retry --to http://{address}/"));
    assert_eq!(output.status.code(), Some(3));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(&format!("nothing is listening on {address}")), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn resends_the_same_bytes_after_a_lost_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let receiver = thread::spawn(move || {
        // The first request gets a response, so that the endpoint is treated as reachable. The second
        // connection is lost.
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let mut requests = Vec::new();
        for is_answered in [true, false, true] {
            let (mut stream, _) = listener.accept().unwrap();
            requests.push(read(&stream).unwrap().bytes);
            if is_answered {
                stream.write_all(answer).unwrap();
                // Wait until the sender closes the connection.
                let _ = stream.read(&mut [0; 16]);
            }
        }
        requests
    });
    let (code, objects) = objects(&format!("signup --events 2 --seed 1 --each --to {url}"));
    assert_eq!(code, 0, "{objects:?}");
    let requests = receiver.join().unwrap();
    assert_ne!(requests[0], requests[1]);
    assert_eq!(requests[1], requests[2], "the resent request must be identical, including the signature");
    let resent: Vec<_> = objects.iter().filter_map(|object| object["resent"].as_bool()).collect();
    assert_eq!(resent, [false, true]);
    assert_eq!(objects.last().unwrap()["resent"], 1);
}

/// Runs a scenario against an endpoint that accepts everything, and returns the ids in order of arrival.
fn order(arguments: &str) -> Vec<String> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let server = Endpoint::answering(move |headers, _| noted.lock().unwrap().push(message_id(&headers)));
    let (code, summary) = summary(&format!("{arguments} --to {}", server.url));
    assert_eq!(code, 0, "{summary}");
    assert_eq!(summary["outcomes"], serde_json::json!({ "200": summary["attempts"] }));
    let seen = seen.lock().unwrap();
    seen.clone()
}

#[test]
fn sends_in_order_without_concurrency() {
    let history = History::builder().scenario(Scenario::Churn).seed(5).events(120).build();
    let ids: Vec<_> = history.events().iter().map(|event| event.message_id().to_string()).collect();
    assert_eq!(order("churn --seed 5 --events 120"), ids);
}

#[test]
fn the_same_seed_produces_the_same_order_of_copies() {
    let arguments = "churn --seed 5 --events 60 --shuffle --duplicate 4";
    let first = order(arguments);
    assert_eq!(first, order(arguments));
    assert_ne!(first, order("churn --seed 5 --events 60 --shuffle=2 --duplicate 4"));
    let mut copies = BTreeMap::<_, u32>::new();
    for id in &first {
        *copies.entry(id).or_default() += 1;
    }
    assert_eq!((copies.len(), copies.values().all(|count| *count == 4)), (60, true));
}

#[test]
fn prints_the_random_seed_of_a_run() {
    let server = Endpoint::answering(|_, _| StatusCode::OK);
    let seed = |arguments: &str| {
        let (_, objects) = objects(&format!("{arguments} --to {}", server.url));
        assert_eq!(objects[0]["type"], "start");
        assert_eq!(objects[0]["seed"], objects.last().unwrap()["seed"]);
        objects[0]["seed"].as_u64().unwrap()
    };
    assert_eq!(seed("team --events 3 --seed 41"), 41);
    let seeds: BTreeSet<_> = (0..5).map(|_| seed("team --events 3")).collect();
    assert!(seeds.len() > 1);
    let output = scenario(&format!("team --users 3 --seed 41 --to {}", server.url));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("team with --seed 41, 3 users, to http://127.0.0.1:"), "{text}");
    assert!(text.ends_with("delivered: every message got a 2xx response\n"), "{text}");
    assert!(output.stderr.is_empty(), "progress is shown only on a terminal");
}

#[test]
fn a_dry_run_prints_the_signed_deliveries() {
    let output = scenario("all --seed 9 --events 40 --start 2020-01-01T00:00:00Z --dry-run");
    assert_eq!(output.status.code(), Some(0));
    let verifier = Verifier::new(SECRET).unwrap();
    let start = "2020-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let history = History::builder()
        .seed(9)
        .events(40)
        .start(clerk_webhook_core::Timestamp::from_millis(start))
        .build();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 40);
    for (line, event) in text.lines().zip(history.events()) {
        use base64::Engine as _;
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["svix_id"], event.message_id().as_str());
        assert_eq!(line["event_type"], event.event_type().as_str());
        let headers = line["headers"].as_object().unwrap();
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        let body =
            base64::engine::general_purpose::STANDARD.decode(line["body_b64"].as_str().unwrap()).unwrap();
        assert_eq!(body, event.body());
        verifier.verify(&headers, &body).unwrap();
    }
}

#[test]
fn rejects_invalid_arguments() {
    for arguments in [
        "everything --to http://127.0.0.1:1/",
        "all --to http://example.com/",
        "all --events 0 --to http://127.0.0.1:1/",
        "all --events 3 --users 3 --to http://127.0.0.1:1/",
        "all --duplicate 0 --to http://127.0.0.1:1/",
        "all --concurrency 0 --to http://127.0.0.1:1/",
        "all --time-scale nan --to http://127.0.0.1:1/",
        "all --time-scale 0.1 --to http://127.0.0.1:1/",
        "all --timeout 0s --to http://127.0.0.1:1/",
        "all --timeout -5s --to http://127.0.0.1:1/",
        "all --dry-run --retry",
    ] {
        assert_eq!(scenario(arguments).status.code(), Some(2), "{arguments}");
    }
}

#[test]
fn keeps_the_exit_code_if_standard_output_is_closed() {
    let good = Endpoint::answering(|_, _| StatusCode::OK);
    let bad = Endpoint::answering(|_, _| StatusCode::BAD_REQUEST);
    for json in ["", "--json"] {
        for (server, code) in [(&good, 0), (&bad, 1)] {
            let url = &server.url;
            for command in [
                format!("scenario team --events 5 --each --to {url}"),
                format!("trigger user.created --to {url}"),
            ] {
                assert_eq!(unread(&format!("{json} {command}")), Some(code), "{command}");
            }
        }
        assert_eq!(unread(&format!("{json} doctor {}", good.url)), Some(1));
        assert_eq!(unread(&format!("{json} secret check {SECRET}")), Some(0));
        assert_eq!(unread(&format!("{json} secret check whsec_x")), Some(1));
        assert_eq!(unread(&format!("{json} events")), Some(0));
    }
}
