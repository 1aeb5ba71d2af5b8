//! Sends the requests of a plan.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::plan::Plan;
use super::report::{Tally, progress};
use crate::failure::Failure;
use crate::output::Output;
use crate::send::client::{Client, SendErrorKind};
use crate::send::endpoint::Endpoint;
use crate::send::svix;

/// How fast to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How long to wait from one to the next.
    pub(super) rate: Option<Duration>,
    /// How many answers are waited for at once.
    pub(super) concurrency: usize,
}

/// Sends all items, and says what became of each and of all.
pub(super) async fn send(
    output: &Output,
    endpoint: &Endpoint,
    plan: Plan,
    pace: Pace,
) -> Result<(), Failure> {
    let counts = plan.counts();
    let items = plan.items;
    let client = Client::new(endpoint.uri(), svix::TIMEOUT)?;
    let begin = Instant::now();
    let total = items.len();
    let mut tally = Tally::default();
    let mut waiting = items.into_iter();
    let mut next = waiting.next();
    let mut due = begin;
    let mut running = JoinSet::new();
    let mut failed = None;
    let progress = progress(total);
    loop {
        let may_start = next.is_some() && running.len() < pace.concurrency;
        if !may_start && running.is_empty() {
            break;
        }
        tokio::select! {
            () = sleep_until(due), if may_start => {
                if let Some(item) = next.take() {
                    let (client, uri) = (client.clone(), endpoint.uri().clone());
                    running.spawn(async move {
                        let answer = client.post(&uri, item.headers.clone(), item.body.clone()).await;
                        (item, answer)
                    });
                }
                next = waiting.next();
                due += pace.rate.unwrap_or_default();
            }
            Some(done) = running.join_next(), if !running.is_empty() => {
                let Ok((item, answer)) = done else { continue };
                tally.add(output, &item, &answer)?;
                progress.inc(1);
                if let Err(error) = answer {
                    let refused = error.kind == SendErrorKind::Refused;
                    failed.get_or_insert(error);
                    // The endpoint does not listen, so the rest is not sent. Answers that are on their way still count.
                    if refused {
                        next = None;
                        waiting = Vec::new().into_iter();
                    }
                }
            }
        }
    }
    progress.finish_and_clear();
    tally.show(output, &counts, begin.elapsed())?;
    match failed {
        Some(error) => Err(error.into()),
        None if tally.delivered == total && counts.is_complete() => Ok(()),
        None => Err(Failure::Negative),
    }
}
