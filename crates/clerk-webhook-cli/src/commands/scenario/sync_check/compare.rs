//! Compares the expected rows with the rows that were read. Does no I/O.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::columns::Column;
use super::final_state::FinalState;
use super::kinds::{KINDS, Kind, Part};

/// The maximum number of differences that are stored for a section.
const REMEMBERED: usize = 1000;

/// The key of a row: an id, or the owner's id and the element's id. They are not joined, because ids in a
/// table can contain any text.
pub(super) type Key = Vec<String>;

/// The expected rows of one section: a view, a table's tombstones, a table's hidden rows, or a table of
/// elements.
#[derive(Debug)]
pub(super) struct Section {
    /// The table, without the prefix.
    pub(super) table: &'static str,
    /// The table or view to read, without the prefix.
    pub(super) source: &'static str,
    /// The view of live rows in the table.
    pub(super) view: &'static str,
    pub(super) state: State,
    /// The key columns: an id, or the owner's id and the element's id.
    pub(super) key: &'static [&'static str],
    pub(super) columns: Vec<Column>,
    expected: BTreeMap<Key, Vec<Value>>,
    /// The ids of deleted objects, which are the first part of a key.
    gone: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Live,
    /// Only the tombstones.
    Deleted,
    /// Neither live nor a tombstone: no view shows these rows.
    Hidden,
}

/// The differences of one section.
#[derive(Debug)]
pub(super) struct SectionComparison {
    pub(super) table: &'static str,
    pub(super) state: State,
    pub(super) expected: usize,
    pub(super) found: usize,
    pub(super) missing: usize,
    pub(super) surplus: usize,
    pub(super) differing: usize,
    /// At most [`REMEMBERED`] of the differences.
    pub(super) differences: Vec<Difference>,
}

#[derive(Debug)]
pub(super) struct Difference {
    pub(super) key: Key,
    pub(super) what: Discrepancy,
}

#[derive(Debug)]
pub(super) enum Discrepancy {
    Missing,
    Surplus,
    /// The row exists although the object was deleted. Counted as surplus.
    Undeleted,
    /// The columns that differ, with the expected and the found value if both can be printed.
    Differs(Vec<(&'static str, Option<(Value, Value)>)>),
}

/// The columns that, together with `updated_at`, order the versions of an object. Every kind has
/// `updated_at`.
const OBS_RANK: Column = Column::number("obs_rank");
const EVENT_AT: Column = Column::number("event_at");
const TIE: Column = Column::text("tie");
const DELETED_AT: Column = Column::number("deleted_at");

/// Returns all sections: for each kind its live rows, their elements, the tombstones, and the hidden rows.
pub(super) fn sections(state: &FinalState) -> Vec<Section> {
    KINDS.iter().flat_map(|kind| of_kind(kind, state)).collect()
}

fn of_kind(kind: &Kind, state: &FinalState) -> Vec<Section> {
    let objects = state.truth.live(kind.object);
    let gone: BTreeSet<_> = state.truth.deleted(kind.object).keys().cloned().collect();
    let section = |state, source| Section {
        table: kind.table,
        source,
        view: kind.view,
        state,
        key: &["id"],
        columns: kind.columns.iter().copied().chain([OBS_RANK, EVENT_AT]).collect(),
        expected: BTreeMap::new(),
        gone: gone.clone(),
    };
    let version = |object: &Value, at: i64| {
        let columns = kind.columns.iter().map(|column| column.expected(object, object));
        columns.chain([1.into(), at.into()]).collect()
    };
    let at = |id: &str| state.last_event(kind.object, id).map_or(0, |last| last.at);
    let live = Section {
        expected: objects.iter().map(|(id, object)| (vec![id.clone()], version(object, at(id)))).collect(),
        ..section(State::Live, kind.view)
    };
    let hidden = Section {
        expected: state
            .hidden(kind.object)
            .map(|(id, last)| (vec![id.clone()], version(&last.data, last.at)))
            .collect(),
        ..section(State::Hidden, kind.table)
    };
    let part = |part: &Part| Section {
        table: part.table,
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
                let columns = part.columns.iter().map(|column| column.expected(element, owner));
                (vec![owner_id.clone(), id.to_owned()], columns.collect())
            })
            .collect(),
        ..section(State::Live, part.table)
    };
    // A tombstone has the highest order, because a late event could replace a tombstone with a lower one.
    let order =
        [(DELETED_AT, None), (OBS_RANK, Some(json!(9))), (EVENT_AT, Some(json!(0))), (TIE, Some(json!("")))];
    let tombstone = |id: &str, at: i64| {
        let data = state.last_event(kind.object, id).map_or(&Value::Null, |last| &last.data);
        let columns = kind.columns.iter().map(|column| match column.name {
            "updated_at" => 0.into(),
            name if kind.kept.contains(&name) => column.expected(data, data),
            _ => Value::Null,
        });
        order.iter().map(|(_, value)| value.clone().unwrap_or_else(|| at.into())).chain(columns).collect()
    };
    let deleted = Section {
        columns: order.iter().map(|(column, _)| *column).chain(kind.columns.iter().copied()).collect(),
        expected: state
            .truth
            .deleted(kind.object)
            .iter()
            .map(|(id, at)| (vec![id.clone()], tombstone(id, at.as_millis())))
            .collect(),
        gone: BTreeSet::new(),
        ..section(State::Deleted, kind.table)
    };
    std::iter::once(live).chain(kind.parts.iter().map(part)).chain([deleted, hidden]).collect()
}

impl SectionComparison {
    /// Compares the expected rows of a section with the rows that were read, each with its key.
    pub(super) fn of(section: &Section, rows: Vec<(Key, Vec<Value>)>) -> Self {
        let mut comparison = Self {
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
                None => comparison.note(key, Discrepancy::Missing),
                Some(found) => {
                    let columns = section.differing(expected, found);
                    if !columns.is_empty() {
                        comparison.note(key, Discrepancy::Differs(columns));
                    }
                }
            }
        }
        for key in rows.keys().filter(|key| !section.expected.contains_key(*key)) {
            let is_gone = key.first().is_some_and(|id| section.gone.contains(id));
            comparison.note(key, if is_gone { Discrepancy::Undeleted } else { Discrepancy::Surplus });
        }
        comparison
    }

    fn note(&mut self, key: &[String], what: Discrepancy) {
        match what {
            Discrepancy::Missing => self.missing += 1,
            Discrepancy::Surplus | Discrepancy::Undeleted => self.surplus += 1,
            Discrepancy::Differs(_) => self.differing += 1,
        }
        if self.differences.len() < REMEMBERED {
            self.differences.push(Difference { key: key.to_owned(), what });
        }
    }

    /// Returns the number of rows that differ.
    pub(super) fn wrong(&self) -> usize {
        self.missing + self.surplus + self.differing
    }
}

impl Section {
    fn differing(&self, expected: &[Value], found: &[Value]) -> Vec<(&'static str, Option<(Value, Value)>)> {
        let columns = self.columns.iter().zip(expected.iter().zip(found));
        columns
            .filter(|(column, (expected, found))| match self.state {
                State::Live | State::Hidden => !column.is_right(expected, found),
                State::Deleted => expected != found,
            })
            .map(|(column, (expected, found))| {
                let can_show = column.can_show(expected) && column.can_show(found);
                (column.name, can_show.then(|| (expected.clone(), found.clone())))
            })
            .collect()
    }
}
