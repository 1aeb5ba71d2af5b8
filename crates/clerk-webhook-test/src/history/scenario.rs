//! What a history is about.

/// What a history is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scenario {
    /// People sign up, fill in what they are asked for, and come again: users, sessions, codes by e-mail and
    /// SMS.
    SignUp,
    /// People found organizations, invite each other, join, change roles and leave; nobody is deleted.
    Team,
    /// Users, organizations and memberships come and go, and change all the time: what a copy of them has to
    /// endure.
    Churn,
    /// All there is: each of the 46 types of events occurs within the first 150, and then again and again.
    All,
}
