//! The receiver with an `ExactlyOnce`.

use std::collections::HashMap;
use std::time::Duration;

use clerk_webhook_core::{Answer, Event, Failure};
use clerk_webhook_store::{
    Begin, DeliveryKey, DeliveryStore as _, ExactlyOnce, SharedTransaction, TransactionalStore, purge,
};

use super::{Receiver, delivery_key, key_of, leased, scope_of};
use crate::history::{Did, Key, Millis, Op};
use crate::plan::Plan;
use crate::process::{Local, Unreachable};
use crate::visit::{Shared, TakeEffect, Visit};

/// The receiver with an `ExactlyOnce`.
#[derive(Debug)]
pub struct Transactional;

impl Receiver for Transactional {
    type Service = Database;
    type App = [ExactlyOnce<Link>; 2];

    fn service(_plan: &Plan) -> Database {
        Database::default()
    }

    fn execute(service: &mut Database, op: &Op, now: Millis, process: usize) -> Did {
        service.execute(op, now, process)
    }

    fn disconnected(service: &mut Database, process: Option<usize>) {
        service.open.retain(|_, (_, of)| process.is_some_and(|process| *of != process));
    }

    fn unreceived(service: &mut Database, did: Did) {
        if let Did::Acquired { owner, .. } = did {
            service.open.remove(&owner);
        }
    }

    fn start(plan: &Plan, _service: &Database, local: &Local, _shared: &Shared) -> Self::App {
        [0, 1].map(|scope| {
            ExactlyOnce::new(Link(local.clone()))
                .scope(scope_of(scope))
                .handler_timeout(Duration::from_millis(plan.handler_timeout))
                .store_timeout(Duration::from_millis(plan.store_timeout))
        })
    }

    async fn receive(app: Self::App, event: Event, visit: Visit) -> Answer {
        let once = &app[usize::from(visit.key.scope)];
        once.run(event, move |_, transaction| visit.handle(1, transaction)).await
    }

    fn is_active(app: &Self::App) -> bool {
        app.iter().any(|once| once.in_flight() > 0)
    }

    async fn shutdown(app: Self::App, limit: Duration) {
        for once in app {
            once.shutdown(limit).await;
        }
    }

    async fn purge(app: Self::App, retention: Duration) {
        let _ = purge(&app[0].store().outside(), retention).await;
    }

    async fn forget(app: Self::App, key: Key) {
        let _ = app[0].store().outside().forget(&delivery_key(key)).await;
    }
}

/// A process's connection to the database.
pub struct Link(Local);

impl Link {
    /// Returns a connection for calls outside of transactions.
    fn outside(&self) -> leased::Link {
        leased::Link(self.0.clone())
    }
}

/// An open transaction. It is rolled back if it is dropped.
pub struct Transaction {
    local: Local,
    key: Key,
    id: u128,
    writes: u32,
    committed: bool,
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.committed {
            self.local.send(Op::Rollback(self.key, self.id));
        }
    }
}

impl TakeEffect for SharedTransaction<Transaction> {
    async fn take_effect(&self) -> Result<(), Failure> {
        self.lock().await?.writes += 1;
        Ok(())
    }
}

impl TransactionalStore for Link {
    type Error = Unreachable;
    type Transaction = Transaction;

    async fn begin(&self, key: &DeliveryKey) -> Result<Begin<Transaction>, Unreachable> {
        let key = key_of(key);
        Ok(match self.0.call(Op::Begin(key)).await? {
            Did::Acquired { owner: id, .. } => {
                let local = self.0.clone();
                Begin::Acquired(Transaction { local, key, id, writes: 0, committed: false })
            }
            Did::InProgress(left) => Begin::InProgress { retry_after: Duration::from_millis(left) },
            _ => Begin::Duplicate { completed_at: None },
        })
    }

    async fn commit(&self, mut transaction: Transaction) -> Result<(), Unreachable> {
        let commit = Op::Commit(transaction.key, transaction.id, transaction.writes);
        transaction.committed = self.0.call(commit).await? == Did::Held;
        if transaction.committed { Ok(()) } else { Err(Unreachable) }
    }
}

/// A database with transactions.
#[derive(Debug, Default)]
pub struct Database {
    /// When each delivery was completed.
    marked: HashMap<Key, Millis>,
    open: HashMap<u128, (Key, usize)>,
    begun: u128,
}

impl Database {
    fn execute(&mut self, op: &Op, now: Millis, process: usize) -> Did {
        match *op {
            Op::Begin(key) if self.marked.contains_key(&key) => Did::Duplicate,
            Op::Begin(key) if self.open.values().any(|(of, _)| *of == key) => Did::InProgress(1000),
            Op::Begin(key) => {
                self.begun += 1;
                self.open.insert(self.begun, (key, process));
                Did::Acquired { attempt: 1, owner: self.begun }
            }
            Op::Commit(key, id, _) => match self.open.remove(&id) {
                Some(_) => {
                    self.marked.insert(key, now);
                    Did::Held
                }
                None => Did::Lost,
            },
            Op::Rollback(_, id) => {
                self.open.remove(&id);
                Did::Held
            }
            // The mark of an open transaction is not visible.
            Op::Forget(key) => Did::Removed(self.marked.remove(&key).is_some().into()),
            Op::Purge(age) => {
                let before = self.marked.len();
                self.marked.retain(|_, completed| now < *completed + age);
                Did::Removed((before - self.marked.len()) as u64)
            }
            _ => Did::Refused,
        }
    }
}
