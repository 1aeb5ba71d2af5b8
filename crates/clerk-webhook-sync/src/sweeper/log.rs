//! The log lines of a sweeper.

#[cfg(feature = "tracing")]
pub(super) use lines::{event, progress, unknown_state};

#[cfg(not(feature = "tracing"))]
pub(super) use silence::{event, progress, unknown_state};

#[cfg(feature = "tracing")]
mod lines {
    use std::error::Error as _;

    use clerk_webhook_core::Timestamp;
    use tracing::{error, info, warn};

    use crate::backfill::error::ImportError;
    use crate::backfill::report::{Progress, Report, TableReport};
    use crate::error::SyncError;
    use crate::sweeper::event::{SweepEvent, SweepKind};
    use crate::sweeper::schedule;

    pub(crate) fn event(event: &SweepEvent<'_>) {
        match *event {
            SweepEvent::Scheduled { at } => {
                let in_seconds = schedule::until(Timestamp::now(), at).as_secs();
                info!(target: "clerk_webhook", in_seconds, "next comparison with Clerk");
            }
            SweepEvent::Started { kind } => info!(target: "clerk_webhook", %kind, "sweep started"),
            SweepEvent::Progress { .. } => {}
            SweepEvent::Ended { kind, result: Ok(report) } => finished(kind, report),
            SweepEvent::Ended { kind, result: Err(error) } => failed(kind, error),
        }
    }

    /// Writes how far the sweep has come.
    pub(crate) fn progress(kind: SweepKind, last: Option<&Progress>) {
        match last {
            Some(Progress { resource, seen, expected, .. }) => {
                info!(target: "clerk_webhook", %kind, table = %resource, seen, expected, "sweep in progress");
            }
            None => info!(target: "clerk_webhook", %kind, "sweep in progress"),
        }
    }

    pub(crate) fn unknown_state(error: &SyncError) {
        warn!(target: "clerk_webhook", %error, "cannot read when the last sweep was");
    }

    fn finished(kind: SweepKind, report: &Report) {
        let (skipped, listed): (Vec<_>, Vec<_>) =
            report.tables.iter().partition(|table| table.skipped.is_some());
        let sum = |of: fn(&TableReport) -> u64| listed.iter().map(|table| of(table)).sum::<u64>();
        let skipped = skipped.iter().map(|table| table.resource.as_str()).collect::<Vec<_>>().join(",");
        info!(
            target: "clerk_webhook",
            %kind,
            instance_id = report.instance_id,
            seen = sum(|table| table.seen),
            inserted = sum(|table| table.inserted),
            updated = sum(|table| table.updated),
            unchanged = sum(|table| table.unchanged),
            tombstoned = sum(|table| table.tombstoned),
            unconfirmed = sum(|table| table.unconfirmed),
            skipped,
            duration_ms = report.finished_at.as_millis().saturating_sub(report.started_at.as_millis()),
            "sweep finished"
        );
        if !report.is_complete() {
            let objects = sum(|table| table.unreadable + table.unlisted);
            warn!(
                target: "clerk_webhook",
                %kind,
                objects,
                "the sweep is incomplete: Clerk did not list some objects, or this version cannot read them"
            );
        }
    }

    fn failed(kind: SweepKind, error: &ImportError) {
        match error {
            ImportError::AlreadyRunning | ImportError::LeaseLost => {
                info!(target: "clerk_webhook", %kind, "another process is sweeping; waiting for its end");
            }
            ImportError::Stopped => {
                info!(
                    target: "clerk_webhook",
                    %kind,
                    "sweep stopped, because the process ends; the next one continues"
                );
            }
            error if error.is_refusal() => error!(target: "clerk_webhook", %kind, %error, "sweep refused"),
            // The source of another error, which Postgres may have written, can contain rows.
            ImportError::Api(error) if error.source().is_some() => {
                let source = error.source().map(ToString::to_string);
                error!(target: "clerk_webhook", %kind, %error, source, "sweep failed");
            }
            error => error!(target: "clerk_webhook", %kind, %error, "sweep failed"),
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod silence {
    use crate::backfill::report::Progress;
    use crate::error::SyncError;
    use crate::sweeper::event::{SweepEvent, SweepKind};

    pub(crate) const fn event(_: &SweepEvent<'_>) {}
    pub(crate) const fn progress(_: SweepKind, _: Option<&Progress>) {}
    pub(crate) const fn unknown_state(_: &SyncError) {}
}
