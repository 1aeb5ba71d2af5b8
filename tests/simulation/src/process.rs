//! A process of the receiver: its own Tokio runtime, with its own paused clock.
//!
//! The simulation drives one process at a time, up to a moment. While a process is not driven, none of its
//! tasks runs, as in a process that the operating system has paused.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clerk_webhook_core::Answer;
use clerk_webhook_store::internal::{Random, WALL_CLOCK};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, Id, try_id, yield_now};
use tokio::time::{Instant, advance, sleep_until};

use crate::history::{Did, Log, Millis, Op, What};

/// The error of a call that did not reach the service, or whose result was lost.
#[derive(Debug)]
pub struct Unreachable;

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the simulated service cannot be reached")
    }
}

impl std::error::Error for Unreachable {}

/// Where the result of a call goes.
pub type Return = oneshot::Sender<Result<Did, Unreachable>>;

/// What leaves a process.
pub enum Emission {
    /// A call to the service, and the task that waits for its result.
    Call(Op, Return, Option<Id>),
    /// The response to a request.
    Answer(usize, Answer),
    /// The process has shut down.
    Stopped,
}

thread_local! {
    /// The process that this thread drives.
    static CLOCK: RefCell<Option<Local>> = const { RefCell::new(None) };
}

/// The side of a process that its tasks use. Clones belong to the same process.
pub struct Local(Arc<Inner>);

struct Inner {
    number: usize,
    start: Instant,
    /// The difference between the simulation's time and the time since `start`. Each suspension increases it.
    born: AtomicU64,
    log: Log,
    random: Mutex<Random>,
    tasks: AtomicUsize,
    outbox: Mutex<Outbox>,
}

struct Outbox {
    emissions: Vec<(Millis, Emission)>,
    waker: Option<Waker>,
}

impl Clone for Local {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl Local {
    /// Returns the time of this process.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.0.born.load(Ordering::Relaxed) + millis(self.0.start.elapsed())
    }

    /// Makes the wall clock show the time of this process on this thread.
    fn use_clock(&self) {
        WALL_CLOCK.get_or_init(|| {
            || CLOCK.with_borrow(|clock| clock.as_ref().map_or(UNIX_EPOCH, Local::wall_clock))
        });
        CLOCK.set(Some(self.clone()));
    }

    fn wall_clock(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.now())
    }

    /// Adds a record.
    pub fn log(&self, what: What) {
        self.0.log.add(self.now(), Some(self.0.number), what);
    }

    /// Returns the number of this process.
    #[must_use]
    pub fn number(&self) -> usize {
        self.0.number
    }

    /// Returns a random number below the limit.
    #[must_use]
    pub fn below(&self, limit: u64) -> u64 {
        lock(&self.0.random).below(limit)
    }

    /// Calls the service. If the result is lost, the future never finishes.
    pub async fn call(&self, call: Op) -> Result<Did, Unreachable> {
        let (back, result) = oneshot::channel();
        self.emit(Emission::Call(call, back, try_id()));
        match result.await {
            Ok(result) => result,
            Err(_) => pending().await,
        }
    }

    /// Calls the service, and does not wait for the result.
    pub fn send(&self, call: Op) {
        self.emit(Emission::Call(call, oneshot::channel().0, try_id()));
    }

    pub(crate) fn emit(&self, emission: Emission) {
        let mut outbox = lock(&self.0.outbox);
        outbox.emissions.push((self.now(), emission));
        if let Some(waker) = outbox.waker.take() {
            waker.wake();
        }
    }
}

/// Blocks the thread of the process: its time goes on, and none of its tasks runs.
pub async fn block(time: Duration) {
    let mut advance = pin!(advance(time));
    poll_fn(|cx| {
        // The first poll moves the clock. The second one would let other tasks run.
        let _ = advance.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

/// A process.
pub struct Process<A> {
    /// The receiver's code.
    pub app: A,
    /// The time up to which this process was driven.
    pub now: Millis,
    local: Local,
    runtime: Runtime,
}

impl<A> Process<A> {
    /// Starts a process. `app` runs inside of its runtime.
    pub fn start(
        number: usize,
        now: Millis,
        log: &Log,
        random: Random,
        app: impl FnOnce(Local) -> A,
    ) -> Self {
        let runtime =
            Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let inside = runtime.enter();
        let local = Local(Arc::new(Inner {
            number,
            start: Instant::now(),
            born: AtomicU64::new(now),
            log: log.clone(),
            random: Mutex::new(random),
            tasks: AtomicUsize::new(0),
            outbox: Mutex::new(Outbox { emissions: Vec::new(), waker: None }),
        }));
        let app = app(local.clone());
        drop(inside);
        Self { app, now, local, runtime }
    }

    /// Returns the number of tasks that [`spawn`](Self::spawn) has started and that have not ended.
    pub fn tasks(&self) -> usize {
        self.local.0.tasks.load(Ordering::Relaxed)
    }

    /// Spawns a task.
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        task: impl FnOnce(Local) -> F,
    ) -> AbortHandle {
        let counted = Counted::new(&self.local);
        let _inside = self.runtime.enter();
        let task = task(self.local.clone());
        let task = async move {
            let _counted = counted;
            task.await;
        };
        self.runtime.spawn(task).abort_handle()
    }

    /// Runs the tasks until the given time, or until something leaves the process.
    pub fn drive(&mut self, until: Millis) -> Vec<(Millis, Emission)> {
        self.local.use_clock();
        let (born, start) = (self.local.0.born.load(Ordering::Relaxed), self.local.0.start);
        let target = start + Duration::from_millis(until.saturating_sub(born));
        let outbox = &self.local.0.outbox;
        self.runtime.block_on(async {
            let mut target = pin!(sleep_until(target));
            poll_fn(|cx| {
                let mut outbox = lock(outbox);
                if !outbox.emissions.is_empty() {
                    return Poll::Ready(());
                }
                outbox.waker = Some(cx.waker().clone());
                drop(outbox);
                target.as_mut().poll(cx)
            })
            .await;
            self.now = born + millis(start.elapsed());
        });
        std::mem::take(&mut lock(outbox).emissions)
    }

    /// Runs the tasks until all of them wait, while no time passes.
    pub fn settle(&mut self) -> Vec<(Millis, Emission)> {
        self.local.use_clock();
        self.runtime.block_on(async {
            // The runtime polls this future again after it has polled all tasks that can continue. They may then
            // have completed a task that another one waits for.
            for _ in 0..3 {
                yield_now().await;
            }
        });
        std::mem::take(&mut lock(&self.local.0.outbox).emissions)
    }

    /// Ends the process: drops all its tasks, without running them.
    pub fn kill(self) {
        // The tasks read the clocks when they are dropped.
        self.local.use_clock();
        let handle = self.runtime.handle().clone();
        let _inside = handle.enter();
        drop(self.app);
        drop(self.runtime);
    }

    /// Lets time pass while the machine is suspended: the monotonic clock stops.
    pub fn suspend(&mut self, time: Millis) {
        self.local.0.born.fetch_add(time, Ordering::Relaxed);
        self.now += time;
    }

    /// Lets time pass without running any task.
    pub fn pause(&mut self, time: Millis) {
        self.runtime.block_on(block(Duration::from_millis(time)));
        self.now += time;
    }
}

/// Counts a task until it ends.
struct Counted(Local);

impl Counted {
    fn new(local: &Local) -> Self {
        local.0.tasks.fetch_add(1, Ordering::Relaxed);
        Self(local.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.tasks.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a duration in milliseconds.
#[must_use]
pub fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
