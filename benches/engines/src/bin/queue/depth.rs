//! The cost of taking a job as the queue grows.

use std::time::{Duration, Instant};

use clerk_webhook_queue::{JobQueue, TakeOptions};
use clerk_webhook_store::LeaseState;

use crate::Fallible;
use crate::engine::Engine;
use crate::report::Percentiles;

/// The number of waiting jobs in the short queue.
pub const SHORT: usize = 1000;

pub struct Depth {
    pub short: Duration,
    pub long: Duration,
    /// The first take from the long queue. A NATS client then reads the records of all waiting jobs.
    pub first: Duration,
    /// How long it took to fill the long queue.
    pub filling: Duration,
}

/// Takes and completes jobs of a short and of a long queue in turns, and returns the medians of the times.
pub async fn measure<E: Engine>(engine: &E, depth: usize, takes: usize) -> Fallible<Depth> {
    let (short, long) = (engine.new_queue("short").await?, engine.new_queue("long").await?);
    engine.fill(&short, SHORT + takes).await?;
    let began = Instant::now();
    engine.fill(&long, depth + takes).await?;
    let filling = began.elapsed();
    let _ = take(&short).await?;
    let first = take(&long).await?;
    let (mut of_short, mut of_long) = (Vec::new(), Vec::new());
    for _ in 1..takes {
        of_short.push(take(&short).await?);
        of_long.push(take(&long).await?);
    }
    let (short, long) = (Percentiles::of(of_short).p50, Percentiles::of(of_long).p50);
    Ok(Depth { short, long, first, filling })
}

async fn take<Q: JobQueue>(queue: &Q) -> Fallible<Duration> {
    let began = Instant::now();
    let job = queue.take(&TakeOptions::default()).await?.ok_or("the queue is empty")?;
    assert_eq!(queue.complete(&job.lease).await?, LeaseState::Held);
    Ok(began.elapsed())
}
