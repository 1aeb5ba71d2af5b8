//! Judges the tables of a sync. It knows Clerk's events, and which of them were committed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use clerk_webhook_test::ObjectKind;

use super::Checker;
use crate::clerk::{Clerk, Effect, Fact, KINDS, NotCompared, Tables};
use crate::history::{Did, Millis, Op, Record, What};
use crate::plan::SECOND;

/// How old the answers of the API can be.
const STALENESS: Millis = 5 * SECOND;

/// What the sync can know.
#[derive(Default)]
struct Known {
    /// The numbers of the events that were committed.
    committed: BTreeSet<usize>,
    /// Whether a comparison has begun, so that the tables can also contain what the API has shown.
    has_compared: bool,
    /// When each comparison has begun.
    began: HashMap<usize, Millis>,
    tables: Arc<Tables>,
    /// The oldest version that each row can contain: the number of an event.
    reached: HashMap<String, usize>,
}

impl Checker<'_> {
    pub(super) fn check_sync(&mut self, records: &[Record]) {
        let Some(clerk) = self.plan.clerk.clone() else { return };
        let mut known = Known::default();
        let (mut last, mut compared) = (None, None);
        for record in records {
            match &record.what {
                What::Executed { op: Op::Commit(key, ..), did: Did::Held, .. } => {
                    known.committed.insert(clerk.event_of(key.message));
                }
                What::Executed { op: Op::Compare(number), did: Did::Asking | Did::Compared, .. } => {
                    known.has_compared = true;
                    known.began.entry(*number).or_insert(record.at);
                }
                What::Compared { number, result } => {
                    match result {
                        Ok(_) | Err(NotCompared::LeaseLost { is_latest: false }) => {}
                        Err(NotCompared::EmptyList(kind)) => {
                            self.check_empty(record.at, &clerk, *kind, known.began[number]);
                        }
                        Err(error) => {
                            self.violation(record.at, format!("comparison {number} failed: {error:?}"));
                        }
                    }
                    last = result.is_ok().then_some(*number);
                    // An import continues an earlier one, and leaves some objects to their events.
                    compared = last.filter(|_| clerk.comparisons.get(*number).is_none_or(|it| !it.is_import));
                }
                What::Tables { tables, .. } => {
                    self.check_tables(record.at, &clerk, &mut known, tables);
                    if let Some(number) = compared.take() {
                        self.check_complete(record.at, &clerk, &known, known.began[&number]);
                    }
                }
                _ => {}
            }
        }
        if last != Some(clerk.comparisons.len()) {
            self.violations.push("the last comparison has not ended".to_owned());
        }
        let truth = clerk.truth();
        if known.tables.live != truth {
            let truth = Tables { live: truth, deleted: BTreeSet::new() };
            let tables = &known.tables;
            self.violations
                .push(format!("after a quiet comparison, the tables contain {tables} instead of {truth}"));
        }
    }

    /// After a comparison, the tables contain what existed when it began.
    fn check_complete(&mut self, at: Millis, clerk: &Clerk, known: &Known, began: Millis) {
        let facts = clerk.facts();
        let staleness = if clerk.stale { STALENESS } else { 0 };
        for (number, fact) in facts.iter().enumerate().filter(|(_, fact)| fact.exists()) {
            let is_old = fact.at + staleness < began || number < clerk.before();
            let has_ended = has_ended(facts, fact, at);
            let shows = known.tables.live.get(&fact.id).map(|shows| Effect::Exists(shows.clone()));
            let is_shown = facts[number..]
                .iter()
                .any(|later| later.id == fact.id && Some(&later.effect) == shows.as_ref());
            if is_old && !has_ended && !is_shown {
                self.violation(at, format!("a comparison has not found {fact}"));
            }
        }
    }

    /// The API can list no object only if no object existed during the whole comparison.
    fn check_empty(&mut self, at: Millis, clerk: &Clerk, kind: ObjectKind, began: Millis) {
        let facts = clerk.facts();
        let staleness = if clerk.stale { STALENESS } else { 0 };
        let prefix = KINDS.into_iter().find(|(other, _)| *other == kind).map(|(_, prefix)| prefix);
        for fact in facts.iter().filter(|fact| fact.exists()) {
            let is_old = fact.at + staleness < began;
            if prefix == fact.id.split_once('_').map(|(prefix, _)| prefix)
                && is_old
                && !has_ended(facts, fact, at)
            {
                self.violation(at, format!("a comparison found no {kind:?}, but {fact}"));
                return;
            }
        }
    }

    fn check_tables(&mut self, at: Millis, clerk: &Clerk, known: &mut Known, tables: &Arc<Tables>) {
        let facts = clerk.facts();
        let occurred = facts.iter().take_while(|fact| fact.at <= at).count();
        for id in known.tables.deleted.difference(&tables.deleted) {
            self.violation(at, format!("the tombstone of {id} has vanished"));
        }
        for id in tables.deleted.difference(&known.tables.deleted) {
            let owners = facts.iter().find(|fact| fact.id == *id).and_then(|fact| fact.owners.clone());
            let ends = |fact: &Fact| {
                fact.deletes()
                    && (fact.id == *id || owners.as_ref().is_some_and(|owners| owners.contains(&fact.id)))
            };
            if !facts[..occurred].iter().any(ends) {
                self.violation(at, format!("{id} has a tombstone, but exists at Clerk"));
            }
        }
        let committed = || known.committed.iter().map(|number| (*number, &facts[*number]));
        for (_, fact) in committed().filter(|(_, fact)| fact.deletes()) {
            if !tables.deleted.contains(&fact.id) {
                self.violation(at, format!("{} was deleted, but has no tombstone", fact.id));
            }
        }
        let is_known = |fact: &Fact| {
            let is_committed = committed().any(|(_, other)| other.id == fact.id);
            is_committed || tables.live.contains_key(&fact.id) || tables.deleted.contains(&fact.id)
        };
        // A deleted owner or a later membership ends a membership.
        let has_ended = |fact: &Fact| {
            let Some(owners) = &fact.owners else { return false };
            let is_later =
                |other: &Fact| other.owners.as_ref() == Some(owners) && other.created_at > fact.created_at;
            owners.iter().any(|owner| tables.deleted.contains(owner))
                || facts.iter().any(|other| is_later(other) && is_known(other))
        };
        let mut reached = known.reached.clone();
        for (id, shows) in &tables.live {
            let versions = || facts.iter().enumerate().filter(|(_, fact)| fact.id == *id && fact.exists());
            let newest = committed().rfind(|(_, fact)| fact.id == *id && fact.exists());
            let newest = newest.map(|(number, _)| number);
            let from = newest.max(known.reached.get(id).copied().filter(|_| !clerk.ties));
            let to = if known.has_compared { occurred.checked_sub(1) } else { newest };
            let is_between =
                |number: usize| from.is_none_or(|from| from <= number) && to.is_some_and(|to| number <= to);
            let found = versions()
                .find(|(number, fact)| is_between(*number) && fact.effect == Effect::Exists(shows.clone()));
            match found {
                Some((number, _)) => drop(reached.insert(id.clone(), number)),
                None => self.violation(at, format!("{id} is {shows}, which is too old or unknown")),
            }
            if versions().any(|(_, fact)| has_ended(fact)) || tables.deleted.contains(id) {
                self.violation(at, format!("{id} has ended, but is live"));
            }
        }
        for (_, fact) in committed().filter(|(_, fact)| fact.exists()) {
            let is_gone = tables.deleted.contains(&fact.id) || has_ended(fact);
            if !is_gone && !tables.live.contains_key(&fact.id) {
                self.violation(at, format!("{} is missing", fact.id));
            }
        }
        (known.tables, known.reached) = (Arc::clone(tables), reached);
    }
}

/// Returns whether an object or one of its owners was deleted at or before a time.
fn has_ended(facts: &[Fact], fact: &Fact, at: Millis) -> bool {
    facts.iter().any(|other| {
        let ends = |id: &String| *id == other.id;
        other.at <= at && other.deletes() && (ends(&fact.id) || fact.owners.iter().flatten().any(ends))
    })
}
