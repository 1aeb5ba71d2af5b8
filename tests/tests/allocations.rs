//! The allocations of a delivery: none before the verdict, and a documented number after it.
//!
//! The counts are exact on purpose. If you change one, find the cause and document it here.
//! The counting allocator counts a reallocation as a new allocation, a copy and a deallocation.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use axum::body::Body;
use axum::extract::FromRequest as _;
use bytes::Bytes;
use clerk_webhook_axum::ClerkEvent;
use clerk_webhook_core::{
    Event, EventData, Handlers, HeaderFamily, HeaderFields, Outcome, PendingDelivery, SignedHeaders,
    SigningSecret, Timestamp, Verifier, VerifyErrorKind,
};
use clerk_webhook_store::{Deduplicator, MemoryStore};
use clerk_webhook_tests::{OTHER_SECRET, SECRET, event_of, fixture, message_id, other_secret, secret, sign};
use clerk_webhook_tower::{DeduplicateLayer, VerifyWebhook, WebhookService};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::Full;
use tokio::runtime::Builder;
use tower::{Layer as _, Service};

/// Loads secrets on this thread. arc-swap allocates a node for the first load of each thread, unless a
/// finished thread left one.
fn warm_up() {
    let body = br#"{"data":{},"type":"test"}"#;
    drop(
        Verifier::new(SECRET)
            .unwrap()
            .receive(&HeaderMap::from(&sign(body)), Bytes::from_static(body))
            .unwrap(),
    );
}

/// Runs the closure once to [warm up](warm_up), and then counts the allocations of another run.
fn count<T>(mut run: impl FnMut() -> T) -> u64 {
    black_box(run());
    measure(|| drop(black_box(run()))).count_total
}

/// The usual verifier, and a verifier during a secret rotation.
fn verifiers() -> [Verifier; 2] {
    [
        Verifier::new(SECRET).unwrap(),
        Verifier::builder().secret(other_secret()).secret(secret()).build().unwrap(),
    ]
}

/// Signs with the current key and ten old ones, which is Svix's maximum. Only the last signature matches.
fn eleven_signatures(body: &[u8]) -> SignedHeaders {
    let old: Vec<_> = (1..=10_u8).map(|key| SigningSecret::from_bytes(&[key; 24]).unwrap()).collect();
    let signed = old[0].sign(&message_id(), Timestamp::now(), body);
    let signed = old[1..].iter().fold(signed, |signed, old| signed.and_signed_with(old, body));
    signed.and_signed_with(&secret(), body)
}

/// Polls a future that must be ready immediately.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is not ready"),
    }
}

#[test]
fn the_allocator_counts_allocations() {
    assert_eq!(count(|| Box::new(1_u64)), 1);
    assert_eq!(count(|| ()), 0);
}

#[test]
fn verification_does_not_allocate() {
    for verifier in verifiers() {
        for length in [300, 2 * 1024, 256 * 1024] {
            let body = event_of(length);
            for signed in [sign(&body), sign(&body).family(HeaderFamily::Webhook), eleven_signatures(&body)] {
                let (pairs, map) = (signed.to_pairs(), HeaderMap::from(&signed));
                assert_eq!(count(|| verifier.verify(&pairs, &body).unwrap()), 0, "{length} bytes");
                assert_eq!(count(|| verifier.verify(&map, &body).unwrap()), 0, "{length} bytes");
            }
        }
    }
}

#[test]
fn a_rejection_does_not_allocate() {
    fn assert_rejected<H: HeaderFields>(verifier: &Verifier, headers: &H, expected: VerifyErrorKind) {
        let allocations = count(|| {
            assert_eq!(verifier.verify(headers, b"body").unwrap_err().kind(), expected);
        });
        assert_eq!(allocations, 0, "{expected:?}");
    }

    let now = Timestamp::now().as_secs();
    let at =
        |seconds| secret().sign(&message_id(), Timestamp::from_secs(seconds), b"body").to_pairs().to_vec();
    let with = |index: usize, value: &str| {
        let mut headers = at(now);
        headers[index].1 = value.to_owned();
        headers
    };
    let repeated = [at(now), at(now)].concat();
    let foreign = SigningSecret::from_bytes(&[7; 24]).unwrap();
    let foreign = foreign.sign(&message_id(), Timestamp::now(), b"body").to_pairs().to_vec();
    let many = format!("v1,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8={}", " v1,".repeat(255));
    let too_many = format!("{many} v1,");
    for verifier in verifiers() {
        for (headers, expected) in [
            (vec![], VerifyErrorKind::MissingHeader),
            (at(now)[..2].to_vec(), VerifyErrorKind::MissingHeader),
            (with(2, " "), VerifyErrorKind::MissingHeader),
            (repeated.clone(), VerifyErrorKind::DuplicateHeader),
            (with(0, "a.b"), VerifyErrorKind::InvalidHeader),
            (with(0, &"a".repeat(257)), VerifyErrorKind::InvalidHeader),
            (with(2, &"v1,".repeat(10_000)), VerifyErrorKind::InvalidHeader),
            (with(1, "soon"), VerifyErrorKind::InvalidTimestamp),
            (at(now - 1000), VerifyErrorKind::TimestampTooOld),
            (at(now + 1000), VerifyErrorKind::TimestampTooNew),
            (with(2, "v1,"), VerifyErrorKind::NoMatchingSignature),
            (with(2, &many), VerifyErrorKind::NoMatchingSignature),
            (with(2, &too_many), VerifyErrorKind::InvalidHeader),
            (foreign.clone(), VerifyErrorKind::NoMatchingSignature),
        ] {
            assert_rejected(&verifier, &headers, expected);
            let map: HeaderMap = headers[..]
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
                .fold(HeaderMap::new(), |mut map, (name, value): (http::HeaderName, _)| {
                    map.append(name, value);
                    map
                });
            assert_rejected(&verifier, &map, expected);
        }
    }
}

#[test]
fn unusually_many_secrets_or_signatures_cost_one_allocation() {
    let secrets = || [OTHER_SECRET, OTHER_SECRET, SECRET].map(|text| SigningSecret::parse(text).unwrap());
    let three = Verifier::builder().secrets(secrets()).build().unwrap();
    let headers = sign(b"body").to_pairs();
    // One-shot verification tries the keys in turn, without a list. Frames need all keys at the same time.
    assert_eq!(count(|| three.verify(&headers, b"body").unwrap()), 0);
    assert_eq!(count(|| three.begin_verify(&headers).unwrap()), 1);
    let one = Verifier::new(SECRET).unwrap();
    let twelve = eleven_signatures(b"body").and_signed_with(&secret(), b"body").to_pairs();
    assert_eq!(count(|| one.verify(&twelve, b"body").unwrap()), 1);
}

#[test]
fn hashing_frames_does_not_allocate() {
    let body = event_of(256 * 1024);
    for verifier in verifiers() {
        for size in [1, 1000, 16 * 1024] {
            let headers = HeaderMap::from(&eleven_signatures(&body));
            let allocations = count(|| {
                let mut verification = verifier.begin_verify(&headers).unwrap();
                body.chunks(size).for_each(|frame| verification.update(frame));
                verification.finish().unwrap()
            });
            assert_eq!(allocations, 0, "frames of {size}");
        }
    }
}

#[test]
fn a_claimed_length_does_not_allocate() {
    let verifier = Verifier::builder().secret(secret()).body_limit(usize::MAX).build().unwrap();
    let mut headers = HeaderMap::from(&sign(b""));
    let near_maximum = u64::MAX - 1;
    headers.insert(CONTENT_LENGTH, HeaderValue::from(near_maximum));
    let allocations = count(|| {
        let delivery = verifier.begin_receive(&headers).unwrap();
        delivery.expect_length(near_maximum).unwrap();
        delivery.expect_content_length(&headers).unwrap();
        assert!(delivery.body_limit(10).expect_content_length(&headers).is_err());
    });
    assert_eq!(allocations, 0);
}

#[test]
fn an_event_allocates_its_envelope() {
    let verifier = Verifier::new(SECRET).unwrap();
    let user = Bytes::from(fixture("user.created"));
    let headers = HeaderMap::from(&sign(&user));
    assert_eq!(count(|| verifier.receive(&headers, user.clone()).unwrap()), RECEIVE);
    // The size of the data does not matter until the data is read.
    let large = Bytes::from([&user[..], &[b' '; 256 * 1024][..]].concat());
    let headers = HeaderMap::from(&sign(&large));
    assert_eq!(count(|| verifier.receive(&headers, large.clone()).unwrap()), RECEIVE);
}

/// The event, which all clones share, and serde_json's stack, which tracks the depth of skipped values.
const RECEIVE: u64 = 2;

/// A service that is always ready, reads the data if configured to do so, and does not allocate.
#[derive(Clone)]
struct Handler {
    reads_data: bool,
}

impl Service<Request<Full<Bytes>>> for Handler {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let event: &Event = request.extensions().get().unwrap();
        if self.reads_data {
            assert!(matches!(event.data(), EventData::UserCreated(_)));
        }
        drop(request);
        ready(Ok(Response::default()))
    }
}

/// The request's extensions: the map, its table, and the box around the event.
const EXTENSION: u64 = 3;

/// The data of the fixture: its box; six strings of the user; the list of addresses, and three strings of the
/// single address; and three empty metadata objects, which serde_json boxes.
const DATA: u64 = 1 + 6 + (1 + 3) + 3;

#[test]
fn the_layer_allocates_the_request_extension() {
    warm_up();
    let body = Bytes::from(fixture("user.created"));
    let headers = HeaderMap::from(&sign(&body));
    for (reads_data, data) in [(false, 0), (true, DATA)] {
        let mut service = VerifyWebhook::new(Handler { reads_data }, Verifier::new(SECRET).unwrap());
        let mut allocations = || {
            let mut request = Request::new(Full::new(body.clone()));
            *request.headers_mut() = headers.clone();
            let mut cx = Context::from_waker(Waker::noop());
            assert!(Service::<Request<Full<Bytes>>>::poll_ready(&mut service, &mut cx).is_ready());
            let mut status = None;
            let info = measure(|| status = Some(now(service.call(request)).unwrap().status()));
            assert_eq!(status.unwrap(), 200);
            info.count_total
        };
        // The first delivery is decoded lazily, the second one eagerly.
        assert_eq!([allocations(), allocations()], [RECEIVE + EXTENSION + data; 2]);
    }
}

/// A new delivery with duplicate handling: the service's future; the handling and its task, which do not
/// depend on the sender's connection; the key in the store; and the slot for the inner service's response, or
/// the handler's future. The store is full, so that its map does not grow.
const ONCE: u64 = 3 + 1 + 1;

/// A delivery's metrics: the endpoint's name, and the list of labels for each of the six metrics.
const METRICS: u64 = 1 + 6;

/// A duplicate's metrics, which has no handler duration.
const METRICS_OF_DUPLICATE: u64 = METRICS - 1;

/// A duplicate, in addition to the event in the request: the first three allocations of [`ONCE`]; the two
/// parts of the response's headers; and its extensions: a map, its table, and the box around the outcome. In
/// the layer, a duplicate costs one more, the slot for the response.
const DUPLICATE: u64 = 3 + 2 + 3;

/// Counts the allocations of two new deliveries and two duplicates.
fn count_once<S, B>(inner: S) -> [u64; 4]
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + Clone,
{
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let body = Bytes::from(fixture("user.created"));
    let mut service = VerifyWebhook::new(inner, Verifier::new(SECRET).unwrap());
    let mut allocations = |id: &str, duplicate| {
        let mut request = Request::new(Full::new(body.clone()));
        *request.headers_mut() =
            HeaderMap::from(&secret().sign(&id.parse().unwrap(), Timestamp::now(), &body));
        let mut outcome = None;
        let info = measure(|| {
            let response = runtime.block_on(service.call(request)).unwrap();
            outcome = response.extensions().get::<Outcome>().copied();
        });
        assert_eq!(outcome == Some(Outcome::Duplicate), duplicate, "{id}");
        info.count_total
    };
    // The first deliveries of each kind initialize caches.
    for (id, duplicate) in [("1", false), ("1", true), ("2", false)] {
        allocations(id, duplicate);
    }
    [("3", false), ("4", false), ("4", true), ("4", true)].map(|(id, again)| allocations(id, again))
}

#[test]
fn duplicate_handling_allocates_a_task_and_a_key() {
    let deduplicator = || Deduplicator::new(MemoryStore::with_capacity(1));
    let layer = DeduplicateLayer::from(deduplicator());
    let (new, again) =
        (RECEIVE + EXTENSION + ONCE + METRICS, RECEIVE + EXTENSION + DUPLICATE + METRICS_OF_DUPLICATE);
    assert_eq!(count_once(layer.layer(Handler { reads_data: false })), [new, new, again + 1, again + 1]);

    let handlers = Handlers::builder().otherwise(|_, _| ready(Ok(()))).build().unwrap();
    let service = WebhookService::deduplicated(handlers, (), deduplicator());
    // `WebhookService` also allocates the headers and the extensions of its response.
    let new = new + 2 + 3;
    assert_eq!(count_once(service), [new, new, again, again]);
}

#[test]
fn the_extractor_allocates_only_axums_limit() {
    warm_up();
    let body = Bytes::from(fixture("user.created"));
    let headers = HeaderMap::from(&sign(&body));
    for (reads_data, data) in [(false, 0), (true, DATA)] {
        let verifier = Verifier::new(SECRET).unwrap();
        let allocations = || {
            let mut request = Request::new(Body::from(body.clone()));
            *request.headers_mut() = headers.clone();
            let mut event = None;
            let info = measure(|| {
                let ClerkEvent(received) = now(ClerkEvent::from_request(request, &verifier)).unwrap();
                if reads_data {
                    assert!(matches!(received.data(), EventData::UserCreated(_)));
                }
                event = Some(received);
            });
            assert_eq!(event.unwrap().raw_body(), &body);
            info.count_total
        };
        // The limit wraps the body, and Axum boxes the result.
        assert_eq!([allocations(), allocations()], [RECEIVE + 1 + data; 2]);
    }
}

/// The maximum number of allocated but unused bytes in the segments of a body.
const SEGMENT: i64 = 64 * 1024;

/// An allowance for the verification, the list of segments and the event.
const ALLOWANCE: i64 = 2 * 1024;

/// Receives the frames of one delivery.
fn arrive(verifier: &Verifier, headers: &HeaderMap, body: &[u8], size: usize) -> PendingDelivery {
    let mut delivery = verifier.begin_receive(headers).unwrap();
    for frame in body.chunks(size) {
        delivery.push(frame).unwrap();
    }
    delivery
}

#[test]
fn memory_is_proportional_to_the_arrived_bytes() {
    for (length, size) in
        [(2 * 1024 * 1024, 16 * 1024), (256 * 1024, 16 * 1024), (30_000, 29_999), (10_000, 1)]
    {
        let body = event_of(length);
        let headers = HeaderMap::from(&sign(&body));
        let verifier = Verifier::new(SECRET).unwrap();
        let mut delivery = verifier.begin_receive(&headers).unwrap();
        let (mut held, mut arrived) = (0, 0);
        for frame in body.chunks(size) {
            let info = measure(|| delivery.push(frame).unwrap());
            arrived += i64::try_from(frame.len()).unwrap();
            // The peak includes a segment that is being moved.
            let most = held + i64::try_from(info.bytes_max).unwrap();
            assert!(most <= arrived + SEGMENT + ALLOWANCE, "{most} for {arrived} bytes in frames of {size}");
            held += info.bytes_current;
        }
        let mut event = None;
        held += measure(|| event = Some(delivery.finish().unwrap())).bytes_current;
        assert_eq!(event.unwrap().raw_body(), &body);
        assert!(held <= arrived + SEGMENT + ALLOWANCE, "{held} for {arrived} bytes in frames of {size}");
    }
}

#[test]
fn the_frames_of_a_forged_body_are_not_joined() {
    const LENGTH: usize = 2 * 1024 * 1024;
    let (body, verifier) = (event_of(LENGTH), Verifier::new(SECRET).unwrap());
    let forged = HeaderMap::from(&sign(b"another"));
    let receive = || drop(arrive(&verifier, &forged, &body, 16 * 1024).finish().unwrap_err());
    receive();
    let info = measure(receive);
    let most = LENGTH as u64 + SEGMENT as u64 + ALLOWANCE as u64;
    assert!(info.bytes_max <= most, "{} bytes", info.bytes_max);
    assert_eq!(info.bytes_current, 0);
}

#[test]
fn a_body_of_two_mebibytes_in_frames_costs_forty_two_allocations() {
    const LENGTH: usize = 2 * 1024 * 1024;
    let (body, verifier) = (event_of(LENGTH), Verifier::new(SECRET).unwrap());
    let headers = HeaderMap::from(&sign(&body));
    let receive = || arrive(&verifier, &headers, &body, 16 * 1024).finish().unwrap();
    drop(receive());
    let mut event = None;
    let info = measure(|| event = Some(receive()));
    assert_eq!(event.unwrap().raw_body(), &body);
    // The first frame, which a server would not copy; the first segment, which grows once; 31 more segments;
    // the list of segments, which doubles three times; the joined body; the event; and its type, which is
    // unknown and stored twice.
    assert_eq!(info.count_total, 42);
    // Joining needs a second copy of the body, until the segments are freed.
    let most = 2 * LENGTH as u64 + ALLOWANCE as u64;
    assert!(info.bytes_max <= most, "{} bytes", info.bytes_max);
    assert!(info.bytes_current <= LENGTH as i64 + ALLOWANCE, "{} bytes", info.bytes_current);
}
