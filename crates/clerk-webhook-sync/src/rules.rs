//! The rules by which every order of events ends in the same rows.

/// A rule that the tests break once, to see that they would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A version that is not newer changes nothing.
    OnlyNewer,
    /// Of two versions with the same times the same one counts everywhere.
    Tie,
    /// What was deleted stays as a tombstone.
    Tombstones,
    /// A deletion happened at the time of its envelope; the data of a deleted membership is that of before.
    DeletedByEnvelope,
    /// A copy inside of another object is worth less than the object itself.
    CopiesAreLess,
    /// The primary e-mail address is the one with the primary id.
    PrimaryById,
}

/// Which rules hold: all of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    #[cfg(test)]
    broken: Option<Rule>,
}

impl Rules {
    #[cfg(test)]
    pub(crate) fn without(rule: Rule) -> Self {
        Self { broken: Some(rule) }
    }

    #[cfg(test)]
    pub(crate) fn hold(self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the one of the tests needs it")]
    pub(crate) const fn hold(self, _rule: Rule) -> bool {
        true
    }
}
