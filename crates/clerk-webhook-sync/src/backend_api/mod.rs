//! The client for Clerk's Backend API: which objects exist, page by page, within Clerk's rate limit.
//!
//! The module only sends GET requests. `client` contains the settings, and `request` sends one request with
//! its retries. `listing` reads all objects of a resource, and `look` reads single objects.

mod answer;
mod base_url;
mod client;
mod endpoint;
mod error;
mod event;
#[cfg(feature = "backend-api-client")]
mod hyper;
mod key;
mod listing;
mod look;
mod pace;
mod position;
mod request;
mod resource;
mod seen;
#[cfg(test)]
mod tests;
mod transport;

pub(crate) use answer::{Object, Page};
pub use base_url::InvalidBaseUrl;
pub use client::{BackendApi, InvalidShare};
pub(crate) use endpoint::MAX_IDS;
pub use error::{BackendApiError, BackendApiErrorKind};
pub use event::{ApiEvent, WaitReason};
#[cfg(feature = "backend-api-client")]
pub use hyper::HyperTransport;
pub use key::InvalidSecretKey;
pub(crate) use listing::{Cursor, Listing};
pub(crate) use look::{Absent, Look};
pub use resource::{Resource, UnknownResource};
pub use transport::{MAX_RESPONSE_BYTES, ResponseTooLarge, Transport, TransportError};
