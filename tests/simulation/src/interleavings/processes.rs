//! Drives the processes, and collects what leaves them.

use std::hash::Hash;

use super::world::{Call, SHUTDOWN_LIMIT, World};
use crate::history::{Did, Millis, Op, What};
use crate::process::Emission;
use crate::receiver::Receiver;

impl<R: Receiver> World<'_, R> {
    pub(super) fn is_busy(&self) -> bool {
        (0..self.processes.len()).any(|process| self.is_process_busy(process))
    }

    pub(super) fn is_process_busy(&self, process: usize) -> bool {
        self.processes[process].as_ref().is_some_and(|it| it.tasks() > 0 || R::is_active(&it.app))
    }

    /// Lets time pass, until a task continues.
    pub(super) fn pass(&mut self, until: Millis) {
        self.now = until;
        let live = || (0..self.processes.len()).filter(|process| self.is_process_busy(*process));
        for process in live().collect::<Vec<_>>() {
            if let Some(it) = &mut self.processes[process] {
                let emissions = it.drive(self.now);
                self.now = self.now.min(it.now);
                self.emitted(process, emissions, None);
            }
        }
        let latest = self.processes.iter().flatten().map(|process| process.now).max();
        self.now = self.now.max(latest.unwrap_or_default());
        for process in 0..self.processes.len() {
            while let Some(it) = self.processes[process].as_mut().filter(|it| it.now < self.now) {
                let emissions = it.drive(self.now);
                self.emitted(process, emissions, None);
            }
        }
    }

    /// Runs all tasks that can continue.
    pub(super) fn settle(&mut self, arrived: Option<usize>) {
        for process in 0..self.processes.len() {
            if let Some(it) = &mut self.processes[process] {
                let emissions = it.settle();
                self.emitted(process, emissions, arrived);
            }
        }
        let late_calls = self.left.late_calls > 0;
        // The caller has given up. The service may not have received the call, or will receive it late.
        let ended = |call: &mut Call| {
            let open = late_calls || matches!(call.op, Op::Rollback(..));
            call.back.is_closed() && (call.did.is_some() || !open)
        };
        for call in self.calls.extract_if(.., ended) {
            self.lost |= !matches!(call.op, Op::Rollback(..));
            R::unreceived(&mut self.service, call.did.unwrap_or(Did::Refused));
        }
    }

    fn emitted(&mut self, process: usize, emissions: Vec<(Millis, Emission)>, arrived: Option<usize>) {
        for (at, emission) in emissions {
            match emission {
                Emission::Call(op, back, task) => {
                    let number = self.next_call;
                    self.next_call += 1;
                    self.log.add(at, Some(process), What::Called { call: number, op: op.clone() });
                    let request = task.and_then(|task| match arrived {
                        Some(arrived) => Some(*self.tasks.entry(task).or_insert(arrived)),
                        None => self.tasks.get(&task).copied(),
                    });
                    let request = request.or(op.owner().and_then(|owner| self.owners.get(&owner).copied()));
                    // The tasks of a worker work together, so the worker observes what any of them observes.
                    let request = request.filter(|_| !self.is_queue() || matches!(op, Op::Enqueue(_)));
                    self.calls.push(Call { number, process, request, op, back, did: None });
                }
                Emission::Answer(request, answer) => {
                    self.log.add(at, Some(process), What::Answered { request, answer });
                    answer.outcome().as_str().hash(&mut self.observed[request]);
                    self.requests[request].answer = Some(answer.outcome());
                    self.requests[request].open = false;
                }
                Emission::Stopped => {
                    self.log.add(at, Some(process), What::Stopped);
                    let limit = SHUTDOWN_LIMIT + 2 * self.bounds.plan.store_timeout;
                    let gives_up = self.stopping[process].is_some_and(|since| at >= since + limit);
                    // A worker does not wait for the requests of the server.
                    let works = |call: &Call| {
                        call.process == process
                            && !call.back.is_closed()
                            && !matches!(call.op, Op::Enqueue(_))
                    };
                    if self.calls.iter().any(works) && !gives_up {
                        self.violations.push("the shutdown ended before a call".to_owned());
                    }
                    self.end(process);
                }
            }
        }
    }

    pub(super) fn end(&mut self, process: usize) {
        if let Some(process) = self.processes[process].take() {
            process.kill();
        }
        self.stopping[process] = None;
        R::disconnected(&mut self.service, Some(process));
        for request in self.requests.iter_mut().filter(|request| request.process == process) {
            request.open = false;
        }
    }
}
