//! The second table: how the frames of a body arrive.
//!
//! It uses no sockets, so that each row can determine the result of every poll of the body. The test can
//! also check the error in the response's extensions, which outer middleware receives.

use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_core::event::EventErrorKind;
use clerk_webhook_core::{Answer, Outcome, ReceiveError, ReceiveErrorKind, Verifier, VerifyErrorKind};
use clerk_webhook_tests::body::{ScriptedBody, Step, frames};
use clerk_webhook_tests::request::{BODY, signed};
use clerk_webhook_tests::secrecy::{PRIVATE, assert_shows_nothing_private, texts};
use clerk_webhook_tests::{event_of, fixture, message_id, secret};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::time::Instant;

use super::handling::OUTCOME;
use super::stacks::{Exchange, Stack, exchange};

const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The body limit of the rows that test a limit.
const LIMIT: usize = 1000;

/// A request and its expected result.
struct Row {
    name: String,
    limit: Option<usize>,
    read_timeout: Duration,
    headers: HeaderMap,
    steps: Vec<Step>,
    expected: Expected,
    /// A stack on which the row does not run, because its framework rejects the request after the
    /// verification.
    except: Option<Stack>,
}

enum Expected {
    /// The handler receives these bytes.
    Accepted(Bytes),
    /// The handler receives exactly this memory, without a copy.
    NotCopied(Bytes),
    Rejected(ReceiveErrorKind),
}

impl Row {
    fn new(name: impl Into<String>, signed_body: &[u8], steps: Vec<Step>, expected: Expected) -> Self {
        Self {
            name: name.into(),
            limit: None,
            read_timeout: READ_TIMEOUT,
            headers: signed(signed_body, ()).headers().clone(),
            steps,
            expected,
            except: None,
        }
    }

    fn accepted(name: impl Into<String>, body: &[u8], steps: Vec<Step>) -> Self {
        Self::new(name, body, steps, Expected::Accepted(Bytes::copy_from_slice(body)))
    }

    fn rejected(name: impl Into<String>, body: &[u8], steps: Vec<Step>, kind: ReceiveErrorKind) -> Self {
        Self::new(name, body, steps, Expected::Rejected(kind))
    }

    fn limit(self, bytes: usize) -> Self {
        Self { limit: Some(bytes), ..self }
    }

    fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.insert(name, HeaderValue::from_str(value).unwrap());
        self
    }

    fn verifier(&self) -> Verifier {
        let verifier = Verifier::builder().secret(secret()).read_timeout(self.read_timeout);
        match self.limit {
            Some(bytes) => verifier.body_limit(bytes).build().unwrap(),
            None => verifier.build().unwrap(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_stack_gives_the_expected_answer_to_every_body() {
    for row in rows() {
        for stack in Stack::without_socket().filter(|stack| row.except != Some(*stack)) {
            let mut request = signed(b"", ScriptedBody::new(row.steps.clone()));
            request.headers_mut().clone_from(&row.headers);
            let start = Instant::now();
            let exchange = exchange(stack, row.verifier(), request).await;
            let why = format!("`{}` on {stack}", row.name);
            match &row.expected {
                Expected::Accepted(body) => assert_accepted(&exchange, body, &why),
                Expected::NotCopied(body) => {
                    assert_accepted(&exchange, body, &why);
                    assert_eq!(exchange.delivered[0].body.as_ptr(), body.as_ptr(), "{why}");
                }
                Expected::Rejected(ReceiveErrorKind::BodyTimeout) => {
                    // Arriving frames do not extend the timeout.
                    assert_eq!(start.elapsed(), READ_TIMEOUT, "{why}");
                    if stack == Stack::AxumExtractor {
                        // The timeout layer on the route answers, as the guide's chapter `frameworks` says.
                        assert_eq!(exchange.response.status(), 408, "{why}");
                        assert!(exchange.delivered.is_empty(), "{why}");
                    } else {
                        assert_rejected(&exchange, ReceiveErrorKind::BodyTimeout, &why);
                    }
                }
                Expected::Rejected(kind) => assert_rejected(&exchange, *kind, &why),
            }
        }
    }
}

#[track_caller]
fn assert_accepted(exchange: &Exchange, body: &Bytes, why: &str) {
    assert_eq!(exchange.response.status(), 200, "{why}: {:?}", exchange.response);
    let [event] = &exchange.delivered[..] else { panic!("{why}: the handler was not called exactly once") };
    assert_eq!((event.id.as_str(), &event.body), (message_id().as_str(), body), "{why}");
    // If the handler's body differs from the event's body, the inbox appends a note to the event type.
    let json: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(event.event_type, json["type"], "{why}");
}

#[track_caller]
fn assert_rejected(Exchange { response, delivered }: &Exchange, kind: ReceiveErrorKind, why: &str) {
    assert!(delivered.is_empty(), "{why}: the handler was called");
    let error: &ReceiveError = response.extensions().get().unwrap_or_else(|| panic!("{why}: {response:?}"));
    assert_eq!(error.kind(), kind, "{why}");
    let answer = Answer::from(error);
    assert_eq!(response.extensions().get::<Outcome>(), Some(&answer.outcome()), "{why}");
    assert_eq!(response.status().as_u16(), answer.status(), "{why}");
    assert_eq!(response.headers()[CONTENT_TYPE], answer.content_type(), "{why}");
    assert_eq!(response.body(), answer.body(), "{why}");
    // Anyone can provoke a rejection, so no header may control the sender's retries. The test adds `OUTCOME`.
    let usual = [CONTENT_TYPE.as_str(), CONTENT_LENGTH.as_str(), OUTCOME];
    let others: Vec<_> = response.headers().keys().filter(|name| !usual.contains(&name.as_str())).collect();
    assert!(others.is_empty(), "{why}: {others:?}");
    assert_shows_nothing_private(&format!("{response:?} {}", texts(error)));
}

fn rows() -> Vec<Row> {
    [arriving(), limits(), claims(), headers(), broken(), slow()].into_iter().flatten().collect()
}

fn arriving() -> Vec<Row> {
    let user = fixture("user.created");
    let large = event_of(10_000);
    let whole = Bytes::from(user.clone());
    let empty = || Step::Data(Bytes::new());
    let trailers = HeaderMap::from_iter([(ETAG, HeaderValue::from_static("trailer"))]);
    let halting = user.iter().flat_map(|byte| {
        [Step::Pending, Step::Pending, Step::Data(Bytes::copy_from_slice(&[*byte])), Step::Pending]
    });
    let among = |steps: [Step; 3]| Row::new("", &user, steps.into(), Expected::NotCopied(whole.clone()));
    let mut rows = vec![
        Row::new("one frame", &user, vec![Step::Data(whole.clone())], Expected::NotCopied(whole.clone())),
        Row {
            name: "one frame among empty ones".to_owned(),
            ..among([empty(), Step::Data(whole.clone()), empty()])
        },
        Row::accepted("frames with empty ones between them", &user, {
            let data = frames(&user, 100).into_iter();
            data.flat_map(|frame| [empty(), frame, empty()]).collect()
        }),
        Row::accepted("frames that are often not ready", &user, halting.collect()),
        Row::accepted("frames and trailers", &user, {
            let mut steps = frames(&user, 100);
            steps.push(Step::Trailers(trailers));
            steps
        }),
        Row::accepted("10,000 frames of one byte", &large, frames(&large, 1)),
    ];
    for size in [1, 2, 3, 63, 64, 65, 1000, user.len() - 1] {
        rows.push(Row::accepted(format!("frames of {size} bytes"), &user, frames(&user, size)));
    }
    rows
}

/// Bodies around the limit, in frames of several sizes, with and without `Content-Length`.
fn limits() -> Vec<Row> {
    let body = event_of(LIMIT);
    let mut rows = Vec::new();
    for limit in [0, LIMIT - 1, LIMIT, LIMIT + 1] {
        for size in [1, 7, 100, LIMIT] {
            for length in [None, Some(LIMIT)] {
                let name = format!("a limit of {limit}, frames of {size} bytes, length {length:?}");
                let row = if LIMIT <= limit {
                    Row::accepted(name, &body, frames(&body, size))
                } else {
                    Row::rejected(name, &body, frames(&body, size), ReceiveErrorKind::BodyTooLarge)
                };
                let row = row.limit(limit);
                rows.push(match length {
                    Some(length) => row.header(CONTENT_LENGTH, &length.to_string()),
                    None => row,
                });
            }
        }
    }
    // The signature is for another body, so only the limit can cause this response.
    for size in [1, 7, 100, LIMIT + 1] {
        let arrived = (LIMIT / size + 1) * size;
        let steps = frames(&vec![b' '; arrived], size).into_iter().chain([Step::Forbidden]).collect();
        let name = format!("reading stops at the limit, frames of {size} bytes");
        rows.push(Row::rejected(name, b"another body", steps, ReceiveErrorKind::BodyTooLarge).limit(LIMIT));
    }
    let steps = [frames(&body[..100], 10), vec![Step::LimitInFront]].concat();
    rows.push(Row::rejected("a smaller limit outside", &body, steps, ReceiveErrorKind::BodyTooLarge));
    rows
}

/// Values of `Content-Length`. Without a server, a body can be longer than its `Content-Length`.
fn claims() -> Vec<Row> {
    let body = event_of(LIMIT);
    let mut rows = Vec::new();
    for length in [LIMIT as u64 + 1, 3 * 1024 * 1024, 1 << 32, u64::MAX] {
        let name = format!("a length of {length} with a limit of {LIMIT}");
        let row = Row::rejected(name, &body, vec![Step::Forbidden], ReceiveErrorKind::BodyTooLarge);
        rows.push(row.limit(LIMIT).header(CONTENT_LENGTH, &length.to_string()));
    }
    for length in ["0", "10", "999", "", "-1", "1000, 1000", "many", "99999999999999999999"] {
        let steps = || frames(&body, 100);
        let name = |limit| format!("a length of `{length}` with a limit of {limit}");
        let accepted = Row::accepted(name(LIMIT), &body, steps());
        // Actix's `web::Bytes` rejects a length that is not a number.
        let except = length.parse::<usize>().is_err().then_some(Stack::ActixMiddleware);
        rows.extend([
            Row { except, ..accepted }.limit(LIMIT).header(CONTENT_LENGTH, length),
            Row::rejected(name(LIMIT - 1), &body, steps(), ReceiveErrorKind::BodyTooLarge)
                .limit(LIMIT - 1)
                .header(CONTENT_LENGTH, length),
        ]);
    }
    rows
}

/// Invalid headers. The body must not be polled.
fn headers() -> Vec<Row> {
    use VerifyErrorKind::*;

    let mut rows = Vec::new();
    for (name, value, kind) in [
        ("svix-id", None, MissingHeader),
        ("svix-timestamp", None, MissingHeader),
        ("svix-signature", None, MissingHeader),
        ("svix-signature", Some(" "), MissingHeader),
        ("svix-id", Some("a.b"), InvalidHeader),
        ("svix-id", Some("two words"), InvalidHeader),
        ("svix-timestamp", Some("soon"), InvalidTimestamp),
        ("svix-timestamp", Some("1e9"), InvalidTimestamp),
        ("svix-timestamp", Some("1"), TimestampTooOld),
        ("svix-timestamp", Some("9223372036854775807"), TimestampTooNew),
        // No signature in these lists can match any body.
        ("svix-signature", Some("v1,"), NoMatchingSignature),
        ("svix-signature", Some("v2,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), NoMatchingSignature),
    ] {
        let what = value.map_or(format!("no {name}"), |value| format!("{name}: {value}"));
        let mut row =
            Row::rejected(what, BODY.as_bytes(), vec![Step::Forbidden], ReceiveErrorKind::Verify(kind));
        row.headers.remove(name);
        rows.push(match value {
            Some(value) => row.header(HeaderName::from_static(name), value),
            None => row,
        });
    }
    let mut repeated = Row::rejected(
        "svix-id twice",
        BODY.as_bytes(),
        vec![Step::Forbidden],
        ReceiveErrorKind::Verify(DuplicateHeader),
    );
    repeated.headers.append("svix-id", HeaderValue::from_static("msg_2"));
    rows.push(repeated);
    rows
}

/// Bodies that break off, never end, or differ from the signed body.
fn broken() -> Vec<Row> {
    let user = fixture("user.created");
    let mut rows = Vec::new();
    for arrived in [0, 1, 100, user.len()] {
        let steps = [frames(&user[..arrived], 10), vec![Step::Break]].concat();
        let name = format!("a connection that breaks after {arrived} bytes");
        rows.push(Row::rejected(name, &user, steps, ReceiveErrorKind::BodyFailed));
    }
    let forged = ReceiveErrorKind::Verify(VerifyErrorKind::NoMatchingSignature);
    let undecodable = ReceiveErrorKind::Event(EventErrorKind::InvalidJson);
    let private = PRIVATE.as_bytes();
    let endless = vec![Step::Data(Bytes::new()); 5000];
    rows.extend([
        Row::rejected("an endless stream of empty frames", b"", endless, ReceiveErrorKind::BodyFailed),
        Row::rejected("a body other than the signed one", b"another body", frames(private, 10), forged),
        Row::rejected("a part of the signed body", private, frames(&private[..100], 10), forged),
        Row::rejected("a part of an event", &private[..100], frames(&private[..100], 10), undecodable),
    ]);
    rows
}

fn slow() -> Vec<Row> {
    let body = BODY.as_bytes();
    let dripping = |interval: Duration| -> Vec<_> {
        frames(body, 1).into_iter().flat_map(|byte| [Step::Wait(interval), byte]).collect()
    };
    let late = |name: &str, steps| Row::rejected(name, body, steps, ReceiveErrorKind::BodyTimeout);
    vec![
        late("a body that never arrives", vec![Step::Stall]),
        late("half a body", [frames(&body[..20], 20), vec![Step::Stall]].concat()),
        late("a byte every 3 s", dripping(Duration::from_secs(3))),
        Row::accepted("a byte every 100 ms", body, dripping(Duration::from_millis(100))),
        Row {
            read_timeout: Duration::ZERO,
            // The timeout layer on the route answers immediately.
            except: Some(Stack::AxumExtractor),
            ..Row::accepted("an available body with a read timeout of 0", body, frames(body, 1))
        },
    ]
}
