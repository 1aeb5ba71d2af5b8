//! A connection that changes what a NATS server and its clients send.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use async_nats::jetstream;
use clerk_webhook_queue::{
    DeliveryQueue as _, Enqueued, JobQueue as _, NatsQueue, NatsQueueError, TakeOptions,
};
use clerk_webhook_store::LeaseState;
use clerk_webhook_tests::servers::Nats;
use tokio::time::{sleep, timeout};

use crate::file::event;

const LONG: Duration = Duration::from_secs(60);

/// A proxy in front of a NATS server.
#[derive(Clone, Default)]
struct Proxy {
    url: String,
    /// How many more error codes of a lost comparison the proxy replaces with the code 10164.
    conflicts: Arc<AtomicU32>,
    /// Whether the proxy prevents the creation of consumers.
    has_no_consumers: Arc<AtomicBool>,
    /// Whether the proxy prevents the reading of single records.
    has_no_reads: Arc<AtomicBool>,
    /// How many more questions about the stream are about another stream.
    hidden: Arc<AtomicU32>,
    /// Whether requests wait that read single records, and whether one waits.
    holds_reads: Arc<AtomicBool>,
    holds: Arc<AtomicBool>,
    /// Whether the proxy replaces the error code of a missing stream with another code.
    has_other_errors: Arc<AtomicBool>,
    /// How many answers contained the body of an event.
    bodies: Arc<AtomicU32>,
    /// Whether the server seems to have replicated the stream.
    is_replicated: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    fn start(server: &Nats) -> Self {
        let target = server.url().replace("nats://", "");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let proxy = Self { url, ..Self::default() };
        let started = proxy.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(&target).unwrap();
                let (requests, answers) = (started.clone(), started.clone());
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                started.connections.lock().unwrap().push(client.try_clone().unwrap());
                thread::spawn(move || pump(&from, &to, |bytes| requests.change_requests(bytes)));
                thread::spawn(move || pump(&server, &client, |bytes| answers.change_answers(bytes)));
            }
        });
        proxy
    }

    async fn queue(&self) -> NatsQueue {
        let queue = NatsQueue::connect(&self.url).await.unwrap();
        queue.migrate().await.unwrap();
        queue
    }

    /// Closes the connections. The clients connect again.
    fn disconnect(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            connection.shutdown(Shutdown::Both).unwrap();
        }
    }

    fn change_requests(&self, bytes: &mut [u8]) {
        if self.has_no_consumers.load(Ordering::Relaxed) {
            while replace(bytes, b"API.CONSUMER.", b"API.DISABLED.") {}
        }
        if self.has_no_reads.load(Ordering::Relaxed) {
            while replace(bytes, b"API.STREAM.MSG.GET.", b"API.STREAM.MSG.OFF.") {}
        }
        let (stream, other) =
            (b"API.STREAM.INFO.clerk_webhook_clerk", b"API.STREAM.INFO.clerk_webhook_other");
        while self.hidden.load(Ordering::Relaxed) > 0 && replace(bytes, stream, other) {
            self.hidden.fetch_sub(1, Ordering::Relaxed);
        }
        if replace(bytes, b"API.STREAM.MSG.GET.", b"API.STREAM.MSG.GET.") {
            while self.holds_reads.load(Ordering::Relaxed) {
                self.holds.store(true, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn change_answers(&self, bytes: &mut [u8]) {
        while self.conflicts.load(Ordering::Relaxed) > 0
            && replace(bytes, b"\"err_code\":10071", b"\"err_code\":10164")
        {
            self.conflicts.fetch_sub(1, Ordering::Relaxed);
        }
        if self.has_other_errors.load(Ordering::Relaxed) {
            while replace(bytes, b"\"err_code\":10059", b"\"err_code\":10008") {}
        }
        if replace(bytes, b"Ada", b"Ada") {
            self.bodies.fetch_add(1, Ordering::Relaxed);
        }
        if self.is_replicated.load(Ordering::Relaxed) {
            while replace(bytes, b"\"num_replicas\":1", b"\"num_replicas\":3") {}
        }
    }
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) -> bool {
    let found = bytes.windows(from.len()).position(|window| window == from);
    if let Some(begin) = found {
        bytes[begin..][..to.len()].copy_from_slice(to);
    }
    found.is_some()
}

fn pump(mut from: &TcpStream, mut to: &TcpStream, change: impl Fn(&mut [u8])) {
    let mut bytes = vec![0; 64 * 1024];
    let mut copy = || -> io::Result<()> {
        loop {
            let length = from.read(&mut bytes)?;
            if length == 0 {
                return to.shutdown(Shutdown::Both);
            }
            change(&mut bytes[..length]);
            to.write_all(&bytes[..length])?;
        }
    };
    let _ = copy();
}

#[tokio::test]
async fn a_conflict_with_a_record_that_is_not_stored_yet_is_not_a_duplicate() {
    let Some(server) = Nats::start("the test of records in flight of NatsQueue") else { return };
    let proxy = Proxy::start(&server);
    let queue = proxy.queue().await;
    assert_eq!(queue.enqueue(&event("msg_1")).await.unwrap(), Enqueued::New);
    proxy.conflicts.store(u32::MAX, Ordering::Relaxed);
    let error = queue.enqueue(&event("msg_1")).await.unwrap_err().to_string();
    assert!(error.contains("other clients changed the same message"), "{error}");
    proxy.conflicts.store(3, Ordering::Relaxed);
    assert_eq!(queue.enqueue(&event("msg_1")).await.unwrap(), Enqueued::Duplicate);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_continue_after_a_conflict_with_a_record_that_is_not_stored_yet() {
    let Some(server) = Nats::start("the test of conflicts of NatsQueue") else { return };
    let proxy = Proxy::start(&server);
    let (queue, other) = (proxy.queue().await, proxy.queue().await);
    proxy.conflicts.store(u32::MAX, Ordering::Relaxed);
    let conflicts = async {
        for number in 0.. {
            queue.enqueue(&event(&format!("msg_{number}"))).await.unwrap();
            let options = TakeOptions::default();
            let (one, two) = tokio::join!(queue.take(&options), other.take(&options));
            let job = one.unwrap().into_iter().chain(two.unwrap()).next().unwrap();
            assert_eq!(queue.complete(&job.lease).await.unwrap(), LeaseState::Held);
            if proxy.conflicts.load(Ordering::Relaxed) < u32::MAX - 3 {
                break;
            }
        }
    };
    timeout(LONG, conflicts).await.unwrap();
}

#[tokio::test]
async fn renews_a_lease_although_the_records_cannot_be_read_again() {
    let Some(server) = Nats::start("the test of renewals of NatsQueue") else { return };
    let proxy = Proxy::start(&server);
    let queue = proxy.queue().await;
    queue.enqueue(&event("msg_1")).await.unwrap();
    let job = queue.take(&TakeOptions::default()).await.unwrap().unwrap();
    proxy.has_no_consumers.store(true, Ordering::Relaxed);
    proxy.disconnect();
    let failed = async { while queue.stats().await.is_ok() {} };
    timeout(LONG, failed).await.unwrap();
    // A first renewal can still fail because the connection was lost.
    let renewed = async {
        loop {
            if let Ok(renewed) = queue.renew(&job.lease, LONG).await {
                break renewed;
            }
        }
    };
    assert_eq!(timeout(Duration::from_secs(20), renewed).await.unwrap(), LeaseState::Held);
    assert_eq!(queue.renew(&job.lease, LONG).await.unwrap(), LeaseState::Held);
    assert_eq!(queue.complete(&job.lease).await.unwrap(), LeaseState::Held);
}

#[tokio::test]
async fn completes_a_job_without_reading_its_record_unless_another_process_has_renewed_it() {
    let Some(server) = Nats::start("the test of completed jobs of NatsQueue") else { return };
    let proxy = Proxy::start(&server);
    let (queue, other) = (proxy.queue().await, proxy.queue().await);
    let take = async |id: &str| {
        queue.enqueue(&event(id)).await.unwrap();
        queue.take(&TakeOptions::default()).await.unwrap().unwrap()
    };
    let job = take("msg_1").await;
    proxy.has_no_reads.store(true, Ordering::Relaxed);
    other.complete(&job.lease).await.unwrap_err();
    assert_eq!(queue.complete(&job.lease).await.unwrap(), LeaseState::Held);

    proxy.has_no_reads.store(false, Ordering::Relaxed);
    let job = take("msg_2").await;
    assert_eq!(other.renew(&job.lease, LONG).await.unwrap(), LeaseState::Held);
    assert_eq!(queue.complete(&job.lease).await.unwrap(), LeaseState::Held);
    assert_eq!(other.complete(&job.lease).await.unwrap(), LeaseState::Held);
    assert_eq!(queue.stats().await.unwrap().running, 0);
}

#[tokio::test]
async fn reads_a_record_again_only_if_the_stream_is_replicated() {
    let Some(server) = Nats::start("the test of replicated streams of NatsQueue") else { return };
    let proxy = Proxy::start(&server);
    let queue = proxy.queue().await;
    for id in ["msg_1", "msg_2"] {
        queue.enqueue(&event(id)).await.unwrap();
        let job = queue.take(&TakeOptions::default()).await.unwrap().unwrap();
        assert_eq!(queue.bury(&job.lease, "a failure").await.unwrap(), LeaseState::Held);
    }
    let context = jetstream::new(queue.client().clone());
    let mut stream = context.get_stream("clerk_webhook_clerk").await.unwrap();
    // Without `migrate`, the clients do not know the stream. Only a check writes a mark.
    let mut expected = stream.cached_info().state.last_sequence;
    for (id, is_replicated, written) in [("msg_1", false, 1), ("msg_2", true, 2)] {
        proxy.is_replicated.store(is_replicated, Ordering::Relaxed);
        let fresh = NatsQueue::connect(&proxy.url).await.unwrap();
        assert!(fresh.discard(&id.parse().unwrap()).await.unwrap(), "{id}");
        expected += written;
        assert_eq!(stream.info().await.unwrap().state.last_sequence, expected, "{id}");
    }
}

#[tokio::test]
async fn reads_the_stream_from_its_beginning_only_once() {
    let Some(server) = Nats::start("the test of followed streams of NatsQueue") else { return };
    let proxy = Proxy::start(&server);
    let (queue, other) = (proxy.queue().await, proxy.queue().await);
    queue.enqueue(&event("msg_1")).await.unwrap();
    assert_eq!(queue.stats().await.unwrap().ready, 1);
    proxy.has_no_consumers.store(true, Ordering::Relaxed);
    for ready in 2..5 {
        assert_eq!(queue.stats().await.unwrap().ready, ready - 1);
        other.enqueue(&event(&format!("msg_{ready}"))).await.unwrap();
        assert_eq!(queue.stats().await.unwrap().ready, ready);
    }
    assert_eq!(proxy.bodies.load(Ordering::Relaxed), 0, "the records were read with their bodies");
}

#[tokio::test]
async fn takes_a_job_that_could_not_be_read_before() {
    let Some(server) = Nats::start("the test of failed calls of NatsQueue") else { return };
    let proxy = Proxy::start(&server);
    let queue = proxy.queue().await.timeout(Duration::from_millis(500));
    queue.enqueue(&event("msg_1")).await.unwrap();
    assert_eq!(queue.stats().await.unwrap().ready, 1);
    proxy.has_no_reads.store(true, Ordering::Relaxed);
    assert!(queue.take(&TakeOptions::default()).await.is_err());
    proxy.has_no_reads.store(false, Ordering::Relaxed);
    assert!(queue.take(&TakeOptions::default()).await.unwrap().is_some());
}

#[tokio::test]
async fn reports_other_errors_of_the_server_than_a_missing_stream() {
    let Some(server) = Nats::start("the test of errors of NatsQueue") else { return };
    let proxy = Proxy::start(&server);
    let queue = NatsQueue::connect(&proxy.url).await.unwrap();
    for has_other_errors in [false, true] {
        proxy.has_other_errors.store(has_other_errors, Ordering::Relaxed);
        let id = "msg_1".parse().unwrap();
        for error in [queue.discard(&id).await.unwrap_err(), queue.stats().await.unwrap_err()] {
            let is_expected = match error {
                NatsQueueError::MissingStream { .. } => !has_other_errors,
                NatsQueueError::Rejected(_) => has_other_errors,
                _ => false,
            };
            assert!(is_expected, "{error}");
        }
    }
}

#[tokio::test]
async fn retries_no_dead_letter_that_was_buried_again_after_the_call() {
    let Some(server) = Nats::start("the test of dead letters of NatsQueue") else { return };
    let proxy = Proxy::start(&server);
    let (queue, other) = (proxy.queue().await, NatsQueue::connect(&server.url()).await.unwrap());
    let bury = async || {
        let job = other.take(&TakeOptions::default()).await.unwrap().unwrap();
        assert_eq!(other.bury(&job.lease, "a failure").await.unwrap(), LeaseState::Held);
    };
    other.enqueue(&event("msg_1")).await.unwrap();
    bury().await;
    proxy.holds_reads.store(true, Ordering::Relaxed);
    let retrying = tokio::spawn(async move { queue.retry_all_dead(None).await.unwrap() });
    let held = async {
        while !proxy.holds.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(LONG, held).await.unwrap();
    assert!(other.retry_dead(&"msg_1".parse().unwrap()).await.unwrap());
    bury().await;
    proxy.holds_reads.store(false, Ordering::Relaxed);
    assert_eq!(timeout(LONG, retrying).await.unwrap().unwrap(), 0);
    assert_eq!(other.stats().await.unwrap().dead, 1);
}

#[tokio::test]
async fn migrates_a_stream_with_other_settings_that_somebody_creates_at_the_same_time() {
    let Some(server) = Nats::start("the test of concurrent migrations of NatsQueue") else { return };
    let proxy = Proxy::start(&server);
    let context = jetstream::new(proxy.queue().await.client().clone());
    let mut stream = context.get_stream("clerk_webhook_clerk").await.unwrap();
    let config = stream.cached_info().config.clone();
    let limited = jetstream::stream::Config { max_bytes: 1_000_000, max_age: LONG * 60, ..config };
    context.update_stream(&limited).await.unwrap();
    proxy.hidden.store(1, Ordering::Relaxed);
    proxy.queue().await;
    assert_eq!(proxy.hidden.load(Ordering::Relaxed), 0);
    let config = &stream.info().await.unwrap().config;
    assert_eq!((config.max_bytes, config.max_age), (1_000_000, Duration::ZERO));
}
