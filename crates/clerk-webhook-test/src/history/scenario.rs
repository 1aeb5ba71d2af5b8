//! Scenarios of histories.

/// The kinds of events in a history and their frequencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scenario {
    /// People sign up, complete their profiles and return: users, sessions, codes by email and SMS.
    SignUp,
    /// People create organizations, invite each other, join, change roles and leave.
    ///
    /// No user or organization is deleted.
    Team,
    /// Users, organizations and memberships are created, changed and deleted frequently.
    ///
    /// This scenario tests code that maintains a copy of Clerk's objects.
    Churn,
    /// All 46 event types occur within the first 150 events, and repeatedly afterwards.
    All,
}
