//! The time from a delivery to its answer, and to the start of its handler.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clerk_webhook_core::{Context, Event, Handlers, MessageId, Outcome};
use clerk_webhook_queue::{DeliveryQueue as _, Worker};
use tokio::sync::oneshot;

use crate::Fallible;
use crate::engine::{Engine, new_event};
use crate::report::Percentiles;

/// Longer than any call takes.
const LIMIT: Duration = Duration::from_secs(30);

pub struct Latency {
    pub answer: Percentiles,
    pub handler: Percentiles,
}

/// The senders that wait for the start of a handler.
type Waiting = Arc<Mutex<HashMap<MessageId, oneshot::Sender<Instant>>>>;

/// Delivers events while a worker in the same process handles them. Each sender waits for the start of the
/// handler before it sends the next event. Otherwise the times would depend on how many events are waiting.
pub async fn measure<E: Engine>(engine: &E, senders: usize, events: usize) -> Fallible<Latency> {
    let queue = engine.new_queue(&format!("latency_{senders}")).await?;
    let waiting = Waiting::default();
    let of_handler = Arc::clone(&waiting);
    let handlers =
        Handlers::builder().otherwise(move |event: Event, _: Context<()>| {
            let now = Instant::now();
            let sender = of_handler.lock().expect("no task panics").remove(event.message_id());
            async move {
                sender.ok_or("the event was handled twice")?.send(now).map_err(|_| "no sender waits".into())
            }
        });
    let worker = Worker::new(queue.clone(), handlers.build()?, ()).concurrency(16).start();
    let tasks: Vec<_> = (0..senders)
        .map(|_| {
            let (queue, waiting, events) = (queue.clone(), Arc::clone(&waiting), events / senders);
            tokio::spawn(async move {
                let mut times = Vec::new();
                for _ in 0..events {
                    let (event, (sender, start)) = (new_event(), oneshot::channel());
                    waiting.lock().expect("no task panics").insert(event.message_id().clone(), sender);
                    let began = Instant::now();
                    let outcome = queue.answer(event).await.outcome();
                    let answered = began.elapsed();
                    assert_eq!(outcome, Outcome::Queued);
                    let started = start.await.expect("the handler runs");
                    times.push((answered, started.duration_since(began)));
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.append(&mut task.await?);
    }
    worker.shutdown(LIMIT).await;
    let (answers, starts) = times.into_iter().unzip();
    Ok(Latency { answer: Percentiles::of(answers), handler: Percentiles::of(starts) })
}
