//! Many deliveries to a durable queue, while servers and workers are killed at random.

use std::fmt::Debug;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use clerk_webhook_queue::{DeadLetter, JobQueue, NatsQueue, PostgresQueue, QueueStats, SqliteQueue};
use clerk_webhook_tests::process::Receiver;
use clerk_webhook_tests::random::Random;
use clerk_webhook_tests::say;
use clerk_webhook_tests::sender::{Message, Pace, Sender};
use clerk_webhook_tests::servers::{Nats, Postgres};
use clerk_webhook_tests_once::record::Mark;

use crate::server::{Absence, Proxy, Server};
use crate::stage::{Engine, Stage, Variant};

const MESSAGES: usize = 800;
const DELIVERIES: usize = 2000;
const KILLS: usize = 16;

/// The number of attempts after which a job becomes a dead letter. A poison message needs all of them, and
/// after each attempt that terminates the process, the message waits until the lease expires.
const MAX_ATTEMPTS: usize = 5;

/// The event types of the messages that never succeed: their handler fails, panics, or terminates the
/// process.
const POISON: [&str; 3] = ["poison.fail", "poison.panic", "poison.abort"];

/// How long the database server is down.
const OUTAGE: Duration = Duration::from_millis(300);

/// Far longer than all leases of a crash loop together.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn every_message_acknowledged_by_sqlite_is_done_or_a_dead_letter() {
    let stage = Stage::alone("a queue with killed processes", Engine::Sqlite, Variant::Leases);
    let stage = stage.expect("SQLite needs no server");
    kill_at_random(&stage, &stage.address(), None, MESSAGES, DELIVERIES);
}

#[test]
fn every_message_acknowledged_by_postgres_is_done_or_a_dead_letter() {
    kill_the_server_too(Postgres::start("a queue in a server that is killed"));
}

#[test]
fn every_message_acknowledged_by_nats_is_done_or_a_dead_letter() {
    kill_the_server_too(Nats::start("a queue in a server that is killed"));
}

fn kill_the_server_too(server: Option<impl Server>) {
    let Some(mut server) = server else { return };
    let stage = Stage::alone("a queue with killed processes", Engine::Sqlite, Variant::Leases);
    let (stage, address) = (stage.expect("the stage needs no server"), server.address());
    kill_at_random(&stage, &address, Some(&mut server), MESSAGES, DELIVERIES);
}

#[test]
fn every_effect_in_the_sqlite_file_of_the_queue_happens_once() {
    let stage = Stage::alone("a queue with transactions", Engine::Sqlite, Variant::Transactions);
    // Fewer messages, because all processes together have only one SQLite transaction at a time.
    let stage = stage.expect("SQLite needs no server");
    every_effect_happens_once(&stage, &stage.address(), None, 150, 300);
}

#[test]
fn every_effect_in_the_postgres_database_of_the_queue_happens_once() {
    let stage = Stage::alone("a queue with transactions", Engine::Postgres, Variant::Transactions);
    let Some(stage) = stage else { return };
    // Interrupts commits whose result the worker then does not know.
    let mut proxy = Proxy::to(&stage.address());
    every_effect_happens_once(&stage, &proxy.address(), Some(&mut proxy), 400, 1000);
}

fn every_effect_happens_once(
    stage: &Stage,
    address: &str,
    database: Option<&mut dyn Server>,
    messages: usize,
    deliveries: usize,
) {
    let dead = kill_at_random(stage, address, database, messages, deliveries);
    let effects = stage.effects().expect("the effects are in the database");
    for number in 0..messages {
        let id = message(stage, number).id.to_string();
        let expected = i64::from(!dead.contains(&id));
        assert_eq!(effects.get(&id).copied().unwrap_or(0), expected, "effects of {id}");
    }
}

/// Delivers messages while processes are killed, checks what happened to the messages, and returns the ids of
/// the dead letters.
fn kill_at_random(
    stage: &Stage,
    address: &str,
    mut database: Option<&mut dyn Server>,
    messages: usize,
    deliveries: usize,
) -> Vec<String> {
    let mut random = Random::new(stage.seed);
    let programs = Programs { stage, address };
    let mut servers = [programs.server(), programs.server()];
    let mut workers = [programs.worker(0), programs.worker(1)];
    let sender = Sender::new(servers.iter().map(Receiver::url), Pace::default(), stage.seed);
    let repeated: Vec<_> = (messages..deliveries).map(|_| random.index(messages)).collect();
    let sent = (0..messages).chain(repeated).map(|number| message(stage, number)).collect();

    let report = thread::scope(|scope| {
        let sending = scope.spawn(|| sender.deliver(sent));
        for kill in 0..KILLS {
            // Spreads the kills over the deliveries and the handling.
            let progress = messages / 2 * kill / KILLS;
            // The record shows a running handler in the worker, so the kill probably interrupts it.
            let busy = wait_for("enough runs", || {
                programs.restart_aborted(&mut workers);
                let history = stage.history();
                let busy = workers.iter().position(|worker| history.is_running_in(worker.0.id()))?;
                (history.count(Mark::Completed) >= progress).then_some(busy)
            });
            match (&mut database, kill % 4) {
                (Some(database), 3) => {
                    database.take_away(Absence::Gone);
                    thread::sleep(OUTAGE);
                    database.bring_back(Absence::Gone);
                }
                (_, 0) => {
                    let victim = random.index(2);
                    let server = std::mem::replace(&mut servers[victim], programs.server());
                    stage.kill(server);
                    sender.redirect(victim, servers[victim].url());
                }
                _ => {
                    let next = programs.worker(kill + 2);
                    std::mem::replace(&mut workers[busy], next).kill(stage);
                }
            }
        }
        while !sending.is_finished() {
            programs.restart_aborted(&mut workers);
            thread::sleep(Duration::from_millis(20));
        }
        sending.join().expect("the sender's thread panicked")
    });
    say(&format!("queue: {report}"));
    assert!(report.undelivered().is_empty(), "{report}: {:?}", report.undelivered());
    assert!(report.outcomes()["duplicate"] >= deliveries - messages, "{report}");

    let queue = open(address);
    wait_for("the end of all jobs", || {
        programs.restart_aborted(&mut workers);
        (queue.unfinished() == 0).then_some(())
    });
    drop(workers);
    let (history, dead) = (stage.history(), queue.dead_letters());
    assert_eq!(history.violations(), &[] as &[String]);
    let ended = [Mark::Completed, Mark::Failed, Mark::Dropped].map(|mark| history.count(mark));
    let interrupted = history.count(Mark::Started) - ended.iter().sum::<usize>();
    let mut completed = 0;
    for number in 0..messages {
        let id = message(stage, number).id;
        let is_dead = dead.contains(&id.to_string());
        completed += usize::from(history.has_completed(&id));
        assert!(history.has_completed(&id) || is_dead, "{id} was lost: {:?}", history.lines(&id));
        if number < POISON.len() {
            assert!(is_dead, "{id} is not a dead letter: {:?}", history.lines(&id));
            let runs = history.marks(&id).into_iter().filter(|mark| *mark == Mark::Started).count();
            assert!(runs <= MAX_ATTEMPTS, "{id} ran {runs} times");
        }
    }
    say(&format!("queue: {completed} completed, {} dead letters, {interrupted} interrupted", dead.len()));
    // By chance, few other messages fail often enough to become dead letters.
    assert!(dead.len() < messages / 10, "{dead:?}");
    dead
}

/// The first messages are poison.
fn message(stage: &Stage, number: usize) -> Message {
    let id = stage.message(number).id;
    let event_type = POISON.get(number).unwrap_or(&"test.queue");
    Message { id, body: format!(r#"{{"data":{{}},"type":"{event_type}"}}"#).into_bytes() }
}

/// The processes of a test, with the address of their queue.
struct Programs<'a> {
    stage: &'a Stage,
    address: &'a str,
}

impl Programs<'_> {
    fn server(&self) -> Receiver {
        Receiver::start(&mut self.program("server", 0))
    }

    fn worker(&self, number: usize) -> Worker {
        let mut program = self.program("worker", number);
        // Panics are intended, and their texts would only hide the test's other output.
        Worker(program.stderr(std::process::Stdio::null()).spawn().expect("the worker starts"))
    }

    /// Replaces the workers whose process was terminated by a poison message.
    fn restart_aborted(&self, workers: &mut [Worker]) {
        for worker in workers {
            if worker.0.try_wait().expect("the process is ours").is_some() {
                self.stage.record.killed(worker.0.id());
                *worker = self.worker(1000);
            }
        }
    }

    fn program(&self, role: &str, number: usize) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_queue"));
        program.env("ROLE", role).env("STORE", self.address);
        program.env("RECORD", self.stage.folder().join("record"));
        let (variant, delay) = match self.stage.variant {
            Variant::Leases => ("leases", "20"),
            Variant::Transactions => ("transactions", "5"),
        };
        program.env("VARIANT", variant).env("DELAY", delay);
        program.env("FAIL_PERCENT", "15").env("PANIC_PERCENT", "5");
        // The lease lasts longer than the pauses of a busy machine.
        program.env("LEASE", "2000").env("MAX_ATTEMPTS", MAX_ATTEMPTS.to_string());
        program.env("SEED", (self.stage.seed + number as u64).to_string());
        program
    }
}

struct Worker(Child);

impl Worker {
    fn kill(mut self, stage: &Stage) {
        self.0.kill().expect("the process is ours");
        self.0.wait().expect("the process is ours");
        stage.record.killed(self.0.id());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < give_up, "{what} did not happen within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Opens the queue that the killed processes used.
fn open(address: &str) -> OpenQueue {
    match address.split_once("://") {
        Some(("postgres", _)) => OpenQueue::new(PostgresQueue::connect(address)),
        Some(_) => OpenQueue::new(NatsQueue::connect(address)),
        None => OpenQueue::new(SqliteQueue::open(address)),
    }
}

/// Returns the statistics and the dead letters of a queue, whatever its engine is.
struct OpenQueue(Box<dyn Fn() -> (QueueStats, Vec<DeadLetter>)>);

impl OpenQueue {
    fn new<Q: JobQueue, E: Debug>(queue: impl Future<Output = Result<Q, E>>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("could not create a runtime");
        let queue = runtime.block_on(queue).expect("could not open the queue");
        let failed = "the queue returned an error";
        Self(Box::new(move || {
            runtime.block_on(async {
                (queue.stats().await.expect(failed), queue.dead_letters(10_000).await.expect(failed))
            })
        }))
    }

    fn unfinished(&self) -> u64 {
        let (stats, _) = (self.0)();
        stats.ready + stats.running
    }

    fn dead_letters(&self) -> Vec<String> {
        let (_, letters) = (self.0)();
        letters.into_iter().map(|letter| letter.message_id.to_string()).collect()
    }
}
