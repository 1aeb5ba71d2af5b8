//! Many deliveries to a durable queue, while servers and workers are killed at random.

use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use clerk_webhook_queue::{JobQueue as _, SqliteQueue};
use clerk_webhook_tests::process::Receiver;
use clerk_webhook_tests::random::Random;
use clerk_webhook_tests::say;
use clerk_webhook_tests::sender::{Message, Pace, Sender};
use clerk_webhook_tests_once::record::Mark;

use crate::stage::{Engine, Stage, Variant};

const KILLS: usize = 12;

/// The number of attempts after which a job becomes a dead letter. A poison message needs all of them, and
/// after each attempt that terminates the process, the message waits until the lease expires.
const MAX_ATTEMPTS: usize = 5;

/// The event types of the messages that never succeed: their handler fails, panics, or terminates the
/// process.
const POISON: [&str; 3] = ["poison.fail", "poison.panic", "poison.abort"];

/// Far longer than all leases of a crash loop together.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn every_acknowledged_message_is_done_or_a_dead_letter() {
    let stage = Stage::alone("a queue with killed processes", Engine::Sqlite, Variant::Leases);
    kill_at_random(&stage.expect("SQLite needs no server"), 400, 1000);
}

#[test]
fn every_effect_in_the_database_of_the_queue_happens_once() {
    let stage = Stage::alone("a queue with transactions", Engine::Sqlite, Variant::Transactions);
    let stage = stage.expect("SQLite needs no server");
    // Fewer messages, because all processes together have only one SQLite transaction at a time.
    let dead = kill_at_random(&stage, 150, 300);
    let effects = stage.effects().expect("the effects are in the database");
    for number in 0..150 {
        let id = message(&stage, number).id.to_string();
        let expected = i64::from(!dead.contains(&id));
        assert_eq!(effects.get(&id).copied().unwrap_or(0), expected, "effects of {id}");
    }
}

/// Delivers messages while processes are killed, checks what happened to the messages, and returns the ids of
/// the dead letters.
fn kill_at_random(stage: &Stage, messages: usize, deliveries: usize) -> Vec<String> {
    let mut random = Random::new(stage.seed);
    let mut servers = [server(stage), server(stage)];
    let mut workers = [Worker::start(stage, 0), Worker::start(stage, 1)];
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
                restart_aborted(stage, &mut workers);
                let history = stage.history();
                let busy = workers.iter().position(|worker| history.is_running_in(worker.0.id()))?;
                (history.count(Mark::Completed) >= progress).then_some(busy)
            });
            if kill % 3 == 0 {
                let victim = random.index(2);
                let server = std::mem::replace(&mut servers[victim], server(stage));
                stage.kill(server);
                sender.redirect(victim, servers[victim].url());
            } else {
                let next = Worker::start(stage, kill + 2);
                std::mem::replace(&mut workers[busy], next).kill(stage);
            }
        }
        while !sending.is_finished() {
            restart_aborted(stage, &mut workers);
            thread::sleep(Duration::from_millis(20));
        }
        sending.join().expect("the sender's thread panicked")
    });
    say(&format!("queue: {report}"));
    assert!(report.undelivered().is_empty(), "{report}: {:?}", report.undelivered());
    assert!(report.outcomes()["duplicate"] >= deliveries - messages, "{report}");

    let queue = Queue::open(stage);
    wait_for("the end of all jobs", || {
        restart_aborted(stage, &mut workers);
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

fn server(stage: &Stage) -> Receiver {
    Receiver::start(&mut program(stage, "server", 0))
}

fn program(stage: &Stage, role: &str, number: usize) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_queue"));
    program.env("ROLE", role).env("STORE", stage.address()).env("RECORD", stage.folder().join("record"));
    let (variant, delay) = match stage.variant {
        Variant::Leases => ("leases", "20"),
        Variant::Transactions => ("transactions", "5"),
    };
    program.env("VARIANT", variant).env("DELAY", delay).env("FAIL_PERCENT", "15").env("PANIC_PERCENT", "5");
    // The lease lasts longer than the pauses of a busy machine.
    program.env("LEASE", "2000").env("MAX_ATTEMPTS", MAX_ATTEMPTS.to_string());
    program.env("SEED", (stage.seed + number as u64).to_string());
    program
}

struct Worker(Child);

impl Worker {
    fn start(stage: &Stage, number: usize) -> Self {
        let mut program = program(stage, "worker", number);
        // Panics are intended, and their texts would only hide the test's other output.
        Self(program.stderr(std::process::Stdio::null()).spawn().expect("the worker starts"))
    }

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

/// Replaces the workers whose process was terminated by a poison message.
fn restart_aborted(stage: &Stage, workers: &mut [Worker]) {
    for worker in workers {
        if worker.0.try_wait().expect("the process is ours").is_some() {
            stage.record.killed(worker.0.id());
            *worker = Worker::start(stage, 1000);
        }
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

/// The queue that the killed processes used.
struct Queue {
    runtime: tokio::runtime::Runtime,
    queue: SqliteQueue,
}

impl Queue {
    fn open(stage: &Stage) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("could not create a runtime");
        let queue = runtime.block_on(SqliteQueue::open(stage.address())).expect("could not open the queue");
        Self { runtime, queue }
    }

    fn unfinished(&self) -> u64 {
        let stats = self.runtime.block_on(self.queue.stats()).expect("the queue returned an error");
        stats.ready + stats.running
    }

    fn dead_letters(&self) -> Vec<String> {
        let letters = self.runtime.block_on(self.queue.dead_letters(10_000));
        let letters = letters.expect("the queue returned an error");
        letters.into_iter().map(|letter| letter.message_id.to_string()).collect()
    }
}
