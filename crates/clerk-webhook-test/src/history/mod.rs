//! Histories of users and organizations, and their orders of arrival.

mod access;
mod actions;
mod arrivals;
mod builder;
mod event;
mod event_log;
mod kind;
mod person;
mod pool;
mod random;
mod scenario;
mod session;
mod story;
mod subscription;
mod team;
mod truth;
mod world;

pub use arrivals::Arrivals;
pub use builder::{History, HistoryBuilder, HistoryStream};
pub use event::HistoryEvent;
pub use kind::ObjectKind;
#[cfg(feature = "backend-api")]
pub(crate) use random::Random;
pub use scenario::Scenario;
pub use truth::Truth;
