//! Log lines and metrics for rejected deliveries.

use super::observation::Observation;
use crate::receive::ReceiveError;

impl Observation {
    /// Records a rejected delivery in the log and the metrics.
    ///
    /// Every adapter in this workspace calls it. If you write your own adapter, call it there.
    ///
    /// With the `tracing` feature, it logs a warning with the reason, or an error if the application is
    /// misconfigured. It logs at most one line of each level per second, because anyone can send requests to
    /// an endpoint and could otherwise fill the log. The target is `clerk_webhook`. The fields are:
    ///
    /// - `outcome`: the name of the [`Outcome`](crate::Outcome);
    /// - `reason`: the text of the error and its sources;
    /// - `suppressed`: the number of rejected deliveries that were not logged since the last line of this
    ///   level.
    ///
    /// With the `metrics` feature, it increments the `clerk_webhook_verify_failures_total` counter. The
    /// `reason` label is the name of the outcome. No label contains data from the request.
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
