//! What a queue remembers about graphile_worker's tasks.

use std::sync::Arc;
use std::time::Instant;

use graphile_worker::sql::task_identifiers::TaskDetails;

/// The id of the task, and when the tickets were last repaired.
#[derive(Default)]
pub(super) struct Tasks {
    pub(super) details: Option<Arc<TaskDetails>>,
    pub(super) repaired_at: Option<Instant>,
}
