//! Ids in the format of Clerk and Svix.

use std::hash::{BuildHasher as _, RandomState};

use clerk_webhook_core::MessageId;

pub(crate) const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Returns a new message id: `msg_` and 27 characters.
pub(crate) fn message() -> MessageId {
    let state = RandomState::new();
    let characters = (0..27_u64).map(|index| char::from(DIGITS[(state.hash_one(index) % 62) as usize]));
    let text: String = "msg_".chars().chain(characters).collect();
    #[expect(clippy::expect_used, reason = "letters and digits are a valid id")]
    text.parse().expect("the id is valid")
}
