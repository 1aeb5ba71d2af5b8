//! How far it is, on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on standard error; nothing where that is no terminal.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Begins; it is unknown how much there is where the length of the history is.
    pub(super) fn new(deliveries: Option<u64>, hidden: bool) -> Self {
        let target =
            if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(8) };
        let bar = ProgressBar::with_draw_target(deliveries, target);
        let template = match deliveries {
            Some(_) => "{wide_bar} {pos}/{len} deliveries, {per_sec}, {msg}",
            None => "{pos} deliveries, {per_sec}, {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        Self(bar)
    }

    /// Says how many deliveries have ended, and how many wait for another attempt.
    pub(super) fn update(&self, ended: u64, waiting: usize) {
        if self.0.is_hidden() {
            return;
        }
        // Formatting a number for each delivery would cost as much as sending it.
        if ended.is_multiple_of(64) || waiting > 0 {
            self.0.set_message(format!("{waiting} to retry"));
        }
        self.0.set_position(ended);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
