//! The limit of the stream's size for new events.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::access::Access;
use super::error::NatsQueueError;

/// How long a known size is used.
const FRESH: Duration = Duration::from_secs(1);

/// The limit, and the last known size. The limit is not a setting of the stream, because a full stream would
/// also reject the changes of its jobs.
#[derive(Clone, Default)]
pub(super) struct Room {
    limit: Option<u64>,
    used: Arc<Mutex<Option<(Instant, u64)>>>,
}

impl Room {
    pub(super) fn of(limit: u64) -> Self {
        Self { limit: Some(limit), used: Arc::default() }
    }

    /// Returns the same limit for another stream.
    pub(super) fn for_another_stream(&self) -> Self {
        Self { limit: self.limit, used: Arc::default() }
    }

    /// Reserves room for an event.
    pub(super) async fn enter(&self, access: &Access, size: usize) -> Result<(), NatsQueueError> {
        let Some(limit) = self.limit else { return Ok(()) };
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        if self.fits(size, limit) {
            return Ok(());
        }
        let bytes = access.state().await?.bytes;
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), bytes));
        if self.fits(size, limit) { Ok(()) } else { Err(NatsQueueError::Full) }
    }

    fn fits(&self, size: u64, limit: u64) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *used {
            Some((asked, bytes)) if asked.elapsed() < FRESH && bytes.saturating_add(size) <= limit => {
                *bytes += size;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_events_since_the_last_question() {
        let room = Room::of(100);
        assert!(!room.fits(1, 100), "the size of the stream is not known");
        *room.used.lock().unwrap() = Some((Instant::now(), 0));
        assert!(room.fits(60, 100) && !room.fits(60, 100) && room.fits(40, 100));
    }
}
