//! What an application can observe of a sweeper.

use std::fmt;

use clerk_webhook_core::Timestamp;

use crate::backfill::error::ImportError;
use crate::backfill::report::{Progress, Report};

/// An event of a [`Sweeper`](crate::Sweeper), for status pages and alerts.
#[derive(Debug)]
#[non_exhaustive]
pub enum SweepEvent<'a> {
    /// The time of the next comparison is known, or has moved because another process has swept.
    #[non_exhaustive]
    Scheduled {
        /// The earliest time at which the comparison starts.
        at: Timestamp,
    },
    /// An import or a comparison starts.
    #[non_exhaustive]
    Started {
        /// Which of the two starts.
        kind: SweepKind,
    },
    /// A page was written.
    #[non_exhaustive]
    Progress {
        /// Which of the two is running.
        kind: SweepKind,
        /// The numbers of the page's table since the start of the sweep.
        progress: &'a Progress,
    },
    /// The import or the comparison has ended.
    #[non_exhaustive]
    Ended {
        /// Which of the two has ended.
        kind: SweepKind,
        /// The report, or the error that ended the run. Three errors need no alert:
        /// [`ImportError::AlreadyRunning`] and [`ImportError::LeaseLost`], because another process is sweeping, and
        /// [`ImportError::Stopped`], because this process is stopping.
        result: Result<&'a Report, &'a ImportError>,
    },
}

/// The two kinds of sweeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SweepKind {
    /// An import, by [`ClerkSync::backfill`](crate::ClerkSync::backfill).
    Backfill,
    /// A comparison, by [`ClerkSync::reconcile`](crate::ClerkSync::reconcile).
    Reconcile,
}

impl SweepKind {
    /// Returns the name of the variant in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backfill => "backfill",
            Self::Reconcile => "reconcile",
        }
    }
}

impl fmt::Display for SweepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
