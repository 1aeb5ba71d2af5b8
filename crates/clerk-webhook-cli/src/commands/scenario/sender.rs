//! Sends deliveries as Svix does.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clerk_webhook_core::{SigningSecret, Timestamp};
use clerk_webhook_test::HistoryEvent;
use http::Uri;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::attempt_report::AttemptReport;
use super::plan::{Plan, PlannedDelivery};
use super::random::Random;
use super::tally::{Stop, Tally};
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;
use crate::send::client::{Answer, Client, SendError, SendErrorKind};
use crate::send::svix::{self, JITTER, Next, Reply};

/// If a connection fails within this time, Svix assumes a stale connection and sends the same request again.
const RESEND_WITHIN: Duration = Duration::from_secs(1);

/// Settings for sending a history.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) secrets: Vec<SigningSecret>,
    pub(super) concurrency: usize,
    /// The divisor for retry delays, or `None` for no retries.
    pub(super) retry: Option<f64>,
    pub(super) each: bool,
    pub(super) seed: u64,
}

/// Sends all deliveries of a plan. Ends when each one is delivered or has used all its attempts.
pub(super) struct Sender<'o> {
    client: Client,
    targets: Vec<Target>,
    secrets: Arc<[SigningSecret]>,
    settings: Settings,
    plan: Plan,
    output: &'o Output,
    progress: Progress,
    random: Random,
    running: JoinSet<Attempt>,
    /// The deliveries that wait for a retry, by the time of the retry. A number orders retries of the same time.
    retries: BTreeMap<(Instant, u64), ScheduledDelivery>,
    /// The number of scheduled retries.
    scheduled: u64,
    /// The number of deliveries that have begun. It selects the target of the next one.
    begun: usize,
    tally: Tally,
}

/// One of the URLs, an instance of the endpoint.
#[derive(Clone)]
struct Target {
    uri: Uri,
    is_answered: bool,
}

/// A delivery that is due or is waiting for a retry.
struct ScheduledDelivery {
    planned: PlannedDelivery,
    /// The attempt number, counted from 1.
    attempt: usize,
    /// The index of this attempt's target.
    target: usize,
}

/// A finished attempt.
struct Attempt {
    /// The delivery. Its target is the last one that was tried.
    delivery: ScheduledDelivery,
    result: Result<Answer, SendError>,
    /// Whether the attempt sent the same bytes twice.
    resent: bool,
}

impl<'o> Sender<'o> {
    pub(super) fn new(
        client: Client,
        uris: impl IntoIterator<Item = Uri>,
        settings: Settings,
        plan: Plan,
        output: &'o Output,
        progress: Progress,
    ) -> Self {
        Self {
            client,
            targets: uris.into_iter().map(|uri| Target { uri, is_answered: false }).collect(),
            secrets: settings.secrets.as_slice().into(),
            // The inverted seed yields a different sequence from the plan's.
            random: Random::new(!settings.seed),
            tally: Tally::new(plan.copies()),
            settings,
            plan,
            output,
            progress,
            running: JoinSet::new(),
            retries: BTreeMap::new(),
            scheduled: 0,
            begun: 0,
        }
    }

    pub(super) async fn run(mut self) -> Result<Tally, Failure> {
        let begin = Instant::now();
        let mut interrupt = pin!(tokio::signal::ctrl_c());
        loop {
            while self.running.len() < self.settings.concurrency && self.tally.stop.is_none() {
                let Some(delivery) = self.next() else { break };
                self.begin(delivery);
            }
            if self.running.is_empty() && (self.retries.is_empty() || self.tally.stop.is_some()) {
                break;
            }
            let is_full = self.running.len() >= self.settings.concurrency || self.tally.stop.is_some();
            let due = self.retries.first_key_value().filter(|_| !is_full).map(|((due, _), _)| (*due).into());
            tokio::select! {
                biased;
                _ = &mut interrupt => {
                    self.tally.stop = Some(Stop::Interrupted);
                    break;
                }
                Some(attempt) = self.running.join_next() => {
                    // No task is aborted and no task panics, so `join_next` does not fail.
                    if let Ok(attempt) = attempt {
                        self.end(attempt)?;
                    }
                }
                () = sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {}
            }
        }
        self.tally.finish(begin.elapsed());
        Ok(self.tally)
    }

    /// Returns the next delivery to try: a due retry, or else a new delivery.
    fn next(&mut self) -> Option<ScheduledDelivery> {
        if let Some(retry) = self.retries.first_entry()
            && retry.key().0 <= Instant::now()
        {
            return Some(retry.remove());
        }
        let planned = self.plan.next()?;
        self.tally.begin(&planned);
        let target = self.begun % self.targets.len();
        self.begun += 1;
        Some(ScheduledDelivery { planned, attempt: 1, target })
    }

    /// Returns the index of the target after this one.
    fn after(&self, target: usize) -> usize {
        (target + 1) % self.targets.len()
    }

    fn begin(&mut self, mut delivery: ScheduledDelivery) {
        let (client, secrets) = (self.client.clone(), Arc::clone(&self.secrets));
        let Target { uri, is_answered: is_known } = self.targets[delivery.target].clone();
        let after = self.after(delivery.target);
        let uri_after = self.targets[after].uri.clone();
        self.running.spawn(async move {
            let event = &delivery.planned.event;
            let body = event.body();
            let headers = headers(&secrets, event, &body, Timestamp::now());
            let begin = Instant::now();
            let send =
                |uri| client.post(uri, headers.iter().map(|(name, value)| (*name, value)), body.clone());
            let mut result = send(&uri).await;
            let failed = result.as_ref().err().map(|error| error.kind);
            // If nothing has ever listened at this URL, sending again is useless.
            let is_hopeless = failed == Some(SendErrorKind::Refused) && !is_known;
            let resent = failed.is_some_and(|kind| kind != SendErrorKind::Timeout)
                && !is_hopeless
                && begin.elapsed() < RESEND_WITHIN;
            if resent {
                delivery.target = after;
                result = send(&uri_after).await;
            }
            Attempt { delivery, result, resent }
        });
    }

    fn end(&mut self, attempt: Attempt) -> Result<(), Failure> {
        let Attempt { delivery, result, resent } = attempt;
        let target = &mut self.targets[delivery.target];
        target.is_answered |= result.is_ok();
        if let Err(error) = &result
            && error.kind == SendErrorKind::Refused
            && !target.is_answered
        {
            return Err(error.clone().into());
        }
        let (next, delay) = self.follow_up(delivery.attempt, &result);
        self.tally.attempt(&delivery.planned, &result, resent);
        if self.settings.each {
            let report = AttemptReport {
                delivery: &delivery.planned,
                attempt: delivery.attempt,
                url: &self.targets[delivery.target].uri,
                several_urls: self.targets.len() > 1,
                result: &result,
                resent,
                next,
                delay,
            };
            self.progress.above(|| report.show(self.output))?;
        }
        match delay {
            Some(delay) => {
                let scale = self.settings.retry.unwrap_or(1.0);
                self.scheduled += 1;
                let due = Instant::now() + delay.div_f64(scale);
                let (attempt, target) = (delivery.attempt + 1, self.after(delivery.target));
                let delivery = ScheduledDelivery { attempt, target, ..delivery };
                self.retries.insert((due, self.scheduled), delivery);
            }
            None => self.tally.end(&delivery.planned, next),
        }
        self.progress.update(self.tally.ended, self.retries.len());
        Ok(())
    }

    /// Returns Svix's action after an attempt, and the delay of a retry with jitter.
    fn follow_up(&mut self, attempt: usize, result: &Result<Answer, SendError>) -> (Next, Option<Duration>) {
        let reply = match result {
            Ok(answer) => Some(answer.reply()),
            Err(error) if error.kind == SendErrorKind::Timeout => None,
            // Svix extends the delay after a timeout, but not after a failed connection.
            Err(_) => Some(Reply::default()),
        };
        let next = svix::next(attempt, reply.as_ref());
        let Next::Retry(delay) = next else { return (next, None) };
        if self.settings.retry.is_none() {
            return (Next::GivenUp, None);
        }
        let span = u64::from(2 * JITTER) * 10_000;
        let per_million = 1_000_000 - 10_000 * JITTER + self.random.below(span + 1) as u32;
        (next, Some(delay * per_million / 1_000_000))
    }
}

/// Returns the headers of an attempt, with a signature for each secret.
pub(super) fn headers(
    secrets: &[SigningSecret],
    event: &HistoryEvent,
    body: &Bytes,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let mut headers = vec![("content-type", "application/json".to_owned())];
    if let Some((first, others)) = secrets.split_first() {
        let signed = first.sign(event.message_id(), now, body);
        let signed = others.iter().fold(signed, |signed, secret| signed.and_signed_with(secret, body));
        headers.extend(signed.to_pairs());
    }
    headers
}
