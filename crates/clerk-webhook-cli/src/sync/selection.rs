//! The tables that `--tables` selects.

use clerk_webhook_sync::Resource;

use crate::failure::Failure;
use crate::output::printable;

/// The selected tables; all tables that the application stores by default if it is empty.
pub(crate) struct Selection(Vec<Resource>);

impl Selection {
    pub(crate) fn of(names: &[String]) -> Result<Self, Failure> {
        let resources = names.iter().map(|name| {
            name.trim()
                .parse()
                .map_err(|error| Failure::usage(format_args!("--tables {}: {error}.", printable(name, 64))))
        });
        resources.collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn has_waitlist(&self) -> bool {
        self.0.contains(&Resource::WaitlistEntries)
    }

    /// Returns the tables, or `None` if `--tables` is not given.
    pub(crate) fn resources(self) -> Option<Vec<Resource>> {
        (!self.0.is_empty()).then_some(self.0)
    }
}
