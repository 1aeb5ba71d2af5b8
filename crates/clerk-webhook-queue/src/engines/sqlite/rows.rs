//! Reads the rows that the statements return.

use bytes::Bytes;
use clerk_webhook_core::{EventType, MessageId, Timestamp};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::queue::dead_letters::{DeadLetter, EventTypeStats};

/// The row that the `TAKE` statement has changed.
pub(super) struct TakenRow {
    pub(super) message_id: MessageId,
    pub(super) is_dead: bool,
    pub(super) event_type: EventType,
    pub(super) attempts: u32,
    pub(super) attempted_at: Timestamp,
    pub(super) enqueued_at: Timestamp,
    pub(super) last_error: String,
    pub(super) payload: Bytes,
}

impl TakenRow {
    pub(super) fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            message_id: message_id(row)?,
            is_dead: row.try_get::<i64, _>("state")? == 3,
            event_type: EventType::from(row.try_get::<&str, _>("event_type")?),
            attempts: attempts(row)?,
            attempted_at: time(row, "attempted_at")?,
            enqueued_at: time(row, "enqueued_at")?,
            last_error: row.try_get::<Option<_>, _>("last_error")?.unwrap_or_default(),
            payload: payload(row)?,
        })
    }
}

pub(super) fn dead_letter(row: &SqliteRow) -> Result<DeadLetter, sqlx::Error> {
    let event_type = EventType::from(row.try_get::<&str, _>("event_type")?);
    let mut letter = DeadLetter::new(message_id(row)?, event_type, time(row, "attempted_at")?, payload(row)?);
    letter.attempts = attempts(row)?;
    letter.enqueued_at = time(row, "enqueued_at")?;
    letter.died_at = time(row, "ended_at")?;
    letter.last_error = row.try_get("last_error")?;
    Ok(letter)
}

pub(super) fn event_type_stats(row: &SqliteRow) -> Result<EventTypeStats, sqlx::Error> {
    let mut stats = EventTypeStats::new(EventType::from(row.try_get::<&str, _>("event_type")?));
    stats.ready = count(row, "ready")?;
    stats.running = count(row, "running")?;
    stats.dead = count(row, "dead")?;
    stats.oldest_ready = row.try_get::<Option<i64>, _>("oldest_ready")?.map(Timestamp::from_millis);
    Ok(stats)
}

fn message_id(row: &SqliteRow) -> Result<MessageId, sqlx::Error> {
    let id = row.try_get::<&str, _>("message_id")?;
    id.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn attempts(row: &SqliteRow) -> Result<u32, sqlx::Error> {
    let attempts = row.try_get::<i64, _>("attempts")?;
    attempts.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn count(row: &SqliteRow, column: &str) -> Result<u64, sqlx::Error> {
    let count = row.try_get::<i64, _>(column)?;
    count.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}

fn payload(row: &SqliteRow) -> Result<Bytes, sqlx::Error> {
    Ok(row.try_get::<Option<Vec<u8>>, _>("payload")?.unwrap_or_default().into())
}
