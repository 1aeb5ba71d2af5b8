//! Groups of contestants that are measured together.

/// The name of this project's contestants.
pub const OURS: &str = "clerk-webhook";

/// The name of the svix crate, the reference for most goals.
pub const SVIX: &str = "svix 2.9";

/// Contestants that are measured together, and the group's goals.
pub struct Group {
    pub contestants: Vec<Contestant>,
    pub goals: Vec<Goal>,
}

/// A function that processes a group's delivery.
pub struct Contestant {
    pub name: &'static str,
    pub call: Box<dyn FnMut()>,
}

impl Contestant {
    pub(crate) fn new(name: &'static str, call: impl FnMut() + 'static) -> Self {
        Self { name, call: Box::new(call) }
    }
}

/// A limit for one contestant, usually relative to another contestant.
pub enum Goal {
    /// The time of `who` divided by the time of `against` is at most `ratio`.
    AtMost { who: &'static str, against: &'static str, ratio: f64 },
    /// The time of `against` divided by the time of `who` is at least `ratio`.
    TimesFaster { who: &'static str, against: &'static str, ratio: f64 },
    /// `who` takes at most this much longer than `than`.
    AtMostLonger { who: &'static str, than: &'static str, nanoseconds: f64 },
    /// `who` does not allocate.
    NoAllocation { who: &'static str },
}
