//! What happened in a simulation: the records from which the checker judges and the story is printed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use clerk_webhook_core::Answer;

use crate::clerk::{NotCompared, Tables};

/// Virtual time: milliseconds since the beginning of a simulation.
pub type Millis = u64;

/// What happened at one moment.
#[derive(Clone, Debug)]
pub struct Record {
    /// The virtual time.
    pub at: Millis,
    /// The process in which it happened, or `None` for the sender, the store and the operator.
    pub process: Option<usize>,
    /// What happened.
    pub what: What,
}

/// A message at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The number of the scope.
    pub scope: u8,
    /// The number of the message.
    pub message: u8,
}

/// Why the sender sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The schedule.
    Scheduled,
    /// The connection failed within a second.
    Instant,
    /// Somebody asked for it.
    Resend,
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The receiver acknowledged it.
    Acknowledged,
    /// The last attempt failed.
    Exhausted,
    /// A handler asked for the end of the message or the endpoint.
    Aborted,
    /// A resend failed, so the sender canceled the remaining attempts.
    ResendFailed,
}

/// How the run of a handler ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// It returned `Processed`.
    Processed,
    /// It returned `Ignored`.
    Ignored,
    /// It failed, and a retry may succeed.
    Failed,
    /// It rejected the message, or disabled the endpoint.
    Rejected,
    /// It panicked.
    Panicked,
    /// It was dropped.
    Dropped,
}

/// A call to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Claims a delivery for a time.
    Claim(Key, Millis),
    /// Renews the lease of an attempt for a time.
    Renew(Key, u128, Millis),
    /// Completes.
    Complete(Key, u128),
    /// Releases.
    Release(Key, u128),
    /// Forgets.
    Forget(Key),
    /// Removes what is older.
    Purge(Millis),
    /// Stores an event.
    Enqueue(Key),
    /// Takes a job for a time, if it had fewer attempts.
    Take(Millis, u32),
    /// Makes a job ready again after a time.
    Retry(Key, u128, Millis),
    /// Makes a job ready again.
    GiveBack(Key, u128),
    /// Makes a job a dead letter.
    Bury(Key, u128),
    /// Makes a dead letter ready again.
    RetryDead(Key),
    /// Discards a dead letter.
    Discard(Key),
    /// Begins a transaction.
    Begin(Key),
    /// Commits a transaction with a number of writes.
    Commit(Key, u128, u32),
    /// Rolls a transaction back.
    Rollback(Key, u128),
    /// Continues a comparison with Clerk's API until its next request.
    Compare(usize),
    /// Ends a comparison.
    StopComparing(usize),
}

impl Op {
    /// Returns the delivery that the call is about.
    #[must_use]
    pub fn key(&self) -> Option<Key> {
        match self {
            Self::Claim(key, _)
            | Self::Renew(key, ..)
            | Self::Complete(key, _)
            | Self::Release(key, _)
            | Self::Forget(key)
            | Self::Enqueue(key)
            | Self::Retry(key, ..)
            | Self::GiveBack(key, _)
            | Self::Bury(key, _)
            | Self::RetryDead(key)
            | Self::Discard(key)
            | Self::Begin(key)
            | Self::Commit(key, ..)
            | Self::Rollback(key, _) => Some(*key),
            Self::Purge(_) | Self::Take(..) | Self::Compare(_) | Self::StopComparing(_) => None,
        }
    }

    /// Returns the owner that the call names.
    #[must_use]
    pub fn owner(&self) -> Option<u128> {
        match self {
            Self::Renew(_, owner, _)
            | Self::Complete(_, owner)
            | Self::Release(_, owner)
            | Self::Retry(_, owner, _)
            | Self::GiveBack(_, owner)
            | Self::Bury(_, owner) => Some(*owner),
            _ => None,
        }
    }
}

/// What the store did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// The caller owns the delivery.
    Acquired {
        /// The number of the attempt.
        attempt: u32,
        /// The owner.
        owner: u128,
    },
    /// The delivery is completed.
    Duplicate,
    /// Another caller owns it, for this time.
    InProgress(Millis),
    /// The caller owned the delivery.
    Held,
    /// The caller did not own the delivery, and the store changed nothing.
    Lost,
    /// The number of forgotten or removed deliveries, or of retried or discarded dead letters.
    Removed(u64),
    /// The event is new, and durable.
    New,
    /// The caller got a job.
    Taken {
        /// The message.
        key: Key,
        /// The owner of the lease.
        owner: u128,
        /// The number of the attempt.
        attempt: u32,
    },
    /// No job is ready.
    Nothing,
    /// A comparison waits for the answer to its request.
    Asking,
    /// A comparison has ended.
    Compared,
    /// The store returned an error.
    Refused,
}

/// What happened.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are numbers of requests, runs and calls")]
pub enum What {
    Send { request: usize, key: Key, endpoint: u8, attempt: usize, why: Why, to: usize, signed: Millis },
    Broken { request: usize, reason: &'static str },
    HungUp { request: usize },
    Received { request: usize, answer: Answer },
    Ended { key: Key, endpoint: u8, end: End },
    Arrived { request: usize },
    Verified { request: usize, accepted: bool },
    Answered { request: usize, answer: Answer },
    RunStarted { run: usize, request: usize, key: Key, attempt: u32 },
    Polled { run: usize },
    Effect { run: usize },
    RunEnded { run: usize, end: RunEnd },
    Called { call: usize, op: Op },
    Executed { call: usize, op: Op, did: Did },
    Returned { call: usize, failed: bool },
    Blocked { until: Millis },
    Started,
    Crashed,
    Paused { until: Millis },
    Suspended { until: Millis },
    Stopping,
    Stopped,
    Partitioned { until: Millis },
    StoreDown { until: Millis },
    Calm,
    Occurred { event: String, message: Option<u8> },
    Asked { request: String, status: u16 },
    Compared { number: usize, result: Result<String, NotCompared> },
    Tables { tables: Arc<Tables>, changes: String },
}

/// The records of a simulation. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<Record>>>);

impl Log {
    /// Adds a record.
    pub fn add(&self, at: Millis, process: Option<usize>, what: What) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Record { at, process, what });
    }

    /// Returns the records in the order of their times.
    #[must_use]
    pub fn take(&self) -> Vec<Record> {
        let mut records = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        records.sort_by_key(|record| record.at);
        records
    }
}

/// Writes a time such as `1d 03:00:05.250`.
pub struct Clock(pub Millis);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, s) = (self.0 % 1000, self.0 / 1000);
        write!(f, "{}d {:02}:{:02}:{:02}.{ms:03}", s / 86_400, s / 3600 % 24, s / 60 % 60, s % 60)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg_{}/{}", self.message, (b'a' + self.scope) as char)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(key, lease) => write!(f, "claim {key} for {lease} ms"),
            Self::Renew(key, _, by) => write!(f, "renew {key} by {by} ms"),
            Self::Complete(key, _) => write!(f, "complete {key}"),
            Self::Release(key, _) => write!(f, "release {key}"),
            Self::Forget(key) => write!(f, "forget {key}"),
            Self::Purge(age) => write!(f, "purge what is older than {}", Clock(*age)),
            Self::Enqueue(key) => write!(f, "enqueue {key}"),
            Self::Take(lease, _) => write!(f, "take a job for {lease} ms"),
            Self::Retry(key, _, after) => write!(f, "retry {key} after {after} ms"),
            Self::GiveBack(key, _) => write!(f, "give {key} back"),
            Self::Bury(key, _) => write!(f, "bury {key}"),
            Self::RetryDead(key) => write!(f, "retry the dead letter {key}"),
            Self::Discard(key) => write!(f, "discard the dead letter {key}"),
            Self::Begin(key) => write!(f, "begin the transaction of {key}"),
            Self::Commit(key, _, writes) => write!(f, "commit the transaction of {key}, writes: {writes}"),
            Self::Rollback(key, _) => write!(f, "roll the transaction of {key} back"),
            Self::Compare(number) => write!(f, "continue comparison {number}"),
            Self::StopComparing(number) => write!(f, "stop comparison {number}"),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>16}  ", Clock(self.at).to_string())?;
        let process = self.process.map_or('?', |process| (b'A' + process as u8) as char);
        match &self.what {
            What::Send { request, key, endpoint, attempt, why, to, .. } => {
                let to = (b'A' + *to as u8) as char;
                let how = match why {
                    Why::Scheduled => "sends",
                    Why::Instant => "immediately sends again",
                    Why::Resend => "is asked to resend",
                };
                write!(
                    f,
                    "sender  {how} {key} to endpoint {endpoint}, attempt {attempt}: request {request} to process {to}"
                )
            }
            What::Broken { request, reason } => write!(f, "sender  request {request} failed: {reason}"),
            What::HungUp { request } => {
                write!(f, "sender  closes the connection of request {request}: no response within 15 s")
            }
            What::Received { request, answer } => {
                write!(f, "sender  gets {} {} for request {request}", answer.status(), answer.outcome())?;
                answer.retry_after().map_or(Ok(()), |seconds| write!(f, ", Retry-After: {seconds}"))
            }
            What::Ended { key, endpoint, end } => {
                let end = match end {
                    End::Acknowledged => "is acknowledged",
                    End::Exhausted => "has failed: no attempt is left",
                    End::Aborted => "is aborted by the receiver",
                    End::ResendFailed => "has failed: a failed resend cancels the remaining attempts",
                };
                write!(f, "sender  {key} at endpoint {endpoint} {end}")
            }
            What::Arrived { request } => write!(f, "{process}       request {request} arrives"),
            What::Verified { request, accepted } => {
                let what = if *accepted { "accepts" } else { "rejects" };
                write!(f, "{process}       {what} the timestamp of request {request}")
            }
            What::Answered { request, answer } => {
                write!(f, "{process}       answers request {request}: {}", answer.outcome())
            }
            What::RunStarted { run, request, key, attempt } => write!(
                f,
                "{process}       starts the handler of {key} for {}, attempt {attempt}: run {run}",
                if *request == usize::MAX { "a job".to_owned() } else { format!("request {request}") }
            ),
            What::Polled { run } => write!(f, "{process}       polls run {run}"),
            What::Effect { run } => write!(f, "{process}       run {run} takes effect"),
            What::RunEnded { run, end } => {
                let end = match end {
                    RunEnd::Processed => "succeeds",
                    RunEnd::Ignored => "ignores the event",
                    RunEnd::Failed => "fails",
                    RunEnd::Rejected => "rejects the event",
                    RunEnd::Panicked => "panics",
                    RunEnd::Dropped => "is dropped",
                };
                write!(f, "{process}       run {run} {end}")
            }
            What::Called { call, op } => write!(f, "{process}       asks the store: {op} (call {call})"),
            What::Executed { call, op, did } => {
                write!(f, "store   {op}: ")?;
                match did {
                    Did::Acquired { attempt, .. } => write!(f, "acquired, attempt {attempt}")?,
                    Did::Duplicate => write!(f, "duplicate")?,
                    Did::InProgress(left) => write!(f, "in progress for {left} ms")?,
                    Did::Held => write!(f, "held")?,
                    Did::Lost => write!(f, "lost")?,
                    Did::Removed(number) => write!(f, "{number} found")?,
                    Did::New => write!(f, "durable")?,
                    Did::Taken { key, attempt, .. } => write!(f, "{key}, attempt {attempt}")?,
                    Did::Nothing => write!(f, "no job is ready")?,
                    Did::Asking => write!(f, "it asks Clerk")?,
                    Did::Compared => write!(f, "it has ended")?,
                    Did::Refused => write!(f, "not executed")?,
                }
                write!(f, " (call {call})")
            }
            What::Returned { call, failed } => {
                let what = if *failed { "an error" } else { "the result" };
                write!(f, "{process}       gets {what} of call {call}")
            }
            What::Blocked { until } => {
                write!(f, "{process}       a handler blocks the thread until {}", Clock(*until))
            }
            What::Started => write!(f, "{process}       the process starts"),
            What::Crashed => write!(f, "{process}       the process CRASHES"),
            What::Paused { until } => {
                write!(f, "{process}       the process is PAUSED until {}", Clock(*until))
            }
            What::Suspended { until } => {
                write!(f, "{process}       the machine is SUSPENDED until {}", Clock(*until))
            }
            What::Stopping => write!(f, "{process}       the process is asked to stop"),
            What::Stopped => write!(f, "{process}       the process has stopped"),
            What::Partitioned { until } => {
                write!(f, "{process}       CANNOT REACH the store until {}", Clock(*until))
            }
            What::StoreDown { until } => write!(f, "store   IS DOWN until {}", Clock(*until)),
            What::Calm => write!(f, "        from here on, nothing fails any more"),
            What::Occurred { event, message: Some(message) } => write!(f, "clerk   msg_{message}: {event}"),
            What::Occurred { event, message: None } => write!(f, "clerk   without a message: {event}"),
            What::Asked { request, status } => write!(f, "clerk   answers {request}: {status}"),
            What::Compared { number, result, .. } => {
                write!(f, "store   comparison {number} ends: {result:?}")
            }
            What::Tables { changes, .. } => write!(f, "tables  {changes}"),
        }
    }
}
