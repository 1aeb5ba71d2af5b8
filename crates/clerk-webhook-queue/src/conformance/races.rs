use std::collections::{HashMap, HashSet};
use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clerk_webhook_core::{Event, MessageId};
use clerk_webhook_store::internal::Random;
use clerk_webhook_store::{LeaseState, Owner};
use tokio::task::{JoinError, JoinSet};

use super::client::{Client, LONG, ROUNDING, SHORT};
use super::rule::Rule;
use super::{Harness, Suite};
use crate::queue::job_queue::{Job, JobQueue, TakeOptions};

const JOBS: usize = 64;
/// The number of objects that the events are about.
const OBJECTS: usize = 16;
const WORKERS: u64 = 12;
const MAX_ATTEMPTS: u32 = 6;
/// A limit that is longer than all attempts of all jobs take.
const LIMIT: Duration = Duration::from_secs(60);

impl<H: Harness> Suite<'_, H> {
    /// Twelve workers with four clients compete for 64 jobs, while each event is delivered three times.
    ///
    /// Some workers fail, crash, finish after their lease has expired, renew the lease or give the job back.
    /// At the end, each job must be done or a dead letter, no two workers may have held leases of it at the
    /// same time, and no two jobs about an object may have run at the same time.
    pub async fn races(&self) {
        let scope = self.new_scope();
        let mut clients = Vec::new();
        while clients.len() < 4 {
            clients.push(self.client(scope.clone()).await);
        }
        let objects = (0..OBJECTS).map(|number| format!(r#"{{"id":"user_{number}"}}"#));
        let objects: Vec<_> = objects.collect();
        let events: Vec<_> = objects.iter().cycle().take(JOBS).collect();
        let events: Vec<_> =
            events.into_iter().map(|data| self.event_with("user.updated", data, "")).collect();

        let race = Arc::new(Race { seed: self.seed, until: Instant::now() + LIMIT, seen: Mutex::default() });
        let mut tasks = JoinSet::new();
        for client in clients.iter().take(3) {
            let (client, events) = (client.clone(), events.clone());
            tasks.spawn(async move {
                for event in &events {
                    let _ = client.enqueue(event).await;
                }
            });
        }
        for (stream, client) in (0..WORKERS).zip(clients.iter().cycle()) {
            let worker = Worker {
                client: client.clone(),
                random: Random::new(self.seed, stream),
                race: Arc::clone(&race),
            };
            tasks.spawn(worker.run());
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                resume(error);
            }
        }
        race.check(&clients[0], &events).await;
    }
}

/// Resumes a task's panic.
pub(super) fn resume(error: JoinError) {
    if let Ok(panic) = error.try_into_panic() {
        panic::resume_unwind(panic);
    }
}

/// What a worker does with a job.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Complete,
    Retry,
    GiveBack,
    Bury,
    Crash,
    /// Runs for longer than its lease, and then completes.
    CompleteLate,
    /// Runs for longer than its lease, and then retries.
    RetryLate,
    RenewAndComplete,
}

impl Plan {
    fn random(random: &mut Random) -> Self {
        match random.below(100) {
            0..30 => Self::Complete,
            30..50 => Self::Retry,
            50..60 => Self::GiveBack,
            60..65 => Self::Bury,
            65..75 => Self::Crash,
            75..82 => Self::CompleteLate,
            82..90 => Self::RetryLate,
            _ => Self::RenewAndComplete,
        }
    }

    fn lease(self) -> Duration {
        match self {
            Self::Complete | Self::Retry | Self::GiveBack | Self::Bury => LONG,
            Self::Crash | Self::CompleteLate | Self::RetryLate => SHORT,
            Self::RenewAndComplete => SHORT * 4,
        }
    }
}

struct Worker<Q> {
    client: Client<Q>,
    random: Random,
    race: Arc<Race>,
}

impl<Q: JobQueue> Worker<Q> {
    /// Takes jobs until all of them have ended.
    async fn run(mut self) {
        while !self.race.is_over() {
            let (plan, asked) = (Plan::random(&mut self.random), Instant::now());
            let options = TakeOptions {
                lease: plan.lease(),
                max_attempts: MAX_ATTEMPTS,
                one_object_at_a_time: true,
                ..TakeOptions::default()
            };
            match self.client.take(&options).await {
                Some(job) => {
                    self.race.taken(&job, asked + plan.lease());
                    self.handle(job, plan).await;
                }
                None => {
                    let stats = self.client.stats().await;
                    let left = usize::try_from(stats.ready + stats.running).unwrap_or(usize::MAX);
                    let enqueued = self.race.seen().known.len();
                    if left == 0 && enqueued == JOBS {
                        return;
                    }
                    let text =
                        format!("{left} jobs have not ended within {LIMIT:?}, seed {}", self.race.seed);
                    Rule::RunsAgain.check(!self.race.is_over(), text);
                    tokio::time::sleep(Duration::from_millis(2 + self.random.below(20))).await;
                }
            }
        }
    }

    async fn handle(&mut self, job: Job, plan: Plan) {
        tokio::time::sleep(Duration::from_millis(self.random.below(4))).await;
        if let Plan::CompleteLate | Plan::RetryLate = plan {
            tokio::time::sleep(SHORT).await;
        }
        if let Plan::RenewAndComplete = plan {
            let asked = Instant::now();
            if self.client.renew(&job.lease, LONG).await == LeaseState::Held {
                self.race.has_lease(&job, asked + LONG);
            }
        }
        let until = self.race.is_giving_up(&job);
        let ended = match plan {
            Plan::Crash => {
                // The crashed worker owns the lease until it expires.
                return self.race.crashed(&job, until);
            }
            Plan::Complete | Plan::CompleteLate | Plan::RenewAndComplete => {
                let completed = self.client.complete(&job.lease).await;
                if completed == LeaseState::Held {
                    self.race.completed(&job);
                }
                completed
            }
            Plan::Retry | Plan::RetryLate => {
                let after = Duration::from_millis(self.random.below(20));
                self.client.retry(&job.lease, after, "a failure").await
            }
            Plan::GiveBack => self.client.give_back(&job.lease).await,
            Plan::Bury => self.client.bury(&job.lease, "a failure").await,
        };
        if ended == LeaseState::Lost {
            let text = format!("a lease was lost before it expired, seed {}", self.race.seed);
            Rule::OwnerUntilOvertaken.check(until.is_none_or(is_over), text);
        }
    }
}

/// What happened to the jobs.
struct Race {
    seed: u64,
    until: Instant,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    known: HashSet<MessageId>,
    /// The message, the object and the expiry of each live lease. Its owner can rely on it until then.
    leases: HashMap<Owner, (MessageId, String, Instant)>,
    completed: HashSet<MessageId>,
}

impl Race {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.until <= Instant::now()
    }

    fn taken(&self, job: &Job, until: Instant) {
        let mut seen = self.seen();
        seen.known.insert(job.event.message_id().clone());
        let is_new = !seen.completed.contains(job.event.message_id());
        drop(seen);
        let text = format!("a job was taken after it had been completed, seed {}", self.seed);
        // A worker that took the job before the completion may reach this line only after it, but then its
        // lease has expired.
        Rule::Ended.check(is_new || is_over(until), text);
        let attempt = job.lease.attempt();
        let text = format!("attempt {attempt} of {MAX_ATTEMPTS} began, seed {}", self.seed);
        Rule::EndsDead.check((1..=MAX_ATTEMPTS).contains(&attempt), text);
        self.has_lease(job, until);
    }

    fn has_lease(&self, job: &Job, until: Instant) {
        let mut seen = self.seen();
        // The task may have been suspended since `take` returned, so only leases that are still live count.
        seen.leases.retain(|owner, (.., until)| *owner != job.lease.owner() && !is_over(*until));
        let (id, object) = (job.event.message_id(), job.event.raw_data());
        let is_late = is_over(until);
        let alone = seen.leases.values().all(|(other, ..)| other != id);
        let text = format!("two clients had a lease of a job at the same time, seed {}", self.seed);
        Rule::OneOwner.check(alone || is_late, text);
        // An owner that reaches this line after its lease has expired may have been overtaken.
        let first = seen.leases.values().all(|(_, other, _)| other != object);
        let text = format!("two jobs about an object ran at the same time, seed {}", self.seed);
        Rule::OneObject.check(first || is_late, text);
        seen.leases.insert(job.lease.owner(), (id.clone(), object.to_owned(), until));
    }

    /// Removes a lease from the live leases, and returns the time until which its owner could rely on it.
    fn is_giving_up(&self, job: &Job) -> Option<Instant> {
        Some(self.seen().leases.remove(&job.lease.owner())?.2)
    }

    fn crashed(&self, job: &Job, until: Option<Instant>) {
        if let Some(until) = until {
            self.has_lease(job, until);
        }
    }

    fn completed(&self, job: &Job) {
        let is_first = self.seen().completed.insert(job.event.message_id().clone());
        let text = format!("two owners completed a job, seed {}", self.seed);
        Rule::OnlyTheOwner.check(is_first, text);
    }

    async fn check<Q: JobQueue>(&self, client: &Client<Q>, events: &[Event]) {
        let dead = client.dead_letters(u32::MAX).await;
        let dead: HashSet<_> = dead.into_iter().map(|letter| letter.message_id).collect();
        let seen = self.seen();
        for event in events {
            let (done, dead) =
                (seen.completed.contains(event.message_id()), dead.contains(event.message_id()));
            let text = format!("a job is done: {done}, and dead: {dead}, seed {}", self.seed);
            Rule::Durable.check(done != dead, text);
        }
    }
}

fn is_over(until: Instant) -> bool {
    until <= Instant::now() + ROUNDING
}
