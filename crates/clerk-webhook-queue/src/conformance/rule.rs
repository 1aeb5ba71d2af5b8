use std::fmt;

/// Derives the enum and its texts from rows of the form `Rule = "text";`.
macro_rules! rules {
    ($($rule:ident = $text:literal;)+) => {
        /// A rule that every queue must follow.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Rule {
            $(
                #[doc = concat!("The queue guarantees: ", $text, ".")]
                $rule,
            )+
        }

        impl fmt::Display for Rule {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$rule => $text,)+
                })
            }
        }
    };
}

rules! {
    Durable = "an event is stored before `enqueue` returns, and is not lost";
    Duplicates = "a message that the queue already knows is a duplicate, whatever its state";
    Keys = "different message ids are different messages";
    Contents = "a job contains the event that was enqueued";
    OneOwner = "at most one client at a time owns a live lease of a job";
    OnlyTheOwner = "only the owner can renew, complete, retry, give back or bury a job";
    OwnerUntilOvertaken = "an owner whose lease has expired keeps its rights until another client takes the job";
    UsedUp = "a lease cannot be used after its attempt has ended";
    CompleteAgain = "a second completion with the same lease has the same result as the first one";
    BuryAgain = "a second burial with the same lease has the same result as the first one";
    Renewal = "a renewed lease expires after the new duration, counted from the renewal";
    RunsAgain = "a job can be taken again after it has been given back, its delay is over, or its lease has expired";
    Delays = "a job is not taken before its retry delay is over";
    Attempts = "the attempt number starts at 1 and rises by 1, and attempts that were given back do not count";
    EndsDead = "a job that was buried, or that has had all of its attempts, becomes a dead letter";
    Ended = "a job that is done, discarded or dead cannot be taken";
    DeadLetters = "dead letters, and only they, can be listed, found, retried and discarded";
    OneObject = "jobs about the same object do not run at the same time, if the options ask for it";
    Scopes = "queues with different scopes are independent";
    Stats = "the queue's statistics are correct";
    Purge = "a purge forgets only old messages that are done, and at most as many as its limit";
    Wait = "`wait` returns within its limit";
    Answers = "the answer for a new event is `queued`, and for a known event it is `duplicate`";
    Errors = "an unreachable queue returns an error within a limited time, and a reachable queue returns none";
}

impl Rule {
    #[track_caller]
    #[expect(clippy::panic, reason = "a failed test panics")]
    pub(super) fn broken(self, what: impl fmt::Display) -> ! {
        panic!("the queue breaks the rule {self:?} ({self}): {what}")
    }

    #[track_caller]
    pub(super) fn check(self, kept: bool, what: impl fmt::Display) {
        if !kept {
            self.broken(what);
        }
    }
}
