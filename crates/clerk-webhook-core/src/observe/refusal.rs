//! What is told about deliveries that were refused.

use super::observation::Observation;
use crate::receive::ReceiveError;

impl Observation {
    /// Tells the log and the metrics that a delivery was refused; every adapter calls it.
    ///
    /// With the feature `tracing` it writes a warning with the reason, or an error where the application cannot receive, at
    /// most one line of each in a second: an endpoint is public, and anybody could fill the log. The target is
    /// `clerk_webhook`; the fields are `outcome`, `reason`, and `suppressed`, the number of such cases since the last
    /// line that had none of their own.
    ///
    /// With the feature `metrics` it counts in `clerk_webhook_verify_failures_total`, by `reason`, which is the outcome.
    /// No label has anything in it that was sent.
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
