//! The receiver and what surrounds it, one step after the other.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use clerk_webhook_core::Outcome;
use clerk_webhook_store::internal::Random;
use tokio::task::{AbortHandle, Id};

use super::{Bounds, Budget, judge};
use crate::history::{Did, End, Key, Log, Millis, Op, What, Why};
use crate::plan::{HOUR, Kind, SECOND};
use crate::process::{Emission, Process, Return, Unreachable};
use crate::receiver::{Receiver, event};
use crate::visit::{Script, Shared, Turn, Turns, Visit};

/// The time that a shutdown gives to the handlers. It ends before the first renewal.
pub(super) const SHUTDOWN_LIMIT: Millis = SECOND / 2;

/// By how much longer than the lease a worker takes a job.
const HANDOVER: Millis = 2 * SECOND;

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The next request arrives.
    Arrive,
    /// The service executes a call.
    Execute(usize),
    /// The caller gets the result.
    Return(usize),
    /// The caller gets an error.
    Fail(usize),
    /// A handler continues.
    Continue(Turn),
    /// Time passes until a task continues.
    Time,
    Pause(usize),
    HangUp(usize),
    Shutdown(usize),
    Crash(usize),
    Forget,
}

pub(super) struct Call {
    pub(super) number: usize,
    pub(super) process: usize,
    pub(super) request: Option<usize>,
    pub(super) op: Op,
    pub(super) back: Return,
    pub(super) did: Option<Did>,
}

pub(super) struct Request {
    pub(super) process: usize,
    pub(super) task: AbortHandle,
    pub(super) answer: Option<Outcome>,
    /// Whether somebody waits for the answer.
    pub(super) open: bool,
}

pub(super) struct World<'a, R: Receiver> {
    pub(super) bounds: &'a Bounds,
    pub(super) left: Budget,
    pub(super) now: Millis,
    pub(super) log: Log,
    pub(super) service: R::Service,
    pub(super) shared: Shared,
    pub(super) turns: Turns,
    pub(super) processes: Vec<Option<Process<R::App>>>,
    pub(super) stopping: Vec<Option<Millis>>,
    pub(super) requests: Vec<Request>,
    pub(super) calls: Vec<Call>,
    pub(super) next_call: usize,
    /// The request that each task handles, and that owns each lease.
    pub(super) tasks: HashMap<Id, usize>,
    pub(super) owners: HashMap<u128, usize>,
    /// What each request has observed, and what the service has executed.
    pub(super) observed: Vec<DefaultHasher>,
    /// What the worker of each process has observed.
    pub(super) workers: Vec<DefaultHasher>,
    pub(super) executed: DefaultHasher,
    /// Whether a call or its result was lost, so that a lease may last until it expires.
    pub(super) lost: bool,
    pub(super) violations: Vec<String>,
}

impl<'a, R: Receiver> World<'a, R> {
    pub(super) fn new(bounds: &'a Bounds) -> Self {
        // The last handler is for the request that follows.
        let scripts: Vec<_> = bounds.scripts.iter().copied().chain([Script::Succeed]).collect();
        let turns = Turns::new(&scripts);
        Self {
            bounds,
            left: bounds.budget,
            now: 0,
            log: Log::default(),
            service: R::service(&bounds.plan),
            shared: Shared { turns: Some(turns.clone()), ..Shared::default() },
            turns,
            processes: (0..bounds.plan.processes).map(|_| None).collect(),
            stopping: vec![None; bounds.plan.processes],
            requests: Vec::new(),
            calls: Vec::new(),
            next_call: 0,
            tasks: HashMap::new(),
            owners: HashMap::new(),
            observed: vec![DefaultHasher::new(); scripts.len()],
            workers: vec![DefaultHasher::new(); bounds.plan.processes],
            executed: DefaultHasher::new(),
            lost: false,
            violations: Vec::new(),
        }
    }

    /// Returns a number that is the same for two orders of steps only if they lead to the same state: each task has
    /// observed the same, and the service has executed the same calls in the same order.
    pub(super) fn state(&self) -> u64 {
        let mut state = self.executed.clone();
        for observed in self.observed.iter().chain(&self.workers) {
            observed.finish().hash(&mut state);
        }
        let mut calls: Vec<_> = self
            .calls
            .iter()
            .map(|call| (call.request, call.process, call.op.to_string(), call.did.is_some()))
            .collect();
        calls.sort();
        (self.left, self.now, calls, self.requests.len(), &self.stopping).hash(&mut state);
        state.finish()
    }

    /// Returns the steps that are possible next. The necessary ones come first.
    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for (index, call) in self.calls.iter().enumerate() {
            actions.push(if call.did.is_some() { Action::Return(index) } else { Action::Execute(index) });
        }
        actions.extend(self.turns.waiting().into_iter().map(Action::Continue));
        let next = self.requests.len();
        if next < self.bounds.scripts.len() && self.stopping[next % self.processes.len()].is_none() {
            actions.push(Action::Arrive);
        }
        if self.left.times > 0 && self.is_busy() {
            actions.push(Action::Time);
        }
        if self.left.faults > 0 {
            let calls = self.calls.iter().enumerate().filter(|(_, call)| !call.back.is_closed());
            actions.extend(calls.map(|(index, _)| Action::Fail(index)));
        }
        if self.left.hang_ups > 0 {
            let open = self.requests.iter().enumerate().filter(|(_, request)| request.open);
            actions.extend(open.map(|(request, _)| Action::HangUp(request)));
        }
        for process in (0..self.processes.len()).filter(|process| self.is_process_busy(*process)) {
            // A worker is paused while its handler runs, and no call is open. Otherwise there would be too many orders.
            let runs = || self.turns.waiting().iter().any(|turn| turn.is_in(process));
            let is_interesting = !self.is_queue() || self.calls.is_empty() && runs();
            if self.left.pauses > 0 && is_interesting {
                actions.push(Action::Pause(process));
            }
            if self.left.crashes > 0 {
                actions.push(Action::Crash(process));
            }
            if self.left.shutdowns > 0 && self.stopping[process].is_none() {
                actions.push(Action::Shutdown(process));
            }
        }
        if self.left.forgets > 0 && !self.requests.is_empty() {
            actions.push(Action::Forget);
        }
        actions
    }

    pub(super) fn take(&mut self, action: Action) {
        let before = self.requests.len();
        match action {
            Action::Arrive => self.arrive(),
            Action::Execute(index) => self.execute(index),
            Action::Return(index) => self.give_back(index, false),
            Action::Fail(index) => {
                self.left.faults -= 1;
                self.give_back(index, true);
            }
            Action::Continue(turn) => {
                match turn {
                    Turn::Request(request) => "continues".hash(&mut self.observed[request]),
                    Turn::Job { process, .. } => turn.hash(&mut self.workers[process]),
                }
                self.turns.resume(turn);
            }
            Action::Time => {
                self.left.times = self.left.times.saturating_sub(1);
                self.pass(self.now + HOUR);
                self.all_observe("time");
            }
            Action::Pause(process) => {
                self.left.pauses -= 1;
                let time = self.bounds.plan.lease + if self.is_queue() { HANDOVER } else { 0 };
                let until = self.now + time;
                self.log.add(self.now, Some(process), What::Paused { until });
                if let Some(process) = &mut self.processes[process] {
                    process.pause(time);
                }
                self.pass(until);
                self.all_observe("pause");
            }
            Action::HangUp(request) => {
                self.left.hang_ups -= 1;
                self.log.add(self.now, None, What::HungUp { request });
                self.requests[request].open = false;
                self.requests[request].task.abort();
                "hang-up".hash(&mut self.observed[request]);
            }
            Action::Shutdown(process) => {
                self.left.shutdowns -= 1;
                self.log.add(self.now, Some(process), What::Stopping);
                self.stopping[process] = Some(self.now);
                if let Some(it) = &self.processes[process] {
                    let app = it.app.clone();
                    it.spawn(|local| async move {
                        R::shutdown(app, Duration::from_millis(SHUTDOWN_LIMIT)).await;
                        local.emit(Emission::Stopped);
                    });
                }
                self.all_observe("shutdown");
            }
            Action::Crash(process) => {
                self.left.crashes -= 1;
                self.lost = true;
                self.log.add(self.now, Some(process), What::Crashed);
                self.end(process);
                self.all_observe("crash");
            }
            Action::Forget => {
                self.left.forgets -= 1;
                let (op, call) = (Op::Forget(self.key(0)), self.next_call);
                self.next_call += 1;
                self.log.add(self.now, Some(0), What::Called { call, op: op.clone() });
                self.change(None, call, 0, op);
            }
        }
        self.settle((self.requests.len() > before).then_some(before));
    }

    pub(super) fn is_queue(&self) -> bool {
        self.bounds.plan.receiver == Kind::Queue
    }

    /// Returns the message of a request. All messages are about one object.
    fn key(&self, request: usize) -> Key {
        let messages = usize::from(self.bounds.plan.messages);
        Key { scope: 0, message: 2 * u8::try_from(request % messages).unwrap_or_default() }
    }

    fn arrive(&mut self) {
        let request = self.requests.len();
        let process = request % self.processes.len();
        let attempt = request + 1;
        let (why, signed) = (Why::Scheduled, self.now);
        let key = self.key(request);
        let send = What::Send { request, key, endpoint: 0, attempt, why, to: process, signed };
        self.log.add(self.now, None, send);
        // A queue's workers run from the first request on.
        let started = if self.is_queue() { 0..self.processes.len() } else { process..process + 1 };
        let (plan, service, shared) = (&self.bounds.plan, &self.service, &self.shared);
        for process in started {
            self.processes[process].get_or_insert_with(|| {
                self.log.add(self.now, Some(process), What::Started);
                let app = |local| R::start(plan, service, &local, shared);
                Process::start(process, self.now, &self.log, Random::new(0, 0), app)
            });
        }
        let Some(it) = &mut self.processes[process] else { return };
        if it.now < self.now {
            it.pause(self.now - it.now);
        }
        self.log.add(self.now, Some(process), What::Arrived { request });
        let (app, handlers, shared) = (it.app.clone(), plan.handlers, shared.clone());
        let task = it.spawn(move |local| async move {
            let visit = Visit { local: local.clone(), request, key, handlers, shared };
            let answer = R::receive(app, event(key), visit).await;
            local.emit(Emission::Answer(request, answer));
        });
        self.requests.push(Request { process, task, answer: None, open: true });
    }

    fn execute(&mut self, index: usize) {
        let Call { number, process, request, ref op, ref back, .. } = self.calls[index];
        if back.is_closed() && !matches!(op, Op::Rollback(..)) {
            self.left.late_calls -= 1;
            self.lost = true;
        }
        let did = self.change(request, number, process, op.clone());
        self.calls[index].did = Some(did);
    }

    fn change(&mut self, request: Option<usize>, call: usize, process: usize, op: Op) -> Did {
        let did = R::execute(&mut self.service, &op, self.now, process);
        if let (Did::Acquired { owner, .. }, Some(request)) = (did, request) {
            self.owners.insert(owner, request);
        }
        (request, process, op.to_string(), name(did), self.now).hash(&mut self.executed);
        self.log.add(self.now, None, What::Executed { call, op, did });
        did
    }

    fn give_back(&mut self, index: usize, failed: bool) {
        let call = self.calls.remove(index);
        self.lost |= failed;
        let observed = match call.request {
            Some(request) => &mut self.observed[request],
            None => &mut self.workers[call.process],
        };
        (call.op.to_string(), failed, call.did.map(name)).hash(observed);
        let did = call.did.unwrap_or(Did::Refused);
        if failed {
            R::unreceived(&mut self.service, did);
        }
        let _ = call.back.send(if failed { Err(Unreachable) } else { Ok(did) });
        self.log.add(self.now, Some(call.process), What::Returned { call: call.number, failed });
    }

    /// Every task observes when time passes and when a process stops.
    fn all_observe(&mut self, what: &str) {
        for observed in self.observed.iter_mut().chain(&mut self.workers) {
            (what, self.now).hash(observed);
        }
    }

    /// Lets everything end without further faults, and sends the message again. Returns the outcomes of the requests.
    pub(super) fn finish(mut self) -> Result<Vec<Outcome>, String> {
        self.left = Budget::default();
        self.drain();
        if self.requests.iter().any(|request| request.open) {
            self.violations.push("a request has no answer".to_owned());
        }
        let outcomes = self.requests.iter().filter_map(|request| request.answer).collect();
        if self.lost {
            self.now += self.bounds.plan.lease;
        }
        for process in 0..self.processes.len() {
            self.end(process);
        }
        self.arrive();
        self.settle(Some(self.requests.len() - 1));
        self.drain();
        let last = self.requests.pop().and_then(|request| request.answer);
        if !matches!(last, Some(Outcome::Processed | Outcome::Queued | Outcome::Duplicate)) {
            self.violations.push(format!("the message cannot be delivered afterwards: {last:?}"));
        }
        for message in 0..usize::from(self.bounds.plan.messages) {
            let key = self.key(message);
            self.log.add(self.now, None, What::Ended { key, endpoint: 0, end: End::Acknowledged });
        }
        drop(self.processes);
        let records = self.log.take();
        self.violations.extend(judge::judge(&self.bounds.plan, &records));
        if self.violations.is_empty() {
            return Ok(outcomes);
        }
        let story: Vec<_> = (records.iter().filter(|record| !matches!(record.what, What::Polled { .. })))
            .map(ToString::to_string)
            .collect();
        Err(format!("{}\nWRONG: {}", story.join("\n"), self.violations.join("\nWRONG: ")))
    }

    fn drain(&mut self) {
        self.settle(None);
        for _ in 0..200 {
            match self.actions().first() {
                Some(action) => self.take(*action),
                None if self.is_busy() => self.take(Action::Time),
                None => return,
            }
        }
        self.violations.push("the requests never end".to_owned());
    }
}

/// Returns what the service did, without the random number of the owner.
fn name(did: Did) -> String {
    match did {
        Did::Acquired { attempt, .. } => format!("acquired, attempt {attempt}"),
        did => format!("{did:?}"),
    }
}
