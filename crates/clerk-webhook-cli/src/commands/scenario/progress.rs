//! How far it is, on a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often it is drawn anew: as often as somebody can read it.
const PAUSE: Duration = Duration::from_millis(100);

/// A bar on standard error; nothing where that is no terminal.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    begin: Instant,
    drawn: Option<Instant>,
}

impl Progress {
    /// Begins; it is unknown how much there is where the length of the history is.
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

    /// Says how many deliveries have ended, and how many wait for another attempt.
    pub(super) fn update(&mut self, ended: u64, waiting: usize) {
        if self.bar.is_hidden() || self.drawn.is_some_and(|drawn| drawn.elapsed() < PAUSE) {
            return;
        }
        self.drawn = Some(Instant::now());
        let rate = ended as f64 / self.begin.elapsed().as_secs_f64().max(0.001);
        self.bar.set_message(match waiting {
            0 => format!("{rate:.0} a second"),
            _ => format!("{rate:.0} a second, {waiting} wait for a retry"),
        });
        self.bar.set_position(ended);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
