//! The layer calls the instance of the inner service that was polled ready.
//!
//! If it called a fresh clone, `ConcurrencyLimit` would panic, and `Buffer` and `LoadShed` would use capacity
//! that the call has not reserved.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_tests::body::{ScriptedBody, Step};
use clerk_webhook_tests::request::{self, BODY, BoxError, framed, signed, verifier};
use clerk_webhook_tower::VerifyWebhook;
use http::{Request, Response};
use http_body_util::Full;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::buffer::Buffer;
use tower::limit::ConcurrencyLimit;
use tower::load_shed::LoadShed;
use tower::load_shed::error::Overloaded;
use tower::{Service, ServiceExt as _, service_fn};

type Inner = Request<Full<Bytes>>;
type Answer = Response<Full<Bytes>>;

/// A service that must be polled ready before each call. A clone is not ready.
#[derive(Default)]
struct Strict {
    ready: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { ready: false, calls: Arc::clone(&self.calls) }
    }
}

impl Service<Inner> for Strict {
    type Response = Answer;
    type Error = Infallible;
    type Future = Ready<Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Inner) -> Self::Future {
        assert!(self.ready, "called before it was polled ready");
        self.ready = false;
        self.calls.fetch_add(1, Ordering::Relaxed);
        ready(Ok(Answer::default()))
    }
}

/// Returns a service that records the largest number of concurrent calls, and yields during each call.
fn count_concurrent_calls(
    most: &Arc<AtomicUsize>,
) -> impl Service<Inner, Response = Answer, Error = Infallible, Future: Send> + Clone + Send + use<> {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::clone(most));
    service_fn(move |_: Inner| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(Answer::default())
        }
    })
}

fn body() -> ScriptedBody {
    ScriptedBody::frames(BODY.as_bytes(), BODY.len())
}

fn complete() -> Request<ScriptedBody> {
    signed(BODY.as_bytes(), body())
}

/// A delivery that arrives in parts, so that the inner service is called later than the outer one.
fn slow() -> Request<ScriptedBody> {
    let (head, tail) = BODY.split_at(20);
    let steps =
        [Step::Pending, Step::Data(head.into()), Step::Pending, Step::Data(tail.into()), Step::Pending];
    signed(BODY.as_bytes(), ScriptedBody::new(steps))
}

/// A delivery that is rejected by its headers, before the body is read.
fn unsigned() -> Request<ScriptedBody> {
    request::unsigned(body())
}

/// A delivery that is rejected by its signature, after the body was read.
fn forged() -> Request<ScriptedBody> {
    signed(b"another body", body())
}

/// Waits until the service is ready for a request.
async fn polled_ready<S: Service<Request<ScriptedBody>>>(service: &mut S) -> Result<&mut S, S::Error> {
    service.ready().await
}

/// Sends a request. Because the clock is paused, a service that never becomes ready fails immediately.
async fn send<S>(service: &mut S, request: Request<ScriptedBody>) -> http::StatusCode
where
    S: Service<Request<ScriptedBody>, Response: Status, Error: Into<BoxError>>,
{
    let response =
        async { polled_ready(service).await.map_err(Into::into)?.call(request).await.map_err(Into::into) };
    let response: Result<_, BoxError> =
        timeout(Duration::from_secs(60), response).await.expect("the request does not hang");
    response.unwrap().status()
}

trait Status {
    fn status(&self) -> http::StatusCode;
}

impl<B> Status for Response<B> {
    fn status(&self) -> http::StatusCode {
        Response::status(self)
    }
}

#[tokio::test]
async fn calls_the_service_that_was_polled_ready() {
    let strict = Strict::default();
    let calls = Arc::clone(&strict.calls);
    let mut service = VerifyWebhook::new(strict, verifier());
    for request in [complete(), framed(BODY.as_bytes(), 1), slow(), unsigned(), complete(), forged(), slow()]
    {
        polled_ready(&mut service).await.unwrap().call(request).await.unwrap();
    }
    assert_eq!(calls.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn concurrent_calls_each_use_the_service_that_was_polled_ready() {
    let strict = Strict::default();
    let calls = Arc::clone(&strict.calls);
    let mut service = VerifyWebhook::new(strict, verifier());
    let mut futures = JoinSet::new();
    for _ in 0..20 {
        futures.spawn(polled_ready(&mut service).await.unwrap().call(slow()));
    }
    assert!(futures.join_all().await.into_iter().all(|response| response.unwrap().status() == 200));
    assert_eq!(calls.load(Ordering::Relaxed), 20);
}

#[tokio::test(start_paused = true)]
async fn can_wrap_a_concurrency_limit() {
    let most = Arc::default();
    let mut service = VerifyWebhook::new(ConcurrencyLimit::new(count_concurrent_calls(&most), 1), verifier());
    for _ in 0..5 {
        assert_eq!(send(&mut service, slow()).await, 200);
    }
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let mut service = service.clone();
        requests.spawn(async move { send(&mut service, slow()).await });
    }
    // The idle original must not hold a permit, or the clones would wait forever.
    assert_eq!(requests.join_all().await, [200; 20]);
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn can_wrap_a_buffer() {
    let most = Arc::default();
    let buffer = Buffer::new(ConcurrencyLimit::new(count_concurrent_calls(&most), 1), 1);
    let mut service = VerifyWebhook::new(buffer, verifier());
    for request in [slow(), unsigned(), forged(), slow()] {
        send(&mut service, request).await;
    }
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let mut service = service.clone();
        requests.spawn(async move { send(&mut service, slow()).await });
    }
    assert_eq!(requests.join_all().await, [200; 20]);
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn can_wrap_load_shed() {
    let inner = ConcurrencyLimit::new(count_concurrent_calls(&Arc::default()), 1);
    let mut service = VerifyWebhook::new(LoadShed::new(inner), verifier());
    for _ in 0..5 {
        assert_eq!(send(&mut service, slow()).await, 200);
    }

    // Only a request that arrives while the single permit is in use is shed.
    let mut second = service.clone();
    let first = polled_ready(&mut service).await.unwrap().call(slow());
    let shed = polled_ready(&mut second).await.unwrap().call(slow()).await.unwrap_err();
    assert!(shed.is::<Overloaded>(), "{shed}");
    assert_eq!(first.await.unwrap().status(), 200);
    assert_eq!(send(&mut second, slow()).await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_holds_no_permit() {
    let mut service =
        VerifyWebhook::new(ConcurrencyLimit::new(count_concurrent_calls(&Arc::default()), 1), verifier());
    for rejected in [unsigned, forged] {
        for _ in 0..3 {
            assert_eq!(send(&mut service, rejected()).await, 400);
            assert_eq!(send(&mut service, complete()).await, 200);
        }
        // Servers clone the service for each request and drop the clone.
        for _ in 0..3 {
            assert_eq!(send(&mut service.clone(), rejected()).await, 400);
            assert_eq!(send(&mut service.clone(), complete()).await, 200);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_releases_the_permit_immediately() {
    for rejected in [unsigned, forged] {
        let mut service =
            VerifyWebhook::new(ConcurrencyLimit::new(count_concurrent_calls(&Arc::default()), 1), verifier());
        let mut other = service.clone();
        let rejected = polled_ready(&mut service).await.unwrap().call(rejected()).await.unwrap();
        assert_eq!(rejected.status(), 400);
        // The permit is free, although the response and the service still exist.
        assert_eq!(send(&mut other, complete()).await, 200);
        drop((rejected, service));
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_a_request_while_its_body_is_read_releases_the_permit() {
    let mut service =
        VerifyWebhook::new(ConcurrencyLimit::new(count_concurrent_calls(&Arc::default()), 1), verifier());
    let mut other = service.clone();
    let body = ScriptedBody::new([Step::Data("{".into()), Step::Stall]);
    {
        let mut stalled = pin!(polled_ready(&mut service).await.unwrap().call(signed(BODY.as_bytes(), body)));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(stalled.as_mut().poll(&mut cx).is_pending());
        assert!(pin!(polled_ready(&mut other)).poll(&mut cx).is_pending(), "the permit is in use");
    }
    assert_eq!(send(&mut other, complete()).await, 200);
}

#[tokio::test]
async fn returns_an_error_of_the_inner_service() {
    let failing = service_fn(|_: Inner| ready(Err::<Answer, BoxError>("the database is down".into())));
    let mut service = VerifyWebhook::new(failing, verifier());
    let error = polled_ready(&mut service).await.unwrap().call(complete()).await.unwrap_err();
    assert_eq!(error.to_string(), "the database is down");
    assert_eq!(polled_ready(&mut service).await.unwrap().call(forged()).await.unwrap().status(), 400);
}

#[tokio::test]
async fn returns_an_error_of_poll_ready() {
    #[derive(Clone)]
    struct Closed;

    impl Service<Inner> for Closed {
        type Response = Answer;
        type Error = &'static str;
        type Future = Ready<Result<Answer, &'static str>>;

        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            Poll::Ready(Err("closed"))
        }

        fn call(&mut self, _request: Inner) -> Self::Future {
            panic!("called before it was ready");
        }
    }

    let mut service = VerifyWebhook::new(Closed, verifier());
    let error = polled_ready(&mut service).await.map(drop).unwrap_err();
    assert_eq!(error, "closed");
}
