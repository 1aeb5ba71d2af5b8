//! The work of the handlers: they wait, and some of them fail.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clerk_webhook_core::{Answer, Event};
use clerk_webhook_tests::random::Random;
use tokio::time::sleep;

use crate::record::{Mark, Record, Run};
use crate::variable;

/// The work that all handlers do.
#[derive(Clone)]
pub struct Work {
    record: Record,
    random: Arc<Mutex<Random>>,
    fail_percent: u64,
    panic_percent: u64,
    shortest: u64,
    /// In milliseconds. `None` if handlers never finish.
    longest: Option<u64>,
    /// Handlers wait until this file exists.
    gate: Option<PathBuf>,
}

impl Work {
    pub fn from_env() -> Self {
        let record: String = variable("RECORD").expect("RECORD is not set");
        let delay: Option<String> = variable("DELAY");
        let longest = match delay.as_deref() {
            Some("forever") => None,
            Some(_) => variable("DELAY"),
            None => Some(0),
        };
        Self {
            record: Record::open(record).expect("could not open the record"),
            random: Arc::new(Mutex::new(Random::new(variable("SEED").unwrap_or(0)))),
            shortest: variable("SHORTEST").unwrap_or(0),
            fail_percent: variable("FAIL_PERCENT").unwrap_or(0),
            panic_percent: variable("PANIC_PERCENT").unwrap_or(0),
            longest,
            gate: variable("GATE"),
        }
    }

    pub fn run(&self, event: &Event) -> Recorded {
        let run = Run::of(event.message_id().clone(), &self.record);
        Recorded { run, completed: AtomicBool::new(false) }
    }

    /// Decides whether a run panics.
    pub fn panics(&self) -> bool {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).below(100) < self.panic_percent
    }

    pub async fn work(&self) -> Result<(), &'static str> {
        let Some(longest) = self.longest else { return std::future::pending().await };
        let (delay, fails) = {
            let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
            (self.shortest + random.below(longest - self.shortest + 1), random.below(100) < self.fail_percent)
        };
        sleep(Duration::from_millis(delay)).await;
        while self.gate.as_ref().is_some_and(|gate| !gate.exists()) {
            sleep(Duration::from_millis(10)).await;
        }
        if fails { Err("intended") } else { Ok(()) }
    }
}

/// A run that writes its steps to the record.
pub struct Recorded {
    run: Run,
    completed: AtomicBool,
}

impl Recorded {
    pub fn start(&self, attempt: u32) -> Running<'_> {
        self.run.note(Mark::Started, attempt);
        Running { recorded: self, attempt, ended: AtomicBool::new(false) }
    }

    /// Records whether a completed run was acknowledged.
    pub fn answered(&self, answer: Answer) {
        if self.completed.load(Ordering::Relaxed) {
            let acknowledged = answer.outcome().is_acknowledged();
            self.run.note(if acknowledged { Mark::Settled } else { Mark::Unsettled }, 0);
        }
    }
}

/// A run whose handler is running. Dropping it records that the handler was dropped.
pub struct Running<'a> {
    recorded: &'a Recorded,
    attempt: u32,
    ended: AtomicBool,
}

impl Running<'_> {
    pub fn complete(&self) {
        self.recorded.completed.store(true, Ordering::Relaxed);
        self.end(Mark::Completed);
    }

    pub fn fail(&self) {
        self.end(Mark::Failed);
    }

    fn end(&self, mark: Mark) {
        if !self.ended.swap(true, Ordering::Relaxed) {
            self.recorded.run.note(mark, self.attempt);
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.end(Mark::Dropped);
    }
}
