//! Reports the queue's statistics as metrics while a worker runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::queue::job_queue::JobQueue;
use crate::queue::metrics::report_stats;
use crate::worker::dispatch::limited;
use crate::worker::log::Outage;
use crate::worker::settings::QUEUE_TIMEOUT;

/// Sets the gauges immediately and then at each interval, until `stop` is canceled.
pub(super) async fn report<Q: JobQueue>(queue: Arc<Q>, interval: Duration, stop: CancellationToken) {
    let mut outage = Outage::new(
        "the worker cannot read the queue's statistics: the metrics of the queue keep their last values",
    );
    let report = async {
        loop {
            if let Err(error) = limited(QUEUE_TIMEOUT, report_stats(&*queue)).await {
                outage.log(&*error);
            }
            sleep(interval).await;
        }
    };
    stop.run_until_cancelled(report).await;
}
