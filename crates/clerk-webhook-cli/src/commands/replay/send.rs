//! Sends a plan's requests.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::plan::Plan;
use super::report::Tally;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;
use crate::send::client::{Client, SendErrorKind};
use crate::send::endpoint::Endpoint;

/// The pace of sending.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The interval between requests, or `None` for an unlimited rate.
    pub(super) rate: Option<Duration>,
    /// The number of simultaneous requests.
    pub(super) concurrency: usize,
}

/// Sends all requests, and prints the result of each and a summary.
pub(super) async fn send(
    output: &Output,
    endpoint: &Endpoint,
    client: Client,
    mut plan: Plan,
    pace: Pace,
) -> Result<(), Failure> {
    let begin = Instant::now();
    let total = plan.items.len();
    let mut tally = Tally::default();
    let mut waiting = std::mem::take(&mut plan.items).into_iter();
    let mut next = waiting.next();
    let mut due = begin;
    let mut running = JoinSet::new();
    let mut failed = None;
    let progress = Progress::new(Some(total as u64));
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
                progress.above(|| tally.add(output, &item, &answer))?;
                progress.update(tally.sent as u64, 0);
                if let Err(error) = answer {
                    let refused = error.kind == SendErrorKind::Refused;
                    failed.get_or_insert(error);
                    // Nothing is listening at the endpoint, so the remaining requests are not sent. The
                    // responses to requests in flight are still counted.
                    if refused {
                        next = None;
                        waiting = Vec::new().into_iter();
                    }
                }
            }
        }
    }
    drop(progress);
    tally.show(output, &plan, total - tally.sent, begin.elapsed())?;
    match failed {
        Some(error) => Err(error.into()),
        None if tally.delivered == total && plan.is_complete() => Ok(()),
        None => Err(Failure::Negative),
    }
}
