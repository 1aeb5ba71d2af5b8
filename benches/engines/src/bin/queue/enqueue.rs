//! Enqueueing, compared with a bare durable write.

use std::future::Future;
use std::time::Instant;

use clerk_webhook_core::Event;
use clerk_webhook_queue::{DeliveryQueue as _, Enqueued};

use crate::Fallible;
use crate::engine::{Engine, new_events};
use crate::report::median;

/// The results, medians of all rounds.
pub struct Enqueueing {
    pub writes_per_second: f64,
    pub enqueues_per_second: f64,
    /// The time of an enqueue divided by the time of a bare write in the same round.
    pub ratio: f64,
}

/// Lets the bare write and the queue take turns. The first round is a warm-up and is not counted.
pub async fn measure<E: Engine>(
    engine: &E,
    senders: usize,
    rounds: usize,
    calls: usize,
) -> Fallible<Enqueueing> {
    let queue = engine.new_queue(&format!("enqueue_{senders}")).await?;
    let (mut writes, mut enqueues) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (of_turn, write) = (engine.clone(), async |engine: E, event: Event| engine.write(&event).await);
        let write = turn(of_turn, senders, calls, write).await?;
        let enqueue = turn(queue.clone(), senders, calls, async |queue: E::Queue, event| {
            let enqueued = queue.enqueue(&event).await.expect("the queue stores the event");
            assert_eq!(enqueued, Enqueued::New);
        });
        let enqueue = enqueue.await?;
        if round > 0 {
            writes.push(write);
            enqueues.push(enqueue);
        }
    }
    let ratios = enqueues.iter().zip(&writes).map(|(enqueue, write)| enqueue / write).collect();
    Ok(Enqueueing {
        writes_per_second: 1.0 / median(writes),
        enqueues_per_second: 1.0 / median(enqueues),
        ratio: median(ratios),
    })
}

/// Makes `calls` calls from concurrent senders, and returns the elapsed seconds divided by the calls.
///
/// The events are created before the measurement, because a server has verified and parsed them at this point.
async fn turn<T: Clone + Send + 'static, F: Future<Output = ()> + Send + 'static>(
    target: T,
    senders: usize,
    calls: usize,
    call: impl Fn(T, Event) -> F + Copy + Send + 'static,
) -> Fallible<f64> {
    let shares: Vec<_> = (0..senders).map(|_| new_events(calls.div_ceil(senders))).collect();
    let began = Instant::now();
    let tasks: Vec<_> = shares
        .into_iter()
        .map(|events| {
            let target = target.clone();
            tokio::spawn(async move {
                for event in events {
                    call(target.clone(), event).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    Ok(began.elapsed().as_secs_f64() / (calls.div_ceil(senders) * senders) as f64)
}
