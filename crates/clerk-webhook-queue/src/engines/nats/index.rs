//! What a client knows about the messages that have not ended: their last records, without the bodies.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::Timestamp;
use tokio::time::Instant;

use super::record::{Record, State};
use crate::queue::dead_letters::{EventTypeStats, QueueStats};

/// A message that has not ended.
struct Entry {
    sequence: u64,
    state: State,
    event_type: Arc<str>,
    object: Option<Arc<str>>,
    enqueued_at: i64,
    /// The sequence of the record with which the owner took the job.
    since: u64,
    /// The end of a running job's lease, or of a ready job's delay.
    due: Instant,
    /// When a call to `take` may try to take the job: `due`, or later if the job caused an error.
    next_try: Instant,
    /// Whether a call to `take` in this process is about to take the job.
    is_reserved: bool,
    /// The record of a running job.
    running: Option<Box<Record>>,
}

/// The messages that have not ended.
#[derive(Default)]
pub(super) struct Index {
    entries: HashMap<Arc<str>, Entry>,
    /// The ready and running jobs, in the order in which they can be taken.
    due: BTreeMap<(Instant, u64), Arc<str>>,
    /// The running jobs about each object.
    running: HashMap<Arc<str>, HashSet<Arc<str>>>,
    /// All messages, in the order of their last records.
    sequences: BTreeMap<u64, Arc<str>>,
    /// Each event type once, because a queue has few of them.
    types: HashSet<Arc<str>>,
}

impl Index {
    /// Applies a newer record, and returns whether a job may now be ready.
    ///
    /// `began` is the time from which the record's lease or delay is counted.
    pub(super) fn apply(&mut self, sequence: u64, record: Record, began: Instant) -> bool {
        let id = match self.entries.get_key_value(&*record.id) {
            Some((_, entry)) if entry.sequence >= sequence => return false,
            Some((id, _)) => Arc::clone(id),
            None => Arc::from(&*record.id),
        };
        self.remove(&id);
        if record.state == State::Done {
            return true;
        }
        let event_type = match self.types.get(&*record.event_type) {
            Some(event_type) => Arc::clone(event_type),
            None => Arc::from(&*record.event_type),
        };
        self.types.insert(Arc::clone(&event_type));
        let due = began + Duration::from_millis(record.millis);
        let object: Option<Arc<str>> = record.object.as_deref().map(Arc::from);
        self.sequences.insert(sequence, Arc::clone(&id));
        if record.state != State::Dead {
            self.due.insert((due, sequence), Arc::clone(&id));
        }
        if let (State::Running, Some(object)) = (record.state, &object) {
            self.running.entry(Arc::clone(object)).or_default().insert(Arc::clone(&id));
        }
        let is_running = record.state == State::Running;
        let entry = Entry {
            sequence,
            state: record.state,
            event_type,
            object,
            enqueued_at: record.enqueued_at,
            since: record.since.unwrap_or(sequence),
            due,
            next_try: due,
            is_reserved: false,
            running: is_running.then(|| Box::new(record)),
        };
        self.entries.insert(id, entry);
        !is_running
    }

    /// Returns the last known record of a running job, and its sequence.
    pub(super) fn running(&self, id: &str) -> Option<(Record, u64)> {
        let entry = self.entries.get(id)?;
        Some((Record::clone(entry.running.as_deref()?), entry.sequence))
    }

    /// Removes a message that does not exist any more, unless the index has a newer record of it. Returns
    /// whether it was removed.
    pub(super) fn forget(&mut self, id: &str, sequence: u64) -> bool {
        let is_known = self.entries.get(id).is_some_and(|entry| entry.sequence <= sequence);
        if is_known {
            self.remove(id);
        }
        is_known
    }

    /// Removes the messages whose records precede the first one that the stream still contains. Returns their
    /// number.
    pub(super) fn forget_before(&mut self, first: u64) -> usize {
        let forgotten: Vec<_> = self.sequences.range(..first).map(|(_, id)| Arc::clone(id)).collect();
        forgotten.iter().for_each(|id| self.remove(id));
        forgotten.len()
    }

    fn remove(&mut self, id: &str) {
        let Some((id, entry)) = self.entries.remove_entry(id) else { return };
        self.due.remove(&(entry.next_try, entry.sequence));
        self.sequences.remove(&entry.sequence);
        if let Some(object) = &entry.object
            && let Some(running) = self.running.get_mut(object)
        {
            running.remove(&id);
            if running.is_empty() {
                self.running.remove(object);
            }
        }
    }

    /// Reserves the first job that can be taken, and returns its id and the sequence of its record.
    pub(super) fn reserve(&mut self, now: Instant, one_object_at_a_time: bool) -> Option<(Arc<str>, u64)> {
        let found = self.due.range(..=(now, u64::MAX)).map(|(_, id)| id).find(|id| {
            self.entries.get(*id).is_some_and(|entry| {
                let is_blocked = one_object_at_a_time && self.is_busy(id, entry, now, u64::MAX);
                !entry.is_reserved && !is_blocked
            })
        });
        let id = Arc::clone(found?);
        let entry = self.entries.get_mut(&id)?;
        entry.is_reserved = true;
        Some((id, entry.sequence))
    }

    /// Ends a reservation, unless the job has a newer record.
    pub(super) fn release(&mut self, id: &str, sequence: u64) {
        if let Some(entry) = self.entries.get_mut(id).filter(|entry| entry.sequence == sequence) {
            entry.is_reserved = false;
        }
    }

    /// Skips a job until the given time, and returns whether this is the first time.
    pub(super) fn postpone(&mut self, id: &str, sequence: u64, until: Instant) -> bool {
        let Some((id, _)) = self.entries.get_key_value(id) else { return false };
        let id = Arc::clone(id);
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.sequence == sequence) else {
            return false;
        };
        let is_first = entry.next_try == entry.due;
        self.due.remove(&(entry.next_try, sequence));
        entry.next_try = until;
        self.due.insert((until, sequence), id);
        is_first
    }

    /// Returns whether another job about the same object is running under a live lease, and was taken before
    /// the record `before`.
    pub(super) fn is_overtaken(&self, id: &str, now: Instant, before: u64) -> bool {
        self.entries.get(id).is_some_and(|entry| self.is_busy(id, entry, now, before))
    }

    fn is_busy(&self, id: &str, entry: &Entry, now: Instant, before: u64) -> bool {
        let running = entry.object.as_ref().and_then(|object| self.running.get(object));
        running.into_iter().flatten().any(|other| {
            **other != *id
                && self.entries.get(other).is_some_and(|other| other.due > now && other.since < before)
        })
    }

    /// Returns how long the lease of a running job still lasts, or zero if its last record is another one.
    pub(super) fn remaining(&self, id: &str, sequence: u64, now: Instant) -> Duration {
        let entry = self.entries.get(id).filter(|entry| entry.sequence == sequence);
        entry.map_or(Duration::ZERO, |entry| entry.due.saturating_duration_since(now))
    }

    /// Returns the time at which the next delay or lease ends.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        self.due.range((now, u64::MAX)..).map(|((due, _), _)| *due).next()
    }

    /// Returns the ids and sequences of the dead letters, beginning with the newest.
    pub(super) fn dead(&self, event_type: Option<&str>) -> Vec<(Arc<str>, u64)> {
        let is_asked = |id: &Arc<str>| {
            self.entries.get(id).is_some_and(|entry| {
                entry.state == State::Dead
                    && event_type.is_none_or(|event_type| *entry.event_type == *event_type)
            })
        };
        let dead = self.sequences.iter().rev().filter(|(_, id)| is_asked(id));
        dead.map(|(sequence, id)| (Arc::clone(id), *sequence)).collect()
    }

    pub(super) fn stats(&self, now: Instant) -> QueueStats {
        let mut by_type: HashMap<&str, EventTypeStats> = HashMap::new();
        for entry in self.entries.values() {
            let stats = by_type
                .entry(&entry.event_type)
                .or_insert_with(|| EventTypeStats::new((&*entry.event_type).into()));
            match entry.state {
                State::Dead => stats.dead += 1,
                State::Running if entry.due > now => stats.running += 1,
                _ => {
                    stats.ready += 1;
                    let since = Timestamp::from_millis(entry.enqueued_at);
                    stats.oldest_ready = Some(stats.oldest_ready.map_or(since, |oldest| oldest.min(since)));
                }
            }
        }
        QueueStats::new(by_type.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use clerk_webhook_core::Event;
    use clerk_webhook_store::Owner;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ready(id: &str) -> Record {
        let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
        let event = Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.into()).unwrap();
        Record::new(&event)
    }

    fn running(id: &str) -> Record {
        ready(id).taken(Owner::random(), SECOND)
    }

    fn reserved(index: &mut Index, now: Instant) -> Option<String> {
        index.reserve(now, true).map(|(id, _)| id.to_string())
    }

    #[test]
    fn an_older_record_changes_nothing() {
        let (mut index, now) = (Index::default(), Instant::now());
        assert!(!index.apply(2, running("msg_1"), now));
        assert!(!index.apply(1, ready("msg_1"), now));
        assert_eq!(index.stats(now).running, 1);
        assert!(index.apply(3, ready("msg_1"), now));
        assert_eq!(index.stats(now).ready, 1);
    }

    #[test]
    fn a_job_can_be_reserved_again_after_its_release_and_after_its_pause() {
        let (mut index, now) = (Index::default(), Instant::now());
        index.apply(2, ready("msg_1"), now);
        assert_eq!(reserved(&mut index, now).as_deref(), Some("msg_1"));
        // The release of an older record.
        index.release("msg_1", 1);
        assert_eq!(reserved(&mut index, now), None);
        index.release("msg_1", 2);
        assert_eq!(reserved(&mut index, now).as_deref(), Some("msg_1"));
        index.release("msg_1", 2);

        assert!(!index.postpone("msg_1", 1, now + SECOND));
        assert!(index.postpone("msg_1", 2, now + SECOND));
        assert!(!index.postpone("msg_1", 2, now + SECOND), "only the first pause is logged");
        assert_eq!(reserved(&mut index, now), None);
        assert_eq!(index.next_due(now), Some(now + SECOND));
        assert_eq!(reserved(&mut index, now + SECOND).as_deref(), Some("msg_1"));
    }

    #[test]
    fn a_job_waits_until_the_lease_of_another_job_about_its_object_ends() {
        let (mut index, now) = (Index::default(), Instant::now());
        index.apply(1, ready("msg_1"), now);
        index.apply(2, running("msg_2"), now);
        assert_eq!(reserved(&mut index, now), None);
        assert!(index.is_overtaken("msg_1", now, 3));
        assert!(!index.is_overtaken("msg_1", now, 2), "the other job has the later record");

        let end = now + SECOND;
        assert!(!index.is_overtaken("msg_1", end, 3));
        assert_eq!((index.stats(end).ready, index.stats(end).running), (2, 0));
        assert_eq!(reserved(&mut index, end).as_deref(), Some("msg_1"));
    }
}
