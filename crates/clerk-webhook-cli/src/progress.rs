//! The progress bar of the commands that send many requests.

use std::fmt;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// How often the bar is drawn, per second.
const RATE: u8 = 10;

/// A progress bar on standard error. Hidden if standard error is not a terminal.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Starts the progress bar. `total` is `None` if the number of requests is unknown.
    pub(crate) fn new(total: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(RATE));
        let template = match total {
            Some(_) => "{wide_bar} {human_pos} of {human_len}, {rate}{msg}",
            None => "{human_pos} sent, {rate}{msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            let rate = |state: &ProgressState, text: &mut dyn fmt::Write| {
                let _ = write!(text, "{:.0} per second", state.per_sec());
            };
            bar.set_style(style.progress_chars("━╸ ").with_key("rate", rate));
        }
        Self(bar)
    }

    /// Updates the number of requests that have ended, and the number of those that wait for a retry.
    pub(crate) fn update(&self, ended: u64, waiting: usize) {
        if self.0.is_hidden() {
            return;
        }
        if waiting > 0 {
            self.0.set_message(format!(", {waiting} waiting for a retry"));
        } else {
            self.0.set_message("");
        }
        self.0.set_position(ended);
    }

    /// Prints lines while the bar is removed.
    pub(crate) fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
