//! The values of parameters.

use std::time::Duration;

use clerk_webhook_core::Timestamp;

use crate::engines::sql::millis;
use crate::store::claim::Owner;

/// Returns the time of this machine's clock in milliseconds since the Unix epoch.
#[must_use]
pub fn now() -> i64 {
    Timestamp::now().as_millis()
}

/// Returns the time at which the duration has passed.
#[must_use]
pub fn now_plus(duration: Duration) -> i64 {
    now().saturating_add(millis(duration))
}

/// Returns an owner as a blob of 16 bytes.
#[must_use]
pub fn bytes(owner: Owner) -> Vec<u8> {
    owner.as_u128().to_be_bytes().to_vec()
}
