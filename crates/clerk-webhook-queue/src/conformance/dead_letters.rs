use clerk_webhook_core::{Event, EventType, Timestamp};

use super::client::{Client, LONG, held, leased};
use super::enqueueing::same_event;
use super::leases::sorted_ids;
use super::rule::Rule;
use super::{Harness, Suite};
use crate::queue::dead_letters::DeadLetter;
use crate::queue::job_queue::{JobQueue, MAX_ERROR_LENGTH, TakeOptions};

impl<H: Harness> Suite<'_, H> {
    /// A dead letter contains the event, the number of attempts and the last error, truncated to the maximum
    /// length.
    ///
    /// The newest dead letter is the first one in the list.
    pub async fn a_buried_job_is_a_dead_letter(&self) {
        let (first, second) = self.two_clients().await;
        // Each character has three bytes, and the limit is in the middle of one.
        let long = "€".repeat(MAX_ERROR_LENGTH);
        let mut events = Vec::new();
        for error in ["failure 1", "failure 2", &long] {
            let event = self.new_event();
            first.add(&event).await;
            first.buried(error).await;
            events.push(event);
            // The pause makes the times of the dead letters differ.
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        }
        second.nothing(&leased(LONG), Rule::Ended, "a dead letter").await;

        let letters = second.dead_letters(9).await;
        let ids: Vec<_> = letters.iter().map(|letter| &letter.message_id).collect();
        let expected: Vec<_> = events.iter().rev().map(|event| event.message_id()).collect();
        Rule::DeadLetters
            .check(ids == expected, format_args!("the list is {ids:?}, not {expected:?}, newest first"));
        let limited = second.dead_letters(2).await;
        let text = format!("the list with a limit of 2 has {} dead letters", limited.len());
        Rule::DeadLetters.check(limited.len() == 2 && limited[0].message_id == *expected[0], text);

        for (letter, event) in letters.iter().zip(events.iter().rev()) {
            let stored = letter.event();
            let same = stored.is_ok_and(|stored| {
                stored.raw_body() == event.raw_body() && stored.attempted_at() == event.attempted_at()
            });
            Rule::Contents.check(same, "the event of a dead letter has changed");
            let now = Timestamp::now().as_millis();
            let fits = letter.attempts == 1
                && letter.event_type == *event.event_type()
                && letter.enqueued_at <= letter.died_at
                && (now - 60_000..=now + 5).contains(&letter.died_at.as_millis());
            Rule::DeadLetters.check(fits, format_args!("a new dead letter is {letter:?}"));
        }
        for letter in &letters {
            let found = first.dead_letter(&letter.message_id).await;
            let text = format!("the dead letter {letter:?} was found as {found:?}");
            Rule::DeadLetters.check(found.is_some_and(|found| same_letter(&found, letter)), text);
        }
        let errors: Vec<_> = letters.iter().map(|letter| letter.last_error.as_deref()).collect();
        let is_beginning = errors[0].is_some_and(|error| {
            long.starts_with(error) && (MAX_ERROR_LENGTH - 3..=MAX_ERROR_LENGTH).contains(&error.len())
        });
        let text = format!("an error is not truncated to {MAX_ERROR_LENGTH} bytes");
        Rule::DeadLetters.check(is_beginning, text);
        let text = format!("the last errors are {errors:?}");
        Rule::DeadLetters.check(errors[1..] == [Some("failure 2"), Some("failure 1")], text);
    }

    /// A dead letter that is retried is ready immediately, and its attempts are counted from 0 again. Only
    /// dead letters can be retried.
    pub async fn a_dead_letter_can_be_retried(&self) {
        let (first, second) = self.two_clients().await;
        let event = self.new_event();
        let id = event.message_id();
        let options = TakeOptions { max_attempts: 1, ..leased(LONG) };
        nothing_is_dead(&first, &event, "is unknown").await;
        first.add(&event).await;
        nothing_is_dead(&first, &event, "waits").await;
        for _ in 0..2 {
            let job = first.job(&options, "a job that is new or a retried dead letter").await;
            let text = format!("the first attempt has the number {}", job.lease.attempt());
            Rule::Attempts.check(job.lease.attempt() == 1, text);
            same_event(&job, &event);
            nothing_is_dead(&second, &event, "runs").await;
            held(first.bury(&job.lease, "a failure").await, "an owner buried");
            Rule::DeadLetters.check(second.retry_dead(id).await, "a dead letter was not retried");
            nothing_is_dead(&first, &event, "was retried").await;
            let text = "a dead letter that was retried is still in the list";
            Rule::DeadLetters.check(second.dead_letters(9).await.is_empty(), text);
            second.is_duplicate(&event, "was retried").await;
        }
        first.completed().await;
        nothing_is_dead(&second, &event, "is done").await;
        second.nothing(&leased(LONG), Rule::Ended, "a job that is done").await;
    }

    /// All dead letters, or all of one event type, can be retried in one step.
    pub async fn dead_letters_can_be_retried_by_type(&self) {
        let (first, second) = self.two_clients().await;
        let mut events = Vec::new();
        for event_type in ["user.created", "user.created", "session.ended", "future.event"] {
            let event = self.event_of(event_type);
            first.add(&event).await;
            first.buried("a failure").await;
            events.push(event);
        }
        let done = self.event_of("user.created");
        first.add(&done).await;
        first.completed().await;

        for (event_type, expected) in
            [(Some("user.created"), &events[..2]), (Some("user.deleted"), &[]), (None, &events[2..])]
        {
            let event_type = event_type.map(EventType::from);
            let retried = second.retry_all_dead(event_type.as_ref()).await;
            let mut taken = Vec::new();
            while let Some(job) = first.take(&leased(LONG)).await {
                held(first.complete(&job.lease).await, "an owner completed");
                taken.push(job.event);
            }
            let (taken, expected) = (sorted_ids(&taken), sorted_ids(expected));
            let text = format!("{retried} dead letters of {event_type:?} were retried: {taken:?}");
            let all = usize::try_from(retried) == Ok(expected.len());
            Rule::DeadLetters.check(all && taken == expected, text);
        }
    }

    /// A dead letter that was discarded cannot be taken, and later deliveries of the message are duplicates.
    pub async fn a_dead_letter_can_be_discarded(&self) {
        let (first, second) = self.two_clients().await;
        let (event, other) = (self.new_event(), self.new_event());
        for event in [&event, &other] {
            first.add(event).await;
            first.buried("a failure").await;
        }
        let id = event.message_id();
        Rule::DeadLetters.check(second.discard(id).await, "a dead letter was not discarded");
        is_not_dead(&first, &event, "was discarded").await;
        let ids: Vec<_> = first.dead_letters(9).await.into_iter().map(|letter| letter.message_id).collect();
        let text = format!("the list after one of two was discarded is {ids:?}");
        Rule::DeadLetters.check(ids == [other.message_id().clone()], text);
        let retried = first.retry_all_dead(None).await;
        let text = format!("{retried} dead letters were retried, but one of two was discarded");
        Rule::DeadLetters.check(retried == 1, text);
        let taken = first.completed().await;
        Rule::Ended.check(taken.message_id() == other.message_id(), "a discarded dead letter was taken");
        first.nothing(&leased(LONG), Rule::Ended, "a discarded dead letter").await;
        first.is_duplicate(&event, "was discarded").await;
    }
}

/// Returns whether two dead letters are equal, including their events.
fn same_letter(one: &DeadLetter, other: &DeadLetter) -> bool {
    let event = |letter: &DeadLetter| {
        letter.event().ok().map(|event| (event.raw_body().clone(), event.attempted_at()))
    };
    format!("{one:?}") == format!("{other:?}") && event(one) == event(other)
}

/// Checks that a message that is not a dead letter can be neither found, retried nor discarded.
async fn is_not_dead<Q: JobQueue>(client: &Client<Q>, event: &Event, what: &str) {
    let id = event.message_id();
    let text = format!("a message that {what} was found as a dead letter");
    Rule::DeadLetters.check(client.dead_letter(id).await.is_none(), text);
    Rule::DeadLetters.check(!client.retry_dead(id).await, format!("a message that {what} was retried"));
    Rule::DeadLetters.check(!client.discard(id).await, format!("a message that {what} was discarded"));
}

/// Like `is_not_dead`, for a queue without any dead letters.
async fn nothing_is_dead<Q: JobQueue>(client: &Client<Q>, event: &Event, what: &str) {
    is_not_dead(client, event, what).await;
    let retried = client.retry_all_dead(None).await;
    Rule::DeadLetters.check(retried == 0, format!("a message that {what} was retried with all"));
}
