//! The progress bar.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The interval between updates.
const PAUSE: Duration = Duration::from_millis(100);

/// A progress bar on standard error. Hidden if standard error is not a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    begin: Instant,
    drawn: Option<Instant>,
}

impl Progress {
    /// Starts the progress bar. `deliveries` is `None` if the length of the history is unknown.
    pub(super) fn new(deliveries: Option<u64>, hidden: bool) -> Self {
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(deliveries, target);
        let template = match deliveries {
            Some(_) => "{wide_bar} {human_pos} of {human_len}, {msg}",
            None => "{human_pos} deliveries, {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        Self { bar, begin: Instant::now(), drawn: None }
    }

    /// Updates the number of deliveries that have ended, and the number of those that are waiting for a
    /// retry.
    pub(super) fn update(&mut self, ended: u64, waiting: usize) {
        if self.bar.is_hidden() || self.drawn.is_some_and(|drawn| drawn.elapsed() < PAUSE) {
            return;
        }
        self.drawn = Some(Instant::now());
        let rate = ended as f64 / self.begin.elapsed().as_secs_f64().max(0.001);
        self.bar.set_message(match waiting {
            0 => format!("{rate:.0} per second"),
            _ => format!("{rate:.0} per second, {waiting} waiting for a retry"),
        });
        self.bar.set_position(ended);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
