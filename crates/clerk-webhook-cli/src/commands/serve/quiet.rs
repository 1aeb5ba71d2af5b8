//! Hides log lines that matter only while debugging.

use std::fmt;

use clerk_webhook_core::Outcome;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

/// The target of the lines about deliveries.
pub(super) const DELIVERIES: &str = "clerk_webhook";

/// Hides the lines about duplicate and ignored deliveries. The core writes them with the level info, because an
/// application that receives few events wants to see all of them.
pub(super) struct Quiet;

impl<S: Subscriber> Filter<S> for Quiet {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        if event.metadata().target() != DELIVERIES {
            return true;
        }
        let mut outcome = OutcomeField { is_quiet: false };
        event.record(&mut outcome);
        !outcome.is_quiet
    }
}

/// Reads the field `outcome`.
struct OutcomeField {
    is_quiet: bool,
}

impl Visit for OutcomeField {
    fn record_str(&mut self, field: &Field, value: &str) {
        let quiet = [Outcome::Duplicate, Outcome::Ignored].map(Outcome::as_str);
        self.is_quiet |= field.name() == "outcome" && quiet.contains(&value);
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
