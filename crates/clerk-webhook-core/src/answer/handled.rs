//! What a handler did with an event.

/// What a handler did with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Handled {
    /// It handled it.
    Processed,
    /// It kept it, to be handled later.
    Queued,
    /// Nobody wants events of its type.
    Ignored,
}
