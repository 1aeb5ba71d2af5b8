//! Log lines and metrics for rejected deliveries.

use super::observation::Observation;
use crate::receive::ReceiveError;

impl Observation {
    /// Records a rejected delivery in the log and the metrics.
    ///
    /// Every adapter calls it. Call it in an adapter of your own.
    ///
    /// With the feature `tracing` it writes a warning with the reason. If the application is misconfigured,
    /// it writes an error instead. It writes at most one line of each level per second, because anyone can
    /// send requests to an endpoint and could otherwise fill the log. The target is `clerk_webhook`. The
    /// fields are:
    ///
    /// - `outcome`: the name of the [`Outcome`](crate::Outcome);
    /// - `reason`: the text of the error and of its sources;
    /// - `suppressed`: the number of rejected deliveries since the last line that were not logged.
    ///
    /// With the feature `metrics` it increments the counter `clerk_webhook_verify_failures_total`. The label
    /// `reason` is the name of the outcome. No label contains data from the request.
    pub fn refused(error: &ReceiveError) {
        #[cfg(feature = "metrics")]
        {
            let reason = crate::answer::Answer::from(error).outcome().as_str();
            metrics::counter!("clerk_webhook_verify_failures_total", "reason" => reason).increment(1);
        }
        #[cfg(feature = "tracing")]
        super::log::refused(error);
        #[cfg(not(any(feature = "metrics", feature = "tracing")))]
        let _ = error;
    }
}
