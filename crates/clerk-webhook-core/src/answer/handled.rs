//! The successful results of handling an event.

/// The successful result of handling an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Handled {
    /// A handler processed the event.
    Processed,
    /// The event was stored and will be processed later.
    Queued,
    /// No handler is registered for the event type.
    Ignored,
}
