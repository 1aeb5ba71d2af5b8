//! Measures the NATS queue.

use std::time::Instant;

use async_nats::jetstream;
use clerk_webhook_queue::{DeliveryQueue as _, JobQueue as _, TakeOptions};
use tokio::task::JoinSet;

use crate::nats::event_of;
use crate::nats_server::{Names, url};

/// Prints the rates of a debug or release build: `cargo test --release … rates -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn rates() {
    let Some(url) = url("the measurement of NatsQueue") else { return };
    let names = Names::new(url);
    let queue = names.queue().await;
    let body: bytes::Bytes = vec![b'x'; 2000].into();
    let data = format!(r#"{{"id":"user_1","name":"{}"}}"#, "x".repeat(1900));
    let bare = jetstream::new(async_nats::connect(&names.url).await.unwrap());
    let run = async |tasks: u32, is_bare: bool, round: u32| {
        const EACH: u32 = 4000;
        let began = Instant::now();
        let mut set = JoinSet::new();
        for task in 0..tasks {
            let (queue, bare, body, data) = (queue.clone(), bare.clone(), body.clone(), data.clone());
            let prefix = names.prefix.clone();
            set.spawn(async move {
                for number in 0..EACH / tasks {
                    let id = format!("msg_{round}_{tasks}_{task}_{number}");
                    if is_bare {
                        let subject = format!("{prefix}.clerk.bare.{id}");
                        bare.publish(subject, body.clone()).await.unwrap().await.unwrap();
                    } else {
                        queue.enqueue(&event_of(&id, "user.updated", &data)).await.unwrap();
                    }
                }
            });
        }
        set.join_all().await;
        f64::from(EACH) / began.elapsed().as_secs_f64()
    };
    for round in 0..3 {
        for tasks in [1, 16] {
            let (bare, queued) = (run(tasks, true, round).await, run(tasks, false, round).await);
            println!("{tasks} tasks: bare {bare:.0}/s, enqueue {queued:.0}/s, ratio {:.2}", bare / queued);
        }
    }
    let began = Instant::now();
    let mut set = JoinSet::new();
    for _ in 0..8 {
        let queue = queue.clone();
        set.spawn(async move {
            let mut options = TakeOptions::default();
            options.one_object_at_a_time = false;
            let mut done = 0;
            while let Some(job) = queue.take(&options).await.unwrap() {
                let _ = queue.complete(&job.lease).await.unwrap();
                done += 1;
            }
            done
        });
    }
    let done: u32 = set.join_all().await.into_iter().sum();
    println!("take and complete with 8 tasks: {:.0}/s", f64::from(done) / began.elapsed().as_secs_f64());
    names.delete().await;
}
