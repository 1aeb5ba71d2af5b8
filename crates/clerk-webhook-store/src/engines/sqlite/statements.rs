//! The SQL statements, with the default table name.
//!
//! Times are milliseconds since the Unix epoch, from this machine's clock.

use crate::engines::sql::{SchemaOf, statements};

pub(super) const MIGRATION: &str = include_str!("../../../migrations/sqlite/0001_deliveries.sql");

/// Returns no row if the delivery is completed or in progress, or was released while the statement ran.
const CLAIM: &str = "\
INSERT INTO clerk_webhook_delivery AS delivery
    (scope, message_id, state, owner, attempt, lease_until, first_seen_at, updated_at)
VALUES (?1, ?2, 0, ?3, 1, ?4, ?5, ?5)
ON CONFLICT (scope, message_id) DO UPDATE
   SET state = 0, owner = excluded.owner, attempt = delivery.attempt + 1,
       lease_until = excluded.lease_until, updated_at = excluded.updated_at
 WHERE delivery.state = 2 OR (delivery.state = 0 AND delivery.lease_until <= ?5)
RETURNING attempt";

/// Like the claim, but completes the delivery immediately.
pub(super) const MARK: &str = "\
INSERT INTO clerk_webhook_delivery AS delivery
    (scope, message_id, state, owner, attempt, lease_until, first_seen_at, updated_at)
VALUES (?1, ?2, 1, ?3, 1, ?4, ?4, ?4)
ON CONFLICT (scope, message_id) DO UPDATE
   SET state = 1, owner = excluded.owner, attempt = delivery.attempt + 1,
       lease_until = excluded.lease_until, updated_at = excluded.updated_at
 WHERE delivery.state = 2 OR (delivery.state = 0 AND delivery.lease_until <= ?4)
RETURNING attempt";

pub(super) const LOOK_UP: &str = "\
SELECT state, updated_at, lease_until - ?3 AS lease_left
  FROM clerk_webhook_delivery
 WHERE scope = ?1 AND message_id = ?2";

const RENEW: &str = "\
UPDATE clerk_webhook_delivery SET lease_until = ?4
 WHERE scope = ?1 AND message_id = ?2 AND owner = ?3 AND state = 0";

/// A second completion succeeds too, and keeps the time of the first one.
const COMPLETE: &str = "\
UPDATE clerk_webhook_delivery
   SET state = 1, updated_at = CASE state WHEN 1 THEN updated_at ELSE ?4 END
 WHERE scope = ?1 AND message_id = ?2 AND owner = ?3 AND state IN (0, 1)";

const RELEASE: &str = "\
UPDATE clerk_webhook_delivery
   SET state = 2, lease_until = ?4, updated_at = ?4
 WHERE scope = ?1 AND message_id = ?2 AND owner = ?3 AND state = 0";

const FORGET: &str = "DELETE FROM clerk_webhook_delivery WHERE scope = ?1 AND message_id = ?2";

/// The index is on `first_seen_at`, which is never after `updated_at`, so this condition only narrows the
/// search.
const PURGE: &str = "\
DELETE FROM clerk_webhook_delivery
 WHERE (scope, message_id) IN (
       SELECT scope, message_id FROM clerk_webhook_delivery
        WHERE first_seen_at <= ?1 AND updated_at <= ?1 AND (state <> 0 OR lease_until <= ?2)
        ORDER BY first_seen_at
        LIMIT ?3)";

statements! {
    SchemaOf::Index;
    migration: MIGRATION,
    claim: CLAIM,
    mark: MARK,
    look_up: LOOK_UP,
    renew: RENEW,
    complete: COMPLETE,
    release: RELEASE,
    forget: FORGET,
    purge: PURGE,
}
