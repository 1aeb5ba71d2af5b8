use std::fmt;

/// A rule that every store must follow.
///
/// The first five are the rules of [`DeliveryStore`](crate::DeliveryStore).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// At most one client owns a live lease on a delivery.
    OneOwner,
    /// A completed delivery cannot be claimed.
    CompletedOnce,
    /// Only the owner can complete or release a delivery, or renew its lease.
    OnlyTheOwner,
    /// A delivery can be claimed after it is released or its lease expires.
    NeverStuck,
    /// Only a completed delivery is reported as a duplicate.
    NeverLost,
    /// An owner keeps its rights after its lease has expired, until another client takes over.
    OwnerUntilOvertaken,
    /// A second completion with the same lease returns the same result as the first one.
    CompleteAgain,
    /// A lease cannot be used after it has completed or released its delivery.
    UsedUp,
    /// A renewed lease expires after the new duration, counted from the renewal.
    Renewal,
    /// The attempt number starts at 1 and rises with every claim.
    AttemptsRise,
    /// A delivery in progress has a retry delay above zero and not longer than the lease.
    RetryAfter,
    /// A completion time is correct and does not change.
    CompletedAt,
    /// Deliveries in different scopes are independent.
    Scopes,
    /// Different message ids have different keys.
    Keys,
    /// A forgotten delivery is like a new one.
    Forget,
    /// A purge removes old deliveries without a live lease, up to the limit, and no others.
    Purge,
    /// Results do not depend on the clients' clocks.
    Clocks,
    /// An unreachable store returns an error in limited time, and a reachable store returns none.
    Errors,
}

impl Rule {
    #[track_caller]
    #[expect(clippy::panic, reason = "a failed test panics")]
    pub(super) fn broken(self, what: impl fmt::Display) -> ! {
        panic!("the store breaks the rule {self:?} ({self}): {what}")
    }

    #[track_caller]
    pub(super) fn check(self, kept: bool, what: impl fmt::Display) {
        if !kept {
            self.broken(what);
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneOwner => "at most one client owns a live lease on a delivery",
            Self::CompletedOnce => "a completed delivery cannot be claimed",
            Self::OnlyTheOwner => "only the owner can complete, release or renew",
            Self::NeverStuck => "a delivery can be claimed after it is released or its lease expires",
            Self::NeverLost => "only a completed delivery is a duplicate",
            Self::OwnerUntilOvertaken => {
                "an owner keeps its rights after its lease has expired, until another client takes over"
            }
            Self::CompleteAgain => "a second completion with the same lease has the result of the first one",
            Self::UsedUp => "a lease cannot be used after it has completed or released its delivery",
            Self::Renewal => "a renewed lease expires after the new duration, counted from the renewal",
            Self::AttemptsRise => "the attempt number starts at 1 and rises with every claim",
            Self::RetryAfter => {
                "a delivery in progress has a retry delay above zero and not longer than the lease"
            }
            Self::CompletedAt => "a completion time is correct and does not change",
            Self::Scopes => "deliveries in different scopes are independent",
            Self::Keys => "different message ids have different keys",
            Self::Forget => "a forgotten delivery is like a new one",
            Self::Purge => {
                "a purge removes old deliveries without a live lease, up to the limit, and no others"
            }
            Self::Clocks => "the clients' clocks do not matter",
            Self::Errors => {
                "an unreachable store returns an error in limited time, and a reachable store returns none"
            }
        })
    }
}
