//! Whether the tables of clerk-webhook-sync have what Clerk holds after a history.
//!
//! It judges the sync, and so has nothing of it: what has to be in a column is read from the JSON of the events by what the
//! column means.

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

/// A database and what its tables are called.
pub(crate) struct SyncCheck {
    database: Database,
    prefix: Prefix,
}

impl SyncCheck {
    pub(crate) fn new(url: &str, prefix: &str) -> Result<Self, Failure> {
        Ok(Self { database: url.parse()?, prefix: prefix.parse()? })
    }

    /// Fails where the database or its tables are not there.
    pub(crate) async fn probe(&self) -> Result<(), Failure> {
        let mut connection = self.database.connect().await?;
        for section in sections(&FinalState::default()) {
            connection.probe(&section, &self.prefix).await?;
        }
        connection.close().await;
        Ok(())
    }

    /// Says how the tables differ from what they have to be after a history, and returns whether they do not.
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
