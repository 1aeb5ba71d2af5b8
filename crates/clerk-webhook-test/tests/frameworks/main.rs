//! Tests the conversions of deliveries into requests of each framework.
#![cfg(any(feature = "actix", feature = "http", feature = "warp"))]

#[cfg(feature = "actix")]
mod actix;
#[cfg(feature = "http")]
mod axum;
#[cfg(feature = "warp")]
mod warp;

use clerk_webhook_test::{Delivery, fixture};

/// Returns deliveries that every framework answers with 400.
fn broken() -> [Delivery; 7] {
    let right = || Delivery::of(fixture::user_created());
    [
        right().stale(),
        right().altered(),
        right().cut_short(),
        right().wrong_secret(),
        right().unsigned(),
        right().without("svix-id"),
        right().replaced("svix-signature", ""),
    ]
}
