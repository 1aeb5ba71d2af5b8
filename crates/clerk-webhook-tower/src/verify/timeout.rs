use std::future::{Future, Pending, pending};

/// Starts the timer of a body.
///
/// Closures that return a future implement it, such as `|| tokio::time::sleep(Duration::from_secs(10))`.
pub trait ReadTimeout {
    /// The future that is ready when the time is over.
    type Sleep: Future<Output = ()>;

    /// Starts the timer.
    fn start(&self) -> Self::Sleep;
}

/// A timeout that never comes.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoTimeout;

impl ReadTimeout for NoTimeout {
    type Sleep = Pending<()>;

    fn start(&self) -> Self::Sleep {
        pending()
    }
}

impl<F, Sleep> ReadTimeout for F
where
    F: Fn() -> Sleep,
    Sleep: Future<Output = ()>,
{
    type Sleep = Sleep;

    fn start(&self) -> Sleep {
        self()
    }
}
