//! The documented state machine of a queue.

use std::collections::BTreeMap;

use super::queued::object;
use crate::history::{Did, Key, Millis, Op};

/// The jobs of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jobs {
    jobs: BTreeMap<Key, Job>,
    takes: u128,
}

/// A job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its state.
    pub state: State,
    /// The number of attempts.
    pub attempts: u32,
    /// Who may end the attempt, or has ended it.
    pub owner: Option<u128>,
    /// When it can be taken, or could be taken.
    pub available: Millis,
    /// The end of the lease, or the time at which the job became done or dead.
    pub until: Option<Millis>,
}

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Can be taken, maybe after a delay.
    Ready,
    /// Handled or discarded.
    Done,
    /// Taken.
    Running,
    /// A dead letter.
    Dead,
}

impl Job {
    fn is_running(&self, now: Millis) -> bool {
        self.state == State::Running && self.until > Some(now)
    }

    fn can_be_taken(&self, now: Millis) -> bool {
        match self.state {
            State::Ready => self.available <= now,
            State::Running => !self.is_running(now),
            State::Done | State::Dead => false,
        }
    }

    /// Ends the attempt. Then nobody owns the job.
    fn ready(&mut self, available: Millis, attempts: u32) {
        *self = Self { state: State::Ready, attempts, owner: None, available, until: None };
    }
}

impl Jobs {
    /// Returns a job, unless it is absent.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<Job> {
        self.jobs.get(&key).copied()
    }

    /// Returns whether a job is neither done nor dead.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.jobs.values().any(|job| matches!(job.state, State::Ready | State::Running))
    }

    /// Executes a call, with new owners counted from 1.
    pub fn execute(&mut self, op: &Op, now: Millis) -> Did {
        let owner = self.takes + 1;
        let did = self.expect(op, now, owner);
        if matches!(did, Did::Taken { .. }) {
            self.takes = owner;
        }
        did
    }

    /// Executes a call. A job that is taken gets the given owner.
    pub fn expect(&mut self, op: &Op, now: Millis, owner: u128) -> Did {
        match *op {
            Op::Enqueue(key) if self.jobs.contains_key(&key) => Did::Duplicate,
            Op::Enqueue(key) => {
                let job = Job { state: State::Ready, attempts: 0, owner: None, available: now, until: None };
                self.jobs.insert(key, job);
                Did::New
            }
            Op::Take(lease, max_attempts) => self.take(now, now + lease, max_attempts, owner),
            Op::Renew(key, owner, by) => {
                let expired = self.get(key).is_some_and(|job| !job.is_running(now));
                let refused = expired && self.is_object_running(object(key), now);
                self.change(key, |job| {
                    let is_owner = job.state == State::Running && job.owner == Some(owner);
                    (is_owner && !refused).then(|| job.until = Some(now + by))
                })
            }
            Op::Complete(key, owner) => self.end(key, owner, State::Done, now),
            Op::Bury(key, owner) => self.end(key, owner, State::Dead, now),
            Op::Retry(key, owner, after) => self.change(key, |job| {
                let is_owner = job.state == State::Running && job.owner == Some(owner);
                is_owner.then(|| job.ready(now.saturating_add(after), job.attempts))
            }),
            Op::GiveBack(key, owner) => self.change(key, |job| {
                let is_owner = job.state == State::Running && job.owner == Some(owner);
                is_owner.then(|| job.ready(job.available, job.attempts - 1))
            }),
            Op::RetryDead(key) => {
                let retried = self.change(key, |job| (job.state == State::Dead).then(|| job.ready(now, 0)));
                Did::Removed((retried == Did::Held).into())
            }
            Op::Discard(key) => {
                let discarded = self.change(key, |job| {
                    (job.state == State::Dead).then(|| {
                        (job.state, job.owner, job.until) = (State::Done, None, Some(now));
                    })
                });
                Did::Removed((discarded == Did::Held).into())
            }
            Op::Purge(age) => {
                let before = self.jobs.len();
                let is_old =
                    |job: &Job| job.state == State::Done && job.until.is_some_and(|until| until + age <= now);
                self.jobs.retain(|_, job| !is_old(job));
                Did::Removed((before - self.jobs.len()) as u64)
            }
            _ => Did::Refused,
        }
    }

    /// Takes the next job as `SqliteQueue` does. A queue does not guarantee an order.
    fn take(&mut self, now: Millis, until: Millis, max_attempts: u32, owner: u128) -> Did {
        loop {
            let oldest = |state| {
                (self.jobs.iter())
                    .filter(|(_, job)| job.state == state && job.can_be_taken(now))
                    // One object at a time.
                    .filter(|(key, _)| !self.is_object_running(object(**key), now))
                    .min_by_key(|(key, job)| (job.until.unwrap_or(job.available), **key))
            };
            let next = [State::Ready, State::Running].into_iter().filter_map(oldest);
            let next = next.min_by_key(|(_, job)| job.available).map(|(key, _)| *key);
            let Some(key) = next else { return Did::Nothing };
            let Some(job) = self.jobs.get_mut(&key) else { return Did::Nothing };
            if job.attempts >= max_attempts {
                (job.state, job.owner, job.until) = (State::Dead, None, Some(now));
                continue;
            }
            job.attempts += 1;
            (job.state, job.owner, job.until) = (State::Running, Some(owner), Some(until));
            return Did::Taken { key, owner, attempt: job.attempts };
        }
    }

    /// Returns whether a job about the object runs under a live lease.
    fn is_object_running(&self, about: u8, now: Millis) -> bool {
        self.jobs.iter().any(|(key, job)| object(*key) == about && job.is_running(now))
    }

    /// Makes a job done or dead. A second call with the same lease has the same result.
    fn end(&mut self, key: Key, owner: u128, state: State, now: Millis) -> Did {
        self.change(key, |job| {
            let ends = job.state == State::Running && job.owner == Some(owner);
            if ends {
                (job.state, job.until) = (state, Some(now));
            }
            (ends || job.state == state && job.owner == Some(owner)).then_some(())
        })
    }

    fn change(&mut self, key: Key, change: impl FnOnce(&mut Job) -> Option<()>) -> Did {
        match self.jobs.get_mut(&key).and_then(change) {
            Some(()) => Did::Held,
            None => Did::Lost,
        }
    }
}
