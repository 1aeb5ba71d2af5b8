//! The SQL.
//!
//! It is written with the default name of the table. Times are the server's, and those of the moment: `now()` stands still
//! inside a transaction. Each statement sets how long it waits for a row that somebody else has locked, for itself alone.

use crate::engines::sql::{SchemaOf, statements};

pub(super) const MIGRATION: &str = include_str!("../../../migrations/postgres/0001_deliveries.sql");

/// Stands before the migration, with which it is one transaction: `IF NOT EXISTS` alone fails where two run at once. The
/// number is any that no application takes for something else.
const ONE_AT_A_TIME: &str = "SELECT pg_catalog.pg_advisory_xact_lock(7164785587434629121);\n";

/// Whether the migration has run. To create what exists already would wait for everybody who is writing.
const MIGRATED: &str = "\
SELECT EXISTS (SELECT FROM pg_catalog.pg_index
     WHERE indrelid = pg_catalog.to_regclass('clerk_webhook_delivery') AND NOT indisprimary)";

/// No row: it is completed, somebody has it, or somebody let go of it meanwhile.
const CLAIM: &str = "\
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', $5, true))
INSERT INTO clerk_webhook_delivery AS delivery
    (scope, message_id, state, owner, attempt, lease_until, first_seen_at, updated_at)
SELECT $1, $2, 0, $3::text::uuid, 1, clock_timestamp() + $4::bigint * interval '1 millisecond', clock_timestamp(),
       clock_timestamp()
  FROM patience
ON CONFLICT (scope, message_id) DO UPDATE
   SET state = 0, owner = excluded.owner, attempt = delivery.attempt + 1,
       lease_until = clock_timestamp() + $4::bigint * interval '1 millisecond', updated_at = clock_timestamp()
 WHERE delivery.state = 2 OR (delivery.state = 0 AND delivery.lease_until <= clock_timestamp())
RETURNING attempt";

/// As the claim, but completed at once. The patience ends with the statement: the application's have their own.
pub(super) const MARK: &str = "\
WITH patience AS MATERIALIZED (
    SELECT current_setting('lock_timeout') AS before, set_config('lock_timeout', $4, true)
)
INSERT INTO clerk_webhook_delivery AS delivery
    (scope, message_id, state, owner, attempt, lease_until, first_seen_at, updated_at)
SELECT $1, $2, 1, $3::text::uuid, 1, clock_timestamp(), clock_timestamp(), clock_timestamp()
  FROM patience
ON CONFLICT (scope, message_id) DO UPDATE
   SET state = 1, owner = excluded.owner, attempt = delivery.attempt + 1,
       lease_until = clock_timestamp(), updated_at = clock_timestamp()
 WHERE delivery.state = 2 OR (delivery.state = 0 AND delivery.lease_until <= clock_timestamp())
RETURNING attempt, set_config('lock_timeout', (SELECT before FROM patience), true)";

/// A statement of its own: the claim's would look at the rows as they were when it began, without the one that it met.
pub(super) const LOOK_UP: &str = "\
SELECT state::bigint, floor(extract(epoch FROM updated_at) * 1000)::bigint AS updated_at,
       ceil(extract(epoch FROM lease_until - clock_timestamp()) * 1000)::bigint AS lease_left
  FROM clerk_webhook_delivery
 WHERE scope = $1 AND message_id = $2";

/// Finds the mark that a transaction has made.
const CONFIRM: &str = "\
SELECT 1 FROM clerk_webhook_delivery WHERE scope = $1 AND message_id = $2 AND owner = $3::text::uuid AND state = 1";

const RENEW: &str = "\
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', $5, true))
UPDATE clerk_webhook_delivery
   SET lease_until = clock_timestamp() + $4::bigint * interval '1 millisecond'
  FROM patience
 WHERE scope = $1 AND message_id = $2 AND owner = $3::text::uuid AND state = 0";

/// Twice is as good as once, with the time of the first.
const COMPLETE: &str = "\
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', $4, true))
UPDATE clerk_webhook_delivery
   SET state = 1, updated_at = CASE state WHEN 1 THEN updated_at ELSE clock_timestamp() END
  FROM patience
 WHERE scope = $1 AND message_id = $2 AND owner = $3::text::uuid AND state IN (0, 1)";

const RELEASE: &str = "\
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', $4, true))
UPDATE clerk_webhook_delivery
   SET state = 2, lease_until = clock_timestamp(), updated_at = clock_timestamp()
  FROM patience
 WHERE scope = $1 AND message_id = $2 AND owner = $3::text::uuid AND state = 0";

const FORGET: &str = "\
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', $3, true))
DELETE FROM clerk_webhook_delivery USING patience WHERE scope = $1 AND message_id = $2";

/// With `statement_timestamp()`, since a time that may change with each row cannot be looked up in an index.
/// What was changed so long ago was seen before that, which is what the index has.
const PURGE: &str = "\
DELETE FROM clerk_webhook_delivery
 WHERE ctid = ANY (ARRAY(
       SELECT ctid FROM clerk_webhook_delivery
        WHERE first_seen_at <= statement_timestamp() - $1::bigint * interval '1 millisecond'
          AND updated_at <= statement_timestamp() - $1::bigint * interval '1 millisecond'
          AND (state <> 0 OR lease_until <= statement_timestamp())
        ORDER BY first_seen_at
        LIMIT $2::bigint
          FOR UPDATE SKIP LOCKED))";

statements! {
    SchemaOf::IndexedTable;
    migration: &format!("{ONE_AT_A_TIME}{MIGRATION}"),
    migrated: MIGRATED,
    claim: CLAIM,
    mark: MARK,
    look_up: LOOK_UP,
    confirm: CONFIRM,
    renew: RENEW,
    complete: COMPLETE,
    release: RELEASE,
    forget: FORGET,
    purge: PURGE,
}
