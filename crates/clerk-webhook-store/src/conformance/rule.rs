use std::fmt;

/// What a store has to keep to.
///
/// The first five are those of [`DeliveryStore`](crate::DeliveryStore).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// At most one holds a lease that has not ended.
    OneOwner,
    /// Nobody claims what is completed.
    CompletedOnce,
    /// Nobody but the owner completes, releases or renews.
    OnlyTheOwner,
    /// What was released, or whose lease has ended, is there for the next one to claim.
    NeverStuck,
    /// Nothing is a duplicate that was not completed.
    NeverLost,
    /// An owner keeps its rights, even after the lease, until somebody else takes the delivery over.
    OwnerUntilOvertaken,
    /// To complete twice with one lease is to complete once.
    CompleteAgain,
    /// A lease with which a delivery was completed or released is good for nothing else.
    UsedUp,
    /// A renewed lease ends so long after the renewal.
    Renewal,
    /// The number of the attempt starts with 1 and rises with every claim.
    AttemptsRise,
    /// Whoever has to wait is told for how long: more than nothing, and not more than the lease.
    RetryAfter,
    /// What is completed was completed when it was.
    CompletedAt,
    /// Scopes have nothing to do with each other.
    Scopes,
    /// Every message id is a key of its own.
    Keys,
    /// What is forgotten is as if it had never come.
    Forget,
    /// What is old and free of a lease is purged, up to the limit, and nothing else.
    Purge,
    /// The clocks of the clients do not matter.
    Clocks,
    /// A store that cannot be asked answers with an error, in bounded time, and one that can does not.
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
            Self::OneOwner => "at most one holds a lease that has not ended",
            Self::CompletedOnce => "nobody claims what is completed",
            Self::OnlyTheOwner => "nobody but the owner completes, releases or renews",
            Self::NeverStuck => "what was released, or whose lease has ended, is there for the next one to claim",
            Self::NeverLost => "nothing is a duplicate that was not completed",
            Self::OwnerUntilOvertaken => {
                "an owner keeps its rights, even after the lease, until somebody else takes the delivery over"
            }
            Self::CompleteAgain => "to complete twice with one lease is to complete once",
            Self::UsedUp => "a lease with which a delivery was completed or released is good for nothing else",
            Self::Renewal => "a renewed lease ends so long after the renewal",
            Self::AttemptsRise => "the number of the attempt starts with 1 and rises with every claim",
            Self::RetryAfter => {
                "whoever has to wait is told for how long: more than nothing, and not more than the lease"
            }
            Self::CompletedAt => "what is completed was completed when it was",
            Self::Scopes => "scopes have nothing to do with each other",
            Self::Keys => "every message id is a key of its own",
            Self::Forget => "what is forgotten is as if it had never come",
            Self::Purge => "what is old and free of a lease is purged, up to the limit, and nothing else",
            Self::Clocks => "the clocks of the clients do not matter",
            Self::Errors => {
                "a store that cannot be asked answers with an error, in bounded time, and one that can does not"
            }
        })
    }
}
