//! `DeduplicateLayer` around another service, and `Deduplicator` with a store that fails.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, pending, ready};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_core::{Answer, Event, Failure, Handled, Handlers, Outcome, Timestamp};
use clerk_webhook_store::{
    Claim, Deduplicator, DeliveryKey, DeliveryStore, Lease, LeaseState, MemoryStore, Scope,
};
use clerk_webhook_tower::{DeduplicateLayer, WebhookService};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tower::buffer::Buffer;
use tower::limit::ConcurrencyLimit;
use tower::load_shed::LoadShed;
use tower::load_shed::error::Overloaded;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use super::support::{BODY, BoxError, collect};

type Inner = Request<Full<Bytes>>;
type Reply = Response<Full<Bytes>>;

/// Longer than any lease and any timeout.
const LONG: Duration = Duration::from_secs(600);

/// The longest wait for a call. If the clock is paused, it takes no real time.
const PATIENCE: Duration = Duration::from_secs(120);

/// An in-memory store whose calls can be made to fail, hang or panic.
#[derive(Clone, Default)]
struct Store {
    memory: MemoryStore,
    faults: Arc<Mutex<Vec<(Method, Fault)>>>,
    claims: Calls,
    renewals: Calls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Claim,
    Renew,
    Complete,
    Release,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Fails,
    Hangs,
    Panics,
}

#[derive(Debug)]
struct StoreDown;

impl fmt::Display for StoreDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection refused")
    }
}

impl std::error::Error for StoreDown {}

/// A counter of calls for which a test can wait.
#[derive(Clone)]
struct Calls(Arc<Semaphore>);

impl Default for Calls {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

impl Calls {
    fn add(&self) {
        self.0.add_permits(1);
    }

    /// Waits until this many calls were made, and subtracts them from the counter.
    async fn wait(&self, number: u32) {
        let calls = timeout(PATIENCE, self.0.acquire_many(number)).await;
        calls.expect("the expected calls were made").unwrap().forget();
    }
}

impl Store {
    /// Adds a fault to a method. Each call to the method consumes one fault, in the order in which they were
    /// added.
    fn with(self, method: Method, fault: Fault) -> Self {
        self.faults.lock().unwrap().push((method, fault));
        self
    }

    async fn inject_fault(&self, method: Method) -> Result<(), StoreDown> {
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            let next = faults.iter().position(|(other, _)| *other == method);
            next.map(|index| faults.remove(index).1)
        };
        match fault {
            None => Ok(()),
            Some(Fault::Fails) => Err(StoreDown),
            Some(Fault::Hangs) => pending().await,
            Some(Fault::Panics) => panic!("a panic on purpose"),
        }
    }
}

impl DeliveryStore for Store {
    type Error = StoreDown;

    async fn claim(&self, key: &DeliveryKey, lease: Duration) -> Result<Claim, StoreDown> {
        self.claims.add();
        self.inject_fault(Method::Claim).await?;
        self.memory.claim(key, lease).await.map_err(|_| StoreDown)
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> Result<LeaseState, StoreDown> {
        self.renewals.add();
        self.inject_fault(Method::Renew).await?;
        self.memory.renew(lease, by).await.map_err(|_| StoreDown)
    }

    async fn complete(&self, lease: &Lease) -> Result<LeaseState, StoreDown> {
        self.inject_fault(Method::Complete).await?;
        self.memory.complete(lease).await.map_err(|_| StoreDown)
    }

    async fn release(&self, lease: &Lease) -> Result<LeaseState, StoreDown> {
        self.inject_fault(Method::Release).await?;
        self.memory.release(lease).await.map_err(|_| StoreDown)
    }

    async fn forget(&self, key: &DeliveryKey) -> Result<bool, StoreDown> {
        self.memory.forget(key).await.map_err(|_| StoreDown)
    }

    async fn purge(&self, older_than: Duration, limit: u32) -> Result<u64, StoreDown> {
        self.memory.purge(older_than, limit).await.map_err(|_| StoreDown)
    }
}

fn event(id: &str) -> Event {
    Event::from_trusted(id.parse().unwrap(), Timestamp::now(), BODY.into()).unwrap()
}

fn key(id: &str) -> DeliveryKey {
    DeliveryKey::new(Scope::default(), id.parse().unwrap())
}

/// Returns a request in the form that `VerifyWebhookLayer` passes to its inner service.
fn request(id: &str) -> Inner {
    let mut request = Request::new(Full::from(BODY));
    request.extensions_mut().insert(event(id));
    request
}

/// An inner service that returns its replies one after the other.
#[derive(Clone)]
struct Scripted(Arc<Mutex<VecDeque<Result<Reply, BoxError>>>>);

impl Scripted {
    fn new(replies: impl IntoIterator<Item = Result<Reply, BoxError>>) -> Self {
        Self(Arc::new(Mutex::new(replies.into_iter().collect())))
    }
}

impl Service<Inner> for Scripted {
    type Response = Reply;
    type Error = BoxError;
    type Future = Ready<Result<Reply, BoxError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Inner) -> Self::Future {
        assert_eq!(request.extensions().get::<Event>().unwrap().raw_body(), BODY);
        ready(self.0.lock().unwrap().pop_front().expect("the script has a reply for each call"))
    }
}

fn reply(status: u16, body: &'static str) -> Reply {
    Response::builder().status(status).header("x-inner", "yes").body(body.into()).unwrap()
}

/// Sends a delivery, and returns the status and the outcome of the answer.
async fn send<S, B>(service: &S, id: &str) -> (u16, Option<Outcome>)
where
    S: Service<Inner, Response = Response<B>, Error: fmt::Debug> + Clone,
{
    let response = service.clone().oneshot(request(id)).await.unwrap();
    (response.status().as_u16(), response.extensions().get().copied())
}

const DUPLICATE: (u16, Option<Outcome>) = (200, Some(Outcome::Duplicate));

#[tokio::test]
async fn the_status_decides_whether_a_delivery_is_completed() {
    for (status, completes) in
        [(200, true), (204, true), (299, true), (301, false), (404, false), (409, false), (500, false)]
    {
        for outcome in [None, Some(Outcome::Processed), Some(Outcome::Ignored), Some(Outcome::Failed)] {
            let mut first = reply(status, "first");
            if let Some(outcome) = outcome {
                first.extensions_mut().insert(outcome);
            }
            let inner = Scripted::new([Ok(first), Ok(reply(202, "second"))]);
            let service = DeduplicateLayer::new(MemoryStore::new()).layer(inner);
            let response = collect(service.clone().oneshot(request("msg_1")).await.unwrap()).await;
            assert_eq!((response.status().as_u16(), &response.body()[..]), (status, &b"first"[..]));
            assert_eq!(response.headers()["x-inner"], "yes");
            assert_eq!(response.extensions().get::<Outcome>(), outcome.as_ref());
            if !completes {
                assert_eq!(send(&service, "msg_1").await, (202, None), "{status} {outcome:?}");
            }
            assert_eq!(send(&service, "msg_1").await, DUPLICATE, "{status} {outcome:?}");
        }
    }
}

#[tokio::test]
async fn answers_store_unavailable_if_a_success_cannot_be_stored() {
    let store = Store::default().with(Method::Complete, Fault::Fails).with(Method::Complete, Fault::Fails);
    let service = DeduplicateLayer::new(store).layer(Scripted::new([Ok(reply(200, "handled"))]));
    assert_eq!(send(&service, "msg_1").await, (503, Some(Outcome::StoreUnavailable)));
}

#[tokio::test]
async fn returns_an_error_of_the_inner_service_and_runs_the_retry() {
    let inner = Scripted::new([Err("the database is down".into()), Ok(reply(200, ""))]);
    let service = DeduplicateLayer::new(MemoryStore::new()).layer(inner);
    let error = service.clone().oneshot(request("msg_1")).await.map(drop).unwrap_err();
    assert_eq!(error.to_string(), "the database is down");
    assert_eq!(send(&service, "msg_1").await, (200, None));
    assert_eq!(send(&service, "msg_1").await, DUPLICATE);
}

#[tokio::test]
async fn answers_failed_if_the_inner_service_panics_and_runs_the_retry() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    // The first call panics in `call`, the second in its future. The layer catches both.
    let inner = service_fn(move |_: Inner| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        assert!(call != 0, "a panic on purpose");
        async move {
            assert!(call != 1, "a panic on purpose");
            Ok::<_, Infallible>(reply(200, ""))
        }
    });
    let service = DeduplicateLayer::new(MemoryStore::new()).layer(inner);
    for expected in [(500, Some(Outcome::Failed)), (500, Some(Outcome::Failed)), (200, None), DUPLICATE] {
        assert_eq!(send(&service, "msg_1").await, expected);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn on_answer_replaces_the_layers_answers_and_keeps_the_outcome() {
    let teapot = |answer: Answer| {
        let mut response = Response::new(Bytes::from_static(answer.outcome().as_str().as_bytes()));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    };
    let layer = DeduplicateLayer::new(MemoryStore::new()).on_answer(teapot);
    let service = layer.layer(Scripted::new([Ok(reply(200, "inner"))]));
    let bodies = async |request| {
        let response = collect(service.clone().oneshot(request).await.unwrap()).await;
        let outcome = response.extensions().get::<Outcome>().copied();
        (response.status().as_u16(), outcome, response.into_body())
    };
    // The layer does not replace the inner service's answer.
    assert_eq!(bodies(request("msg_1")).await, (200, None, "inner".into()));
    let (outcome, body) = (Some(Outcome::Duplicate), "duplicate".into());
    assert_eq!(bodies(request("msg_1")).await, (418, outcome, body));
    let (outcome, body) = (Some(Outcome::Misconfigured), "misconfigured".into());
    assert_eq!(bodies(Request::new(Full::from(BODY))).await, (418, outcome, body));
}

#[tokio::test]
async fn on_answer_cannot_acknowledge_a_failure() {
    let handlers = Handlers::builder().otherwise(|_, _| async { Err("the database is down")? });
    let always_200 = |_: Answer| http::Response::new(Bytes::from_static(b"fine"));
    let service = WebhookService::new(handlers.build().unwrap(), ()).on_answer(always_200);
    let response = service.oneshot(request("msg_1")).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.extensions().get(), Some(&Outcome::Failed));
}

/// A service that must be polled ready before each call. A clone is not ready.
#[derive(Default)]
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { ready: false }
    }
}

impl Service<Inner> for Strict {
    type Response = Reply;
    type Error = Infallible;
    type Future = Ready<Result<Reply, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Inner) -> Self::Future {
        assert!(self.ready, "called before it was polled ready");
        self.ready = false;
        ready(Ok(reply(200, "")))
    }
}

#[tokio::test]
async fn calls_the_service_that_was_polled_ready() {
    let mut service = DeduplicateLayer::new(MemoryStore::new()).layer(Strict::default());
    let mut futures = JoinSet::new();
    for number in 0..20 {
        let id = format!("msg_{}", number / 2);
        futures.spawn(service.ready().await.unwrap().call(request(&id)));
    }
    let responses = futures.join_all().await.into_iter().map(Result::unwrap);
    // The second delivery of each message is answered with 200 or 409. A panic would cause a 500.
    let statuses: Vec<_> = responses.map(|response| response.status().as_u16()).collect();
    assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
}

/// Returns a service that handles one request at a time, and the largest number of concurrent calls.
fn one_at_a_time() -> (
    ConcurrencyLimit<
        impl Service<Inner, Response = Reply, Error = Infallible, Future: Send + 'static> + Clone + Send + 'static,
    >,
    Arc<AtomicUsize>,
) {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&most);
    let inner = service_fn(move |_: Inner| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&counted));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(reply(200, ""))
        }
    });
    (ConcurrencyLimit::new(inner, 1), most)
}

#[tokio::test(start_paused = true)]
async fn can_wrap_a_concurrency_limit_and_a_buffer() {
    let (limited, most) = one_at_a_time();
    let service = DeduplicateLayer::new(MemoryStore::new()).layer(limited);
    assert_every_delivery_is_answered(service).await;
    assert_eq!(most.load(Ordering::SeqCst), 1);

    let (limited, most) = one_at_a_time();
    let service = DeduplicateLayer::new(MemoryStore::new()).layer(Buffer::new(limited, 1));
    assert_every_delivery_is_answered(service).await;
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

/// Sends several deliveries at the same time, and then all of them again.
async fn assert_every_delivery_is_answered<S, B>(service: S)
where
    S: Service<Inner, Response = Response<B>, Error: fmt::Debug, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    for expected in [(200, None), DUPLICATE] {
        let mut requests = JoinSet::new();
        for number in 0..20 {
            let service = service.clone();
            requests.spawn(async move { send(&service, &format!("msg_{number}")).await });
        }
        let answers = timeout(LONG, requests.join_all()).await.expect("the requests do not hang");
        assert_eq!(answers, [expected; 20]);
    }
}

#[tokio::test(start_paused = true)]
async fn can_wrap_load_shed() {
    let (limited, _) = one_at_a_time();
    let mut service = DeduplicateLayer::new(MemoryStore::new()).layer(LoadShed::new(limited));
    let mut second = service.clone();
    let first = service.ready().await.unwrap().call(request("msg_1"));
    let shed = second.ready().await.unwrap().call(request("msg_2")).await.map(drop).unwrap_err();
    assert!(shed.is::<Overloaded>(), "{shed}");
    assert_eq!(first.await.unwrap().status(), 200);
    // The shed delivery was not handled, so the layer passes its retry to the service.
    assert_eq!(second.ready().await.unwrap().call(request("msg_2")).await.unwrap().status(), 200);
    assert_eq!(send(&second, "msg_2").await, DUPLICATE);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_releases_its_permit_immediately() {
    let (limited, _) = one_at_a_time();
    let mut service = DeduplicateLayer::new(MemoryStore::new()).layer(limited);
    assert_eq!(send(&service, "msg_1").await, (200, None));
    let other = service.clone();
    let duplicate = service.ready().await.unwrap().call(request("msg_1")).await.unwrap();
    assert_eq!(duplicate.status(), 200);
    // The permit is free, although the response and the service still exist.
    let answer = timeout(LONG, send(&other, "msg_2")).await.expect("the permit is free");
    assert_eq!(answer, (200, None));
    drop((duplicate, service));
}

/// A handler that waits for the test, and records whether it was dropped.
#[derive(Clone, Default)]
struct HeldHandler {
    began: Calls,
    may_end: Calls,
    was_dropped: Arc<AtomicBool>,
}

impl HeldHandler {
    /// Handles an event in a new task.
    fn run(&self, deduplicator: &Deduplicator<Store>, id: &'static str) -> JoinHandle<Answer> {
        let (deduplicator, handler) = (deduplicator.clone(), self.handler());
        tokio::spawn(async move { deduplicator.run(event(id), handler).await })
    }

    fn handler(&self) -> impl Fn(Event, u32) -> HandlerFuture + Clone + Send + Sync + 'static + use<> {
        let this = self.clone();
        move |_, _| {
            let this = this.clone();
            Box::pin(async move {
                let guard = DropFlag(this.was_dropped);
                this.began.add();
                this.may_end.wait(1).await;
                std::mem::forget(guard);
                Ok(Handled::Processed)
            })
        }
    }
}

type HandlerFuture = std::pin::Pin<Box<dyn Future<Output = Result<Handled, Failure>> + Send>>;

struct DropFlag(Arc<AtomicBool>);

impl Drop for DropFlag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

async fn processed(_event: Event, _attempt: u32) -> Result<Handled, Failure> {
    Ok(Handled::Processed)
}

async fn fails(_event: Event, _attempt: u32) -> Result<Handled, Failure> {
    Err("the database is down")?
}

#[tokio::test]
async fn renews_the_lease_of_a_slow_handler() {
    let (store, held) = (Store::default(), HeldHandler::default());
    // The minimum lease is one second.
    let deduplicator = Deduplicator::new(store.clone()).lease(Duration::ZERO);
    let running = held.run(&deduplicator, "msg_1");
    // Five renewals take longer than the renewed lease.
    store.renewals.wait(5).await;
    let duplicate = deduplicator.run(event("msg_1"), processed).await;
    assert_eq!((duplicate.outcome(), duplicate.retry_after()), (Outcome::InProgress, Some(1)));
    held.may_end.add();
    assert_eq!(running.await.unwrap().outcome(), Outcome::Processed);
    assert_eq!(deduplicator.run(event("msg_1"), processed).await.outcome(), Outcome::Duplicate);
}

#[tokio::test(start_paused = true)]
async fn retries_a_failed_renewal() {
    let (store, held) = (Store::default(), HeldHandler::default());
    let store = store.with(Method::Renew, Fault::Fails).with(Method::Renew, Fault::Hangs);
    let deduplicator = Deduplicator::new(store.clone());
    let running = held.run(&deduplicator.clone().handler_timeout(LONG), "msg_1");
    store.renewals.wait(4).await;
    held.may_end.add();
    assert_eq!(running.await.unwrap().outcome(), Outcome::Processed);
}

#[tokio::test(start_paused = true)]
async fn drops_a_handler_whose_lease_is_lost() {
    let (store, held) = (Store::default(), HeldHandler::default());
    let deduplicator = Deduplicator::new(store.clone()).handler_timeout(LONG);
    let running = held.run(&deduplicator, "msg_1");
    held.began.wait(1).await;
    assert!(store.forget(&key("msg_1")).await.unwrap());
    let answer = running.await.unwrap();
    assert_eq!((answer.outcome(), answer.status()), (Outcome::LeaseLost, 409));
    assert!(held.was_dropped.load(Ordering::SeqCst));
    // The next run is not affected.
    assert_eq!(deduplicator.run(event("msg_1"), processed).await.outcome(), Outcome::Processed);
}

#[tokio::test]
async fn does_not_acknowledge_a_run_whose_lease_was_lost() {
    let store = Store::default();
    let deduplicator = Deduplicator::new(store.clone());
    let forgetful = store.clone();
    let handler = async move |_, _| {
        assert!(forgetful.forget(&key("msg_1")).await?);
        Ok(Handled::Processed)
    };
    let answer = deduplicator.run(event("msg_1"), handler).await;
    assert_eq!((answer.outcome(), answer.status()), (Outcome::LeaseLost, 409));
    // A failure remains a failure, because there is no completion to store.
    let forgetful = store.clone();
    let handler = async move |_, _| {
        assert!(forgetful.forget(&key("msg_2")).await?);
        Err("the database is down")?
    };
    assert_eq!(deduplicator.run(event("msg_2"), handler).await.outcome(), Outcome::Failed);
}

#[tokio::test(start_paused = true)]
async fn retries_a_failed_completion_once() {
    for fault in [Fault::Fails, Fault::Hangs] {
        let deduplicator = Deduplicator::new(Store::default().with(Method::Complete, fault));
        assert_eq!(deduplicator.run(event("msg_1"), processed).await.outcome(), Outcome::Processed);
        assert_eq!(deduplicator.run(event("msg_1"), processed).await.outcome(), Outcome::Duplicate);

        // After two failed completions the lease still exists, so the next delivery is `in_progress`.
        let store = Store::default().with(Method::Complete, fault).with(Method::Complete, fault);
        let deduplicator = Deduplicator::new(store);
        let answer = deduplicator.run(event("msg_1"), processed).await;
        assert_eq!((answer.outcome(), answer.retry_after()), (Outcome::StoreUnavailable, Some(10)));
        assert_eq!(deduplicator.run(event("msg_1"), processed).await.outcome(), Outcome::InProgress);
    }
}

#[tokio::test(start_paused = true)]
async fn does_not_run_the_handler_if_the_claim_fails() {
    for fault in [Fault::Fails, Fault::Hangs, Fault::Panics] {
        let store = Store::default().with(Method::Claim, fault);
        let deduplicator = Deduplicator::new(store).store_timeout(Duration::from_millis(10));
        let unreachable = async |_, _| panic!("the handler must not run");
        let answer = deduplicator.run(event("msg_1"), unreachable).await;
        assert_eq!((answer.outcome(), answer.retry_after()), (Outcome::StoreUnavailable, Some(10)));
        // The store works again.
        assert_eq!(deduplicator.run(event("msg_1"), processed).await.outcome(), Outcome::Processed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_release_does_not_change_the_answer_of_a_failed_handler() {
    for fault in [Fault::Fails, Fault::Hangs] {
        let deduplicator = Deduplicator::new(Store::default().with(Method::Release, fault));
        assert_eq!(deduplicator.run(event("msg_1"), fails).await.outcome(), Outcome::Failed);
        // The lease was not released, so the next delivery has to wait until it expires.
        assert_eq!(deduplicator.run(event("msg_1"), fails).await.outcome(), Outcome::InProgress);
    }
}

#[tokio::test]
async fn runs_again_after_a_crash_when_the_lease_expires() {
    let store = Store::default();
    let Claim::Acquired(_lease_of_a_crashed_process) =
        store.claim(&key("msg_1"), Duration::from_millis(200)).await.unwrap()
    else {
        panic!("the first claim succeeds");
    };
    let deduplicator = Deduplicator::new(store).in_progress_wait(LONG);
    let attempt = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&attempt);
    let handler = async move |_, attempt| {
        seen.store(attempt as usize, Ordering::SeqCst);
        Ok(Handled::Processed)
    };
    assert_eq!(deduplicator.run(event("msg_1"), handler).await.outcome(), Outcome::Processed);
    assert_eq!(attempt.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_waits_for_a_run_in_progress_up_to_the_limit() {
    let (store, held) = (Store::default(), HeldHandler::default());
    let deduplicator = Deduplicator::new(store.clone()).handler_timeout(LONG).in_progress_wait(LONG / 2);
    let first = held.run(&deduplicator, "msg_1");
    held.began.wait(1).await;
    store.claims.wait(1).await;
    let second = held.run(&deduplicator, "msg_1");
    // The waiting delivery repeatedly tries to claim.
    store.claims.wait(5).await;
    held.may_end.add();
    assert_eq!(first.await.unwrap().outcome(), Outcome::Processed);
    assert_eq!(second.await.unwrap().outcome(), Outcome::Duplicate);

    // If the first run fails, the waiting delivery runs the handler.
    let failing = deduplicator.clone();
    let may_end = held.may_end.clone();
    let began = held.began.clone();
    let first = tokio::spawn(async move {
        let handler = async move |_, _| {
            began.add();
            may_end.wait(1).await;
            Err("the database is down")?
        };
        failing.run(event("msg_2"), handler).await
    });
    held.began.wait(1).await;
    let second = deduplicator.clone();
    let second = tokio::spawn(async move { second.run(event("msg_2"), processed).await });
    held.may_end.add();
    assert_eq!(first.await.unwrap().outcome(), Outcome::Failed);
    assert_eq!(second.await.unwrap().outcome(), Outcome::Processed);

    // If the wait exceeds its limit, the answer is `in_progress`.
    let first = held.run(&deduplicator, "msg_3");
    held.began.wait(1).await;
    let short = deduplicator.clone().in_progress_wait(Duration::from_secs(1));
    assert_eq!(short.run(event("msg_3"), processed).await.outcome(), Outcome::InProgress);
    held.may_end.add();
    assert_eq!(first.await.unwrap().outcome(), Outcome::Processed);
}

#[tokio::test(start_paused = true)]
async fn drops_a_handler_at_its_timeout() {
    let held = HeldHandler::default();
    let deduplicator = Deduplicator::new(Store::default());
    let answer = deduplicator.run(event("msg_1"), held.handler()).await;
    assert_eq!((answer.outcome(), answer.status()), (Outcome::HandlerTimeout, 503));
    assert!(held.was_dropped.load(Ordering::SeqCst));
    assert_eq!(deduplicator.run(event("msg_1"), processed).await.outcome(), Outcome::Processed);
}

#[test]
fn the_futures_that_run_a_handler_are_small() {
    // An async fn stores a future argument twice, and a framework wraps the future about ten times.
    let handlers: Handlers<[u8; 100]> = Handlers::builder().build().unwrap();
    let (deduplicator, state) = (Deduplicator::new(MemoryStore::new()), [0; 100]);
    let handling = deduplicator.handle(&handlers, event("msg_1"), state);
    let sizes = [
        ("Deduplicator::handle", size_of_val(&handling)),
        ("Deduplicator::run", size_of_val(&deduplicator.run(event("msg_1"), processed))),
        ("Handlers::handle", size_of_val(&handlers.handle(event("msg_1"), state))),
        ("Handlers::answer", size_of_val(&handlers.answer(event("msg_1"), state))),
    ];
    for (what, size) in sizes {
        assert!(size <= 1024, "{what}: {size} bytes");
    }
}
