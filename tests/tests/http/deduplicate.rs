//! `DeduplicateLayer` in front of a service that is not ours, and `Deduplicator` over a store that misbehaves.

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

/// Longer than any lease and any time limit.
const LONG: Duration = Duration::from_secs(600);

/// Longer than any call here is waited for; where the clock is paused, waiting in vain takes no time.
const PATIENCE: Duration = Duration::from_secs(120);

/// A store in memory that does what it is told before it does what it is asked.
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

/// Calls that can be waited for.
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

    /// Waits for so many, and counts them no more.
    async fn wait(&self, number: u32) {
        let calls = timeout(PATIENCE, self.0.acquire_many(number)).await;
        calls.expect("there are too few calls").unwrap().forget();
    }
}

impl Store {
    /// Lets the next call of a method go wrong that has not been told to do so yet.
    fn with(self, method: Method, fault: Fault) -> Self {
        self.faults.lock().unwrap().push((method, fault));
        self
    }

    async fn ask(&self, method: Method) -> Result<(), StoreDown> {
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            let next = faults.iter().position(|(other, _)| *other == method);
            next.map(|index| faults.remove(index).1)
        };
        match fault {
            None => Ok(()),
            Some(Fault::Fails) => Err(StoreDown),
            Some(Fault::Hangs) => pending().await,
            Some(Fault::Panics) => panic!("meant to"),
        }
    }
}

impl DeliveryStore for Store {
    type Error = StoreDown;

    async fn claim(&self, key: &DeliveryKey, lease: Duration) -> Result<Claim, StoreDown> {
        self.claims.add();
        self.ask(Method::Claim).await?;
        self.memory.claim(key, lease).await.map_err(|_| StoreDown)
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> Result<LeaseState, StoreDown> {
        self.renewals.add();
        self.ask(Method::Renew).await?;
        self.memory.renew(lease, by).await.map_err(|_| StoreDown)
    }

    async fn complete(&self, lease: &Lease) -> Result<LeaseState, StoreDown> {
        self.ask(Method::Complete).await?;
        self.memory.complete(lease).await.map_err(|_| StoreDown)
    }

    async fn release(&self, lease: &Lease) -> Result<LeaseState, StoreDown> {
        self.ask(Method::Release).await?;
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

/// Returns a request as `VerifyWebhookLayer` hands it on.
fn request(id: &str) -> Inner {
    let mut request = Request::new(Full::from(BODY));
    request.extensions_mut().insert(event(id));
    request
}

/// An inner service that gives one reply after the other.
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
        ready(self.0.lock().unwrap().pop_front().expect("called too often"))
    }
}

fn reply(status: u16, body: &'static str) -> Reply {
    Response::builder().status(status).header("x-inner", "yes").body(body.into()).unwrap()
}

/// Sends a delivery and returns its status and outcome.
async fn send<S, B>(service: &S, id: &str) -> (u16, Option<Outcome>)
where
    S: Service<Inner, Response = Response<B>, Error: fmt::Debug> + Clone,
{
    let response = service.clone().oneshot(request(id)).await.unwrap();
    (response.status().as_u16(), response.extensions().get().copied())
}

const DUPLICATE: (u16, Option<Outcome>) = (200, Some(Outcome::Duplicate));

#[tokio::test]
async fn a_response_is_judged_by_its_status_alone_and_passed_on() {
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
async fn a_success_that_cannot_be_stored_is_not_passed_on() {
    let store = Store::default().with(Method::Complete, Fault::Fails).with(Method::Complete, Fault::Fails);
    let service = DeduplicateLayer::new(store).layer(Scripted::new([Ok(reply(200, "handled"))]));
    assert_eq!(send(&service, "msg_1").await, (503, Some(Outcome::StoreUnavailable)));
}

#[tokio::test]
async fn an_error_of_the_inner_service_passes_through_and_the_delivery_runs_again() {
    let inner = Scripted::new([Err("the database is down".into()), Ok(reply(200, ""))]);
    let service = DeduplicateLayer::new(MemoryStore::new()).layer(inner);
    let error = service.clone().oneshot(request("msg_1")).await.map(drop).unwrap_err();
    assert_eq!(error.to_string(), "the database is down");
    assert_eq!(send(&service, "msg_1").await, (200, None));
    assert_eq!(send(&service, "msg_1").await, DUPLICATE);
}

#[tokio::test]
async fn a_panic_of_the_inner_service_is_a_failure_and_the_delivery_runs_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    // At once or later: both are caught.
    let inner = service_fn(move |_: Inner| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        assert!(call != 0, "meant to");
        async move {
            assert!(call != 1, "meant to");
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
async fn the_answers_of_the_layer_can_be_replaced_and_keep_their_outcome() {
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
    // What the inner service answers is its own.
    assert_eq!(bodies(request("msg_1")).await, (200, None, "inner".into()));
    let (outcome, body) = (Some(Outcome::Duplicate), "duplicate".into());
    assert_eq!(bodies(request("msg_1")).await, (418, outcome, body));
    let (outcome, body) = (Some(Outcome::Misconfigured), "misconfigured".into());
    assert_eq!(bodies(Request::new(Full::from(BODY))).await, (418, outcome, body));
}

#[tokio::test]
async fn a_closure_cannot_acknowledge_what_failed() {
    let handlers = Handlers::builder().otherwise(|_, _| async { Err("the database is down")? });
    let always_200 = |_: Answer| http::Response::new(Bytes::from_static(b"fine"));
    let service = WebhookService::new(handlers.build().unwrap(), ()).on_answer(always_200);
    let response = service.oneshot(request("msg_1")).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.extensions().get(), Some(&Outcome::Failed));
}

/// A service that must be polled ready before each call, itself and not one of its clones.
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
        assert!(self.ready, "called without having been polled ready");
        self.ready = false;
        ready(Ok(reply(200, "")))
    }
}

#[tokio::test]
async fn the_service_that_was_polled_ready_is_called_and_no_clone_of_it() {
    let mut service = DeduplicateLayer::new(MemoryStore::new()).layer(Strict::default());
    let mut futures = JoinSet::new();
    for number in 0..20 {
        let id = format!("msg_{}", number / 2);
        futures.spawn(service.ready().await.unwrap().call(request(&id)));
    }
    let responses = futures.join_all().await.into_iter().map(Result::unwrap);
    // Whatever of two is the second one is a duplicate or comes too soon; none panicked, which would be a 500.
    let statuses: Vec<_> = responses.map(|response| response.status().as_u16()).collect();
    assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
}

/// A service that takes one request at a time, and how many of its calls were under way at once.
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
async fn works_over_a_concurrency_limit_and_a_buffer() {
    let (limited, most) = one_at_a_time();
    let service = DeduplicateLayer::new(MemoryStore::new()).layer(limited);
    every_delivery_is_answered(service).await;
    assert_eq!(most.load(Ordering::SeqCst), 1);

    let (limited, most) = one_at_a_time();
    let service = DeduplicateLayer::new(MemoryStore::new()).layer(Buffer::new(limited, 1));
    every_delivery_is_answered(service).await;
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

/// Sends deliveries at once, and each again.
async fn every_delivery_is_answered<S, B>(service: S)
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
        let answers = timeout(LONG, requests.join_all()).await.expect("it hangs");
        assert_eq!(answers, [expected; 20]);
    }
}

#[tokio::test(start_paused = true)]
async fn works_over_load_shed() {
    let (limited, _) = one_at_a_time();
    let mut service = DeduplicateLayer::new(MemoryStore::new()).layer(LoadShed::new(limited));
    let mut second = service.clone();
    let first = service.ready().await.unwrap().call(request("msg_1"));
    let shed = second.ready().await.unwrap().call(request("msg_2")).await.map(drop).unwrap_err();
    assert!(shed.is::<Overloaded>(), "{shed}");
    assert_eq!(first.await.unwrap().status(), 200);
    // What was shed is not handled, so it is handed on when it comes again.
    assert_eq!(second.ready().await.unwrap().call(request("msg_2")).await.unwrap().status(), 200);
    assert_eq!(send(&second, "msg_2").await, DUPLICATE);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_frees_its_place_at_once() {
    let (limited, _) = one_at_a_time();
    let mut service = DeduplicateLayer::new(MemoryStore::new()).layer(limited);
    assert_eq!(send(&service, "msg_1").await, (200, None));
    let other = service.clone();
    let duplicate = service.ready().await.unwrap().call(request("msg_1")).await.unwrap();
    assert_eq!(duplicate.status(), 200);
    // The response is still there, and so is the service.
    let answer = timeout(LONG, send(&other, "msg_2")).await.expect("the place is taken");
    assert_eq!(answer, (200, None));
    drop((duplicate, service));
}

/// A handler that can be held, with a guard that knows whether it was cut off.
#[derive(Clone, Default)]
struct HeldHandler {
    began: Calls,
    may_end: Calls,
    was_cut_off: Arc<AtomicBool>,
}

impl HeldHandler {
    /// Handles an event in a task.
    fn run(&self, deduplicator: &Deduplicator<Store>, id: &'static str) -> JoinHandle<Answer> {
        let (deduplicator, handler) = (deduplicator.clone(), self.handler());
        tokio::spawn(async move { deduplicator.run(event(id), handler).await })
    }

    fn handler(&self) -> impl Fn(Event, u32) -> HandlerFuture + Clone + Send + Sync + 'static + use<> {
        let this = self.clone();
        move |_, _| {
            let this = this.clone();
            Box::pin(async move {
                let guard = CutOff(this.was_cut_off);
                this.began.add();
                this.may_end.wait(1).await;
                std::mem::forget(guard);
                Ok(Handled::Processed)
            })
        }
    }
}

type HandlerFuture = std::pin::Pin<Box<dyn Future<Output = Result<Handled, Failure>> + Send>>;

struct CutOff(Arc<AtomicBool>);

impl Drop for CutOff {
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
async fn the_lease_of_a_handler_that_takes_long_is_renewed() {
    let (store, held) = (Store::default(), HeldHandler::default());
    // Less than a second makes a second.
    let deduplicator = Deduplicator::new(store.clone()).lease(Duration::ZERO);
    let running = held.run(&deduplicator, "msg_1");
    // Five renewals take longer than the lease that they renew.
    store.renewals.wait(5).await;
    let meanwhile = deduplicator.run(event("msg_1"), processed).await;
    assert_eq!((meanwhile.outcome(), meanwhile.retry_after()), (Outcome::InProgress, Some(1)));
    held.may_end.add();
    assert_eq!(running.await.unwrap().outcome(), Outcome::Processed);
    assert_eq!(deduplicator.run(event("msg_1"), processed).await.outcome(), Outcome::Duplicate);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_goes_wrong_is_tried_again() {
    let (store, held) = (Store::default(), HeldHandler::default());
    let store = store.with(Method::Renew, Fault::Fails).with(Method::Renew, Fault::Hangs);
    let deduplicator = Deduplicator::new(store.clone());
    let running = held.run(&deduplicator.clone().handler_timeout(LONG), "msg_1");
    store.renewals.wait(4).await;
    held.may_end.add();
    assert_eq!(running.await.unwrap().outcome(), Outcome::Processed);
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_lease_is_lost_is_cut_off() {
    let (store, held) = (Store::default(), HeldHandler::default());
    let deduplicator = Deduplicator::new(store.clone()).handler_timeout(LONG);
    let running = held.run(&deduplicator, "msg_1");
    held.began.wait(1).await;
    assert!(store.forget(&key("msg_1")).await.unwrap());
    let answer = running.await.unwrap();
    assert_eq!((answer.outcome(), answer.status()), (Outcome::LeaseLost, 409));
    assert!(held.was_cut_off.load(Ordering::SeqCst));
    // The one who takes it over is not disturbed.
    assert_eq!(deduplicator.run(event("msg_1"), processed).await.outcome(), Outcome::Processed);
}

#[tokio::test]
async fn a_lease_that_is_lost_before_the_end_is_not_acknowledged() {
    let store = Store::default();
    let deduplicator = Deduplicator::new(store.clone());
    let forgetful = store.clone();
    let handler = async move |_, _| {
        assert!(forgetful.forget(&key("msg_1")).await?);
        Ok(Handled::Processed)
    };
    let answer = deduplicator.run(event("msg_1"), handler).await;
    assert_eq!((answer.outcome(), answer.status()), (Outcome::LeaseLost, 409));
    // A failure stays one: there is nothing to write down.
    let forgetful = store.clone();
    let handler = async move |_, _| {
        assert!(forgetful.forget(&key("msg_2")).await?);
        Err("the database is down")?
    };
    assert_eq!(deduplicator.run(event("msg_2"), handler).await.outcome(), Outcome::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_completion_that_goes_wrong_is_tried_once_more() {
    for fault in [Fault::Fails, Fault::Hangs] {
        let deduplicator = Deduplicator::new(Store::default().with(Method::Complete, fault));
        assert_eq!(deduplicator.run(event("msg_1"), processed).await.outcome(), Outcome::Processed);
        assert_eq!(deduplicator.run(event("msg_1"), processed).await.outcome(), Outcome::Duplicate);

        // And no more often: the sender's next attempt finds the lease, and is put off until that ends.
        let store = Store::default().with(Method::Complete, fault).with(Method::Complete, fault);
        let deduplicator = Deduplicator::new(store);
        let answer = deduplicator.run(event("msg_1"), processed).await;
        assert_eq!((answer.outcome(), answer.retry_after()), (Outcome::StoreUnavailable, Some(10)));
        assert_eq!(deduplicator.run(event("msg_1"), processed).await.outcome(), Outcome::InProgress);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_asked_runs_nothing() {
    for fault in [Fault::Fails, Fault::Hangs, Fault::Panics] {
        let store = Store::default().with(Method::Claim, fault);
        let deduplicator = Deduplicator::new(store).store_timeout(Duration::from_millis(10));
        let unreachable = async |_, _| panic!("it was run");
        let answer = deduplicator.run(event("msg_1"), unreachable).await;
        assert_eq!((answer.outcome(), answer.retry_after()), (Outcome::StoreUnavailable, Some(10)));
        // It is there again.
        assert_eq!(deduplicator.run(event("msg_1"), processed).await.outcome(), Outcome::Processed);
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_of_a_handler_that_failed_stands_whatever_the_store_does() {
    for fault in [Fault::Fails, Fault::Hangs] {
        let deduplicator = Deduplicator::new(Store::default().with(Method::Release, fault));
        assert_eq!(deduplicator.run(event("msg_1"), fails).await.outcome(), Outcome::Failed);
        // It was not released, so it is there once the lease ends.
        assert_eq!(deduplicator.run(event("msg_1"), fails).await.outcome(), Outcome::InProgress);
    }
}

#[tokio::test]
async fn what_a_crash_has_left_runs_again_once_the_lease_ends() {
    let store = Store::default();
    let Claim::Acquired(_of_a_process_that_is_gone) =
        store.claim(&key("msg_1"), Duration::from_millis(200)).await.unwrap()
    else {
        panic!("it is the first");
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
async fn a_delivery_can_wait_for_the_one_that_is_in_progress() {
    let (store, held) = (Store::default(), HeldHandler::default());
    let deduplicator = Deduplicator::new(store.clone()).handler_timeout(LONG).in_progress_wait(LONG / 2);
    let first = held.run(&deduplicator, "msg_1");
    held.began.wait(1).await;
    store.claims.wait(1).await;
    let second = held.run(&deduplicator, "msg_1");
    // It asks again and again.
    store.claims.wait(5).await;
    held.may_end.add();
    assert_eq!(first.await.unwrap().outcome(), Outcome::Processed);
    assert_eq!(second.await.unwrap().outcome(), Outcome::Duplicate);

    // Where the first one fails, the one that waits runs.
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

    // Where that takes too long, it is put off.
    let first = held.run(&deduplicator, "msg_3");
    held.began.wait(1).await;
    let short = deduplicator.clone().in_progress_wait(Duration::from_secs(1));
    assert_eq!(short.run(event("msg_3"), processed).await.outcome(), Outcome::InProgress);
    held.may_end.add();
    assert_eq!(first.await.unwrap().outcome(), Outcome::Processed);
}

#[tokio::test(start_paused = true)]
async fn a_handler_has_the_time_that_it_is_given_and_no_more() {
    let held = HeldHandler::default();
    let deduplicator = Deduplicator::new(Store::default());
    let answer = deduplicator.run(event("msg_1"), held.handler()).await;
    assert_eq!((answer.outcome(), answer.status()), (Outcome::HandlerTimeout, 503));
    assert!(held.was_cut_off.load(Ordering::SeqCst));
    assert_eq!(deduplicator.run(event("msg_1"), processed).await.outcome(), Outcome::Processed);
}

#[test]
fn what_waits_for_a_handler_is_small() {
    // A future that takes another one by value holds it twice, and a framework wraps it some ten times.
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
