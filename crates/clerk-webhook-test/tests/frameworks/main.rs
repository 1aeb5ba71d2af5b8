//! Deliveries as the requests of each framework.

#[cfg(feature = "actix")]
mod actix;
#[cfg(feature = "http")]
mod axum;
#[cfg(feature = "warp")]
mod warp;
