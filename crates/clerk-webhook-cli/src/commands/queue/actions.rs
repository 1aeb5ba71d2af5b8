//! Performs the actions with a queue of any engine.

use clerk_webhook_core::{EventType, MessageId};
use clerk_webhook_queue::{DeadLetter, JobQueue};

use super::args::{Action, List, Retry, Show};
use super::report;
use super::target::Target;
use crate::args::suggest;
use crate::failure::Failure;
use crate::output::Output;

pub(super) async fn perform<Q: JobQueue>(
    action: &Action,
    target: &Target<'_, Q>,
    output: &Output,
) -> Result<(), Failure> {
    match action {
        Action::List(args) => list(args, target, output).await,
        Action::Show(args) => show(args, target, output).await,
        Action::Retry(args) => retry(args, target, output).await,
        Action::Discard(args) => {
            for_each(&args.message_ids, "discarded", output, async |id: &MessageId| {
                target.ask(target.queue.discard(id)).await
            })
            .await
        }
        Action::Stats => {
            let stats = target.ask(target.queue.stats()).await?;
            report::stats(output, target.queue.scope().as_str(), &stats)
        }
    }
}

async fn list<Q: JobQueue>(args: &List, target: &Target<'_, Q>, output: &Output) -> Result<(), Failure> {
    let stats = target.ask(target.queue.stats()).await?;
    let Some(name) = &args.event_type else {
        let letters = target.ask(target.queue.dead_letters(args.limit)).await?;
        return report::list(output, &letters, stats.dead, None);
    };
    let event_type = EventType::from(name.as_str());
    let dead =
        stats.by_type.iter().find(|stats| stats.event_type == event_type).map_or(0, |stats| stats.dead);
    let letters = if dead == 0 { Vec::new() } else { of_type(&event_type, dead, args.limit, target).await? };
    let hint = if event_type.is_known() { String::new() } else { suggest::event(name) };
    report::list(output, &letters, dead, Some(&format!(" of the type {name}{hint}")))
}

/// Returns up to `limit` of the `dead` dead letters of a type.
///
/// A queue lists dead letters of all types. So this function reads more and more of them, because the newest
/// ones often suffice.
async fn of_type<Q: JobQueue>(
    event_type: &EventType,
    dead: u64,
    limit: u32,
    target: &Target<'_, Q>,
) -> Result<Vec<DeadLetter>, Failure> {
    let wanted = usize::try_from(dead.min(limit.into())).unwrap_or(usize::MAX);
    let mut read = limit;
    loop {
        let mut letters = target.ask(target.queue.dead_letters(read)).await?;
        let is_all = letters.len() < usize::try_from(read).unwrap_or(usize::MAX) || read == u32::MAX;
        letters.retain(|letter| letter.event_type == *event_type);
        letters.truncate(wanted);
        if letters.len() == wanted || is_all {
            return Ok(letters);
        }
        read = read.saturating_mul(4);
    }
}

async fn show<Q: JobQueue>(args: &Show, target: &Target<'_, Q>, output: &Output) -> Result<(), Failure> {
    match target.ask(target.queue.dead_letter(&args.message_id)).await? {
        Some(letter) if args.payload => report::payload(output, &letter),
        Some(letter) => report::show(output, &letter),
        None => {
            report::unknown(output, &args.message_id)?;
            Err(Failure::Negative)
        }
    }
}

async fn retry<Q: JobQueue>(args: &Retry, target: &Target<'_, Q>, output: &Output) -> Result<(), Failure> {
    if !args.all {
        let retry = async |id: &MessageId| target.ask(target.queue.retry_dead(id)).await;
        return for_each(&args.message_ids, "retried", output, retry).await;
    }
    let event_type = args.event_type.as_deref().map(EventType::from);
    let retried = target.ask(target.queue.retry_all_dead(event_type.as_ref())).await?;
    let name = args.event_type.as_deref().filter(|_| event_type.is_some_and(|known| !known.is_known()));
    let hint = name.filter(|_| retried == 0).map(suggest::event).unwrap_or_default();
    report::retried_all(output, retried, args.event_type.as_deref(), &hint)
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
