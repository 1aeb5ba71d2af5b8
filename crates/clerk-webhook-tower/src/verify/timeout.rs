use std::future::{Future, Pending, pending};

/// Starts the timer that limits how long a body may take to arrive.
///
/// Closures that return a future implement this trait, such as
/// `|| tokio::time::sleep(Duration::from_secs(10))`.
pub trait ReadTimeout {
    /// The future that completes when the time limit is reached.
    type Sleep: Future<Output = ()>;

    /// Starts the timer.
    fn start(&self) -> Self::Sleep;
}

/// The default: no time limit.
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
