//! The texts of the SQL statements, with the default names of the table and of graphile_worker's schema.
//!
//! Times are milliseconds since the Unix epoch, according to the server's clock.
//!
//! # Order of locks
//!
//! - A statement locks the record of a job before its ticket. Only a worker that claims a ticket locks them the
//!   other way round, and it never waits for a record or for the lock of an object.
//! - A transaction locks the ticket of one job, so two transactions cannot wait for each other's tickets. The
//!   next job about an object is therefore woken in a separate transaction. The exceptions are `RETRY_ALL_DEAD`
//!   and `REPAIR`, which skip locked records, and `COMPLETE_IN`.
//!
//! `statements.rs` replaces the abbreviations in angle brackets.

/// The table name in this crate's SQL.
pub(super) const DEFAULT: &str = "clerk_webhook_queue";

/// The name of graphile_worker's schema in this crate's SQL.
pub(super) const DEFAULT_SCHEMA: &str = "graphile_worker";

pub(super) const MIGRATION: &str = include_str!("../../../migrations/postgres/0001_queue.sql");

/// Runs before the migration, in the same transaction, because `IF NOT EXISTS` fails if two migrations run at
/// the same time. The number is arbitrary, so that an application is unlikely to use the same lock.
pub(super) const ONE_AT_A_TIME: &str = "SELECT pg_catalog.pg_advisory_xact_lock(7164785587434629122);\n";

/// Whether the migration has run. `CREATE INDEX IF NOT EXISTS` would wait for all open transactions that
/// write, even if the index exists.
pub(super) const MIGRATED: &str = "\
SELECT count(*) >= 5 FROM pg_catalog.pg_index
 WHERE indrelid = pg_catalog.to_regclass('clerk_webhook_queue') AND NOT indisprimary";

/// Whether graphile_worker's last migration of version 0.14 has run.
pub(super) const GRAPHILE_MIGRATED: &str = "\
SELECT pg_catalog.to_regclass('graphile_worker._private_job_retirements') IS NOT NULL";

/// Inserts the record and its ticket. Returns no row if the message already exists, whatever its state. The search
/// finds a record whose transaction is open, for which the conflict would wait.
///
/// Like each statement of a worker, it waits for at most 4 s for a lock: the caller abandons a longer call, and
/// the connection would then be missing from the pool until the lock is released.
pub(super) const ENQUEUE: &str = "\
WITH <patience>,
job AS (
     INSERT INTO clerk_webhook_queue
         (scope, message_id, state, event_type, object_id, attempts, available_at, attempted_at, enqueued_at, payload)
     SELECT $1, $2, 0, $3, $4, 0, at.now, $5, at.now, $6 FROM patience CROSS JOIN (SELECT <now> AS now) AS at
      WHERE NOT EXISTS (SELECT FROM clerk_webhook_queue WHERE scope = $1 AND message_id = $2)
     ON CONFLICT (scope, message_id) DO NOTHING
     RETURNING scope, message_id, available_at)
SELECT (<first ticket job at available_at>).id FROM job";

/// Locks the record of a claimed ticket, and the job's object if the job can run. It waits for no lock.
///
/// `wait` is the time until the job can be taken. `delay` is the same time for `run_at`, which graphile_worker
/// counts from the beginning of the transaction.
pub(super) const LOCK: &str = "\
SELECT known.known, job.state, job.object_id, job.wait, job.delay, job.attempts >= $3::bigint AS is_last,
       CASE WHEN job.wait <= 0 AND job.attempts < $3::bigint AND $4::boolean AND job.object_id IS NOT NULL
            THEN pg_try_advisory_xact_lock(<object job>) ELSE true END AS is_alone
  FROM (SELECT EXISTS (SELECT FROM clerk_webhook_queue WHERE scope = $1 AND message_id = $2) AS known) AS known
  LEFT JOIN LATERAL (
       SELECT scope, state, object_id, attempts,
              CASE state WHEN 0 THEN available_at WHEN 2 THEN lease_until END - <now> AS wait,
              CASE state WHEN 0 THEN available_at WHEN 2 THEN lease_until END - <begun> AS delay
         FROM clerk_webhook_queue WHERE scope = $1 AND message_id = $2
          FOR UPDATE SKIP LOCKED) AS job ON true";

/// Takes the job whose record is locked, unless another job about the object $5 is running. It is a separate
/// statement, because its snapshot must be newer than the lock of the object.
///
/// If the lease of the other job has expired, but its transaction is open, the next look is after 5 s, because the
/// end of that transaction wakes the next job.
pub(super) const TAKE: &str = "\
WITH busy AS MATERIALIZED (
     SELECT max(lease_until) FILTER (WHERE lease_until > <started>) AS until, count(*) > 0 AS expired
       FROM clerk_webhook_queue
      WHERE scope = $1 AND state = 2 AND object_id = $5::text AND message_id <> $2),
taken AS (
     UPDATE clerk_webhook_queue
        SET state = 2, attempts = attempts + 1, owner = $3::text::uuid, lease_until = <now> + $4::bigint
       FROM busy
      WHERE scope = $1 AND message_id = $2 AND $6::boolean AND busy.until IS NULL
     RETURNING message_id, event_type, attempts, attempted_at, enqueued_at, payload, lease_until - <begun> AS delay,
               lease_until - $4::bigint AS taken_at)
SELECT taken.*, coalesce(busy.until - <begun>, CASE WHEN busy.expired THEN 5000 END) AS busy_for
  FROM busy LEFT JOIN taken ON true";

/// Finds a job whose ticket waits because another job about its object is running.
pub(super) const FIND: &str = "\
SELECT message_id FROM clerk_webhook_queue
 WHERE scope = $1 AND state = 0 AND available_at <= <started>
 ORDER BY available_at
 LIMIT 1
   FOR UPDATE SKIP LOCKED";

/// Adds the tickets that no worker can claim: somebody has deleted them, or a worker of graphile_worker has failed
/// or was killed while it held them. A live worker of graphile_worker replaces a ticket as soon as it claims it.
pub(super) const REPAIR: &str = "\
WITH job AS MATERIALIZED (
     SELECT scope, message_id, coalesce(lease_until, available_at) AS available_at
       FROM clerk_webhook_queue AS record
      WHERE ((scope = $1 AND state = 0 AND available_at <= <started>)
             OR (scope = $1 AND state = 2 AND lease_until <= <started>))
        AND NOT EXISTS (
            SELECT FROM graphile_worker._private_jobs AS ticket
             WHERE ticket.key = 'clerk_webhook:<table>:' || record.scope || ':' || record.message_id
               AND (ticket.is_available OR (ticket.attempts < ticket.max_attempts
                                            AND ticket.locked_at > now() - interval '5 minutes')))
      LIMIT $2::bigint
        FOR UPDATE SKIP LOCKED)
SELECT (<ticket job at available_at>).id FROM job";

/// Deletes tickets that have been replaced, and that graphile_worker has not completed.
pub(super) const CLEAN: &str = "\
DELETE FROM graphile_worker._private_jobs
 WHERE id = ANY (ARRAY(
       SELECT id FROM graphile_worker._private_jobs
        WHERE key IS NULL AND locked_at IS NULL AND attempts >= max_attempts
          AND task_id = (SELECT id FROM graphile_worker._private_tasks WHERE identifier = 'clerk_webhook')
        LIMIT $1::bigint
          FOR UPDATE SKIP LOCKED))";

/// Makes the job whose record is locked a dead letter.
pub(super) const DIE: &str = "\
UPDATE clerk_webhook_queue
   SET state = 3, owner = NULL, lease_until = NULL, ended_at = <now>,
       last_error = CASE state WHEN 2 THEN $3 ELSE last_error END
 WHERE scope = $1 AND message_id = $2
RETURNING event_type, attempts, last_error, object_id";

/// Renews a live lease. If the lease becomes shorter, moves the ticket to its end, and returns the object.
pub(super) const RENEW: &str = "\
WITH <patience>,
job AS MATERIALIZED (
     SELECT scope, message_id, object_id, lease_until, <now> + $4::bigint AS available_at
       FROM patience CROSS JOIN clerk_webhook_queue AS record
      WHERE scope = $1 AND message_id = $2 AND owner = $3::text::uuid AND state = 2 AND lease_until > <now>
        FOR UPDATE OF record),
renewed AS (
     UPDATE clerk_webhook_queue AS record SET lease_until = job.available_at
       FROM job WHERE record.scope = job.scope AND record.message_id = job.message_id
     RETURNING 1),
moved AS MATERIALIZED (
     SELECT (<ticket job at available_at>).id FROM job WHERE job.available_at < job.lease_until)
SELECT (SELECT count(*) FROM renewed) AS ended, (SELECT count(*) FROM moved) AS moved,
       (SELECT object_id FROM job WHERE available_at < lease_until) AS object_id";

/// Locks the record of an expired lease, and its object, before the renewal.
pub(super) const LOCK_EXPIRED: &str = "\
SELECT job.object_id,
       CASE WHEN job.object_id IS NULL THEN true ELSE pg_try_advisory_xact_lock(<object job>) END AS is_alone
  FROM (SELECT scope, object_id FROM clerk_webhook_queue
         WHERE scope = $1 AND message_id = $2 AND owner = $3::text::uuid AND state = 2
           FOR UPDATE) AS job";

/// Refuses the renewal if another job about the object $5 is running under a live lease.
pub(super) const RENEW_EXPIRED: &str = "\
UPDATE clerk_webhook_queue SET lease_until = <now> + $4::bigint
 WHERE scope = $1 AND message_id = $2 AND owner = $3::text::uuid AND state = 2
   AND NOT EXISTS (
       SELECT FROM clerk_webhook_queue AS other
        WHERE other.scope = $1 AND other.state = 2 AND other.object_id = $5::text AND other.message_id <> $2
          AND other.lease_until > <started>)";

/// A second completion with the same lease also succeeds, and keeps the time of the first one.
pub(super) const COMPLETE: &str = "\
WITH <patience>,
<complete>,
<remove>
SELECT (SELECT count(*) FROM ended) AS ended, (SELECT object_id FROM job WHERE state = 2) AS object_id,
       (SELECT count(*) FROM removed) AS removed";

/// Completes a job in a transaction of the application, and wakes the next ready job about its object. A job
/// whose lease has expired is not woken here, because its late owner could be waiting for this job's ticket.
pub(super) const COMPLETE_IN: &str = "\
WITH patience AS MATERIALIZED (SELECT 1),
<complete>,
<remove>,
<wake>
SELECT (SELECT count(*) FROM ended) AS ended, (SELECT count(*) FROM removed) AS removed,
       (SELECT count(*) FROM woken) AS woken";

/// Waits for the lock of the job's object, so that no other job about it starts before the transaction ends. The
/// server ends the transaction if it is idle for $5 milliseconds.
pub(super) const LOCK_OBJECT: &str = "\
SELECT job.object_id,
       CASE WHEN $5::text IS NOT NULL
            THEN set_config('idle_in_transaction_session_timeout', $5::text, true) END AS idle,
       CASE WHEN $4::boolean AND job.object_id IS NOT NULL
            THEN pg_advisory_xact_lock(<object job>)::text END AS locked
  FROM clerk_webhook_queue AS job
 WHERE scope = $1 AND message_id = $2 AND owner = $3::text::uuid AND state = 2 AND lease_until > <now>";

/// Completes a job at the beginning of its transaction, and removes its ticket. The lease may have expired during the
/// wait for the lock of the object, so that another job about the object could be running.
pub(super) const MARK: &str = "\
WITH job AS MATERIALIZED (
     SELECT scope, message_id, state FROM clerk_webhook_queue
      WHERE scope = $1 AND message_id = $2 AND owner = $3::text::uuid AND state = 2 AND lease_until > <now>
        FOR UPDATE),
ended AS (
     UPDATE clerk_webhook_queue AS record
        SET state = 1, object_id = NULL, lease_until = NULL, last_error = NULL, payload = NULL, ended_at = <now>
       FROM job WHERE record.scope = job.scope AND record.message_id = job.message_id
     RETURNING 1),
<remove>
SELECT (SELECT count(*) FROM ended) AS ended, (SELECT count(*) FROM removed) AS removed,
       pg_catalog.txid_current() AS transaction_id";

pub(super) const RETRY: &str = "\
WITH <patience>,
job AS MATERIALIZED (
     SELECT scope, message_id, object_id, state, <now> + $4::bigint AS available_at
       FROM patience CROSS JOIN clerk_webhook_queue AS record
      WHERE scope = $1 AND message_id = $2 AND owner = $3::text::uuid AND state = 2
        FOR UPDATE OF record),
ended AS (
     UPDATE clerk_webhook_queue AS record
        SET state = 0, owner = NULL, lease_until = NULL, available_at = job.available_at, last_error = $5
       FROM job WHERE record.scope = job.scope AND record.message_id = job.message_id
     RETURNING 1),
moved AS MATERIALIZED (SELECT (<ticket job at available_at>).id FROM job)
SELECT (SELECT count(*) FROM ended) AS ended, (SELECT object_id FROM job) AS object_id,
       (SELECT count(*) FROM moved) AS moved";

/// Keeps `available_at`, so that the job keeps its position in the queue.
pub(super) const GIVE_BACK: &str = "\
WITH <patience>,
job AS MATERIALIZED (
     SELECT scope, message_id, object_id, state, available_at
       FROM patience CROSS JOIN clerk_webhook_queue AS record
      WHERE scope = $1 AND message_id = $2 AND owner = $3::text::uuid AND state = 2
        FOR UPDATE OF record),
ended AS (
     UPDATE clerk_webhook_queue AS record
        SET state = 0, owner = NULL, lease_until = NULL, attempts = record.attempts - 1
       FROM job WHERE record.scope = job.scope AND record.message_id = job.message_id
     RETURNING 1),
moved AS MATERIALIZED (SELECT (<ticket job at available_at>).id FROM job)
SELECT (SELECT count(*) FROM ended) AS ended, (SELECT object_id FROM job) AS object_id,
       (SELECT count(*) FROM moved) AS moved";

/// A second call with the same lease also succeeds, and keeps the time and the error of the first one.
pub(super) const BURY: &str = "\
WITH <patience>,
job AS MATERIALIZED (
     SELECT scope, message_id, object_id, state FROM patience CROSS JOIN clerk_webhook_queue AS record
      WHERE scope = $1 AND message_id = $2 AND owner = $3::text::uuid AND state IN (2, 3)
        FOR UPDATE OF record),
ended AS (
     UPDATE clerk_webhook_queue AS record
        SET state = 3, lease_until = NULL,
            ended_at = CASE record.state WHEN 3 THEN record.ended_at ELSE <now> END,
            last_error = CASE record.state WHEN 3 THEN record.last_error ELSE $4 END
       FROM job WHERE record.scope = job.scope AND record.message_id = job.message_id
     RETURNING 1),
<remove>
SELECT (SELECT count(*) FROM ended) AS ended, (SELECT object_id FROM job WHERE state = 2) AS object_id,
       (SELECT count(*) FROM removed) AS removed";

/// A running job whose lease has expired counts as ready, because it can be taken.
pub(super) const STATS: &str = "\
SELECT event_type, sum(ready)::bigint AS ready, sum(running)::bigint AS running, sum(dead)::bigint AS dead,
       min(since) AS oldest_ready
  FROM (SELECT event_type, count(*) AS ready, 0 AS running, 0 AS dead, min(enqueued_at) AS since
          FROM clerk_webhook_queue WHERE scope = $1 AND state = 0 GROUP BY event_type
        UNION ALL
        SELECT event_type, count(*), 0, 0, min(enqueued_at)
          FROM clerk_webhook_queue WHERE scope = $1 AND state = 2 AND lease_until <= <started> GROUP BY event_type
        UNION ALL
        SELECT event_type, 0, count(*), 0, NULL
          FROM clerk_webhook_queue WHERE scope = $1 AND state = 2 AND lease_until > <started> GROUP BY event_type
        UNION ALL
        SELECT event_type, 0, 0, count(*), NULL
          FROM clerk_webhook_queue WHERE scope = $1 AND state = 3 GROUP BY event_type) AS states
 GROUP BY event_type";

pub(super) const DEAD_LETTERS: &str = "\
SELECT message_id, event_type, attempts, attempted_at, enqueued_at, ended_at, last_error, payload
  FROM clerk_webhook_queue
 WHERE scope = $1 AND state = 3
 ORDER BY ended_at DESC
 LIMIT $2::bigint";

pub(super) const DEAD_LETTER: &str = "\
SELECT message_id, event_type, attempts, attempted_at, enqueued_at, ended_at, last_error, payload
  FROM clerk_webhook_queue
 WHERE scope = $1 AND message_id = $2 AND state = 3";

pub(super) const RETRY_DEAD: &str = "\
WITH job AS (
     UPDATE clerk_webhook_queue
        SET state = 0, owner = NULL, attempts = 0, available_at = <now>, ended_at = NULL
      WHERE scope = $1 AND message_id = $2 AND state = 3
     RETURNING scope, message_id, available_at)
SELECT (<ticket job at available_at>).id FROM job";

/// Retries the oldest dead letters, at most $4 of them, and none that became one after $3.
pub(super) const RETRY_ALL_DEAD: &str = "\
WITH job AS (
     UPDATE clerk_webhook_queue
        SET state = 0, owner = NULL, attempts = 0, available_at = <now>, ended_at = NULL
      WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM clerk_webhook_queue
             WHERE scope = $1 AND state = 3 AND ended_at <= $3::bigint AND ($2::text IS NULL OR event_type = $2)
             ORDER BY ended_at
             LIMIT $4::bigint
               FOR UPDATE SKIP LOCKED))
     RETURNING scope, message_id, available_at)
SELECT (<ticket job at available_at>).id FROM job";

pub(super) const DISCARD: &str = "\
UPDATE clerk_webhook_queue
   SET state = 1, owner = NULL, object_id = NULL, last_error = NULL, payload = NULL, ended_at = <now>
 WHERE scope = $1 AND message_id = $2 AND state = 3
RETURNING 1";

pub(super) const PURGE: &str = "\
DELETE FROM clerk_webhook_queue
 WHERE ctid = ANY (ARRAY(
       SELECT ctid FROM clerk_webhook_queue
        WHERE scope = $1 AND state = 1 AND ended_at <= <started> - $2::bigint
        ORDER BY ended_at
        LIMIT $3::bigint
          FOR UPDATE SKIP LOCKED))
RETURNING 1";

/// Adds a ticket of the queue with the table $1 and the scope $2, or moves it, so that it is visible after $4.
pub(super) const MOVE_TICKET: &str = "\
SELECT (graphile_worker.add_job(
       'clerk_webhook', json_build_object('table', $1::text, 'scope', $2::text, 'message_id', $3::text),
       run_at => now() + $4::bigint * interval '1 millisecond', max_attempts => 32767,
       job_key => 'clerk_webhook:' || $1::text || ':' || $2::text || ':' || $3::text,
       flags => ARRAY['clerk_webhook:' || $1::text || ':' || $2::text])).id";

/// Limits the wait for locks to less than the 5 s after which the worker abandons a call.
pub(super) const PATIENCE: &str = "patience AS MATERIALIZED (SELECT set_config('lock_timeout', '4s', true))";

/// Marks a job that is running, or that the same lease has already completed.
pub(super) const COMPLETE_RECORD: &str = "\
job AS MATERIALIZED (
     SELECT scope, message_id, object_id, state FROM patience CROSS JOIN clerk_webhook_queue AS record
      WHERE scope = $1 AND message_id = $2 AND owner = $3::text::uuid AND state IN (1, 2)
        FOR UPDATE OF record),
ended AS (
     UPDATE clerk_webhook_queue AS record
        SET state = 1, object_id = NULL, lease_until = NULL, last_error = NULL, payload = NULL,
            ended_at = CASE record.state WHEN 1 THEN record.ended_at ELSE <now> END
       FROM job WHERE record.scope = job.scope AND record.message_id = job.message_id
     RETURNING 1)";

/// Removes the ticket of each `job` that was running.
pub(super) const REMOVE: &str = "\
removed AS MATERIALIZED (
     SELECT (graphile_worker.remove_job('clerk_webhook:<table>:' || job.scope || ':' || job.message_id)).id
       FROM job WHERE job.state = 2)";

/// Makes the ticket of the next job about the object of `job` visible when that job is due.
pub(super) const WAKE_IN: &str = "\
next AS (
     SELECT next.* FROM job CROSS JOIN LATERAL (
            SELECT scope, message_id, available_at FROM clerk_webhook_queue AS other
             WHERE other.scope = job.scope AND other.object_id = job.object_id AND other.state = 0
             ORDER BY other.available_at LIMIT 1) AS next
      WHERE job.state = 2),
woken AS MATERIALIZED (SELECT (<ticket next at available_at>).id FROM next)";

/// Makes the ticket of the next job about the object $3 visible when that job is due, because the ticket may be
/// waiting for the end of a lease. The next job is ready, or its lease has expired.
///
/// A ticket is locked for longer than a moment only while its job runs in a transaction.
pub(super) const WAKE: &str = "\
WITH <patience>,
next AS (
     SELECT others.* FROM patience CROSS JOIN LATERAL (
            (SELECT scope, message_id, available_at FROM clerk_webhook_queue
              WHERE scope = $1 AND object_id = $3 AND state = 0 AND message_id <> $2
              ORDER BY available_at LIMIT 1)
            UNION ALL
            (SELECT scope, message_id, lease_until FROM clerk_webhook_queue
              WHERE scope = $1 AND object_id = $3 AND state = 2 AND message_id <> $2 AND lease_until <= <started>
              ORDER BY lease_until LIMIT 1)) AS others
      ORDER BY available_at LIMIT 1)
SELECT (<ticket next at available_at>).id FROM next";
