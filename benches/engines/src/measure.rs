//! Measures contestants in turns.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// An operation on a delivery.
pub struct Contestant {
    pub name: &'static str,
    call: Call,
}

/// A function that receives a unique number.
type Call = Arc<dyn Fn(u64) -> Doing + Send + Sync>;

type Doing = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Contestant {
    pub fn new<F: Future<Output = ()> + Send + 'static>(
        name: &'static str,
        call: impl Fn(u64) -> F + Send + Sync + 'static,
    ) -> Self {
        Self { name, call: Arc::new(move |number| Box::pin(call(number))) }
    }

    /// Runs `concurrency` tasks for the duration of `turn`, and returns the elapsed seconds divided by the
    /// calls.
    async fn turn(&self, concurrency: usize, turn: Duration) -> f64 {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let began = Instant::now();
        let clients: Vec<_> = (0..concurrency)
            .map(|_| {
                let call = Arc::clone(&self.call);
                tokio::spawn(async move {
                    let mut calls = 0_u32;
                    while calls == 0 || began.elapsed() < turn {
                        call(CALLS.fetch_add(1, Ordering::Relaxed)).await;
                        calls += 1;
                    }
                    calls
                })
            })
            .collect();
        let mut calls = 0;
        for client in clients {
            calls += client.await.expect("a call panicked");
        }
        began.elapsed().as_secs_f64() / f64::from(calls)
    }
}

/// The number of rounds, and the duration of one contestant's turn in a round.
#[derive(Clone, Copy)]
pub struct Rounds {
    pub count: usize,
    pub turn: Duration,
}

/// The seconds per call of a contestant, one value per round.
pub struct Times(Vec<f64>);

impl Times {
    pub fn median(&self) -> f64 {
        median(self.0.clone())
    }

    /// Returns the median of the ratios within each round, so that a slow phase of the machine affects both
    /// times.
    pub fn ratio_to(&self, other: &Self) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Measures all contestants in turns. The first round is a warm-up and is not counted.
pub async fn measure(contestants: &[Contestant], concurrency: usize, rounds: Rounds) -> Vec<Times> {
    let mut times: Vec<_> = contestants.iter().map(|_| Times(Vec::new())).collect();
    for round in 0..=rounds.count {
        for (contestant, times) in contestants.iter().zip(&mut times) {
            let time = contestant.turn(concurrency, rounds.turn).await;
            if round > 0 {
                times.0.push(time);
            }
        }
    }
    times
}
