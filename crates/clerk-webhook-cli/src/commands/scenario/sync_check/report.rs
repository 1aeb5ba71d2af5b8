//! The report of the comparison.

use serde_json::{Value, json};

use super::compare::{Difference, Discrepancy, SectionComparison, State};
use super::database::Prefix;
use crate::output::style;

/// The maximum numbers of differences in the text output and in the JSON output.
const SHOWN: usize = 20;
const LISTED: usize = 1000;

/// The maximum length of a printed id. Clerk's ids have at most 40 characters.
const LONGEST_ID: usize = 64;

/// The comparisons of all sections.
#[derive(Debug)]
pub(super) struct Report {
    comparisons: Vec<SectionComparison>,
}

impl Report {
    pub(super) fn new(comparisons: Vec<SectionComparison>) -> Self {
        Self { comparisons }
    }

    pub(super) fn is_equal(&self) -> bool {
        self.wrong() == 0
    }

    fn wrong(&self) -> usize {
        self.comparisons.iter().map(SectionComparison::wrong).sum()
    }

    fn differences(&self) -> impl Iterator<Item = (&SectionComparison, &Difference)> {
        self.comparisons.iter().flat_map(|comparison| {
            comparison.differences.iter().map(move |difference| (comparison, difference))
        })
    }

    pub(super) fn object(&self, prefix: &Prefix) -> Value {
        let tables = self.comparisons.iter().map(|comparison| {
            json!({
                "table": comparison.table,
                "state": state(comparison),
                "expected": comparison.expected,
                "found": comparison.found,
                "missing": comparison.missing,
                "surplus": comparison.surplus,
                "differing": comparison.differing,
            })
        });
        let differences = self.differences().take(LISTED).map(|(comparison, difference)| {
            let (what, columns) = match &difference.what {
                Discrepancy::Missing => ("missing", &[][..]),
                Discrepancy::Surplus => ("surplus", &[][..]),
                Discrepancy::Undeleted => ("undeleted", &[][..]),
                Discrepancy::Differs(columns) => ("differs", columns.as_slice()),
            };
            let columns = columns.iter().map(|(name, values)| match values {
                Some((expected, found)) => json!({ "column": name, "expected": expected, "found": found }),
                None => json!({ "column": name }),
            });
            json!({
                "table": comparison.table,
                "state": state(comparison),
                "id": shown(&difference.key),
                "what": what,
                "columns": columns.collect::<Vec<_>>(),
            })
        });
        json!({
            "type": "sync",
            "prefix": prefix.to_string(),
            "equal": self.is_equal(),
            "tables": tables.collect::<Vec<_>>(),
            "differences": differences.collect::<Vec<_>>(),
        })
    }

    pub(super) fn lines(&self, prefix: &Prefix) -> Vec<String> {
        let mut lines = vec![format!(
            "  {:<32} {:>9} {:>9} {:>9} {:>9} {:>9}",
            format!("tables {prefix}…"),
            "expected",
            "found",
            "missing",
            "surplus",
            "differing"
        )];
        for comparison in
            self.comparisons.iter().filter(|comparison| comparison.expected + comparison.found > 0)
        {
            let SectionComparison { expected, found, missing, surplus, differing, .. } = comparison;
            let colour = if comparison.wrong() == 0 { style::GOOD } else { style::BAD };
            let title = title(comparison);
            lines.push(format!(
                "  {title:<32} {expected:>9} {found:>9} {colour}{missing:>9} {surplus:>9} {differing:>9}{colour:#}"
            ));
        }
        if self.is_equal() {
            let good = style::GOOD;
            lines.push(format!("{good}equal{good:#}: the tables match the final state of the history"));
            return lines;
        }
        let (bad, wrong) = (style::BAD, self.wrong());
        lines.push(format!("{bad}not equal{bad:#}: {wrong} differences from the final state of the history"));
        lines.extend(self.differences().take(SHOWN).map(|(comparison, difference)| {
            format!("  {:<24} {} {}", title(comparison), shown(&difference.key), described(&difference.what))
        }));
        let more = wrong.saturating_sub(SHOWN);
        if more > 0 {
            lines.push(format!("  and {more} more; --json lists up to {LISTED}"));
        }
        if self.differences().any(|(_, difference)| matches!(difference.what, Discrepancy::Surplus)) {
            lines.push(
                "Surplus rows do not belong to this history. Start with empty tables, or set another --sync-prefix."
                    .to_owned(),
            );
        }
        lines
    }
}

/// Formats a key as its ids, separated by spaces.
///
/// Text that is not an id can be personal data that a faulty application wrote. It is replaced by a question
/// mark.
fn shown(key: &[String]) -> String {
    let is_id = |id: &str| {
        (1..=LONGEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    key.iter().map(|id| if is_id(id) { id } else { "?" }).collect::<Vec<_>>().join(" ")
}

fn state(comparison: &SectionComparison) -> &'static str {
    match comparison.state {
        State::Live => "live",
        State::Deleted => "deleted",
        State::Hidden => "hidden",
    }
}

fn title(comparison: &SectionComparison) -> String {
    match comparison.state {
        State::Live => comparison.table.to_owned(),
        State::Deleted => format!("{}, deleted", comparison.table),
        State::Hidden => format!("{}, hidden", comparison.table),
    }
}

fn described(what: &Discrepancy) -> String {
    match what {
        Discrepancy::Missing => "is missing".to_owned(),
        Discrepancy::Surplus => "is surplus".to_owned(),
        Discrepancy::Undeleted => "exists although it was deleted".to_owned(),
        Discrepancy::Differs(columns) => {
            let column = |(name, values): &(&str, Option<(Value, Value)>)| match values {
                Some((expected, found)) => format!("{name} ({found} instead of {expected})"),
                None => (*name).to_owned(),
            };
            format!("differs in {}", columns.iter().map(column).collect::<Vec<_>>().join(", "))
        }
    }
}
