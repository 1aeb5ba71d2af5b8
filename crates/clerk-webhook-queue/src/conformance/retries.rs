use std::time::{Duration, Instant};

use super::client::{LONG, SHORT, held, leased};
use super::rule::Rule;
use super::{Harness, Suite};
use crate::queue::job_queue::TakeOptions;

/// A delay that is long enough to detect a queue that ignores delays.
const DELAY: Duration = Duration::from_millis(400);

impl<H: Harness> Suite<'_, H> {
    /// A job that failed can be taken after its delay, and not earlier. If the delay is zero, the job is
    /// ready immediately.
    pub async fn a_retry_waits_for_its_delay(&self) {
        let (first, second) = self.two_clients().await;
        let event = self.new_event();
        first.add(&event).await;
        let mut job = first.job(&leased(LONG), "a new job").await;
        for (attempt, delay) in [(2, SHORT), (3, Duration::ZERO), (4, DELAY)] {
            let asked = Instant::now();
            held(first.retry(&job.lease, delay, "a failure").await, "an owner retried");
            if delay.is_zero() {
                job = second.job(&leased(LONG), "a job that was retried without a delay").await;
            } else {
                let what = "a job that was retried";
                job = second.job_after(asked, delay, &leased(LONG), Rule::Delays, what).await;
            }
            let text = format!("attempt {attempt} has the number {}", job.lease.attempt());
            Rule::Attempts.check(job.lease.attempt() == attempt, text);
            super::enqueueing::same_event(&job, &event);
        }
        held(second.complete(&job.lease).await, "an owner completed");

        // A job with a delay does not block the jobs after it.
        first.add(&self.new_event()).await;
        let waits = first.job(&leased(LONG), "a new job").await;
        held(first.retry(&waits.lease, LONG, "a failure").await, "an owner retried");
        first.add(&self.new_event()).await;
        let next = second.job(&leased(LONG), "a job behind one that waits for its retry").await;
        let text = "a job was taken before its delay of 60 s";
        Rule::Delays.check(next.event.message_id() != waits.event.message_id(), text);
        second.nothing(&leased(LONG), Rule::Delays, "a job with a delay of 60 s").await;
    }

    /// A job that was given back is ready immediately, and the attempt does not count.
    pub async fn giving_back_does_not_count_the_attempt(&self) {
        let (first, second) = self.two_clients().await;
        first.add(&self.new_event()).await;
        let options = TakeOptions { max_attempts: 2, ..leased(LONG) };
        // This happens more often than `max_attempts` would allow if the attempts counted.
        for _ in 0..4 {
            let job = first.job(&options, "a job that was given back").await;
            let text = format!("the attempt has the number {}", job.lease.attempt());
            Rule::Attempts.check(job.lease.attempt() == 1, text);
            held(first.give_back(&job.lease).await, "an owner gave back");
        }
        let job = second.job(&options, "a job that was given back").await;
        held(second.retry(&job.lease, Duration::ZERO, "a failure").await, "an owner retried");
        let job = second.job(&options, "a job that was retried").await;
        let text = format!("the second attempt has the number {}", job.lease.attempt());
        Rule::Attempts.check(job.lease.attempt() == 2, text);
        held(second.give_back(&job.lease).await, "an owner gave back");
        let job = second.job(&options, "a job whose last attempt was given back").await;
        held(second.complete(&job.lease).await, "an owner completed");
    }

    /// A job whose last attempt failed is not taken again: it becomes a dead letter.
    pub async fn the_last_attempt_ends_dead(&self) {
        let (first, second) = self.two_clients().await;
        let event = self.new_event();
        first.add(&event).await;
        let options = TakeOptions { max_attempts: 3, ..leased(LONG) };
        for attempt in 1..=3 {
            let job = first.job(&options, format!("a job before attempt {attempt} of 3")).await;
            let error = format!("failure {attempt}");
            held(first.retry(&job.lease, Duration::ZERO, &error).await, "an owner retried");
        }
        second.nothing(&options, Rule::EndsDead, "a job that had all of its attempts").await;
        let [letter] = &*second.dead_letters(9).await else {
            Rule::EndsDead.broken("a job that had all of its attempts is no dead letter")
        };
        let text = format!("the dead letter is {letter:?} instead of 3 attempts and `failure 3`");
        let same = letter.message_id == *event.message_id()
            && letter.attempts == 3
            && letter.last_error.as_deref() == Some("failure 3");
        Rule::EndsDead.check(same, text);
        first.nothing(&leased(LONG), Rule::Ended, "a dead letter").await;
    }

    /// A job whose workers always crash becomes a dead letter, and the other jobs are handled.
    pub async fn a_crash_loop_ends_dead(&self) {
        let (first, second) = self.two_clients().await;
        let (poison, healthy) = (self.new_event(), self.new_event());
        first.add(&poison).await;
        let options = TakeOptions { max_attempts: 2, ..leased(SHORT) };
        let asked = Instant::now();
        drop(first.job(&options, "a new job").await);
        drop(second.job_after(asked, SHORT, &options, Rule::OneOwner, "a job of a crashed worker").await);
        first.add(&healthy).await;
        tokio::time::sleep(SHORT * 2).await;
        // A single call must return the next job, although the first job becomes a dead letter.
        let job = first.job(&options, "a job behind one that had all of its attempts").await;
        let text = "a job was taken again after its last lease expired";
        Rule::EndsDead.check(job.event.message_id() == healthy.message_id(), text);
        held(first.complete(&job.lease).await, "an owner completed");
        first.nothing(&options, Rule::EndsDead, "a job whose last lease expired").await;
        let [letter] = &*second.dead_letters(9).await else {
            Rule::EndsDead.broken("a job whose workers always crashed is no dead letter")
        };
        let told = letter.last_error.as_deref().is_some_and(|error| !error.is_empty());
        let text = format!("the dead letter of a crash loop is {letter:?}");
        Rule::EndsDead.check(letter.message_id == *poison.message_id() && letter.attempts == 2 && told, text);
    }
}
