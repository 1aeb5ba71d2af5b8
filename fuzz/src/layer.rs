//! Target `layer`: polls the Tower layer by hand, with a body that arrives in any way.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use clerk_webhook_core::{Answer, Event, Outcome, ReceiveError, ReceiveErrorKind, Verifier};
use clerk_webhook_tower::{DefaultRefusal, ReadTimeout, ResponseBody};
use clerk_webhook_tower::{VerifyWebhook, VerifyWebhookLayer};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Full, Limited};
use tower_layer::Layer as _;
use tower_service::Service;

use crate::script::{self, Arrived, FrameBuf, ScriptedDelivery, Step};

/// How often the inner service's future is pending.
const INNER_WAITS: usize = 2;

/// The body of the inner service's response.
const INNER_ANSWER: &str = "accepted";

type BoxError = Box<dyn Error + Send + Sync>;

/// Sends a delivery through the layer.
pub fn check(input: &[u8]) -> &'static str {
    let delivery = ScriptedDelivery::read(input);
    let signed = delivery.signed_body();
    let (body, _) = delivery.sent_body(&signed);
    let limit = delivery.body_limit(body.len());
    let headers = headers(&delivery, &signed);
    let steps = delivery.arrivals(&body);
    let hint = (limit as u64).saturating_add_signed(delivery.hint.into());
    // The lower four bits: the poll at which the timeout expires. The upper four bits: the poll at which the
    // client disconnects.
    let (patience, leaves_at) = (usize::from(delivery.patience % 16), usize::from(delivery.patience / 16));
    let expected = Expected::new(&delivery, &headers, &steps, limit, hint, patience);

    let seen = Rc::new(RefCell::new(Seen::default()));
    let most_polls = steps.len() + INNER_WAITS + 1;
    let mut request = Request::new(Script { steps, hint, seen: Rc::clone(&seen), is_over: false });
    *request.headers_mut() = headers.clone();

    let verifier_limit = if delivery.has(ScriptedDelivery::LATE_LIMIT) { limit / 2 } else { limit };
    let inner =
        Inner { fails: delivery.has(ScriptedDelivery::INNER_FAILS), is_ready: false, seen: Rc::clone(&seen) };
    let waits = Rc::new(RefCell::new(0));
    let layer = VerifyWebhookLayer::new(verifier(verifier_limit)).body_limit(limit).read_timeout(move || {
        let waits = Rc::clone(&waits);
        poll_fn(move |_| {
            *waits.borrow_mut() += 1;
            if *waits.borrow() == patience { Poll::Ready(()) } else { Poll::Pending }
        })
    });
    let response = drive(layer.layer(inner), request, &seen, most_polls, leaves_at);

    let seen = seen.take();
    let Some(response) = response else {
        // The client disconnected. The layer may call the inner service only for a complete body.
        assert!(seen.calls.len() <= usize::from(expected.result.is_ok()));
        return "abandoned";
    };
    assert_eq!((seen.is_body_polled, seen.steps), (expected.is_body_polled, expected.steps));
    match &expected.result {
        Ok(_) => {
            check_call(&seen, &headers, &expected);
            let Ok(response) = response else {
                assert!(delivery.has(ScriptedDelivery::INNER_FAILS));
                return "inner_failed";
            };
            assert_eq!(response.status(), StatusCode::ACCEPTED);
            assert_eq!(read(response.into_body()), INNER_ANSWER);
        }
        Err(error) => {
            assert!(seen.calls.is_empty(), "the inner service was called despite {error:?}");
            let (parts, body) = response.expect("the layer must answer a rejected delivery").into_parts();
            let answer = Answer::from(error);
            assert_eq!(parts.status, answer.status());
            assert_eq!(parts.headers[header::CONTENT_TYPE], answer.content_type());
            assert_eq!(parts.extensions.get::<Outcome>(), Some(&answer.outcome()));
            let reason = parts.extensions.get().map(ReceiveError::kind);
            assert_eq!(reason, Some(error.kind()));
            assert_eq!(read(body), answer.body());
        }
    }
    script::outcome(&expected.result)
}

/// The expected behavior of the layer.
struct Expected {
    result: Result<Event, ReceiveError>,
    is_body_polled: bool,
    /// The number of executed steps of the body.
    steps: usize,
    /// The address of the body, if it arrived in one piece.
    address: Option<*const u8>,
}

impl Expected {
    fn new(
        delivery: &ScriptedDelivery,
        headers: &HeaderMap,
        steps: &VecDeque<Step>,
        limit: usize,
        hint: u64,
        patience: usize,
    ) -> Self {
        let at_once = |error| Self { result: Err(error), is_body_polled: false, steps: 0, address: None };
        let verifier = verifier(limit);
        if let Err(error) = verifier.begin_verify(headers) {
            return at_once(error.into());
        }
        let has_claim = headers.contains_key(header::CONTENT_LENGTH);
        let claim = if has_claim { script::claimed_length(&delivery.claim) } else { 0 };
        if claim.max(hint) > limit as u64 {
            return at_once(ReceiveError::body_too_large(limit));
        }
        let (arrived, steps) = script::arrive(steps, limit, patience);
        let (result, address) = match arrived {
            Arrived::Whole(body, address) => (verifier.receive(headers, body.into()), address),
            Arrived::Refused(ReceiveErrorKind::BodyTooLarge) => {
                (Err(ReceiveError::body_too_large(limit)), None)
            }
            Arrived::Refused(ReceiveErrorKind::BodyTimeout) => (Err(ReceiveError::body_timeout()), None),
            Arrived::Refused(_) => (Err(ReceiveError::body_failed("the connection was closed")), None),
        };
        Self { result, is_body_polled: true, steps, address }
    }
}

/// Compares the only call to the inner service with the expected event.
fn check_call(seen: &Seen, headers: &HeaderMap, expected: &Expected) {
    let [(request, body)] = &seen.calls[..] else { panic!("{} calls", seen.calls.len()) };
    assert_eq!(request.headers(), headers);
    let event: &Event = request.extensions().get().expect("the request must contain the event");
    script::assert_same(&Ok(event.clone()), &expected.result);
    assert_eq!(body, event.raw_body());
    if let Some(address) = expected.address {
        assert_eq!(body.as_ptr(), address, "a body of one frame was copied");
    }
}

/// Calls the service, and polls until it responds or the client disconnects.
fn drive<T: ReadTimeout>(
    mut service: VerifyWebhook<Inner, DefaultRefusal, T>,
    request: Request<Script>,
    seen: &RefCell<Seen>,
    most_polls: usize,
    leaves_at: usize,
) -> Option<Result<Response<ResponseBody<Full<Bytes>>>, BoxError>> {
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&waker);
    let ready = Service::<Request<Script>>::poll_ready(&mut service, &mut context);
    assert!(ready.is_ready());
    let mut future = pin!(service.call(request));
    for polls in 1..=most_polls {
        if polls == leaves_at {
            return None;
        }
        if let Poll::Ready(response) = future.as_mut().poll(&mut context) {
            return Some(response);
        }
        let before = wakes.0.load(Ordering::Relaxed);
        seen.borrow_mut().wakers.drain(..).for_each(Waker::wake);
        assert!(wakes.0.load(Ordering::Relaxed) > before, "the future is pending but registered no waker");
    }
    panic!("the future did not complete after {most_polls} polls");
}

fn verifier(limit: usize) -> Verifier {
    script::receiver().body_limit(limit).build().expect("the verifier has a secret")
}

fn headers(delivery: &ScriptedDelivery, body: &[u8]) -> HeaderMap {
    let signed = script::secret().sign(&script::message_id(), script::now(), body);
    let mut headers =
        if delivery.has(ScriptedDelivery::UNSIGNED) { HeaderMap::new() } else { HeaderMap::from(&signed) };
    headers.insert(header::USER_AGENT, HeaderValue::from_static("Svix-Webhooks/1.84.0"));
    if let (true, Ok(claim)) =
        (delivery.has(ScriptedDelivery::HAS_CLAIM), HeaderValue::from_bytes(&delivery.claim))
    {
        headers.insert(header::CONTENT_LENGTH, claim);
        if delivery.has(ScriptedDelivery::HAS_SECOND_CLAIM) {
            headers.append(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    }
    headers
}

/// Reads a body that is always ready. Does not copy a body of one frame.
fn read<B: Body<Data = Bytes>>(body: B) -> Bytes {
    let mut body = pin!(body);
    let mut context = Context::from_waker(Waker::noop());
    let mut frames = Vec::new();
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut context) {
        frames.extend(frame.ok().and_then(|frame| frame.into_data().ok()));
    }
    match &frames[..] {
        [frame] => frame.clone(),
        frames => frames.concat().into(),
    }
}

/// What the test body and the inner service observed.
#[derive(Default)]
struct Seen {
    calls: Vec<(Request<()>, Bytes)>,
    is_body_polled: bool,
    steps: usize,
    /// The wakers of pending futures.
    wakers: Vec<Waker>,
}

/// A body that executes a script.
struct Script {
    steps: VecDeque<Step>,
    hint: u64,
    seen: Rc<RefCell<Seen>>,
    is_over: bool,
}

impl Body for Script {
    type Data = FrameBuf;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<FrameBuf>, BoxError>>> {
        assert!(!self.is_over, "the body was polled after its end");
        let step = self.steps.pop_front();
        let seen = Rc::clone(&self.seen);
        let mut seen = seen.borrow_mut();
        seen.is_body_polled = true;
        seen.steps += usize::from(step.is_some());
        let frame = match step {
            Some(Step::Data(data)) => Some(Ok(Frame::data(data.into_buf()))),
            Some(Step::Trailers) => Some(Ok(Frame::trailers(HeaderMap::new()))),
            Some(Step::Wait) => {
                seen.wakers.push(context.waker().clone());
                return Poll::Pending;
            }
            Some(Step::Fail) => Some(Err("the connection was closed".into())),
            Some(Step::TooLargeOutside) => Some(Err(too_large_outside())),
            Some(Step::End) | None => None,
        };
        self.is_over = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.hint);
        hint
    }
}

/// Returns the error from an outer limit. Only `Limited` can create it.
fn too_large_outside() -> BoxError {
    let mut body = Limited::new(Full::new(Bytes::from_static(b"too large")), 1);
    match Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Err(error))) => error,
        other => panic!("expected an error, received {other:?}"),
    }
}

/// The inner service.
struct Inner {
    fails: bool,
    is_ready: bool,
    seen: Rc<RefCell<Seen>>,
}

/// A clone is not ready until it is polled.
impl Clone for Inner {
    fn clone(&self) -> Self {
        Self { fails: self.fails, is_ready: false, seen: Rc::clone(&self.seen) }
    }
}

impl Service<Request<Full<Bytes>>> for Inner {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        assert!(self.is_ready, "the inner service was called before it was ready");
        self.is_ready = false;
        let (parts, body) = request.into_parts();
        self.seen.borrow_mut().calls.push((Request::from_parts(parts, ()), read(body)));
        let (fails, seen, mut waits) = (self.fails, Rc::clone(&self.seen), 0);
        Box::pin(poll_fn(move |context| {
            waits += 1;
            assert!(waits <= INNER_WAITS + 1, "the future was polled after its completion");
            if waits <= INNER_WAITS {
                seen.borrow_mut().wakers.push(context.waker().clone());
                return Poll::Pending;
            }
            if fails {
                return Poll::Ready(Err("the inner service failed".into()));
            }
            let mut response = Response::new(Full::new(Bytes::from_static(INNER_ANSWER.as_bytes())));
            *response.status_mut() = StatusCode::ACCEPTED;
            Poll::Ready(Ok(response))
        }))
    }
}

/// Counts wake-ups.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
