//! A recorder for the `metrics` crate.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// A recorder that stores every value of the metrics.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

/// One series of the recorder.
#[derive(Debug)]
struct Series(Metrics, String);

impl Series {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut metrics = self.0.lock();
        let values = metrics.entry(self.1.clone()).or_default();
        let last = values.last().copied().unwrap_or_default();
        values.push(change(last));
    }
}

impl CounterFn for Series {
    #[expect(clippy::cast_precision_loss, reason = "tests do not count that far")]
    fn increment(&self, value: u64) {
        self.change(|last| last + value as f64);
    }

    fn absolute(&self, _value: u64) {
        panic!("counters are only incremented");
    }
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        self.change(|last| last + value);
    }

    fn decrement(&self, value: f64) {
        self.change(|last| last - value);
    }

    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.change(|_| value);
    }
}

impl Metrics {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<f64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn series(&self, key: &Key) -> Arc<Series> {
        let mut labels: Vec<_> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        labels.sort();
        Arc::new(Series(self.clone(), format!("{}{{{}}}", key.name(), labels.join(","))))
    }

    /// Returns the value of a counter or gauge, such as `in_flight{scope=clerk}`. The labels are sorted, and the name
    /// lacks `clerk_webhook_`.
    #[must_use]
    pub fn get(&self, series: &str) -> Option<f64> {
        self.get_exactly(&format!("clerk_webhook_{series}"))
    }

    /// Returns the value of a counter or gauge with its complete name.
    #[must_use]
    pub fn get_exactly(&self, series: &str) -> Option<f64> {
        self.lock().get(series).and_then(|values| values.last().copied())
    }

    /// Returns all values of a series.
    #[must_use]
    pub fn values(&self, series: &str) -> Vec<f64> {
        self.lock().get(&format!("clerk_webhook_{series}")).cloned().unwrap_or_default()
    }

    /// Returns the names of all series.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }
}

impl Recorder for Metrics {
    fn describe_counter(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn describe_gauge(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn describe_histogram(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.series(key))
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.series(key))
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.series(key))
    }
}
