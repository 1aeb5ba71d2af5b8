//! The queue in SQLite, in each state of the exploration.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use clerk_webhook_core::Timestamp;
use clerk_webhook_queue::{DeliveryQueue as _, Enqueued, JobQueue as _, SqliteQueue, TakeOptions, object_of};
use clerk_webhook_store::{DeliveryKey, Lease, LeaseState, Owner, Scope};
use clerk_webhook_tests_simulation::history::{Did, Key, Millis, Op};
use clerk_webhook_tests_simulation::receiver::event;
use clerk_webhook_tests_simulation::receiver::jobs::{Job, Jobs, State};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr as _, SqlStr};
use tokio::runtime::{Builder, Runtime};

use super::STEP;

/// The queue in SQLite.
pub(super) struct Real {
    queue: SqliteQueue,
    runtime: Runtime,
}

impl Real {
    pub(super) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let queue = runtime.block_on(async {
            let options = SqliteConnectOptions::new().in_memory(true);
            let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
            let pool = pool.connect_with(options).await.expect("a database");
            let queue = SqliteQueue::new(pool).with_scope(scope());
            queue.migrate().await.expect("a table");
            queue
        });
        Self { queue, runtime }
    }

    /// Checks that a call has the same result and the same effect as in the model.
    pub(super) fn check(&self, keys: [Key; 2], before: &Jobs, op: &Op, now: Millis) {
        let clock = Timestamp::now().as_millis() - now.cast_signed();
        let mut statements = "DELETE FROM clerk_webhook_queue;".to_owned();
        for (key, job) in keys.into_iter().filter_map(|key| Some((key, before.get(key)?))) {
            let _ = write!(statements, "INSERT INTO clerk_webhook_queue VALUES ({});", row(key, job, clock));
        }
        let statements = AssertSqlSafe(statements).into_sql_str();
        let rows = SqlStr::from_static("SELECT * FROM clerk_webhook_queue");
        let (did, rows) = self.runtime.block_on(async {
            sqlx::raw_sql(statements).execute(self.queue.pool()).await.expect("the table is written");
            let did = execute(&self.queue, op).await;
            (did, sqlx::query(rows).fetch_all(self.queue.pool()).await.expect("the table is read"))
        });
        let mut after = before.clone();
        let owner = if let Did::Taken { owner, .. } = did { owner } else { 0 };
        assert_eq!(did, after.expect(op, now, owner), "{op} in {before:#?}");
        let stored: HashMap<_, _> = rows.iter().map(|row| job(row, clock)).collect();
        for key in keys {
            assert_eq!(stored.get(&key).copied(), after.get(key), "{key}, {op} in {before:#?}");
        }
    }
}

/// Returns the values of a job's row.
fn row(key: Key, job: Job, clock: i64) -> String {
    let event = event(key);
    let time = |time: Option<Millis>| match time {
        Some(time) => (clock + time.cast_signed()).to_string(),
        None => "NULL".to_owned(),
    };
    let is_done = job.state == State::Done;
    let text = |text: &str| if is_done { "NULL".to_owned() } else { format!("'{text}'") };
    [
        "'a'".to_owned(),
        format!("'{}'", event.message_id()),
        (job.state as u8).to_string(),
        format!("'{}'", event.event_type()),
        text(&object_of(&event).expect("an object")),
        job.attempts.to_string(),
        time(Some(job.available)),
        time(job.until.filter(|_| job.state == State::Running)),
        job.owner.map_or("NULL".to_owned(), |owner| format!("X'{owner:032x}'")),
        "0".to_owned(),
        "0".to_owned(),
        time(job.until.filter(|_| job.state != State::Running)),
        // No call depends on the error.
        "NULL".to_owned(),
        if is_done {
            "NULL".to_owned()
        } else {
            format!("CAST('{}' AS BLOB)", String::from_utf8_lossy(event.raw_body()))
        },
    ]
    .join(", ")
}

/// Reads a row. Only a job that is not done has an object and a body.
fn job(row: &SqliteRow, clock: i64) -> (Key, Job) {
    let time = |column| {
        let time: Option<i64> = row.get(column);
        time.map(|time| (time - clock + STEP.cast_signed() / 2).cast_unsigned() / STEP * STEP)
    };
    let states = [State::Ready, State::Done, State::Running, State::Dead];
    let state = states[row.get::<u8, _>("state") as usize];
    let (lease_until, ended_at) = (time("lease_until"), time("ended_at"));
    let is_done = state == State::Done;
    assert_eq!(
        (lease_until.is_some(), ended_at.is_some()),
        (state == State::Running, is_done || state == State::Dead)
    );
    assert_eq!(row.get::<Option<&str>, _>("object_id").is_none(), is_done);
    assert_eq!(row.get::<Option<&[u8]>, _>("payload").is_none(), is_done);
    let owner = row
        .get::<Option<&[u8]>, _>("owner")
        .map(|owner| u128::from_be_bytes(owner.try_into().expect("16 bytes")));
    let message = row.get::<&str, _>("message_id").trim_start_matches("msg_").parse().expect("a number");
    let available = time("available_at").expect("a time");
    let job = Job { state, attempts: row.get("attempts"), owner, available, until: lease_until.or(ended_at) };
    (Key { scope: 0, message }, job)
}

async fn execute(queue: &SqliteQueue, op: &Op) -> Did {
    let id = |key: Key| event(key).message_id().clone();
    let lease =
        |key: Key, owner: u128| Lease::new(DeliveryKey::new(scope(), id(key)), Owner::from_u128(owner), 1);
    let duration = Duration::from_millis;
    let state = match *op {
        Op::Enqueue(key) => {
            return match queue.enqueue(&event(key)).await.expect("the queue works") {
                Enqueued::New => Did::New,
                Enqueued::Duplicate => Did::Duplicate,
            };
        }
        Op::Take(time, max_attempts) => {
            let mut options = TakeOptions::default();
            (options.lease, options.max_attempts) = (duration(time), max_attempts);
            let Some(job) = queue.take(&options).await.expect("the queue works") else { return Did::Nothing };
            let message =
                job.event.message_id().as_str().trim_start_matches("msg_").parse().expect("a number");
            let key = Key { scope: 0, message };
            assert_eq!(job.event.raw_body(), event(key).raw_body());
            return Did::Taken { key, owner: job.lease.owner().as_u128(), attempt: job.lease.attempt() };
        }
        Op::RetryDead(key) => {
            return Did::Removed(queue.retry_dead(&id(key)).await.expect("the queue works").into());
        }
        Op::Discard(key) => {
            return Did::Removed(queue.discard(&id(key)).await.expect("the queue works").into());
        }
        Op::Purge(age) => return Did::Removed(queue.purge(duration(age), 9).await.expect("the queue works")),
        Op::Renew(key, owner, by) => queue.renew(&lease(key, owner), duration(by)).await,
        Op::Complete(key, owner) => queue.complete(&lease(key, owner)).await,
        Op::Retry(key, owner, after) => queue.retry(&lease(key, owner), duration(after), "an error").await,
        Op::GiveBack(key, owner) => queue.give_back(&lease(key, owner)).await,
        Op::Bury(key, owner) => queue.bury(&lease(key, owner), "an error").await,
        _ => unreachable!("a queue has no such call"),
    };
    match state.expect("the queue works") {
        LeaseState::Held => Did::Held,
        LeaseState::Lost => Did::Lost,
    }
}

fn scope() -> Scope {
    Scope::new("a").expect("a scope")
}
