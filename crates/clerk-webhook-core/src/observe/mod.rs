//! Spans, metrics and log lines.

#[cfg(feature = "tracing")]
mod log;
mod observation;
mod refusal;

pub use observation::Observation;
