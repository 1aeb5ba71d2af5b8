//! The throughput of a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clerk_webhook_core::Handlers;
use clerk_webhook_queue::Worker;
use tokio::sync::Notify;

use crate::Fallible;
use crate::engine::Engine;
use crate::report::median;

/// The number of handlers that run at the same time.
pub const CONCURRENCY: usize = 8;

/// Longer than any call takes.
const LIMIT: Duration = Duration::from_secs(30);

/// Returns how many jobs per second a worker completes whose handlers do nothing, as the median of all rounds.
pub async fn measure<E: Engine>(engine: &E, rounds: usize, jobs: usize) -> Fallible<f64> {
    let queue = engine.new_queue("worker").await?;
    let mut per_second = Vec::new();
    for _ in 0..rounds {
        engine.fill(&queue, jobs).await?;
        let (started, last) = (AtomicUsize::new(0), Arc::new(Notify::new()));
        let of_handler = Arc::clone(&last);
        let handlers = Handlers::builder().otherwise(move |_, _| {
            if started.fetch_add(1, Ordering::Relaxed) + 1 == jobs {
                of_handler.notify_one();
            }
            async { Ok(()) }
        });
        let began = Instant::now();
        let worker = Worker::new(queue.clone(), handlers.build()?, ()).concurrency(CONCURRENCY).start();
        last.notified().await;
        // Waits until the last jobs are done.
        worker.shutdown(LIMIT).await;
        per_second.push(jobs as f64 / began.elapsed().as_secs_f64());
    }
    Ok(median(per_second))
}
