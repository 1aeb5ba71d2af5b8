//! Shared code of this test target.

pub use clerk_webhook_tests::request::{BODY, BoxError, collect};
