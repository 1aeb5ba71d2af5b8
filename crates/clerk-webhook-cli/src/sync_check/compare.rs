//! Compares what is expected with what is found, without I/O.

use std::collections::{BTreeMap, BTreeSet};

use clerk_webhook_test::history::Truth;
use serde_json::Value;

use super::columns::Column;
use super::kinds::{KINDS, Kind, Part};

/// How many differences of a section are remembered.
const REMEMBERED: usize = 1000;

/// An id, or the id of an owner before it; apart from each other, since anything can be in those that are found.
pub(super) type Key = Vec<String>;

/// What has to be in one place: a view, the tombstones of a table, or a table of parts.
#[derive(Debug)]
pub(super) struct Section {
    /// The table, without the prefix.
    pub(super) table: &'static str,
    /// Where its rows are read, without the prefix.
    pub(super) source: &'static str,
    pub(super) state: State,
    /// The columns that make the key: an id, or the id of an owner before it.
    pub(super) key: &'static [&'static str],
    pub(super) columns: Vec<Column>,
    expected: BTreeMap<Key, Vec<Value>>,
    /// The ids of what was deleted, of itself or with what it belonged to: the first part of a key.
    gone: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Live,
    /// Only the tombstones.
    Deleted,
}

/// How one place differs from what it has to be.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) table: &'static str,
    pub(super) state: State,
    pub(super) expected: usize,
    pub(super) found: usize,
    pub(super) missing: usize,
    pub(super) surplus: usize,
    pub(super) differing: usize,
    /// At most [`REMEMBERED`] of them.
    pub(super) differences: Vec<Difference>,
}

#[derive(Debug)]
pub(super) struct Difference {
    pub(super) key: Key,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Missing,
    Surplus,
    /// It is there although it was deleted; counted as surplus.
    Undeleted,
    /// With what is expected and what is found, where that can be shown.
    Differs(Vec<(&'static str, Option<(Value, Value)>)>),
}

/// Returns all places with what has to be in them: of each kind the live, their parts, and the deleted.
pub(super) fn sections(truth: &Truth) -> Vec<Section> {
    KINDS.iter().flat_map(|kind| of_kind(kind, truth)).collect()
}

fn of_kind(kind: &Kind, truth: &Truth) -> Vec<Section> {
    let objects = truth.live(kind.object);
    let gone: BTreeSet<_> = truth.deleted(kind.object).keys().cloned().collect();
    let expected = |object: &Value, owner: &Value, columns: &[Column]| -> Vec<Value> {
        columns.iter().map(|column| column.expected(object, owner)).collect()
    };
    let live = Section {
        table: kind.table,
        source: kind.view,
        state: State::Live,
        key: &["id"],
        columns: kind.columns.to_vec(),
        expected: objects
            .iter()
            .map(|(id, object)| (vec![id.clone()], expected(object, object, kind.columns)))
            .collect(),
        gone: gone.clone(),
    };
    let part = |part: &Part| Section {
        table: part.table,
        source: part.table,
        state: State::Live,
        key: part.key,
        columns: part.columns.to_vec(),
        expected: objects
            .iter()
            .flat_map(|(owner_id, owner)| {
                let elements = owner[part.member].as_array().map_or(&[][..], Vec::as_slice);
                elements.iter().map(move |element| (owner_id, owner, element))
            })
            .map(|(owner_id, owner, element)| {
                let id = element["id"].as_str().unwrap_or_default();
                (vec![owner_id.clone(), id.to_owned()], expected(element, owner, part.columns))
            })
            .collect(),
        gone: gone.clone(),
    };
    // What a tombstone may keep is nobody's data, and of no use but to whom it was told.
    let is_empty = |column: &&Column| {
        !kind.kept.contains(&column.name) && !matches!(column.name, "created_at" | "updated_at")
    };
    let columns: Vec<_> =
        std::iter::once(Column::deletion()).chain(kind.columns.iter().filter(is_empty).copied()).collect();
    let tombstone = |at: i64| {
        let mut values = vec![Value::Null; columns.len()];
        values[0] = at.into();
        values
    };
    let deleted = Section {
        table: kind.table,
        source: kind.table,
        state: State::Deleted,
        key: &["id"],
        expected: truth
            .deleted(kind.object)
            .iter()
            .map(|(id, at)| (vec![id.clone()], tombstone(at.as_millis())))
            .collect(),
        columns,
        gone: BTreeSet::new(),
    };
    std::iter::once(live).chain(kind.parts.iter().map(part)).chain([deleted]).collect()
}

impl Outcome {
    /// Compares a place with the rows that are there, each with its key.
    pub(super) fn of(section: &Section, rows: Vec<(Key, Vec<Value>)>) -> Self {
        let mut outcome = Self {
            table: section.table,
            state: section.state,
            expected: section.expected.len(),
            found: rows.len(),
            missing: 0,
            surplus: 0,
            differing: 0,
            differences: Vec::new(),
        };
        let rows: BTreeMap<_, _> = rows.into_iter().collect();
        for (key, expected) in &section.expected {
            match rows.get(key) {
                None => outcome.note(key, What::Missing),
                Some(found) => {
                    let columns = section.differing(expected, found);
                    if !columns.is_empty() {
                        outcome.note(key, What::Differs(columns));
                    }
                }
            }
        }
        for key in rows.keys().filter(|key| !section.expected.contains_key(*key)) {
            let is_gone = key.first().is_some_and(|id| section.gone.contains(id));
            outcome.note(key, if is_gone { What::Undeleted } else { What::Surplus });
        }
        outcome
    }

    fn note(&mut self, key: &[String], what: What) {
        match what {
            What::Missing => self.missing += 1,
            What::Surplus | What::Undeleted => self.surplus += 1,
            What::Differs(_) => self.differing += 1,
        }
        if self.differences.len() < REMEMBERED {
            self.differences.push(Difference { key: key.to_owned(), what });
        }
    }

    /// Returns how many objects are not as they have to be.
    pub(super) fn wrong(&self) -> usize {
        self.missing + self.surplus + self.differing
    }
}

impl Section {
    fn differing(&self, expected: &[Value], found: &[Value]) -> Vec<(&'static str, Option<(Value, Value)>)> {
        let columns = self.columns.iter().zip(expected.iter().zip(found));
        columns
            .filter(|(column, (expected, found))| match self.state {
                State::Live => !column.is_right(expected, found),
                State::Deleted => expected != found,
            })
            .map(|(column, (expected, found))| {
                let can_show = column.can_show(expected) && column.can_show(found);
                (column.name, can_show.then(|| (expected.clone(), found.clone())))
            })
            .collect()
    }
}
