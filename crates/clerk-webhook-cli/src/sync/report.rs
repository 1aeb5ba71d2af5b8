//! The result of an import or a comparison.

use std::time::Duration;

use clerk_webhook_sync::{Report, Skipped, TableReport};
use serde_json::{Map, Value, json};

use super::Prefix;
use crate::failure::Failure;
use crate::output::style::{BAD, GOOD, ODD, QUIET};
use crate::output::{Output, printable};
use crate::text::{counted, time};

/// The number of differences that are printed as text.
const SHOWN: usize = 20;

/// The maximum length of a printed id. Clerk's ids have at most 40 characters.
const LONGEST_ID: usize = 64;

/// What the run was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Import { is_dry: bool },
    Comparison { is_dry: bool },
}

impl Kind {
    fn is_dry(self) -> bool {
        let (Self::Import { is_dry } | Self::Comparison { is_dry }) = self;
        is_dry
    }
}

/// Prints the result of each table and of the run. Fails if the run was incomplete, or if a comparison that
/// writes nothing has found differences.
pub(crate) fn report(output: &Output, report: &Report, kind: Kind, prefix: &Prefix) -> Result<(), Failure> {
    let is_incomplete = report.tables.iter().any(|table| table.unreadable + table.unlisted > 0);
    let is_drift = kind == Kind::Comparison { is_dry: true } && !report.is_in_step();
    if output.is_json() {
        let result = match (is_incomplete, is_drift) {
            (true, _) => "incomplete",
            (_, true) => "drift",
            _ => "ok",
        };
        print_objects(output, report, kind, result)?;
    } else {
        print_lines(output, report, kind, prefix)?;
    }
    if is_incomplete || is_drift { Err(Failure::Negative) } else { Ok(()) }
}

fn print_objects(output: &Output, report: &Report, kind: Kind, result: &str) -> Result<(), Failure> {
    // An import that writes nothing reports only numbers, because most objects may be missing.
    if kind == (Kind::Comparison { is_dry: true }) {
        for table in &report.tables {
            for drift in &table.drift {
                output.object(&json!({
                    "type": "drift",
                    "table": table.resource.as_str(),
                    "id": printable(&drift.id, LONGEST_ID),
                    "kind": drift.kind.as_str(),
                }))?;
            }
        }
    }
    let tables = report.tables.iter().map(|table| {
        let value = match table.skipped {
            Some(skipped) => json!({ "skipped": reason(skipped).0 }),
            None => json!({
                "seen": table.seen,
                "expected": table.expected,
                "inserted": table.inserted,
                "updated": table.updated,
                "unchanged": table.unchanged,
                "tombstoned": table.tombstoned,
                "erased": table.erased,
                "unconfirmed": table.unconfirmed,
                "unreadable": table.unreadable,
                "unlisted": table.unlisted,
            }),
        };
        (table.resource.as_str().to_owned(), value)
    });
    output.object(&json!({
        "type": "result",
        "result": result,
        "dry_run": kind.is_dry(),
        "instance_id": report.instance_id,
        "seconds": elapsed(report).as_secs_f64(),
        "tables": tables.collect::<Map<String, Value>>(),
    }))
}

fn print_lines(output: &Output, report: &Report, kind: Kind, prefix: &Prefix) -> Result<(), Failure> {
    print_tables(output, report, kind)?;
    if kind == (Kind::Comparison { is_dry: true }) {
        print_drift(output, report)?;
    }
    for table in &report.tables {
        print_doubts(output, table)?;
    }
    let sum = |count: fn(&TableReport) -> u64| report.tables.iter().map(count).sum::<u64>();
    let (inserted, updated, deleted) =
        (sum(|table| table.inserted), sum(|table| table.updated), sum(|table| table.tombstoned));
    let seconds = time(elapsed(report));
    let instance = printable(&report.instance_id, LONGEST_ID);
    let option = prefix.option();
    let rows = |number| counted(number, "row", "rows");
    match kind {
        Kind::Import { is_dry: false } => output.line(format_args!(
            "{GOOD}imported{GOOD:#} from {instance} in {seconds}: {} inserted, {updated} updated",
            rows(inserted)
        )),
        Kind::Import { is_dry: true } => output.line(format_args!(
            "nothing was written: `clerk-webhook backfill{option}` would insert {}, and update {updated}",
            rows(inserted)
        )),
        Kind::Comparison { .. } if report.is_in_step() => output.line(format_args!(
            "{GOOD}in step{GOOD:#}: the tables contain the objects of {instance}, compared in {seconds}"
        )),
        Kind::Comparison { is_dry: false } => output.line(format_args!(
            "{GOOD}repaired{GOOD:#} in {seconds}: {} inserted, {updated} updated, {deleted} deleted",
            rows(inserted)
        )),
        Kind::Comparison { is_dry: true } => output.line(format_args!(
            "{BAD}drift{BAD:#}: {} missing, {updated} outdated or different, {deleted} surplus. Run: clerk-webhook \
             reconcile{option}",
            rows(inserted)
        )),
    }
}

fn print_tables(output: &Output, report: &Report, kind: Kind) -> Result<(), Failure> {
    let columns = match kind {
        Kind::Import { is_dry: false } => "  inserted   updated unchanged",
        Kind::Import { is_dry: true } => "   missing  outdated unchanged",
        Kind::Comparison { is_dry: false } => "  inserted   updated unchanged   deleted",
        Kind::Comparison { is_dry: true } => "   missing  outdated unchanged   surplus",
    };
    output.line(format_args!("{QUIET}{:17}      seen  expected{columns}{QUIET:#}", "table"))?;
    for table in &report.tables {
        let name = table.resource;
        if let Some(skipped) = table.skipped {
            output.line(format_args!("{name:17} {QUIET}skipped: {}{QUIET:#}", reason(skipped).1))?;
            continue;
        }
        let expected = table.expected.map_or("-".to_owned(), |expected| expected.to_string());
        let TableReport { seen, inserted, updated, unchanged, tombstoned, .. } = table;
        let deleted = match kind {
            Kind::Import { .. } => String::new(),
            Kind::Comparison { .. } => format!(" {tombstoned:>9}"),
        };
        output.line(format_args!(
            "{name:17} {seen:>9} {expected:>9} {inserted:>9} {updated:>9} {unchanged:>9}{deleted}"
        ))?;
    }
    Ok(())
}

fn print_drift(output: &Output, report: &Report) -> Result<(), Failure> {
    let all = report.tables.iter().flat_map(|table| table.drift.iter().map(move |drift| (table, drift)));
    for (table, drift) in all.clone().take(SHOWN) {
        let id = printable(&drift.id, LONGEST_ID);
        output.line(format_args!("  {BAD}{:9}{BAD:#} {:17} {id}", drift.kind, table.resource))?;
    }
    match all.count().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => output.line(format_args!("  {QUIET}and {more} more; --json lists all{QUIET:#}")),
    }
}

/// Prints what a run could not decide or read.
fn print_doubts(output: &Output, table: &TableReport) -> Result<(), Failure> {
    let name = table.resource;
    let line = |text: String| output.line(format_args!("{ODD}{name}{ODD:#}: {text}"));
    if table.erased > 0 {
        line(format!(
            "{} deleted here, and will not be restored",
            counted(table.erased, "listed object was", "listed objects were")
        ))?;
    }
    if table.unconfirmed > 0 {
        line(format!(
            "{} kept, because Clerk's answer does not prove that the object was deleted. Run the command again \
             after 10 minutes",
            counted(table.unconfirmed, "row is", "rows are")
        ))?;
    }
    if table.unreadable > 0 {
        line(format!(
            "{} not written, because this version cannot read them. Upgrade clerk-webhook",
            counted(table.unreadable, "object is", "objects are")
        ))?;
    }
    if table.unlisted > 0 {
        line(format!(
            "Clerk counts {} more than it lists, so the table is incomplete. Run the command again",
            counted(table.unlisted, "object", "objects")
        ))?;
    }
    Ok(())
}

/// Returns why a table was skipped, as a code and as a sentence.
fn reason(skipped: Skipped) -> (&'static str, &'static str) {
    match skipped {
        Skipped::FeatureOff => ("off", "this feature is off in the Clerk instance"),
        Skipped::NotKept => ("not_kept", "the application does not store these objects"),
        Skipped::Imported => ("imported", "an interrupted import has completed this table"),
        _ => (skipped.as_str(), skipped.as_str()),
    }
}

fn elapsed(report: &Report) -> Duration {
    let millis = report.finished_at.as_millis().saturating_sub(report.started_at.as_millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}
