//! Runs the calls of three threads in every order in which they can acquire the lock of a `MemoryStore`.
//!
//! This program compiles the source of the store with another `std`: itself. Its mutex lets an exploration decide
//! which thread acquires it next. The mutex protects everything that the threads share, so they can influence each
//! other only when they acquire it. If each call is atomic, the results are the same as if the threads took turns
//! after whole calls.

#![no_std]

extern crate self as std;
#[macro_use]
extern crate std as real;

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use real::borrow::ToOwned;
use real::cell::RefCell;
use real::collections::BTreeSet;
use real::string::String;
use real::sync::mpsc::{Receiver, Sender, channel};
use real::thread::spawn;
use real::vec::Vec;

use clerk_webhook_store::{DeliveryKey, DeliveryStore, Scope};

use crate::memory::MemoryStore;
use crate::store::claim::{Claim, Lease, LeaseState};

// What the source of the store uses.
pub use real::{collections, error, fmt, time};

pub mod sync {
    pub use real::sync::{Arc, MutexGuard, PoisonError};

    pub struct Mutex<T>(real::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Self {
            Self(real::sync::Mutex::new(value))
        }

        pub fn lock(&self) -> Result<MutexGuard<'_, T>, PoisonError<MutexGuard<'_, T>>> {
            crate::wait_for_turn(crate::Turns::AtLocks);
            self.0.lock()
        }
    }
}

mod store {
    pub mod claim {
        pub use clerk_webhook_store::{Claim, Lease, LeaseState, Owner};
    }
    pub mod delivery_store {
        pub use clerk_webhook_store::DeliveryStore;
    }
    pub mod key {
        pub use clerk_webhook_store::{DeliveryKey, Scope};
    }
    pub mod retention {
        pub use clerk_webhook_store::DEFAULT_RETENTION;
    }
}

macro_rules! debug_is_display {
    ($error:ty) => {
        impl core::fmt::Debug for $error {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }
    };
}

#[path = "../../../crates/clerk-webhook-store/src/engines/memory.rs"]
#[allow(dead_code, unused_imports, reason = "this program does not use all of it, and not the unit tests")]
mod memory;

/// When another thread can continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turns {
    AtCalls,
    AtLocks,
}

/// A thread's side of the exploration.
struct Turn {
    turns: Turns,
    waits: Sender<()>,
    continues: Receiver<()>,
}

real::thread_local! {
    static TURN: RefCell<Option<Turn>> = const { RefCell::new(None) };
}

fn wait_for_turn(turns: Turns) {
    TURN.with_borrow(|turn| {
        if let Some(turn) = turn.as_ref().filter(|turn| turn.turns == turns) {
            turn.waits.send(()).expect("the exploration runs");
            turn.continues.recv().expect("the exploration runs");
        }
    });
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Claim,
    Renew,
    Complete,
    Release,
    Forget,
    Purge,
}

use Call::{
    Claim as CLAIM, Complete as COMPLETE, Forget as FORGET, Purge as PURGE, Release as RELEASE,
    Renew as RENEW,
};

/// What the first thread does. It owns an expired lease.
const FIRST: [&[Call]; 6] = [
    &[CLAIM, COMPLETE],
    &[CLAIM, RELEASE],
    &[RENEW, COMPLETE],
    &[COMPLETE, CLAIM],
    &[RELEASE, COMPLETE],
    &[RENEW, RELEASE],
];
const SECOND: [&[Call]; 4] = [&[CLAIM, COMPLETE], &[CLAIM, RELEASE], &[FORGET, CLAIM], &[PURGE, CLAIM]];
const THIRD: [&[Call]; 2] = [&[CLAIM], &[PURGE]];

const LEASE: Duration = Duration::from_secs(60);

fn main() {
    let (mut runs, mut results) = (0, 0);
    for first in FIRST {
        for second in SECOND {
            for third in THIRD {
                for owned in [true, false] {
                    let programs = [first, second, third];
                    let (atomic, _) = explore(programs, owned, Turns::AtCalls);
                    let (all, orders) = explore(programs, owned, Turns::AtLocks);
                    let wrong: Vec<_> = all.difference(&atomic).collect();
                    assert!(wrong.is_empty(), "{programs:?}: no order of whole calls returns {wrong:#?}");
                    runs += orders;
                    results += all.len();
                }
            }
        }
    }
    assert!(runs > 1000, "{runs}");
    real::println!("{runs} orders have {results} results, all of them atomic");
}

/// Runs the programs in all orders. Returns the results and the number of orders.
fn explore(programs: [&'static [Call]; 3], owned: bool, turns: Turns) -> (BTreeSet<String>, usize) {
    let (mut results, mut runs) = (BTreeSet::new(), 0);
    // The thread that continues at each point, and the threads that could.
    let mut path: Vec<(usize, Vec<usize>)> = Vec::new();
    loop {
        results.insert(run(programs, owned, turns, &mut path));
        runs += 1;
        while path.pop_if(|(chosen, waiting)| *chosen + 1 == waiting.len()).is_some() {}
        match path.last_mut() {
            Some((chosen, _)) => *chosen += 1,
            None => return (results, runs),
        }
    }
}

fn run(
    programs: [&'static [Call]; 3],
    owned: bool,
    turns: Turns,
    path: &mut Vec<(usize, Vec<usize>)>,
) -> String {
    let store = MemoryStore::new();
    let mut lease = None;
    if owned {
        call(&store, &mut lease, CLAIM, Duration::ZERO);
    }
    let threads = programs.map(|program| {
        let (waits, waiting) = channel();
        let (resume, continues) = channel();
        let (store, mut lease) = (store.clone(), lease.take());
        let thread = spawn(move || {
            TURN.set(Some(Turn { turns, waits, continues }));
            let mut results = Vec::new();
            for step in program {
                wait_for_turn(Turns::AtCalls);
                results.push(call(&store, &mut lease, *step, LEASE));
            }
            TURN.take();
            results
        });
        (thread, waiting, resume)
    });
    let mut waiting: Vec<_> = (0..3).filter(|thread| threads[*thread].1.recv().is_ok()).collect();
    let mut depth = 0;
    while !waiting.is_empty() {
        if depth == path.len() {
            path.push((0, waiting.clone()));
        }
        let (chosen, expected) = &path[depth];
        assert_eq!(*expected, waiting, "the exploration is not deterministic");
        let thread = waiting[*chosen];
        threads[thread].2.send(()).expect("the thread waits");
        if threads[thread].1.recv().is_err() {
            waiting.retain(|other| *other != thread);
        }
        depth += 1;
    }
    let results = threads.map(|(thread, ..)| thread.join().expect("the calls do not panic"));
    format!("{results:?}, then {}", call(&store, &mut None, CLAIM, LEASE))
}

/// Calls the store, and returns the result.
fn call(store: &MemoryStore, lease: &mut Option<Lease>, call: Call, time: Duration) -> String {
    let key = DeliveryKey::new(Scope::default(), "msg_1".parse().expect("a message id"));
    let state = |state| if state == LeaseState::Held { "held" } else { "lost" }.to_owned();
    match (call, &*lease) {
        (CLAIM, _) => match ready(store.claim(&key, time)) {
            Ok(Claim::Acquired(acquired)) => {
                let attempt = acquired.attempt();
                *lease = Some(acquired);
                format!("acquired, attempt {attempt}")
            }
            Ok(Claim::Duplicate { .. }) => "duplicate".to_owned(),
            Ok(_) => "in progress".to_owned(),
            Err(error) => format!("{error}"),
        },
        (FORGET, _) => format!("forgotten: {:?}", ready(store.forget(&key))),
        (PURGE, _) => format!("purged: {:?}", ready(store.purge(Duration::ZERO, 10))),
        (RENEW, Some(lease)) => state(ready(store.renew(lease, time)).expect("a state")),
        (COMPLETE, Some(lease)) => state(ready(store.complete(lease)).expect("a state")),
        (RELEASE, Some(lease)) => state(ready(store.release(lease)).expect("a state")),
        (RENEW | COMPLETE | RELEASE, None) => "no lease".to_owned(),
    }
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a call of the store waits"),
    }
}
