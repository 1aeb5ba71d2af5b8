//! Performs the actions with a queue of any engine.

use clerk_webhook_core::{EventType, MessageId};
use clerk_webhook_queue::{DeadLetter, DeliveryQueue, JobQueue};

use super::args::{Action, List, Retry, Show};
use super::report;
use crate::args::suggest;
use crate::failure::Failure;
use crate::output::Output;

/// Converts an error of a queue into a failure of the command.
type Explain<'e, Q> = &'e dyn Fn(<Q as DeliveryQueue>::Error) -> Failure;

pub(super) async fn perform<Q: JobQueue>(
    action: &Action,
    queue: &Q,
    explain: Explain<'_, Q>,
    output: &Output,
) -> Result<(), Failure> {
    match action {
        Action::List(args) => list(args, queue, explain, output).await,
        Action::Show(args) => show(args, queue, explain, output).await,
        Action::Retry(args) => retry(args, queue, explain, output).await,
        Action::Discard(args) => {
            for_each(&args.message_ids, "discarded", output, async |id: &MessageId| {
                queue.discard(id).await.map_err(explain)
            })
            .await
        }
        Action::Stats => {
            let stats = queue.stats().await.map_err(explain)?;
            report::stats(output, queue.scope().as_str(), &stats)
        }
    }
}

async fn list<Q: JobQueue>(
    args: &List,
    queue: &Q,
    explain: Explain<'_, Q>,
    output: &Output,
) -> Result<(), Failure> {
    let scope = queue.scope().as_str();
    let stats = queue.stats().await.map_err(explain)?;
    let Some(name) = &args.event_type else {
        let letters = queue.dead_letters(args.limit).await.map_err(explain)?;
        return report::list(output, scope, &letters, stats.dead, None);
    };
    let event_type = EventType::from(name.as_str());
    let dead =
        stats.by_type.iter().find(|stats| stats.event_type == event_type).map_or(0, |stats| stats.dead);
    let letters =
        if dead == 0 { Vec::new() } else { of_type(&event_type, dead, args.limit, queue, explain).await? };
    let hint = if event_type.is_known() { String::new() } else { suggest::event(name) };
    report::list(output, scope, &letters, dead, Some(&format!(" of the type {name}{hint}")))
}

/// Returns up to `limit` of the `dead` dead letters of a type.
///
/// A queue lists dead letters of all types. So this function reads more and more of them, because the newest
/// ones often suffice.
async fn of_type<Q: JobQueue>(
    event_type: &EventType,
    dead: u64,
    limit: u32,
    queue: &Q,
    explain: Explain<'_, Q>,
) -> Result<Vec<DeadLetter>, Failure> {
    let wanted = usize::try_from(dead.min(limit.into())).unwrap_or(usize::MAX);
    let mut read = limit;
    loop {
        let mut letters = queue.dead_letters(read).await.map_err(explain)?;
        let is_all = letters.len() < usize::try_from(read).unwrap_or(usize::MAX) || read == u32::MAX;
        letters.retain(|letter| letter.event_type == *event_type);
        letters.truncate(wanted);
        if letters.len() == wanted || is_all {
            return Ok(letters);
        }
        read = read.saturating_mul(4);
    }
}

async fn show<Q: JobQueue>(
    args: &Show,
    queue: &Q,
    explain: Explain<'_, Q>,
    output: &Output,
) -> Result<(), Failure> {
    match queue.dead_letter(&args.message_id).await.map_err(explain)? {
        Some(letter) if args.payload => report::payload(output, &letter),
        Some(letter) => report::show(output, &letter),
        None => {
            report::unknown(output, &args.message_id)?;
            Err(Failure::Negative)
        }
    }
}

async fn retry<Q: JobQueue>(
    args: &Retry,
    queue: &Q,
    explain: Explain<'_, Q>,
    output: &Output,
) -> Result<(), Failure> {
    if !args.all {
        let retry = async |id: &MessageId| queue.retry_dead(id).await.map_err(explain);
        return for_each(&args.message_ids, "retried", output, retry).await;
    }
    let event_type = args.event_type.as_deref().map(EventType::from);
    let retried = queue.retry_all_dead(event_type.as_ref()).await.map_err(explain)?;
    let name = args.event_type.as_deref().filter(|_| event_type.is_some_and(|known| !known.is_known()));
    let hint = name.filter(|_| retried == 0).map(suggest::event).unwrap_or_default();
    report::retried_all(output, queue.scope().as_str(), retried, args.event_type.as_deref(), &hint)
}

/// Changes each dead letter, and fails if a message is not a dead letter.
async fn for_each(
    message_ids: &[MessageId],
    done: &str,
    output: &Output,
    change: impl AsyncFn(&MessageId) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut all = true;
    for id in message_ids {
        let is_done = change(id).await?;
        report::changed(output, id, if is_done { done } else { report::NOT_DEAD })?;
        all &= is_done;
    }
    if all { Ok(()) } else { Err(Failure::Negative) }
}
