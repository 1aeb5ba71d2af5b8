//! The receiver with a `ClerkSync` in the transactions of an `ExactlyOnce`.

use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::{Answer, Event};
use tokio::time::{sleep, timeout};

use super::tables::Database;
use super::transactional::{self, Transactional};
use super::{Receiver, event_of};
use crate::clerk::Clerk;
use crate::history::{Did, Key, Millis, Op, What};
use crate::plan::Plan;
use crate::process::Local;
use crate::visit::{Shared, Visit};

/// How often a comparison sends a request at most.
const TRIES: u32 = 5;

/// The receiver with a `ClerkSync`.
#[derive(Debug)]
pub struct Synced;

/// The receiver in a process.
#[derive(Clone)]
pub struct App {
    once: <Transactional as Receiver>::App,
    local: Local,
    clerk: Arc<Clerk>,
}

/// The database: a model of its transactions, and real tables. The tables are written when a transaction commits.
pub struct Service {
    transactions: transactional::Database,
    tables: Database,
    clerk: Arc<Clerk>,
}

impl Receiver for Synced {
    type Service = Service;
    type App = App;

    fn service(plan: &Plan) -> Service {
        let clerk = plan.clerk.clone().expect("the plan of a sync");
        let tables = Database::new(Arc::clone(&clerk));
        Service { transactions: Transactional::service(plan), tables, clerk }
    }

    fn execute(service: &mut Service, op: &Op, now: Millis, process: usize) -> Did {
        match *op {
            Op::Compare(number) => service.tables.compare(number, now, process),
            Op::StopComparing(number) => {
                service.tables.stop(number);
                Did::Held
            }
            _ => {
                let did = Transactional::execute(&mut service.transactions, op, now, process);
                if let (Op::Commit(key, ..), Did::Held) = (op, did) {
                    service.tables.apply(&event_of(*key, Self::body(service, *key)));
                }
                did
            }
        }
    }

    fn disconnected(service: &mut Service, process: Option<usize>) {
        Transactional::disconnected(&mut service.transactions, process);
        service.tables.disconnected(process);
    }

    fn unreceived(service: &mut Service, did: Did) {
        Transactional::unreceived(&mut service.transactions, did);
    }

    fn happened(service: &mut Service) -> Vec<What> {
        std::mem::take(&mut service.tables.happened)
    }

    fn body(service: &Service, key: Key) -> String {
        let event = &service.clerk.events()[service.clerk.event_of(key.message)];
        String::from_utf8(event.body().to_vec()).expect("JSON")
    }

    fn start(plan: &Plan, service: &Service, local: &Local, shared: &Shared) -> App {
        let once = Transactional::start(plan, &service.transactions, local, shared);
        App { once, local: local.clone(), clerk: Arc::clone(&service.clerk) }
    }

    async fn receive(app: App, event: Event, visit: Visit) -> Answer {
        Transactional::receive(app.once, event, visit).await
    }

    fn is_active(app: &App) -> bool {
        Transactional::is_active(&app.once)
    }

    async fn shutdown(app: App, limit: Duration) {
        Transactional::shutdown(app.once, limit).await;
    }

    async fn purge(app: App, retention: Duration) {
        Transactional::purge(app.once, retention).await;
    }

    async fn forget(app: App, key: Key) {
        Transactional::forget(app.once, key).await;
    }

    /// Sends the requests of a comparison one by one. The process sends each request up to five times.
    async fn compare(app: App, number: usize) {
        let pause = app.clerk.comparisons.get(number).map_or(1, |comparison| comparison.pause);
        let mut tries = 0;
        while tries < TRIES {
            match timeout(Duration::from_secs(30), app.local.call(Op::Compare(number))).await {
                Ok(Ok(Did::Asking)) => {
                    tries = 0;
                    sleep(Duration::from_millis(app.local.below(pause))).await;
                }
                Ok(Ok(_)) => return,
                _ => {
                    tries += 1;
                    sleep(Duration::from_secs(1 << tries)).await;
                }
            }
        }
        app.local.send(Op::StopComparing(number));
    }
}
