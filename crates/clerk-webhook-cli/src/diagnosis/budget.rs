//! Bounds the work of a diagnosis.
//!
//! Every scan, copy, serialization and hash of a body is charged to one budget. The unit is the cost of
//! hashing one byte, about 3 ns.

/// The maximum size of a body that is unwrapped, in bytes. Webhooks are far smaller.
pub(super) const MAX_WRAPPED: usize = 8 * 1024 * 1024;

/// The limits of a diagnosis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The maximum total work, in the unit of the budget.
    pub(super) work: usize,
    /// The maximum size of JSON to parse, in bytes, summed over all bodies.
    json: usize,
    /// The maximum size of unwrapped bodies, in bytes, summed over all bodies.
    pub(super) unwrapped: usize,
    /// The maximum size of a single decompressed body, in bytes.
    pub(super) decompressed: usize,
}

impl Limits {
    /// The limits for a caller with nothing else to do.
    pub(super) const THOROUGH: Self = Self {
        work: 512 * 1024 * 1024,
        json: 8 * 1024 * 1024,
        unwrapped: 32 * 1024 * 1024,
        decompressed: 8 * 1024 * 1024,
    };
    /// The limits for a server that can receive arbitrary input. They suffice for the usual causes.
    pub(super) const BRIEF: Self =
        Self { work: 24 * 1024 * 1024, json: 256 * 1024, unwrapped: 512 * 1024, decompressed: 256 * 1024 };
}

/// The remaining limits of a running diagnosis.
#[derive(Debug)]
pub(super) struct Budget {
    left: Limits,
    most_at_once: usize,
    /// Whether a step was skipped because the budget was exhausted.
    pub(super) cut_short: bool,
    /// Whether the body is too large to be unwrapped.
    pub(super) left_wrapped: bool,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self { left: limits, most_at_once: limits.work / 8, cut_short: false, left_wrapped: false }
    }

    /// Takes work from the budget; returns `None` if too little is left.
    pub(super) fn spend(&mut self, cost: usize) -> Option<()> {
        let left = self.left.work.checked_sub(cost);
        self.left.work = self.unless_short(left)?;
        Some(())
    }

    /// Takes bytes from the budget for parsed JSON.
    pub(super) fn take_json(&mut self, bytes: usize) -> Option<()> {
        let left = self.left.json.checked_sub(bytes);
        self.left.json = self.unless_short(left)?;
        Some(())
    }

    /// Takes bytes from the budget for unwrapped bodies.
    pub(super) fn take_unwrapped(&mut self, bytes: usize) -> Option<()> {
        let left = self.left.unwrapped.checked_sub(bytes);
        self.left.unwrapped = self.unless_short(left)?;
        Some(())
    }

    /// Returns the maximum size of the next decompressed body, in bytes.
    pub(super) fn decompressed(&self) -> usize {
        self.left.decompressed.min(self.left.unwrapped)
    }

    /// Returns whether a decompressed body is within the limit.
    pub(super) fn allows_decompressed(&mut self, bytes: usize) -> bool {
        self.unless_short((bytes <= self.decompressed()).then_some(())).is_some()
    }

    /// Returns whether a single step may have this cost. This bounds the memory of a step too.
    pub(super) fn allows(&mut self, cost: usize) -> bool {
        self.unless_short((cost <= self.most_at_once).then_some(())).is_some()
    }

    fn unless_short<T>(&mut self, taken: Option<T>) -> Option<T> {
        self.cut_short |= taken.is_none();
        taken
    }
}
