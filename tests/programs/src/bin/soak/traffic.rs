//! Traffic at full speed: each connection sends its next delivery as soon as it has received the response to
//! the previous one.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clerk_webhook_tests::random::Random;
use tokio::time::timeout;

use crate::connection::{Connection, is_closed};
use crate::deliveries::{Deliveries, Kind, PreparedDelivery};

/// The time limit for a response. The examples stop waiting for a body after 10 s or 14 s, but no delivery
/// here is slow.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many of the largest deliveries each connection sends first. The program reaches its peak memory
/// before the first measurement; otherwise the memory grows for half a minute.
const LARGEST_FIRST: u32 = 50;

const SHOWN_FAILURES: usize = 5;

pub struct Traffic {
    address: String,
    deliveries: Deliveries,
    stopped: AtomicBool,
    requests: AtomicU64,
    connections: AtomicU64,
    failed: AtomicU64,
    shown: Mutex<Vec<String>>,
}

impl Traffic {
    pub fn to(address: &str, path: &str) -> Self {
        Self {
            address: address.to_owned(),
            deliveries: Deliveries::to(path),
            stopped: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            shown: Mutex::default(),
        }
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Returns the number of failed deliveries, and the first failures.
    pub fn failures(&self) -> (u64, Vec<String>) {
        let shown = self.shown.lock().expect("no thread panics while it holds the lock").clone();
        (self.failed.load(Ordering::Relaxed), shown)
    }

    /// Stops each connection after its current response.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Sends deliveries on one connection until the traffic is stopped or the server refuses connections.
    pub async fn run(&self, seed: u64) {
        let mut random = Random::new(seed);
        let mut connection = None;
        let mut largest = LARGEST_FIRST;
        while !self.stopped.load(Ordering::Relaxed) {
            if connection.is_none() {
                connection = match self.open().await {
                    Ok(opened) => Some(opened),
                    Err(error) => return self.fail(format!("cannot connect: {error}")),
                };
            }
            let delivery = if largest > 0 {
                largest -= 1;
                self.deliveries.largest(&mut random)
            } else {
                self.deliveries.next(&mut random)
            };
            let reset = random.below(4) != 0;
            let sent = self.send(&mut connection, &delivery, reset);
            if let Err(failure) =
                timeout(PATIENCE, sent).await.unwrap_or_else(|_| Err("no response".to_owned()))
            {
                let PreparedDelivery { kind, body, .. } = &delivery;
                self.fail(format!("{kind:?} with {} bytes of body: {failure}", body.len()));
                connection = None;
            }
            self.requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends one valid delivery, and returns its idle connection.
    pub async fn deliver_once(&self) -> Result<Option<Connection>, String> {
        let delivery = self.deliveries.largest(&mut Random::new(u64::MAX / 2));
        let mut connection = Some(self.open().await.map_err(|error| error.to_string())?);
        let sent = timeout(PATIENCE, self.send(&mut connection, &delivery, false)).await;
        sent.unwrap_or_else(|_| Err("no response".to_owned()))?;
        Ok(connection)
    }

    /// Sends a delivery and checks the response. Stores the connection if it can be used again.
    async fn send(
        &self,
        connection: &mut Option<Connection>,
        delivery: &PreparedDelivery<'_>,
        reset: bool,
    ) -> Result<(), String> {
        let Some(mut current) = connection.take() else { return Err("no connection".to_owned()) };
        if delivery.kind == Kind::CutOff {
            // Ignore errors: the server may already have closed the connection.
            let _ = current.break_off(&delivery.head, delivery.body, reset).await;
            return Ok(());
        }
        let mut answer = current.exchange(&delivery.head, delivery.body).await;
        if let Err(error) = &answer
            && current.was_closed_after_rejection(error)
        {
            current = self.open().await.map_err(|error| format!("cannot connect: {error}"))?;
            answer = current.exchange(&delivery.head, delivery.body).await;
        }
        match answer {
            Ok(answer) if answer.status != delivery.kind.status() => {
                return Err(format!("{} instead of {}", answer.status, delivery.kind.status()));
            }
            Err(error) if delivery.may_lose_answer() && is_closed(&error) => return Ok(()),
            Err(error) => return Err(error.to_string()),
            // The announced body was not sent, so the server would read the next request as that body.
            Ok(_) if delivery.kind == Kind::TooLarge => current.reset(),
            Ok(answer) if !answer.keep_alive => {}
            Ok(_) => *connection = Some(current),
        }
        Ok(())
    }

    async fn open(&self) -> io::Result<Connection> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connection::open(&self.address).await
    }

    fn fail(&self, failure: String) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut shown = self.shown.lock().expect("no thread panics while it holds the lock");
        if shown.len() < SHOWN_FAILURES {
            shown.push(failure);
        }
    }
}
