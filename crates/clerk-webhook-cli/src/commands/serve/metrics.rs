//! The metrics, in the text format of Prometheus.

use std::time::Duration;

use clerk_webhook_core::Timestamp;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::process;
use crate::failure::Failure;

/// The names of the metrics that the libraries do not record.
pub(super) mod names {
    pub(in super::super) const BUILD_INFO: &str = "clerk_webhook_build_info";
    pub(in super::super) const SECRET_MATCHES: &str = "clerk_webhook_secret_matches_total";
    pub(in super::super) const CONNECTIONS: &str = "clerk_webhook_db_connections";
    pub(in super::super) const FORWARD_ATTEMPTS: &str = "clerk_webhook_forward_attempts_total";
    pub(in super::super) const FORWARD_DURATION: &str = "clerk_webhook_forward_duration_seconds";
    pub(in super::super) const MEMORY: &str = "process_resident_memory_bytes";
    pub(in super::super) const OPEN_FILES: &str = "process_open_fds";
    pub(in super::super) const START_TIME: &str = "process_start_time_seconds";
}

/// The lag of deliveries, which the core records.
const LAG: &str = "clerk_webhook_delivery_lag_seconds";

/// The upper bounds of durations. The sender closes the connection after 15 s.
const DURATIONS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0];

/// The upper bounds of the lag. The sender retries for 28 hours, and a resend by hand can be later.
const LAGS: [f64; 12] =
    [0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0, 21_600.0, 86_400.0, 172_800.0];

/// How often the recorder moves the values of histograms into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// The content type of the text format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// The recorder of this process.
pub(super) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder. Call it before anything is recorded.
    pub(super) fn install(started_at: Timestamp) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::usage(format_args!("cannot install the recorder of the metrics: {error}"))
        };
        let recorder = builder().map_err(|error| failed(&error))?.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|error| failed(&error))?;
        describe();
        gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        gauge!(names::START_TIME).set(seconds(started_at));
        Ok(Self(handle))
    }

    /// Keeps the memory of histograms bounded, until the future is dropped.
    pub(super) fn upkeep(&self) -> impl Future<Output = ()> + Send + use<> {
        let handle = self.0.clone();
        async move {
            let mut ticks = tokio::time::interval(UPKEEP);
            loop {
                ticks.tick().await;
                handle.run_upkeep();
            }
        }
    }

    /// Returns the text. `connections` is the number of all connections to the database, and of the idle ones.
    pub(super) fn render(&self, (all, idle): (u32, usize)) -> String {
        let idle = u32::try_from(idle).unwrap_or(u32::MAX);
        gauge!(names::CONNECTIONS, "state" => "idle").set(f64::from(idle));
        gauge!(names::CONNECTIONS, "state" => "used").set(f64::from(all.saturating_sub(idle)));
        if let Some(bytes) = process::resident_memory() {
            gauge!(names::MEMORY).set(bytes);
        }
        if let Some(files) = process::open_files() {
            gauge!(names::OPEN_FILES).set(files);
        }
        self.0.render()
    }
}

/// Without explicit buckets, the exporter would write summaries instead of histograms.
fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets(&DURATIONS)?
        .set_buckets_for_metric(Matcher::Full(LAG.to_owned()), &LAGS)
}

fn describe() {
    describe_gauge!(names::BUILD_INFO, "The version of this process; the value is 1.");
    describe_counter!(
        names::SECRET_MATCHES,
        "Verified deliveries, by the position of the matching signing secret."
    );
    describe_gauge!(names::CONNECTIONS, "Connections to the database, by state.");
    describe_counter!(names::FORWARD_ATTEMPTS, "Attempts to send an event to the application, by result.");
    describe_histogram!(names::FORWARD_DURATION, Unit::Seconds, "Duration of attempts to send an event.");
    describe_gauge!(names::MEMORY, Unit::Bytes, "Resident memory size.");
    describe_gauge!(names::OPEN_FILES, "Open file descriptors.");
    describe_gauge!(names::START_TIME, Unit::Seconds, "Unix time of the start of this process.");
}

/// Returns a time in seconds since the Unix epoch.
#[expect(clippy::cast_precision_loss, reason = "exact for 250,000 years of milliseconds")]
fn seconds(time: Timestamp) -> f64 {
    time.as_millis() as f64 / 1000.0
}
