//! Compares the tables of clerk-webhook-sync with the final state of a history.
//!
//! This check shares no code with the sync that it tests. It computes the expected value of each column from
//! the JSON of the events.

mod columns;
mod compare;
mod database;
mod final_state;
mod kinds;
mod report;

use clerk_webhook_test::History;

use crate::failure::Failure;
use crate::output::Output;

use compare::{SectionComparison, sections};
use database::{Database, Prefix};
use final_state::FinalState;
use report::Report;

/// A database and the prefix of its tables.
pub(crate) struct SyncCheck {
    database: Database,
    prefix: Prefix,
}

impl SyncCheck {
    pub(crate) fn new(url: &str, prefix: &str) -> Result<Self, Failure> {
        Ok(Self { database: url.parse()?, prefix: prefix.parse()? })
    }

    /// Fails if the database, a table, or a column is missing.
    pub(crate) async fn probe(&self) -> Result<(), Failure> {
        let mut connection = self.database.connect().await?;
        for section in sections(&FinalState::default()) {
            connection.probe(&section, &self.prefix).await?;
        }
        connection.close().await;
        Ok(())
    }

    /// Prints how the tables differ from the final state of a history. Returns whether they match it.
    pub(crate) async fn run(&self, history: &History, output: &Output) -> Result<bool, Failure> {
        let mut connection = self.database.connect().await?;
        let mut comparisons = Vec::new();
        for section in sections(&FinalState::of(history)) {
            let rows = connection.rows(&section, &self.prefix).await?;
            comparisons.push(SectionComparison::of(&section, rows));
        }
        connection.close().await;
        let report = Report::new(comparisons);
        output.object(&report.object(&self.prefix))?;
        for line in report.lines(&self.prefix) {
            output.line(line)?;
        }
        Ok(report.is_equal())
    }
}
