//! The log lines for operators, and the limit on lines that forged requests can cause.
//!
//! This target has only one test, because the limit on lines applies to the process.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use clerk_webhook_core::event::marker::UserCreated;
use clerk_webhook_core::{Event, Handlers, Timestamp, Verifier};
use clerk_webhook_tests::{SECRET, sign};
use clerk_webhook_warp::{clerk_event, clerk_event_or_reply, handle_rejection};
use warp::Filter as _;

/// The number of requests in a flood. Each request alone would write a line.
const FLOOD: usize = 2000;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take_lines(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn verifier() -> Verifier {
    Verifier::new(SECRET).unwrap()
}

fn forged_headers() -> [(&'static str, String); 3] {
    sign(b"another body").to_pairs()
}

async fn send_forged_to_actix(verifier: Option<Verifier>, times: usize) {
    let app = App::new().route("/", web::post().to(async |_: clerk_webhook_actix::ClerkEvent| "called"));
    let app = match verifier {
        Some(verifier) => init_service(app.app_data(verifier)).await,
        None => init_service(app).await,
    };
    for _ in 0..times {
        let request = forged_headers().into_iter().fold(TestRequest::post(), TestRequest::insert_header);
        let response = call_service(&app, request.set_payload("private").to_request()).await;
        assert!(!response.status().is_success());
    }
}

async fn send_forged_to_warp(times: usize) {
    let routes = clerk_event(verifier()).map(|_| "called").recover(handle_rejection);
    for _ in 0..times {
        let request = forged_headers()
            .into_iter()
            .fold(warp::test::request(), |request, (name, value)| request.header(name, value));
        assert!(!request.body("private").reply(&routes).await.status().is_success());
    }
}

#[actix_web::test]
async fn log_lines_give_advice_and_are_limited() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();

    // Each handled delivery writes a line.
    let handlers = Handlers::builder().on(UserCreated, async |_, _| Ok(())).build().unwrap();
    for (body, event_type, outcome) in [
        (
            r#"{"data":{"email_addresses":[],"id":"user_1"},"type":"user.created"}"#,
            "user.created",
            "processed",
        ),
        (r#"{"data":{},"type":"user.deleted"}"#, "user.deleted", "ignored"),
    ] {
        let event = Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), body.into()).unwrap();
        handlers.answer(event, ()).await;
        let lines = log.take_lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let (_, line) = lines[0].split_once(" INFO clerk_webhook: ").unwrap();
        let (line, duration) = line.rsplit_once(' ').unwrap();
        assert_eq!(
            line,
            format!(
                r#"answered a delivery event_type="{event_type}" message_id="msg_1" outcome="{outcome}""#
            )
        );
        assert!(duration.starts_with("duration_ms="), "{duration}");
    }

    // If no delivery can be received, the line says what to add.
    send_forged_to_actix(None, 1).await;
    let lines = log.take_lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("ERROR clerk_webhook: cannot receive deliveries"), "{lines:?}");
    assert!(lines[0].contains("Add `.app_data(verifier.clone())` to the `App`"), "{lines:?}");

    let began = Timestamp::now().as_secs();
    let mut lines = Vec::new();
    let reports_suppressed_lines = |line: &String| !line.ends_with("suppressed=0");
    // The first line in each second contains the number of lines that were suppressed in the previous second.
    while !lines.iter().any(reports_suppressed_lines) {
        assert!(Timestamp::now().as_secs() < began + 30, "{lines:?}");
        send_forged_to_actix(Some(verifier()), FLOOD).await;
        send_forged_to_warp(FLOOD).await;
        lines.extend(log.take_lines());
    }
    let seconds = usize::try_from(Timestamp::now().as_secs() - began).unwrap();
    assert!(lines.len() <= seconds + 1, "{} lines in {seconds} s", lines.len());
    for line in &lines {
        assert!(
            line.contains(" WARN clerk_webhook: rejected a delivery outcome=\"invalid_signature\""),
            "{line}"
        );
        assert!(line.contains("no signature in svix-signature matches"), "{line}");
        assert!(!line.contains("private") && !line.contains(&SECRET[6..]), "{line}");
    }

    // Misconfiguration has its own limit, so that forged requests cannot suppress its lines.
    let taken = warp::body::bytes().map(drop).untuple_one();
    let routes = taken.and(clerk_event_or_reply(verifier(), async |_: Event| "called"));
    send_forged_to_warp(FLOOD).await;
    let request = sign(b"body")
        .to_pairs()
        .into_iter()
        .fold(warp::test::request(), |request, (name, value)| request.header(name, value));
    assert_eq!(request.body("body").reply(&routes).await.status(), 500);
    let lines = log.take_lines();
    let is_advice = |line: &String| {
        line.contains("ERROR clerk_webhook") && line.contains("an earlier filter has already read the body")
    };
    assert!(lines.iter().any(is_advice), "{lines:?}");
}
