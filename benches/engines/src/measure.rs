//! Contestants that take turns.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Something that is done with a delivery.
pub struct Contestant {
    pub name: &'static str,
    call: Call,
}

/// Is given a number that nobody else is given.
type Call = Arc<dyn Fn(u64) -> Doing + Send + Sync>;

type Doing = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Contestant {
    pub fn new<F: Future<Output = ()> + Send + 'static>(
        name: &'static str,
        call: impl Fn(u64) -> F + Send + Sync + 'static,
    ) -> Self {
        Self { name, call: Arc::new(move |number| Box::pin(call(number))) }
    }

    /// Returns how many seconds a call took, while so many at once were made for so long.
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
            calls += client.await.expect("no call fails");
        }
        began.elapsed().as_secs_f64() / f64::from(calls)
    }
}

/// How often the contestants take turns, and how long one of those lasts.
#[derive(Clone, Copy)]
pub struct Rounds {
    pub count: usize,
    pub turn: Duration,
}

/// The seconds that a contestant took for a call, by round.
pub struct Times(Vec<f64>);

impl Times {
    pub fn median(&self) -> f64 {
        median(self.0.clone())
    }

    /// Returns the median of the ratios, each within one round: what slows the machine for a while slows both.
    pub fn ratio_to(&self, other: &Self) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Has all contestants take turns, after one that does not count.
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
