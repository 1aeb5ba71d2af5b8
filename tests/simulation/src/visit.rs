//! The handlers of the simulation: they succeed, fail, panic, block, hang and take hours, and record it.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use clerk_webhook_core::{Failure, Handled, Outcome};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::history::{Key, Millis, RunEnd, What};
use crate::plan::{Handlers, MINUTE};
use crate::process::{Local, block};

/// One request at a process, or one job at a worker.
#[derive(Clone)]
pub struct Visit {
    /// The process.
    pub local: Local,
    /// The number of the request.
    pub request: usize,
    /// The delivery.
    pub key: Key,
    /// What handlers do.
    pub handlers: Handlers,
    /// What all processes share.
    pub shared: Shared,
}

/// What all processes share.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// Whether nothing fails any more.
    pub calm: Arc<AtomicBool>,
    /// The number of the next run.
    pub runs: Arc<AtomicUsize>,
    /// Who decides what handlers do, if an exploration does it instead of random numbers.
    pub turns: Option<Turns>,
}

/// The handlers that wait until an exploration continues them.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// What the handler of each request does, or of each message at a worker.
    scripts: Arc<[Script]>,
    waiting: Arc<Mutex<Vec<Waiting>>>,
}

/// A handler, and what continues it.
type Waiting = (Turn, oneshot::Sender<()>);

/// Which handler continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Turn {
    /// The one of a request.
    Request(usize),
    /// The one of a job at a worker.
    Job {
        /// The process of the worker.
        process: usize,
        /// The message.
        key: Key,
        /// The number of the attempt.
        attempt: u32,
    },
}

impl Turn {
    /// Returns whether this is the handler of a job at the process's worker.
    #[must_use]
    pub fn is_in(self, at: usize) -> bool {
        matches!(self, Self::Job { process, .. } if process == at)
    }
}

impl Turns {
    /// Creates the turns of handlers.
    #[must_use]
    pub fn new(scripts: &[Script]) -> Self {
        Self { scripts: scripts.into(), waiting: Arc::default() }
    }

    /// Returns the handlers that wait.
    #[must_use]
    pub fn waiting(&self) -> Vec<Turn> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.iter().filter(|(_, resume)| !resume.is_closed()).map(|(turn, _)| *turn).collect()
    }

    /// Continues a handler.
    pub fn resume(&self, turn: Turn) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|(_, resume)| !resume.is_closed());
        if let Some(index) = waiting.iter().position(|(of, _)| *of == turn) {
            let _ = waiting.remove(index).1.send(());
        }
    }

    async fn wait(&self, turn: Turn) {
        let (resume, resumed) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((turn, resume));
        let _ = resumed.await;
    }

    /// Later attempts for a job succeed.
    fn script(&self, turn: Turn) -> Script {
        match turn {
            Turn::Request(request) => self.scripts[request],
            Turn::Job { key, attempt: 1, .. } => self.scripts[usize::from(key.message / 2)],
            Turn::Job { .. } => Script::Succeed,
        }
    }
}

/// How a handler takes effect, besides the record.
pub trait TakeEffect: Send + Sync + 'static {
    /// Takes effect.
    fn take_effect(&self) -> impl Future<Output = Result<(), Failure>> + Send;
}

impl TakeEffect for () {
    async fn take_effect(&self) -> Result<(), Failure> {
        Ok(())
    }
}

/// The error of a handler that asks for a delay.
pub const ASKED_DELAY: &str = "the simulated handler asks for a delay";

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Script {
    Succeed,
    Ignore,
    Fail,
    FailAfter(Millis),
    Reject,
    Disable,
    Panic,
    Hang,
}

impl Visit {
    /// Runs a handler.
    pub async fn handle(self, attempt: u32, effect: impl TakeEffect) -> Result<Handled, Failure> {
        let run = self.shared.runs.fetch_add(1, Ordering::Relaxed);
        let (local, request, key) = (self.local.clone(), self.request, self.key);
        local.log(What::RunStarted { run, request, key, attempt });
        let future = Box::pin(self.script(run, attempt, effect));
        Watched { future, run, local, ended: false }.await
    }

    async fn script(self, run: usize, attempt: u32, effect: impl TakeEffect) -> Result<Handled, Failure> {
        let script = match &self.shared.turns {
            Some(turns) => {
                let turn = match self.request {
                    usize::MAX => Turn::Job { process: self.local.number(), key: self.key, attempt },
                    request => Turn::Request(request),
                };
                turns.wait(turn).await;
                effect.take_effect().await?;
                self.local.log(What::Effect { run });
                turns.wait(turn).await;
                turns.script(turn)
            }
            None => self.random_script(run, effect).await?,
        };
        match script {
            Script::Succeed => Ok(Handled::Processed),
            Script::Ignore => Ok(Handled::Ignored),
            Script::Fail => Err(Failure::retry("the simulated handler fails")),
            Script::FailAfter(delay) => Err(Failure::retry_after(Duration::from_millis(delay), ASKED_DELAY)),
            Script::Reject => Err(Failure::abort_message("the simulated handler rejects the message")),
            Script::Disable => Err(Failure::disable_endpoint("the simulated handler disables the endpoint")),
            // Without the message of the panic hook.
            Script::Panic => resume_unwind(Box::new("the simulated handler panics")),
            Script::Hang => pending().await,
        }
    }

    /// Takes effect after a random time, or not. Returns how the run ends.
    async fn random_script(&self, run: usize, effect: impl TakeEffect) -> Result<Script, Failure> {
        let (local, handlers) = (&self.local, &self.handlers);
        let calm = self.shared.calm.load(Ordering::Relaxed);
        let chance = |rate: u64| !calm && local.below(1000) < rate;
        let script = match () {
            () if chance(handlers.panic) => Script::Panic,
            () if chance(handlers.reject) => Script::Reject,
            () if chance(handlers.reject / 4) => Script::Disable,
            () if chance(handlers.ignore) => Script::Ignore,
            () if chance(handlers.hang) => Script::Hang,
            () if chance(handlers.fail) => Script::Fail,
            () if chance(handlers.fail / 4) => Script::FailAfter(1 + local.below(60 * MINUTE)),
            () => Script::Succeed,
        };
        let longest = if calm { 100 } else { handlers.longest };
        let time = match local.below(3) {
            0 => 0,
            1 => local.below(50),
            _ => local.below(longest),
        };
        if time > 0 {
            // Several steps, so that the handler is polled in between.
            for _ in 0..handlers.steps {
                sleep(Duration::from_millis(time / handlers.steps + 1)).await;
            }
        }
        if chance(handlers.block) {
            let time = local.below(2 * MINUTE);
            local.log(What::Blocked { until: local.now() + time });
            block(Duration::from_millis(time)).await;
        }
        // Some handlers fail after their effect.
        if matches!(script, Script::Succeed) || local.below(2) == 0 {
            effect.take_effect().await?;
            local.log(What::Effect { run });
        }
        if matches!(script, Script::Succeed) && local.below(4) == 0 {
            sleep(Duration::from_millis(local.below(20))).await;
        }
        Ok(script)
    }
}

/// Records the polls and the end of a handler.
struct Watched<F> {
    future: Pin<Box<F>>,
    run: usize,
    local: Local,
    ended: bool,
}

impl<F> Watched<F> {
    fn end(&mut self, end: RunEnd) {
        self.ended = true;
        self.local.log(What::RunEnded { run: self.run, end });
    }
}

impl<F: Future<Output = Result<Handled, Failure>>> Future for Watched<F> {
    type Output = Result<Handled, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.local.log(What::Polled { run: self.run });
        let polled = match catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(cx))) {
            Ok(polled) => polled,
            Err(panic) => {
                self.end(RunEnd::Panicked);
                resume_unwind(panic);
            }
        };
        if let Poll::Ready(result) = &polled {
            let end = match result {
                Ok(Handled::Ignored) => RunEnd::Ignored,
                Ok(_) => RunEnd::Processed,
                Err(failure) if failure.outcome() == Outcome::Failed => RunEnd::Failed,
                Err(_) => RunEnd::Rejected,
            };
            self.end(end);
        }
        polled
    }
}

impl<F> Drop for Watched<F> {
    fn drop(&mut self) {
        if !self.ended {
            self.end(RunEnd::Dropped);
        }
    }
}
