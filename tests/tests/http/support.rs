//! What the tests of this folder share.

pub use clerk_webhook_tests::request::{BODY, BoxError, collect};
