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
    Duplicates = "a message that the queue knows is a duplicate, in any state";
    Keys = "different message ids are different messages";
    Contents = "a job contains the event that was enqueued";
    OneOwner = "at most one client owns a live lease of a job";
    OnlyTheOwner = "only the owner can renew, complete, retry, give back or bury a job";
    OwnerUntilOvertaken = "an owner keeps its rights after its lease expired, until another client takes the job";
    UsedUp = "a lease cannot be used after it ended its attempt";
    CompleteAgain = "a second completion with the same lease has the result of the first one";
    Renewal = "a renewed lease expires after the new duration, counted from the renewal";
    RunsAgain = "a job can be taken after it was given back, its delay is over, or its lease expired";
    Delays = "a job is not taken before its retry delay is over";
    Attempts = "the number of the attempt starts at 1, rises with every attempt, and does not count what was given back";
    EndsDead = "a job that was buried, or that had all of its attempts, becomes a dead letter";
    Ended = "a job that is done, discarded or dead is not taken";
    DeadLetters = "a dead letter can be listed, retried and discarded, and nothing else can";
    OneObject = "jobs about the same object do not run at the same time, if the options ask for it";
    Scopes = "queues of different scopes are independent";
    Stats = "the numbers of the queue are correct";
    Purge = "a purge forgets old messages that are done, up to the limit, and no others";
    Wait = "`wait` returns within its limit";
    Answers = "a stored event is answered with `queued`, a known one with `duplicate`";
    Errors = "an unreachable queue returns an error in limited time, and a reachable queue returns none";
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
