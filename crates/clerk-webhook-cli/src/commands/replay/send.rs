//! Sending, and the count of what became of it.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::plan::{Counts, Item, Plan, counted};
use crate::failure::Failure;
use crate::output::{Output, style};
use crate::send::answer_report::{Reading, in_words};
use crate::send::client::{Answer, Client, SendError, SendErrorKind};
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

/// What became of one, for programs.
#[derive(Serialize)]
struct Report<'a> {
    place: &'a str,
    r#type: Option<&'a str>,
    id: Option<&'a str>,
    signed_anew: bool,
    #[serde(flatten)]
    reading: Option<&'a Reading>,
    error: Option<String>,
}

/// What became of all.
#[derive(Debug, Default)]
struct Tally {
    sent: usize,
    delivered: usize,
    unanswered: usize,
    outcomes: BTreeMap<String, usize>,
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

impl Tally {
    /// Counts what became of one, and shows it.
    fn add(
        &mut self,
        output: &Output,
        item: &Item,
        answer: &Result<Answer, SendError>,
    ) -> Result<(), Failure> {
        self.sent += 1;
        let reading = answer.as_ref().ok().map(Reading::of);
        let word = match &reading {
            Some(reading) => reading.outcome.map_or_else(|| reading.status.to_string(), str::to_owned),
            None => "no answer".to_owned(),
        };
        *self.outcomes.entry(word).or_default() += 1;
        self.delivered += usize::from(reading.as_ref().is_some_and(|reading| reading.delivered));
        self.unanswered += usize::from(reading.is_none());
        let what = match (&reading, answer) {
            (Some(reading), _) => {
                format!("{:>7}  {}  {}", reading.elapsed(), reading.verdict(), reading.summary())
            }
            (None, Err(error)) => format!("{}{error}{:#}", style::BAD, style::BAD),
            (None, Ok(_)) => String::new(),
        };
        output.line(format_args!("{}  {}", item.label(), what.trim_end()))?;
        output.object(&Report {
            place: &item.place,
            r#type: item.event_type.as_deref(),
            id: item.id.as_deref(),
            signed_anew: item.signed_anew,
            reading: reading.as_ref(),
            error: answer.as_ref().err().map(ToString::to_string),
        })
    }

    fn show(&self, output: &Output, counts: &Counts, elapsed: Duration) -> Result<(), Failure> {
        let unsent = counts.to_send - self.sent;
        let unsent = if unsent > 0 { format!("; {unsent} not sent") } else { String::new() };
        let sent = match self.sent {
            0 => "nothing sent".to_owned(),
            sent => format!("{sent} sent in {}: {}", in_words(elapsed), counted(&self.outcomes)),
        };
        output.line(format_args!("{}{sent}{unsent}{counts}{:#}", style::STRONG, style::STRONG))?;
        output.object(&json!({ "summary": {
            "captured": counts.to_send + counts.skipped,
            "sent": self.sent,
            "delivered": self.delivered,
            "unanswered": self.unanswered,
            "outcomes": self.outcomes,
            "skipped": counts.skipped,
            "skip_reasons": counts.causes,
            "unreadable": counts.unreadable,
        }}))
    }
}

/// Shows on standard error how far it is, where the answers themselves do not go to a terminal.
fn progress(total: usize) -> ProgressBar {
    let target = if io::stdout().is_terminal() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr_with_hz(8)
    };
    let bar = ProgressBar::with_draw_target(Some(total as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} deliveries, {per_sec}") {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar
}
