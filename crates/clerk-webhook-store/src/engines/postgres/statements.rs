//! The SQL statements, with the default table name.
//!
//! They use the server's `clock_timestamp()`, because `now()` does not advance inside a transaction. Each
//! statement sets its own `lock_timeout`: how long it waits for a row that another transaction has locked.

use crate::engines::sql::{SchemaOf, statements};

pub(super) const MIGRATION: &str = include_str!("../../../migrations/postgres/0001_deliveries.sql");

/// Runs before the migration, in the same transaction, because `IF NOT EXISTS` fails if two migrations run at
/// the same time. The number is arbitrary, so that an application is unlikely to use the same lock.
const ONE_AT_A_TIME: &str = "SELECT pg_catalog.pg_advisory_xact_lock(7164785587434629121);\n";

/// Whether the migration has run. `CREATE INDEX IF NOT EXISTS` would wait for all open transactions that
/// write, even if the index exists.
const MIGRATED: &str = "\
SELECT EXISTS (SELECT FROM pg_catalog.pg_index
     WHERE indrelid = pg_catalog.to_regclass('clerk_webhook_delivery') AND NOT indisprimary)";

/// Returns no row if the delivery is completed or in progress, or was released while the statement ran.
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

/// Like the claim, but completes the delivery immediately. It restores `lock_timeout` for the application's
/// statements.
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
RETURNING attempt, pg_catalog.txid_current() AS transaction_id,
          set_config('lock_timeout', (SELECT before FROM patience), true)";

/// This statement is separate, because the claim's snapshot does not contain the row that it conflicted with.
pub(super) const LOOK_UP: &str = "\
SELECT state::bigint, floor(extract(epoch FROM updated_at) * 1000)::bigint AS updated_at,
       ceil(extract(epoch FROM lease_until - clock_timestamp()) * 1000)::bigint AS lease_left
  FROM clerk_webhook_delivery
 WHERE scope = $1 AND message_id = $2";

const RENEW: &str = "\
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', $5, true))
UPDATE clerk_webhook_delivery
   SET lease_until = clock_timestamp() + $4::bigint * interval '1 millisecond'
  FROM patience
 WHERE scope = $1 AND message_id = $2 AND owner = $3::text::uuid AND state = 0";

/// A second completion succeeds too, and keeps the time of the first one.
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

/// Uses `statement_timestamp()`, because the volatile `clock_timestamp()` cannot use the index. The index is
/// on `first_seen_at`, which is never after `updated_at`, so this condition only narrows the search.
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
    renew: RENEW,
    complete: COMPLETE,
    release: RELEASE,
    forget: FORGET,
    purge: PURGE,
}
