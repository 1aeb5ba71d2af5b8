//! The span, the metrics and the log lines.

#[cfg(feature = "tracing")]
mod log;
mod observation;
mod refusal;

pub use observation::Observation;
