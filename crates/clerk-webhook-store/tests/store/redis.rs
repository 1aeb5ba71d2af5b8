//! Tests of the Redis store: keys, expiry, and servers that restart, hang, or form a cluster.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs};

use clerk_webhook_core::{Event, Handled, Outcome, Timestamp};
use clerk_webhook_store::{
    Claim, Deduplicator, DeliveryKey, DeliveryStore, Lease, LeaseState, Owner, RedisStore, Scope,
};
use clerk_webhook_tests::servers;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

const LEASE: Duration = Duration::from_secs(60);
const DAY: i64 = 24 * 60 * 60 * 1000;

/// A Redis server for a single test.
pub(crate) struct Server {
    port: u16,
    folder: PathBuf,
    options: &'static [&'static str],
    process: Child,
}

impl Server {
    /// Starts a server. Returns `None` if redis-server is not installed.
    pub(crate) async fn start(test: &str, options: &'static [&'static str]) -> Option<Self> {
        if !servers::has_program("redis-server", test) {
            return None;
        }
        // Another process may take the port before the server binds it.
        for _ in 0..5 {
            let port = servers::free_port();
            let folder = env::temp_dir().join(format!("clerk-webhook-redis-{}-{port}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            let process = spawn(port, &folder, options);
            let mut server = Self { port, folder, options, process };
            if server.is_up().await {
                return Some(server);
            }
        }
        panic!("redis-server did not start");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    async fn restart(&mut self) {
        self.process = spawn(self.port, &self.folder, self.options);
        assert!(self.is_up().await, "redis-server did not restart");
    }

    /// Waits for the server, and returns whether it responds.
    async fn is_up(&mut self) -> bool {
        let start = Instant::now();
        let id = format!("process_id:{}\r\n", self.process.id());
        while start.elapsed() < Duration::from_secs(20) && self.process.try_wait().unwrap().is_none() {
            if let Ok(mut connection) = connection(&self.url()).await {
                let info = redis::cmd("INFO").arg("server").query_async(&mut connection).await;
                if info.is_ok_and(|info: String| info.contains(&id)) {
                    return true;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(port: u16, folder: &Path, options: &[&str]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(folder)
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

async fn connection(url: &str) -> redis::RedisResult<MultiplexedConnection> {
    redis::Client::open(url)?.get_multiplexed_async_connection().await
}

async fn ask<T: redis::FromRedisValue>(url: &str, command: &[&str]) -> T {
    let mut connection = connection(url).await.unwrap();
    redis::cmd(command[0]).arg(&command[1..]).query_async(&mut connection).await.unwrap()
}

/// Returns a store with a unique prefix.
pub(crate) async fn store(url: &str) -> (RedisStore, String) {
    let prefix = format!("test:{}", Owner::random());
    (RedisStore::connect(url).await.unwrap().prefix(prefix.clone()).unwrap(), prefix)
}

fn key(id: &str) -> DeliveryKey {
    DeliveryKey::new(Scope::default(), id.parse().unwrap())
}

async fn claim<S: DeliveryStore>(store: &S, id: &str) -> Lease {
    match store.claim(&key(id), LEASE).await.unwrap() {
        Claim::Acquired(lease) => lease,
        other => panic!("not claimed: {other:?}"),
    }
}

async fn is_duplicate<S: DeliveryStore>(store: &S, id: &str) -> bool {
    matches!(store.claim(&key(id), LEASE).await.unwrap(), Claim::Duplicate { completed_at: Some(_) })
}

#[tokio::test]
async fn a_delivery_is_one_key_that_expires() {
    let Some(url) = servers::redis("a_delivery_is_one_key_that_expires") else { return };
    let (store, prefix) = store(&url).await;
    let name = format!("{prefix}:clerk:msg_1");
    let value = async || ask::<String>(&url, &["GET", &name]).await;
    let ends_in = async || ask::<i64>(&url, &["PTTL", &name]).await;
    let is_about = |left: i64, whole: i64| left <= whole && left > whole - 60_000;

    let lease = claim(&store, "msg_1").await;
    assert!(value().await.starts_with(&format!("p:{}:1:1", lease.owner())), "{}", value().await);
    assert!(is_about(ends_in().await, 30 * DAY + 60_000), "{}", ends_in().await);

    assert_eq!(store.renew(&lease, LEASE * 10).await.unwrap(), LeaseState::Held);
    assert!(is_about(ends_in().await, 30 * DAY + 600_000), "{}", ends_in().await);

    assert_eq!(store.release(&lease).await.unwrap(), LeaseState::Held);
    assert!(value().await.starts_with(&format!("r:{}:1:1", lease.owner())), "{}", value().await);
    assert!(is_about(ends_in().await, 30 * DAY), "{}", ends_in().await);

    let week = store.clone().retention(Duration::from_secs(7 * 24 * 60 * 60)).unwrap();
    let lease = claim(&week, "msg_1").await;
    assert_eq!(week.complete(&lease).await.unwrap(), LeaseState::Held);
    assert!(value().await.starts_with(&format!("c:{}:2:1", lease.owner())), "{}", value().await);
    assert!(is_about(ends_in().await, 7 * DAY), "{}", ends_in().await);
    assert!(ask::<u64>(&url, &["MEMORY", "USAGE", &name]).await < 250);

    assert!(store.forget(&key("msg_1")).await.unwrap());
    // Released, without an owner.
    assert!(value().await.starts_with(&format!("r:{:032x}:0:1", 0)), "{}", value().await);
    assert!(is_about(ends_in().await, 30 * DAY), "{}", ends_in().await);
    assert_eq!(store.purge(Duration::ZERO, 9).await.unwrap(), 0);
}

#[tokio::test]
async fn accepts_a_lease_of_the_maximum_duration() {
    let Some(url) = servers::redis("accepts_a_lease_of_the_maximum_duration") else { return };
    let (store, _) = store(&url).await;
    let store = store.retention(Duration::MAX).unwrap();
    let Claim::Acquired(lease) = store.claim(&key("msg_1"), Duration::MAX).await.unwrap() else {
        panic!("the delivery is already claimed");
    };
    let claim = store.claim(&key("msg_1"), LEASE).await.unwrap();
    assert!(matches!(claim, Claim::InProgress { retry_after } if retry_after > LEASE), "{claim:?}");
    assert_eq!(store.complete(&lease).await.unwrap(), LeaseState::Held);
    assert!(store.forget(&key("msg_1")).await.unwrap());
}

/// A different application may use the same key.
#[tokio::test]
async fn rejects_and_keeps_a_value_of_another_application() {
    let Some(url) = servers::redis("rejects_and_keeps_a_value_of_another_application") else { return };
    let (store, prefix) = store(&url).await;
    for (command, id) in [("SET", "msg_1"), ("LPUSH", "msg_2")] {
        ask::<redis::Value>(&url, &[command, &format!("{prefix}:clerk:{id}"), "a secret"]).await;
        let lease = Lease::new(key(id), Owner::random(), 1);
        let error = store.claim(&key(id), LEASE).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        assert!(store.complete(&lease).await.is_err());
        assert!(store.forget(&key(id)).await.is_err());
    }
    assert_eq!(ask::<String>(&url, &["GET", &format!("{prefix}:clerk:msg_1")]).await, "a secret");
}

/// Handles an event under a lease, runs `action` while the handler is running, and returns the outcome.
async fn handle_while(store: &RedisStore, lease: Duration, action: impl AsyncFnOnce()) -> Outcome {
    let deduplicator = Deduplicator::new(store.clone()).lease(lease);
    let (running, ends) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (runs, may_end) = (Arc::clone(&running), Arc::clone(&ends));
    let event =
        Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), r#"{"type":"x"}"#.into()).unwrap();
    let handling = tokio::spawn(async move {
        let handler = async move |_, _| {
            runs.notify_one();
            may_end.notified().await;
            Ok(Handled::Processed)
        };
        deduplicator.run(event, handler).await.outcome()
    });
    running.notified().await;
    action().await;
    ends.notify_one();
    handling.await.unwrap()
}

/// A key can be lost by FLUSHALL, by an eviction, or in a failover.
#[tokio::test]
async fn completes_a_run_whose_key_was_lost() {
    let Some(server) = Server::start("completes_a_run_whose_key_was_lost", &[]).await else {
        return;
    };
    let (store, _) = store(&server.url()).await;
    let flush = async || ask::<()>(&server.url(), &["FLUSHALL"]).await;
    assert_eq!(handle_while(&store, LEASE, flush).await, Outcome::Processed);
    assert!(is_duplicate(&store, "msg_1").await);
}

#[tokio::test]
async fn a_renewal_restores_a_lost_key() {
    let test = "a_renewal_restores_a_lost_key";
    let Some(server) = Server::start(test, &[]).await else { return };
    let (store, _) = store(&server.url()).await;
    let restored = async || {
        ask::<()>(&server.url(), &["FLUSHALL"]).await;
        let start = Instant::now();
        while ask::<u64>(&server.url(), &["DBSIZE"]).await == 0 {
            assert!(start.elapsed() < Duration::from_secs(20), "no renewal restored the key");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(matches!(store.claim(&key("msg_1"), LEASE).await.unwrap(), Claim::InProgress { .. }));
    };
    assert_eq!(handle_while(&store, Duration::from_secs(2), restored).await, Outcome::Processed);
}

#[tokio::test]
async fn does_not_complete_a_delivery_that_was_taken_over_after_its_key_was_lost() {
    let test = "does_not_complete_a_delivery_that_was_taken_over_after_its_key_was_lost";
    let Some(server) = Server::start(test, &[]).await else { return };
    let (store, _) = store(&server.url()).await;
    let taken_over = async || {
        ask::<()>(&server.url(), &["FLUSHALL"]).await;
        drop(claim(&store, "msg_1").await);
    };
    assert_eq!(handle_while(&store, LEASE, taken_over).await, Outcome::LeaseLost);
    assert!(matches!(store.claim(&key("msg_1"), LEASE).await.unwrap(), Claim::InProgress { .. }));
}

#[tokio::test]
async fn does_not_complete_a_run_that_was_forgotten() {
    let Some(url) = servers::redis("does_not_complete_a_run_that_was_forgotten") else { return };
    let (store, _) = store(&url).await;
    let forget = async || assert!(store.forget(&key("msg_1")).await.unwrap());
    assert_eq!(handle_while(&store, LEASE, forget).await, Outcome::LeaseLost);
    assert!(!store.forget(&key("msg_1")).await.unwrap(), "the delivery was still stored");
    let lease = claim(&store, "msg_1").await;
    assert_eq!((lease.attempt(), store.complete(&lease).await.unwrap()), (1, LeaseState::Held));

    // The same applies if the key was lost before `forget`.
    assert!(!store.forget(&key("msg_2")).await.unwrap(), "the delivery was stored");
    let lease = Lease::new(key("msg_2"), Owner::random(), 1);
    assert_eq!(store.complete(&lease).await.unwrap(), LeaseState::Lost);
    assert_eq!(claim(&store, "msg_2").await.attempt(), 1);
}

#[tokio::test]
async fn sends_the_scripts_again_after_the_server_lost_them() {
    let Some(server) = Server::start("sends_the_scripts_again_after_the_server_lost_them", &[]).await else {
        return;
    };
    let (store, _) = store(&server.url()).await;
    for round in 0..3 {
        let id = format!("msg_{round}");
        ask::<()>(&server.url(), &["SCRIPT", "FLUSH"]).await;
        let lease = claim(&store, &id).await;
        ask::<()>(&server.url(), &["SCRIPT", "FLUSH"]).await;
        assert_eq!(store.renew(&lease, LEASE).await.unwrap(), LeaseState::Held);
        ask::<()>(&server.url(), &["SCRIPT", "FLUSH"]).await;
        assert_eq!(store.complete(&lease).await.unwrap(), LeaseState::Held);
        assert!(is_duplicate(&store, &id).await);
    }
    // If the server knows the scripts, each one is sent once.
    let before = calls(&server.url()).await;
    assert_eq!(store.complete(&claim(&store, "msg_9").await).await.unwrap(), LeaseState::Held);
    assert_eq!(calls(&server.url()).await, before + 2);
}

/// Returns the number of script calls, by hash or by text.
async fn calls(url: &str) -> u64 {
    let statistics: String = ask(url, &["INFO", "commandstats"]).await;
    let calls = statistics.lines().filter(|line| line.starts_with("cmdstat_eval"));
    calls
        .map(|line| line.split_once("calls=").unwrap().1.split_once(',').unwrap().0.parse::<u64>().unwrap())
        .sum()
}

#[tokio::test]
async fn returns_errors_until_a_killed_server_is_restarted() {
    let test = "returns_errors_until_a_killed_server_is_restarted";
    let options = &["--appendonly", "yes", "--appendfsync", "always"];
    let Some(mut server) = Server::start(test, options).await else { return };
    let (store, _) = store(&server.url()).await;
    let lease = claim(&store, "msg_1").await;
    assert_eq!(store.complete(&claim(&store, "msg_2").await).await.unwrap(), LeaseState::Held);

    server.kill();
    for _ in 0..3 {
        let answer =
            tokio::time::timeout(LEASE, store.complete(&lease)).await.expect("the store did not answer");
        assert!(answer.unwrap_err().is_io_error());
        let answer = tokio::time::timeout(LEASE, store.claim(&key("msg_3"), LEASE))
            .await
            .expect("the store did not answer");
        assert!(answer.is_err());
    }
    assert!(RedisStore::connect(&server.url()).await.is_err());

    server.restart().await;
    let start = Instant::now();
    while store.complete(&lease).await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(20), "the store did not reconnect");
    }
    assert!(is_duplicate(&store, "msg_1").await && is_duplicate(&store, "msg_2").await);
    assert_eq!(claim(&store, "msg_3").await.attempt(), 1);
}

/// Proxies and servers close idle connections.
#[tokio::test]
async fn reconnects_without_an_error_after_an_idle_connection_was_closed() {
    let test = "reconnects_without_an_error_after_an_idle_connection_was_closed";
    let Some(server) = Server::start(test, &[]).await else { return };
    let (store, _) = store(&server.url()).await;
    for round in 0..5 {
        let lease = claim(&store, &format!("msg_{round}")).await;
        ask::<u64>(&server.url(), &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        assert_eq!(store.complete(&lease).await.unwrap(), LeaseState::Held);
        assert_eq!(store.complete(&lease).await.unwrap(), LeaseState::Held);
    }
}

/// The command arrives at the server, but the connection breaks before the response arrives.
#[tokio::test]
async fn retries_a_command_whose_answer_was_lost() {
    let Some(url) = servers::redis("retries_a_command_whose_answer_was_lost") else { return };
    let proxy = Proxy::to(url.trim_start_matches("redis://").trim_end_matches('/')).await;
    let (store, _) = store(&proxy.url).await;
    // Loads the scripts. Otherwise the lost response would be the error that a script is missing.
    let lease = claim(&store, "msg_0").await;
    assert_eq!(store.renew(&lease, LEASE).await.unwrap(), LeaseState::Held);
    assert_eq!(store.release(&lease).await.unwrap(), LeaseState::Held);

    proxy.lose_an_answer();
    let lease = claim(&store, "msg_1").await;
    proxy.lose_an_answer();
    assert_eq!(store.renew(&lease, LEASE).await.unwrap(), LeaseState::Held);
    proxy.lose_an_answer();
    assert_eq!(store.release(&lease).await.unwrap(), LeaseState::Held);
    let lease = claim(&store, "msg_1").await;
    assert_eq!(lease.attempt(), 2);
    proxy.lose_an_answer();
    assert_eq!(store.complete(&lease).await.unwrap(), LeaseState::Held);
    assert!(is_duplicate(&store, "msg_1").await);
    assert!(!proxy.loses.load(Ordering::SeqCst));
}

/// A proxy between a client and a server, which can lose a response from the server.
struct Proxy {
    url: String,
    loses: Arc<AtomicBool>,
}

impl Proxy {
    async fn to(server: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}/", listener.local_addr().unwrap());
        let loses = Arc::new(AtomicBool::new(false));
        let (server, will_lose) = (server.to_owned(), Arc::clone(&loses));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(forward(client, server, Arc::clone(&will_lose)));
            }
        });
        Self { url, loses }
    }

    /// Closes the connection instead of forwarding the next response.
    fn lose_an_answer(&self) {
        self.loses.store(true, Ordering::SeqCst);
    }
}

async fn forward(client: TcpStream, server: TcpStream, loses: Arc<AtomicBool>) {
    let ((mut questions, mut to_client), (mut answers, mut to_server)) =
        (client.into_split(), server.into_split());
    let asking = tokio::spawn(async move { tokio::io::copy(&mut questions, &mut to_server).await });
    let mut answer = [0; 4096];
    while let Ok(length @ 1..) = answers.read(&mut answer).await {
        if loses.swap(false, Ordering::SeqCst) || to_client.write_all(&answer[..length]).await.is_err() {
            break;
        }
    }
    asking.abort();
}

/// An overloaded or stopped server does not answer and does not close the connection.
#[tokio::test]
async fn returns_an_error_in_time_if_the_server_does_not_answer() {
    let test = "returns_an_error_in_time_if_the_server_does_not_answer";
    let Some(server) = Server::start(test, &[]).await else { return };
    let (store, _) = store(&server.url()).await;
    let hasty = store.clone().timeout(Duration::from_millis(50));
    let lease = claim(&store, "msg_1").await;
    ask::<()>(&server.url(), &["CLIENT", "PAUSE", "30000", "ALL"]).await;
    for store in [&store, &hasty] {
        let answer =
            tokio::time::timeout(LEASE, store.complete(&lease)).await.expect("the store did not answer");
        assert!(answer.unwrap_err().is_timeout());
        let answer =
            tokio::time::timeout(LEASE, store.forget(&key("msg_1"))).await.expect("the store did not answer");
        assert!(answer.is_err());
    }
}

/// With `noeviction`, a server whose memory is full rejects writes instead of evicting keys.
#[tokio::test]
async fn returns_an_error_if_the_server_is_out_of_memory() {
    let Some(server) = Server::start("returns_an_error_if_the_server_is_out_of_memory", &[]).await else {
        return;
    };
    let (store, _) = store(&server.url()).await;
    let lease = claim(&store, "msg_1").await;
    ask::<()>(&server.url(), &["CONFIG", "SET", "maxmemory", "1"]).await;
    assert!(store.claim(&key("msg_2"), LEASE).await.is_err());
    assert!(store.complete(&lease).await.is_err());
    ask::<()>(&server.url(), &["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(store.complete(&lease).await.unwrap(), LeaseState::Held);
}

#[tokio::test]
async fn works_with_a_cluster() {
    let options = &["--cluster-enabled", "yes"];
    let Some(server) = Server::start("works_with_a_cluster", options).await else { return };
    let slots: Vec<_> = (0..16_384).map(|slot| slot.to_string()).collect();
    let assign: Vec<_> =
        ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str)).collect();
    ask::<()>(&server.url(), &assign).await;
    let start = Instant::now();
    while !ask::<String>(&server.url(), &["CLUSTER", "INFO"]).await.contains("cluster_state:ok") {
        assert!(start.elapsed() < Duration::from_secs(20), "the cluster did not become ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let connection = ClusterClient::new([server.url()]).unwrap().get_async_connection().await.unwrap();
    let store = RedisStore::new(connection);
    // Redis chooses the slot by the text in braces, so ids with braces must work too.
    for id in ["msg_1", "msg_2", "{msg}_3", "{}", "a{b}c{d}"] {
        let lease = claim(&store, id).await;
        assert!(matches!(store.claim(&key(id), LEASE).await.unwrap(), Claim::InProgress { .. }));
        assert_eq!(store.renew(&lease, LEASE).await.unwrap(), LeaseState::Held);
        ask::<()>(&server.url(), &["SCRIPT", "FLUSH"]).await;
        assert_eq!(store.release(&lease).await.unwrap(), LeaseState::Held);
        let lease = claim(&store, id).await;
        assert_eq!((lease.attempt(), store.complete(&lease).await.unwrap()), (2, LeaseState::Held));
        assert!(is_duplicate(&store, id).await);
        assert!(store.forget(&key(id)).await.unwrap());
    }
}

#[tokio::test]
async fn hides_the_address_in_debug_and_the_password_in_errors() {
    let test = "hides_the_address_in_debug_and_the_password_in_errors";
    let Some(url) = servers::redis(test) else { return };
    let (store, prefix) = store(&url).await;
    let text = format!("{store:?}");
    assert!(text.contains(&prefix) && !text.contains("127.0.0.1"), "{text}");
    let error = RedisStore::connect("http://user:hunter2@127.0.0.1/").await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}
