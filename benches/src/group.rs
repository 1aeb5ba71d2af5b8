//! What is measured side by side.

/// The name under which this project takes part.
pub const OURS: &str = "clerk-webhook";

/// The crate of the company that delivers for Clerk, and the measure of most goals.
pub const SVIX: &str = "svix 2.9";

/// What is measured side by side, with what is demanded of it.
pub struct Group {
    pub contestants: Vec<Contestant>,
    pub goals: Vec<Goal>,
}

/// Somebody who can deal with the delivery of a group.
pub struct Contestant {
    pub name: &'static str,
    pub call: Box<dyn FnMut()>,
}

impl Contestant {
    pub(crate) fn new(name: &'static str, call: impl FnMut() + 'static) -> Self {
        Self { name, call: Box::new(call) }
    }
}

/// A bound for one contestant, most of them relative to another one.
pub enum Goal {
    /// The time of `who` divided by that of `against`.
    AtMost { who: &'static str, against: &'static str, ratio: f64 },
    /// The time of `against` divided by that of `who`.
    TimesFaster { who: &'static str, against: &'static str, ratio: f64 },
    /// The time of `who` less that of `than`.
    AtMostLonger { who: &'static str, than: &'static str, nanoseconds: f64 },
    /// No allocation at all.
    NoAllocation { who: &'static str },
}
