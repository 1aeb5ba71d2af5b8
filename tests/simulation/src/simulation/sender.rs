//! The sender: Svix's schedule, with lost requests and responses.

use std::sync::atomic::Ordering;
use std::time::Duration;

use clerk_webhook_core::Answer;
use clerk_webhook_core::sender::{
    ATTEMPTS, MIN_DELAY_AFTER_TIMEOUT, RESPONSE_TIMEOUT, RETRY_DELAYS, RETRY_JITTER_PERCENT,
};
use tokio::task::AbortHandle;

use super::{Action, Simulation};
use crate::history::{End, Key, Millis, What, Why};
use crate::plan::{SECOND, one_of};
use crate::process::{Emission, millis};
use crate::receiver::{Receiver, verify};
use crate::visit::Visit;

pub(super) struct Delivery {
    pub(super) key: Key,
    pub(super) endpoint: u8,
    pub(super) attempt: usize,
    /// Changes when the scheduled attempts are canceled.
    pub(super) generation: u32,
    pub(super) began: Option<Millis>,
    /// When the latest attempt was signed.
    pub(super) signed: Millis,
    pub(super) ended: Option<Millis>,
}

pub(super) struct Request {
    pub(super) delivery: usize,
    pub(super) generation: u32,
    pub(super) why: Why,
    pub(super) process: usize,
    pub(super) sent: Millis,
    pub(super) signed: Millis,
    /// Whether the sender knows the result.
    pub(super) done: bool,
    pub(super) respond: bool,
    pub(super) task: Option<AbortHandle>,
}

impl<R: Receiver> Simulation<R> {
    pub(super) fn send(&mut self, delivery: usize, generation: u32, why: Why) {
        let it = &mut self.deliveries[delivery];
        if why != Why::Resend && it.generation != generation {
            return;
        }
        if self.disabled.contains(&it.endpoint) {
            self.ended(delivery, End::Aborted);
            return;
        }
        if why == Why::Scheduled {
            it.attempt += 1;
        }
        it.began.get_or_insert(self.now);
        // An instant retry consists of the same bytes.
        if why != Why::Instant {
            it.signed = self.now;
        }
        let (key, endpoint, attempt, generation) = (it.key, it.endpoint, it.attempt, it.generation);
        let signed = it.signed;
        let (request, process) = (self.requests.len(), self.any_process());
        self.requests.push(Request {
            delivery,
            generation,
            why,
            process,
            sent: self.now,
            signed,
            done: false,
            respond: true,
            task: None,
        });
        self.log.add(
            self.now,
            None,
            What::Send { request, key, endpoint, attempt, why, to: process, signed },
        );
        self.later(self.now + millis(RESPONSE_TIMEOUT), Action::HangUp { request });
        let at = self.now + self.latency();
        if self.chance(self.plan.network_faults) {
            match self.below(4) {
                // The request is lost.
                0 => {}
                // The response is lost.
                1 => self.later(at, Action::Arrive { request, respond: false }),
                // The connection breaks early or late.
                _ => {
                    self.later(at, Action::Arrive { request, respond: true });
                    let time = one_of(&mut self.random, &[2, 900, 14 * SECOND]);
                    let at = at + self.below(time);
                    self.later(at, Action::Break { request, reason: "the connection broke" });
                    self.later(at, Action::Close { request });
                }
            }
        } else {
            self.later(at, Action::Arrive { request, respond: true });
        }
        if why != Why::Resend && self.chance(self.plan.impatience) {
            let at = self.now + self.below(20 * SECOND);
            self.later(at, Action::Send { delivery, generation, why: Why::Resend });
        }
        if self.chance(self.plan.disasters) {
            let (at, process) = (self.now + self.below(20 * SECOND), self.any_process());
            self.later(at, Action::Disaster { process });
        }
    }

    pub(super) fn arrive(&mut self, request: usize, respond: bool) {
        let process = self.requests[request].process;
        self.catch_up(process);
        let slot = &self.slots[process];
        let Some(it) = slot.process.as_ref().filter(|_| !slot.stopping) else {
            self.later(self.now, Action::Break { request, reason: "the connection was refused" });
            return;
        };
        let key = self.deliveries[self.requests[request].delivery].key;
        self.log.add(self.now.max(it.now), Some(process), What::Arrived { request });
        let (app, handlers) = (it.app.clone(), self.plan.handlers);
        let (shared, signed) = (self.shared.clone(), self.requests[request].signed);
        let (body, ahead) = (R::body(&self.service, key), self.plan.wall_clocks[process]);
        let task = it.spawn(move |local| async move {
            // After the recovery, all clocks are right.
            let ahead = if shared.calm.load(Ordering::Relaxed) { 0 } else { ahead };
            let clock = i64::try_from(local.now()).unwrap_or_default() + ahead;
            let verified = verify(key, body, signed, clock);
            local.log(What::Verified { request, accepted: verified.is_ok() });
            let visit = Visit { local: local.clone(), request, key, handlers, shared };
            let answer = match verified {
                Ok(event) => R::receive(app, event, visit).await,
                Err(answer) => answer,
            };
            local.emit(Emission::Answer(request, answer));
        });
        self.requests[request].task = Some(task);
        self.requests[request].respond = respond;
    }

    pub(super) fn receive(&mut self, request: usize, answer: Answer) {
        if self.requests[request].done {
            return;
        }
        self.log.add(self.now, None, What::Received { request, answer });
        let delivery = self.requests[request].delivery;
        if answer.status() / 100 == 2 {
            self.requests[request].done = true;
            self.ended(delivery, End::Acknowledged);
        } else if answer.delivery_control().is_some() {
            self.requests[request].done = true;
            if answer.delivery_control() == Some("disable") {
                let endpoint = self.deliveries[delivery].endpoint;
                self.disabled.push(endpoint);
            }
            self.ended(delivery, End::Aborted);
        } else {
            self.failed(request, None, answer.retry_after(), false);
        }
    }

    /// Schedules what follows a failed attempt.
    pub(super) fn failed(
        &mut self,
        request: usize,
        broken: Option<bool>,
        retry_after: Option<u32>,
        timed_out: bool,
    ) {
        let it = &mut self.requests[request];
        it.done = true;
        let (delivery, why, generation) = (it.delivery, it.why, it.generation);
        if why == Why::Resend {
            self.ended(delivery, End::ResendFailed);
            return;
        }
        if generation != self.deliveries[delivery].generation {
            return;
        }
        if broken == Some(true) && why != Why::Instant {
            self.later(self.now + 1, Action::Send { delivery, generation, why: Why::Instant });
            return;
        }
        let attempt = self.deliveries[delivery].attempt;
        if attempt >= ATTEMPTS {
            self.ended(delivery, End::Exhausted);
            return;
        }
        let mut delay = RETRY_DELAYS[attempt - 1];
        if let Some(seconds) = retry_after {
            delay = Duration::from_secs(seconds.into()).clamp(delay, delay * 2);
        }
        if timed_out {
            delay = delay.max(MIN_DELAY_AFTER_TIMEOUT);
        }
        let jitter = u64::from(RETRY_JITTER_PERCENT);
        let percent = 100 - jitter + self.below(2 * jitter + 1);
        let at = self.now + millis(delay) * percent / 100;
        self.later(at, Action::Send { delivery, generation, why: Why::Scheduled });
    }

    pub(super) fn ended(&mut self, delivery: usize, end: End) {
        let it = &mut self.deliveries[delivery];
        it.generation += 1;
        it.ended.get_or_insert(self.now);
        let (key, endpoint) = (it.key, it.endpoint);
        self.log.add(self.now, None, What::Ended { key, endpoint, end });
    }
}
