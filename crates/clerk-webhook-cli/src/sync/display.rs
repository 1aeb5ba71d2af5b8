//! The progress of an import or a comparison: bars on a terminal, else lines, or JSON lines.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clerk_webhook_sync::{ApiEvent, Progress, Resource, WaitReason};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::output::{Output, note};

/// How often the bars are drawn, per second.
const RATE: u8 = 10;

/// The minimum time between two lines without a terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// The shortest wait that is shown.
const SHOWN_WAIT: Duration = Duration::from_secs(1);

/// Shows the progress of a run.
pub(crate) struct Display {
    output: Output,
    bars: MultiProgress,
    is_terminal: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tables: Vec<(Resource, ProgressBar)>,
    /// The last table that was printed as a line, its number of objects, and when.
    printed: Option<(Resource, u64, Instant)>,
}

impl Display {
    pub(crate) fn new(output: &Output) -> Self {
        Self {
            output: output.up_to_the_result(),
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(RATE)),
            is_terminal: io::stderr().is_terminal(),
            state: Mutex::default(),
        }
    }

    /// Shows how far a table has come.
    pub(crate) fn page(&self, progress: &Progress) {
        let Progress { resource, seen, expected, .. } = *progress;
        if self.output.is_json() {
            // A page that cannot be printed does not end the run.
            let _ = self.output.object(&json!({
                "type": "page",
                "table": resource.as_str(),
                "seen": seen,
                "expected": expected,
                "inserted": progress.inserted,
                "updated": progress.updated,
                "tombstoned": progress.tombstoned,
            }));
            return;
        }
        let mut state = self.lock();
        if self.is_terminal {
            let bar = self.bar(&mut state, resource, expected);
            if let Some(expected) = expected {
                // Objects that were created since the first page are seen too.
                bar.set_length(expected.max(seen));
            }
            bar.set_message("");
            bar.set_position(seen);
            return;
        }
        let is_due = state.printed.is_none_or(|(table, printed, at)| {
            table != resource || (seen != printed && at.elapsed() >= BETWEEN_LINES)
        });
        if is_due {
            state.printed = Some((resource, seen, Instant::now()));
            let of = expected.map(|expected| format!(" of {expected}")).unwrap_or_default();
            // A line that cannot be printed does not end the run.
            let _ = writeln!(anstream::stderr().lock(), "{resource}: {seen}{of}");
        }
    }

    /// Shows a wait of the API's client.
    pub(crate) fn event(&self, event: &ApiEvent) {
        let ApiEvent::Waiting { delay, reason, .. } = *event else { return };
        let (code, text, status) = match reason {
            WaitReason::RateLimit => ("rate_limit", "rate limit".to_owned(), Some(429)),
            WaitReason::Status(status) => ("status", format!("Clerk answered {status}"), Some(status)),
            WaitReason::NoResponse => ("no_response", "no response from the Backend API".to_owned(), None),
            _ => return,
        };
        if delay < SHOWN_WAIT {
            return;
        }
        if self.output.is_json() {
            let _ = self.output.object(&json!({
                "type": "wait", "seconds": delay.as_secs_f64(), "reason": code, "status": status,
            }));
            return;
        }
        let text = format!("waiting {} s: {text}", delay.as_secs_f64().round());
        match self.lock().tables.last() {
            Some((_, bar)) if self.is_terminal => bar.set_message(text),
            _ => note(text),
        }
    }

    /// Removes the bars, because the result shows the same numbers.
    pub(crate) fn finish(&self) {
        // Bars that cannot be removed do not change the result.
        let _ = self.bars.clear();
    }

    /// Returns the bar of a table. The first page of a table adds its bar, and completes the previous one.
    fn bar(&self, state: &mut State, resource: Resource, expected: Option<u64>) -> ProgressBar {
        if let Some((_, bar)) = state.tables.iter().find(|(table, _)| *table == resource) {
            return bar.clone();
        }
        if let Some((_, previous)) = state.tables.last() {
            previous.abandon();
        }
        let bar = self.bars.add(ProgressBar::new(expected.unwrap_or(0)));
        let template = match expected {
            Some(_) => "{prefix:17} {wide_bar} {human_pos} of {human_len}  {msg}",
            None => "{prefix:17} {human_pos}  {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.set_prefix(resource.as_str());
        state.tables.push((resource, bar.clone()));
        bar
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
