//! The world around the processes: the sender, the network, the service, and what goes wrong.

mod clerk;
mod faults;
mod operator;
mod sender;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::time::Duration;

use clerk_webhook_core::Answer;
use clerk_webhook_store::internal::Random;

use self::faults::{Call, Fate};
use self::sender::{Delivery, Request};
use crate::history::{Did, Key, Log, Millis, Record, What, Why};
use crate::plan::{DAY, HOUR, MINUTE, Plan, SECOND, one_of};
use crate::process::{Emission, Process, Unreachable};
use crate::receiver::{DeadLetterEnd, Receiver};
use crate::visit::Shared;

/// While a process is busy, no other process is driven for longer than this time at once. A request that
/// results from what another process does can arrive later by this time.
const QUANTUM: Millis = SECOND;

/// Something that will happen.
enum Action {
    Send { delivery: usize, generation: u32, why: Why },
    Arrive { request: usize, respond: bool },
    Break { request: usize, reason: &'static str },
    HangUp { request: usize },
    Close { request: usize },
    Receive { request: usize, answer: Answer },
    Execute { call: usize },
    Return { call: usize, result: Result<Did, Unreachable> },
    Restart { process: usize },
    Disaster { process: usize },
    Purge { process: usize },
    Forget { process: usize, key: Key },
    EndDeadLetter { process: usize, key: Key, end: DeadLetterEnd },
    Compare { process: usize, number: usize },
}

struct Slot<A> {
    process: Option<Process<A>>,
    starts: u64,
    stopping: bool,
    partitioned_until: Millis,
}

/// The result of a simulation.
#[derive(Debug)]
pub struct Outcome {
    /// What happened.
    pub records: Vec<Record>,
    /// The time between the first attempt and the end of each delivery, summed up.
    pub waiting: Millis,
    /// The number of deliveries.
    pub deliveries: usize,
    /// The number of attempts.
    pub requests: usize,
    /// The virtual time at the end.
    pub ended: Millis,
    /// Whether everything has ended.
    pub finished: bool,
}

/// A running simulation.
pub struct Simulation<R: Receiver> {
    plan: Plan,
    random: Random,
    log: Log,
    now: Millis,
    number: u64,
    actions: BTreeMap<(Millis, u64), Action>,
    slots: Vec<Slot<R::App>>,
    service: R::Service,
    service_down_until: Millis,
    deliveries: Vec<Delivery>,
    requests: Vec<Request>,
    calls: HashMap<usize, Call>,
    next_call: usize,
    disabled: Vec<u8>,
    shared: Shared,
    /// When anything other than a call of the service happened.
    moved: Millis,
}

impl<R: Receiver> Simulation<R> {
    /// Runs a simulation until nothing is left to do.
    #[must_use]
    pub fn run(plan: &Plan) -> Outcome {
        let mut this = Self {
            plan: plan.clone(),
            random: Random::new(plan.seed, 1),
            log: Log::default(),
            now: 0,
            number: 0,
            actions: BTreeMap::new(),
            slots: Vec::new(),
            service: R::service(plan),
            service_down_until: 0,
            deliveries: Vec::new(),
            requests: Vec::new(),
            calls: HashMap::new(),
            next_call: 0,
            disabled: Vec::new(),
            shared: Shared::default(),
            moved: 0,
        };
        this.prepare();
        this.work();
        this.recover();
        let mut finished = this.work();
        this.compare_at_the_end();
        finished &= this.work();
        let waiting =
            this.deliveries.iter().filter_map(|delivery| delivery.ended?.checked_sub(delivery.began?)).sum();
        for slot in &mut this.slots {
            if let Some(process) = slot.process.take() {
                process.kill();
            }
        }
        let (requests, ended) = (this.requests.len(), this.now);
        let deliveries = this.deliveries.len();
        Outcome { records: this.log.take(), waiting, deliveries, requests, ended, finished }
    }

    fn prepare(&mut self) {
        for _ in 0..self.plan.processes {
            self.slots.push(Slot { process: None, starts: 0, stopping: false, partitioned_until: 0 });
            self.start(self.slots.len() - 1);
        }
        for message in 0..self.plan.messages {
            let Some(at) = self.first_attempt(message) else { continue };
            for endpoint in 0..self.plan.endpoints {
                let key = Key { scope: self.plan.scope(endpoint), message };
                let delivery = self.deliveries.len();
                self.deliveries.push(Delivery {
                    key,
                    endpoint,
                    attempt: 0,
                    generation: 0,
                    began: None,
                    signed: 0,
                    ended: None,
                });
                let at = at + self.below(5);
                self.later(at, Action::Send { delivery, generation: 0, why: Why::Scheduled });
                if self.plan.resends > 0 && self.below(3) == 0 {
                    let at = self.resend_after(at);
                    self.later(at, Action::Send { delivery, generation: 0, why: Why::Resend });
                }
                if self.plan.forgets && self.below(3) == 0 {
                    let limit = one_of(&mut self.random, &[20 * SECOND, HOUR, DAY]);
                    let (at, process) = (self.below(limit), self.any_process());
                    self.later(at, Action::Forget { process, key });
                }
                if self.plan.operates {
                    self.end_dead_letter(key);
                }
            }
        }
        self.prepare_clerk();
        for day in 0..=self.plan.resends.max(1) {
            let (at, process) = (day * DAY + self.below(DAY), self.any_process());
            self.later(at, Action::Purge { process });
        }
    }

    /// Ends all faults, and resends every message.
    fn recover(&mut self) {
        self.shared.calm.store(true, Ordering::Relaxed);
        self.disabled.clear();
        for process in 0..self.slots.len() {
            self.now = self.now.max(self.slots[process].process.as_ref().map_or(0, |process| process.now));
            self.slots[process].partitioned_until = 0;
        }
        self.service_down_until = 0;
        self.log.add(self.now, None, What::Calm);
        for delivery in 0..self.deliveries.len() {
            // Later than every lease, even with wrong clocks, and one after the other.
            let at = self.now + self.plan.lease + 10 * MINUTE + 2 * SECOND * delivery as u64;
            let generation = self.deliveries[delivery].generation;
            if !self.is_never_resent(delivery) {
                self.later(at, Action::Send { delivery, generation, why: Why::Resend });
            }
        }
    }

    /// Drives the processes and executes the actions, until no action is left and no process is busy. Returns `false` if
    /// nothing but calls has happened for longer than all attempts for a job can last.
    fn work(&mut self) -> bool {
        let longest = if self.shared.calm.load(Ordering::Relaxed) { DAY } else { 3 * DAY };
        self.moved = self.now;
        while self.now < self.moved + longest {
            let next = self.actions.first_key_value().map(|((at, _), _)| *at);
            let busy = (0..self.slots.len()).filter(|process| self.is_busy(*process));
            let slowest =
                busy.filter_map(|process| self.slots[process].process.as_ref()).map(|it| it.now).min();
            let until = match (next, slowest) {
                (None, None) => return true,
                (Some(next), None) => next,
                (next, Some(slowest)) => (slowest + QUANTUM).min(next.unwrap_or(Millis::MAX)),
            };
            let until = self.drive(until);
            if let Some(first) = self.actions.first_entry().filter(|first| first.key().0 <= until) {
                let ((at, _), action) = first.remove_entry();
                self.now = self.now.max(at);
                if !matches!(action, Action::Execute { .. } | Action::Return { .. }) {
                    self.moved = self.now;
                }
                self.execute(action);
            }
        }
        false
    }

    fn is_busy(&self, process: usize) -> bool {
        self.slots[process].process.as_ref().is_some_and(|it| it.tasks() > 0 || R::is_active(&it.app))
    }

    /// Drives all busy processes until the given time, or until the next action if a process causes an earlier
    /// one. Returns this time.
    fn drive(&mut self, mut until: Millis) -> Millis {
        loop {
            let first = self.below(self.slots.len() as u64) as usize;
            let mut waits = false;
            for process in 0..self.slots.len() {
                let process = (first + process) % self.slots.len();
                if !self.is_busy(process) {
                    continue;
                }
                self.drive_one(process, until);
                if let Some(((at, _), _)) = self.actions.first_key_value() {
                    until = until.min(*at);
                }
                let now = self.slots[process].process.as_ref().map_or(until, |process| process.now);
                waits |= now < until && self.is_busy(process);
            }
            if !waits {
                return until;
            }
        }
    }

    /// Lets the time pass in which a process had nothing to do.
    fn catch_up(&mut self, process: usize) {
        if let Some(idle) = &mut self.slots[process].process
            && idle.now < self.now
        {
            idle.pause(self.now - idle.now);
        }
    }

    fn drive_one(&mut self, process: usize, until: Millis) {
        self.catch_up(process);
        let Some(driven) = &mut self.slots[process].process else { return };
        if driven.now < until {
            for (at, emission) in driven.drive(until) {
                self.emitted(process, at, emission);
            }
        }
    }

    fn emitted(&mut self, process: usize, at: Millis, emission: Emission) {
        match emission {
            Emission::Call(op, back, _) => {
                let call = self.next_call;
                self.next_call += 1;
                self.log.add(at, Some(process), What::Called { call, op: op.clone() });
                let fate = self.fate();
                let delay = self.latency() + if fate == Fate::Slow { self.slowness() } else { 0 };
                self.calls.insert(call, Call { process, op, back: Some(back), fate });
                self.later(at + delay, Action::Execute { call });
            }
            Emission::Answer(request, answer) => {
                self.log.add(at, Some(process), What::Answered { request, answer });
                let delay = self.latency();
                if self.requests[request].respond {
                    self.later(at + delay, Action::Receive { request, answer });
                }
            }
            Emission::Stopped => {
                self.log.add(at, Some(process), What::Stopped);
                self.end(process, at, "the server closed the connection");
                let delay = self.latency();
                self.later(at + delay, Action::Restart { process });
            }
        }
    }

    fn execute(&mut self, action: Action) {
        match action {
            Action::Send { delivery, generation, why } => self.send(delivery, generation, why),
            Action::Arrive { request, respond } => self.arrive(request, respond),
            Action::Break { request, reason } => {
                if !self.requests[request].done {
                    self.log.add(self.now, None, What::Broken { request, reason });
                    let is_quick = self.now - self.requests[request].sent < SECOND;
                    self.failed(request, Some(is_quick), None, false);
                }
            }
            Action::HangUp { request } => {
                if !self.requests[request].done {
                    self.log.add(self.now, None, What::HungUp { request });
                    let delay = self.latency();
                    self.later(self.now + delay, Action::Close { request });
                    self.failed(request, None, None, true);
                }
            }
            Action::Close { request } => {
                // Some servers drop the handler of a closed connection, and others do not.
                if let Some(task) = self.requests[request].task.take()
                    && !request.is_multiple_of(4)
                {
                    task.abort();
                }
            }
            Action::Receive { request, answer } => self.receive(request, answer),
            Action::Execute { call } => self.execute_call(call),
            Action::Return { call, result } => {
                let Some(mut call_of) = self.calls.remove(&call) else { return };
                let failed = result.is_err();
                let did = *result.as_ref().unwrap_or(&Did::Refused);
                let process = self.slots[call_of.process].process.as_ref();
                let received = call_of.back.take().is_some_and(|back| back.send(result).is_ok());
                if let (Some(process), true) = (process, received) {
                    let at = self.now.max(process.now);
                    self.log.add(at, Some(call_of.process), What::Returned { call, failed });
                } else {
                    R::unreceived(&mut self.service, did);
                }
            }
            Action::Restart { process } => {
                if self.slots[process].process.is_none() {
                    self.start(process);
                }
            }
            Action::Disaster { process } => self.disaster(process),
            Action::Purge { process } => {
                // The library raises a retention that is too short.
                let retention = Duration::from_secs(self.below(3) * 15 * 24 * 3600);
                self.operate(process, move |app| R::purge(app, retention));
            }
            Action::Compare { process, number } => self.compare(process, number),
            Action::Forget { process, key } => self.operate(process, move |app| R::forget(app, key)),
            Action::EndDeadLetter { process, key, end } => {
                self.operate(process, move |app| R::end_dead_letter(app, key, end));
            }
        }
    }

    fn start(&mut self, process: usize) {
        let slot = &mut self.slots[process];
        slot.starts += 1;
        slot.stopping = false;
        self.log.add(self.now, Some(process), What::Started);
        let random = Random::new(self.plan.seed, 100 + process as u64 + 8 * slot.starts);
        let (plan, service, shared) = (&self.plan, &self.service, &self.shared);
        let app = |local| R::start(plan, service, &local, shared);
        slot.process = Some(Process::start(process, self.now, &self.log, random, app));
    }

    /// Ends a process, and breaks its connections.
    fn end(&mut self, process: usize, at: Millis, reason: &'static str) {
        let Some(killed) = self.slots[process].process.take() else { return };
        killed.kill();
        R::disconnected(&mut self.service, Some(process));
        for request in 0..self.requests.len() {
            let it = &mut self.requests[request];
            if it.process == process && !it.done && it.task.take().is_some() {
                let delay = self.latency();
                self.later(at + delay, Action::Break { request, reason });
            }
        }
    }

    fn latency(&mut self) -> Millis {
        1 + self.below(5)
    }

    fn chance(&mut self, rate: u64) -> bool {
        !self.shared.calm.load(Ordering::Relaxed) && self.below(1000) < rate
    }

    fn any_process(&mut self) -> usize {
        self.below(self.plan.processes as u64) as usize
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random.below(limit)
    }

    fn later(&mut self, at: Millis, action: Action) {
        self.number += 1;
        self.actions.insert((at, self.number), action);
    }
}
