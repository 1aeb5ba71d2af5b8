//! Ids in the format of Clerk and Svix.

use std::hash::{BuildHasher as _, RandomState};

use clerk_webhook_core::{MessageId, Timestamp};

/// The epoch of KSUIDs, in seconds since 1970.
const KSUID_EPOCH: i64 = 1_400_000_000;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Returns a new message id: `msg_` and 27 characters.
pub(crate) fn message() -> MessageId {
    let state = RandomState::new();
    let random = u128::from(state.hash_one(0)) << 64 | u128::from(state.hash_one(1));
    let text = ksuid("msg", Timestamp::now(), random);
    #[expect(clippy::expect_used, reason = "letters and digits are a valid id")]
    text.parse().expect("the id is valid")
}

/// Returns the prefix, `_`, and a KSUID, which begins with its time. Until 2051, its first character is a digit.
pub(crate) fn ksuid(prefix: &str, time: Timestamp, random: u128) -> String {
    let seconds = u32::try_from(time.as_secs() - KSUID_EPOCH).unwrap_or(0);
    let part = |shift: u32| (random >> shift) as u32;
    let mut number = [seconds, part(96), part(64), part(32), part(0)];
    let mut digits = [0; 27];
    for digit in digits.iter_mut().rev() {
        let remainder = number.iter_mut().fold(0, |remainder, part| {
            let dividend = (remainder << 32) | u64::from(*part);
            *part = (dividend / 62) as u32;
            dividend % 62
        });
        *digit = DIGITS[remainder as usize];
    }
    let mut id = String::with_capacity(prefix.len() + 28);
    id.push_str(prefix);
    id.push('_');
    id.extend(digits.map(char::from));
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_contain_a_digit_as_those_of_svix() {
        // About one of 100 random texts of 27 letters and digits contains no digit.
        for _ in 0..1000 {
            let id = message();
            assert!(id.as_str().as_bytes()[4].is_ascii_digit(), "{id}");
        }
        let start = Timestamp::from_secs(KSUID_EPOCH);
        assert_eq!(ksuid("msg", start, 0), "msg_000000000000000000000000000");
        let last = Timestamp::from_secs(KSUID_EPOCH + i64::from(u32::MAX));
        assert_eq!(ksuid("user", last, u128::MAX), "user_aWgEPTl1tmebfsQzFP4bxwgy80V");
    }
}
