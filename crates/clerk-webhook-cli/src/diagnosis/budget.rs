//! How much a diagnosis may do.
//!
//! All that walks over a body, copies it, writes it anew or hashes it is paid for from one budget, whatever the body was
//! unwrapped from. What it costs is counted in bytes that are hashed: some 3 nanoseconds each.

/// The largest body that is unwrapped: no webhook comes near it.
pub(super) const MAX_WRAPPED: usize = 8 * 1024 * 1024;

/// How far a diagnosis goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// What is spent on all of it.
    pub(super) work: usize,
    /// The most bytes of JSON that are taken apart, all bodies together.
    json: usize,
    /// The most bytes of all bodies that are unwrapped, and of one that is decompressed.
    pub(super) unwrapped: usize,
    pub(super) decompressed: usize,
}

impl Limits {
    /// For somebody who waits for nothing else.
    pub(super) const THOROUGH: Self = Self {
        work: 512 * 1024 * 1024,
        json: 8 * 1024 * 1024,
        unwrapped: 32 * 1024 * 1024,
        decompressed: 8 * 1024 * 1024,
    };
    /// For somebody who serves others, who may send anything: all that is usual is found with it.
    pub(super) const BRIEF: Self =
        Self { work: 24 * 1024 * 1024, json: 256 * 1024, unwrapped: 512 * 1024, decompressed: 256 * 1024 };
}

/// What is left of it.
#[derive(Debug)]
pub(super) struct Budget {
    left: Limits,
    most_at_once: usize,
    /// Whether something was not tried for want of it.
    pub(super) cut_short: bool,
    /// Whether the body is too large to be unwrapped.
    pub(super) left_wrapped: bool,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self { left: limits, most_at_once: limits.work / 8, cut_short: false, left_wrapped: false }
    }

    /// Takes from what may be spent; nothing once there is too little.
    pub(super) fn spend(&mut self, cost: usize) -> Option<()> {
        let left = self.left.work.checked_sub(cost);
        self.left.work = self.unless_short(left)?;
        Some(())
    }

    /// Takes from the JSON that may be taken apart.
    pub(super) fn take_json(&mut self, bytes: usize) -> Option<()> {
        let left = self.left.json.checked_sub(bytes);
        self.left.json = self.unless_short(left)?;
        Some(())
    }

    /// Takes from the bytes that may be unwrapped.
    pub(super) fn take_unwrapped(&mut self, bytes: usize) -> Option<()> {
        let left = self.left.unwrapped.checked_sub(bytes);
        self.left.unwrapped = self.unless_short(left)?;
        Some(())
    }

    /// Returns how many bytes one body may be decompressed to.
    pub(super) fn decompressed(&self) -> usize {
        self.left.decompressed.min(self.left.unwrapped)
    }

    /// Returns whether a body that was decompressed is no larger than that.
    pub(super) fn allows_decompressed(&mut self, bytes: usize) -> bool {
        self.unless_short((bytes <= self.decompressed()).then_some(())).is_some()
    }

    /// Returns whether one step may cost so much, which bounds its memory too.
    pub(super) fn allows(&mut self, cost: usize) -> bool {
        self.unless_short((cost <= self.most_at_once).then_some(())).is_some()
    }

    fn unless_short<T>(&mut self, taken: Option<T>) -> Option<T> {
        self.cut_short |= taken.is_none();
        taken
    }
}
