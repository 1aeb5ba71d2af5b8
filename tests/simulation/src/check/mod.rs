//! Judges a history. The checker knows the documentation of the library, and nothing of its code.

mod leased;
mod queue;
mod sync;
mod timestamps;
mod transaction;

use std::collections::{HashMap, HashSet};

use clerk_webhook_core::{Answer, Outcome};

use crate::history::{Clock, Did, Key, Millis, Op, Record, RunEnd, What};
use crate::plan::{Kind, Plan};

#[derive(Debug, Default)]
struct Request {
    key: Option<Key>,
    process: usize,
    arrived: Option<Millis>,
}

#[derive(Debug)]
struct Run {
    key: Key,
    request: usize,
    process: usize,
    attempt: u32,
    started: Millis,
    /// The number of the record of its start.
    record: usize,
    polls: Vec<Millis>,
    effect: Option<Millis>,
    ended: Option<(Millis, RunEnd)>,
    /// The owner of its lease, and the time of the claim.
    lease: Option<(u128, Millis)>,
}

impl Run {
    /// Returns whether it took effect, and succeeded until then.
    fn succeeded(&self, at: Millis) -> bool {
        self.effect.is_some() && matches!(self.ended, Some((ended, RunEnd::Processed)) if ended <= at)
    }
}

#[derive(Debug)]
struct Call {
    process: usize,
    op: Op,
    called: Millis,
    executed: Option<(Millis, Did)>,
    returned: Option<(Millis, bool)>,
    /// The number of the record of its return.
    record: usize,
}

impl Call {
    /// Returns whether the caller got the result within `limit`.
    fn succeeded(&self, limit: Millis) -> bool {
        self.returned.is_some_and(|(at, failed)| !failed && at - self.called < limit)
    }
}

/// The history, sorted by what it is about.
struct Checker<'a> {
    plan: &'a Plan,
    requests: HashMap<usize, Request>,
    answers: Vec<(Millis, usize, Answer)>,
    runs: Vec<Run>,
    calls: Vec<Call>,
    /// The process of each call.
    callers: HashMap<usize, usize>,
    /// The time at which each process was killed or had stopped, and was asked to stop.
    killed: Vec<Vec<Millis>>,
    stopping: Vec<Vec<Millis>>,
    /// When none of a process's tasks could run.
    disturbed: Vec<Vec<(Millis, Millis)>>,
    /// When a delivery was completed.
    completed: HashMap<Key, Vec<(Millis, Millis)>>,
    forgotten: Vec<(Millis, Key)>,
    /// The requests that were rejected because of their timestamps.
    expired: HashSet<usize>,
    violations: Vec<String>,
}

/// Returns what was wrong.
#[must_use]
pub fn check(plan: &Plan, records: &[Record]) -> Vec<String> {
    let mut checker = Checker::new(plan, records);
    checker.check_runs();
    match plan.receiver {
        Kind::Deduplicator => checker.check_leased(records),
        Kind::Queue => checker.check_queue(records),
        Kind::ExactlyOnce => checker.check_transactions(records),
        Kind::Sync => {
            checker.check_transactions(records);
            checker.check_sync(records);
        }
    }
    checker.check_timestamps(records);
    checker.check_deliveries(records);
    checker.violations
}

impl<'a> Checker<'a> {
    fn new(plan: &'a Plan, records: &[Record]) -> Self {
        let per_process = || vec![Vec::new(); plan.processes];
        let mut this = Self {
            plan,
            requests: HashMap::new(),
            answers: Vec::new(),
            runs: Vec::new(),
            calls: Vec::new(),
            callers: HashMap::new(),
            killed: per_process(),
            stopping: per_process(),
            disturbed: vec![Vec::new(); plan.processes],
            completed: HashMap::new(),
            forgotten: Vec::new(),
            expired: HashSet::new(),
            violations: Vec::new(),
        };
        let mut calls = HashMap::new();
        // The numbers of runs are not in the order of time.
        let mut runs = HashMap::new();
        for (number, record) in records.iter().enumerate() {
            let (at, process) = (record.at, record.process.unwrap_or_default());
            match &record.what {
                What::Send { request, key, to, .. } => {
                    let it = this.requests.entry(*request).or_default();
                    (it.key, it.process) = (Some(*key), *to);
                }
                What::Arrived { request } => {
                    this.requests.entry(*request).or_default().arrived = Some(at);
                }
                What::Verified { request, accepted: false } => drop(this.expired.insert(*request)),
                What::Answered { request, answer } => this.answers.push((at, *request, *answer)),
                What::RunStarted { run, request, key, attempt } => {
                    runs.insert(*run, this.runs.len());
                    this.runs.push(Run {
                        key: *key,
                        request: *request,
                        process,
                        attempt: *attempt,
                        started: at,
                        record: number,
                        polls: Vec::new(),
                        effect: None,
                        ended: None,
                        lease: None,
                    });
                }
                What::Polled { run } => this.runs[runs[run]].polls.push(at),
                What::Effect { run } => this.runs[runs[run]].effect = Some(at),
                What::RunEnded { run, end } => this.runs[runs[run]].ended = Some((at, *end)),
                What::Called { call, op } => {
                    this.callers.insert(*call, process);
                    calls.insert(*call, this.calls.len());
                    this.calls.push(Call {
                        process,
                        op: op.clone(),
                        called: at,
                        executed: None,
                        returned: None,
                        record: 0,
                    });
                }
                What::Executed { call, op, did } => {
                    this.calls[calls[call]].executed = Some((at, *did));
                    if let (Op::Forget(key), Did::Removed(1)) = (op, did) {
                        this.forgotten.push((at, *key));
                    }
                }
                What::Returned { call, failed } => {
                    let call = &mut this.calls[calls[call]];
                    (call.returned, call.record) = (Some((at, *failed)), number);
                }
                What::Crashed | What::Stopped => this.killed[process].push(at),
                What::Stopping => this.stopping[process].push(at),
                What::Paused { until } | What::Suspended { until } | What::Blocked { until } => {
                    this.disturbed[process].push((at, *until))
                }
                _ => {}
            }
        }
        this
    }

    fn violation(&mut self, at: Millis, what: impl Into<String>) {
        self.violations.push(format!("{}: {}", Clock(at), what.into()));
    }

    /// Each run belongs to a claim, keeps to its time limit, and ends for a reason.
    fn check_runs(&mut self) {
        let mut used = HashSet::new();
        for index in 0..self.runs.len() {
            let run = &self.runs[index];
            let claims = self.calls.iter().enumerate().filter_map(|(number, call)| {
                let (key, attempt, owner) = match call.executed? {
                    (_, Did::Acquired { attempt, owner }) => (call.op.key()?, attempt, owner),
                    (_, Did::Taken { key, attempt, owner }) => (key, attempt, owner),
                    _ => return None,
                };
                let received = matches!(call.returned, Some((_, false))) && call.record < run.record;
                let matches = (key, attempt, call.process) == (run.key, run.attempt, run.process);
                (matches && received && !used.contains(&number)).then_some((number, owner, call))
            });
            // A run starts when the result of its claim arrives.
            let claim = claims.max_by_key(|(.., call)| call.record);
            let claim = claim.map(|(number, owner, call)| (number, owner, call.called));
            let (started, key) = (run.started, run.key);
            match claim {
                Some((number, owner, called)) => {
                    used.insert(number);
                    self.runs[index].lease = Some((owner, called));
                }
                None => self.violation(started, format!("a handler of {key} runs without a claim")),
            }
            let run = &self.runs[index];
            let limit = run.started + self.plan.handler_timeout;
            let known = self.lease_loss_known(run);
            let late = run
                .polls
                .iter()
                .copied()
                .find(|poll| *poll > limit && !self.is_disturbed(run.process, run.started, *poll));
            if let Some(poll) = late {
                self.violation(poll, format!("a handler of {key} runs for longer than its time limit"));
            }
            let run = &self.runs[index];
            if let Some(poll) =
                run.polls.iter().copied().find(|poll| known.is_some_and(|known| known < *poll))
            {
                self.violation(
                    poll,
                    format!("a handler of {key} runs although its lease is known to be lost"),
                );
            }
            let run = &self.runs[index];
            if let Some((at, RunEnd::Dropped)) = run.ended {
                let explained = at >= limit
                    || self.is_killed(run.process, at)
                    || self.is_stopping(run.process, at)
                    || self.has_lost_lease(run, at);
                if !explained {
                    self.violation(at, format!("a handler of {key} was dropped without a reason"));
                }
            }
            let run = &self.runs[index];
            if run.ended.is_none() {
                self.violation(started, format!("a run of {key} never ends"));
            }
        }
    }

    /// At most one run of the same thing makes progress at a time.
    fn check_overlaps(&mut self, same: impl Fn(&Run, &Run) -> bool) {
        for one in 0..self.runs.len() {
            for other in 0..self.runs.len() {
                let (run, later) = (&self.runs[one], &self.runs[other]);
                if !same(run, later) || (later.started, other) <= (run.started, one) {
                    continue;
                }
                let from = run.lease.map_or(run.started, |(_, claimed)| claimed);
                let forgotten = self
                    .forgotten
                    .iter()
                    .any(|(at, key)| *key == run.key && (from..=later.started).contains(at));
                let overlap = run.polls.iter().copied().find(|poll| *poll > later.started);
                if let (Some(poll), false) = (overlap, forgotten) {
                    let (key, other) = (run.key, later.key);
                    self.violation(poll, format!("a handler of {key} runs beside a later one of {other}"));
                }
            }
        }
    }

    /// Returns whether an answer has a reason that does not depend on the receiver.
    fn has_common_reason(&self, answer: Answer, at: Millis, request: usize, process: usize) -> bool {
        let run = self.runs.iter().find(|run| run.request == request);
        let end = run.and_then(|run| run.ended).map(|(_, end)| end);
        match answer.outcome() {
            Outcome::Ignored => end == Some(RunEnd::Ignored),
            Outcome::HandlerTimeout => run.is_some_and(|run| {
                run.ended.is_some_and(|(end, _)| end - run.started >= self.plan.handler_timeout)
            }),
            Outcome::Failed => {
                matches!(end, Some(RunEnd::Failed | RunEnd::Panicked)) || self.is_stopping(process, at)
            }
            Outcome::Rejected | Outcome::Disabled => end == Some(RunEnd::Rejected),
            Outcome::ExpiredTimestamp => self.expired.contains(&request),
            _ => false,
        }
    }

    /// Returns the key, the process and the time of the arrival of a request.
    fn arrival(&mut self, at: Millis, request: usize) -> Option<(Key, usize, Millis)> {
        let arrival = self.requests.get(&request).and_then(|it| Some((it.key?, it.process, it.arrived?)));
        if arrival.is_none() {
            self.violation(at, format!("request {request} was answered before it arrived"));
        }
        arrival
    }

    /// Returns the calls of a process about a key in a period.
    fn calls_in(&self, process: usize, key: Key, from: Millis, to: Millis) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| {
            call.process == process && call.op.key() == Some(key) && (from..=to).contains(&call.called)
        })
    }

    /// Returns when a renewal told the process that a run's lease is lost.
    fn lease_loss_known(&self, run: &Run) -> Option<Millis> {
        let losses = self.calls.iter().filter(|call| {
            matches!((&call.op, call.executed), (Op::Renew(..), Some((_, Did::Lost))))
                && call.process == run.process
                && call.op.owner() == run.lease.map(|(owner, _)| owner)
        });
        losses.filter_map(|call| call.returned).filter(|(_, failed)| !failed).map(|(at, _)| at).min()
    }

    /// Returns whether the process lost a run's lease, for a reason, before `at`.
    fn has_lost_lease(&self, run: &Run, at: Millis) -> bool {
        let Some((owner, claimed)) = run.lease else { return false };
        let calls = || {
            self.calls.iter().filter(|call| {
                call.process == run.process && call.op.owner() == Some(owner) && call.called <= at
            })
        };
        if calls().any(|call| matches!(call.executed, Some((_, Did::Lost)))) {
            return true;
        }
        let (mut deadline, mut renewals_failed) = (claimed + self.plan.lease, false);
        for call in calls().filter(|call| matches!(call.op, Op::Renew(..))) {
            // A result that arrives after the lease has expired is too late.
            if call.succeeded(self.plan.store_timeout) && call.returned.is_some_and(|(at, _)| at < deadline) {
                deadline = call.called + self.plan.lease;
            } else {
                renewals_failed = true;
            }
        }
        let ended = run.ended.map_or(at, |(ended, _)| ended);
        let expired = deadline <= ended;
        let late_claim = run.started - claimed >= self.plan.lease / 3;
        expired && (renewals_failed || late_claim || self.is_disturbed(run.process, claimed, ended))
    }

    /// Every delivery ends, and after the recovery every message can be delivered.
    fn check_deliveries(&mut self, records: &[Record]) {
        let mut sent = HashSet::new();
        let mut ended = HashSet::new();
        let mut calm = None;
        let mut resent = HashMap::new();
        for record in records {
            match &record.what {
                What::Calm => calm = Some(record.at),
                What::Send { request, key, endpoint, .. } => {
                    sent.insert((*key, *endpoint));
                    if calm.is_some() {
                        resent.insert(*request, (record.at, *key));
                    }
                }
                What::Ended { key, endpoint, .. } => {
                    ended.insert((*key, *endpoint));
                }
                What::Received { request, answer } if answer.status() / 100 == 2 => {
                    resent.remove(request);
                }
                _ => {}
            }
        }
        for (key, endpoint) in sent.difference(&ended) {
            self.violations.push(format!("{key} at endpoint {endpoint} never ends"));
        }
        for (at, key) in resent.into_values() {
            self.violation(at, format!("{key} cannot be delivered although nothing fails any more"));
        }
    }

    fn is_disturbed(&self, process: usize, from: Millis, to: Millis) -> bool {
        self.disturbed[process].iter().any(|(began, ended)| *began <= to && from <= *ended)
    }

    fn is_killed(&self, process: usize, at: Millis) -> bool {
        self.killed[process].contains(&at)
    }

    fn is_killed_after(&self, process: usize, at: Millis) -> bool {
        self.killed[process].iter().any(|killed| *killed >= at)
    }

    fn is_stopping(&self, process: usize, at: Millis) -> bool {
        let stopping = self.stopping[process].iter().copied().filter(|since| *since <= at).max();
        stopping.is_some_and(|since| !self.killed[process].iter().any(|killed| (since..at).contains(killed)))
    }
}
