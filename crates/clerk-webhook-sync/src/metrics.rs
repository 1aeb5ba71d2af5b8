//! The sync's metrics.

use std::sync::Once;
#[cfg(feature = "backend-api")]
use std::time::Duration;

#[cfg(feature = "backend-api")]
use clerk_webhook_core::Timestamp;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};
#[cfg(feature = "backend-api")]
use metrics::{gauge, histogram};

const APPLIED: &str = "clerk_sync_apply_total";
const DRIFT: &str = "clerk_sync_drift_rows";
const LAST_SWEEP: &str = "clerk_sync_last_sweep_timestamp_seconds";
const API_REQUESTS: &str = "clerk_api_requests_total";
const API_DURATION: &str = "clerk_api_request_duration_seconds";

/// Counts objects that were applied to a table.
pub(crate) fn applied(table: &'static str, result: &'static str, source: &'static str, number: u64) {
    if number > 0 {
        describe();
        counter!(APPLIED, "table" => table, "result" => result, "source" => source).increment(number);
    }
}

/// Sets how many rows of a table a comparison has repaired.
#[cfg(feature = "backend-api")]
#[expect(clippy::cast_precision_loss, reason = "exact for 9 quadrillion rows")]
pub(crate) fn drift(table: &'static str, kind: &'static str, rows: u64) {
    describe();
    gauge!(DRIFT, "table" => table, "kind" => kind).set(rows as f64);
}

/// Sets when the last complete import or comparison of all tables ended.
#[cfg(feature = "backend-api")]
#[expect(clippy::cast_precision_loss, reason = "exact for 250,000 years of milliseconds")]
pub(crate) fn last_sweep(kind: &'static str, at: Timestamp) {
    describe();
    gauge!(LAST_SWEEP, "kind" => kind).set(at.as_millis() as f64 / 1000.0);
}

/// Counts an answer of Clerk's Backend API.
#[cfg(feature = "backend-api")]
pub(crate) fn answered(endpoint: &'static str, status: u16, elapsed: Duration) {
    describe();
    counter!(API_REQUESTS, "endpoint" => endpoint, "status" => status.to_string()).increment(1);
    histogram!(API_DURATION, "endpoint" => endpoint).record(elapsed);
}

fn describe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        describe_counter!(APPLIED, "Objects that were applied to the tables, by result and source.");
        describe_gauge!(DRIFT, "Rows that the last complete comparison found and repaired, by kind.");
        describe_gauge!(LAST_SWEEP, Unit::Seconds, "Unix time of the end of the last complete run.");
        describe_counter!(API_REQUESTS, "Answers of Clerk's Backend API, by status.");
        describe_histogram!(API_DURATION, Unit::Seconds, "Duration of requests to Clerk's Backend API.");
    });
}
