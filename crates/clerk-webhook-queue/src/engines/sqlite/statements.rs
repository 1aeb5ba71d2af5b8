//! The SQL statements, with the table's default name.
//!
//! Times are milliseconds since the Unix epoch, according to this machine's clock.

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

/// The table name in this crate's SQL.
pub(super) const DEFAULT: &str = "clerk_webhook_queue";

pub(super) const MIGRATION: &str = include_str!("../../../migrations/sqlite/0001_queue.sql");

/// Changes no row if the message already exists, whatever its state.
const ENQUEUE: &str = "\
INSERT INTO clerk_webhook_queue
    (scope, message_id, state, event_type, object_id, attempts, available_at, attempted_at, enqueued_at, payload)
VALUES (?1, ?2, 0, ?3, ?4, 0, ?5, ?6, ?5, ?7)
ON CONFLICT (scope, message_id) DO NOTHING";

/// Takes the next job, or makes it a dead letter if it has had all of its attempts.
///
/// Compares the first suitable row of two indexes. If ?6 is true, it skips the jobs about objects that have a
/// running job, so the cost grows with the number of skipped jobs, whose index entries it visits. It does not
/// depend on the number of other waiting jobs.
/// A job whose lease has expired comes before newer jobs, because it keeps its `available_at`.
const TAKE: &str = "\
UPDATE clerk_webhook_queue
   SET state = CASE WHEN attempts >= ?5 THEN 3 ELSE 2 END,
       attempts = CASE WHEN attempts >= ?5 THEN attempts ELSE attempts + 1 END,
       owner = CASE WHEN attempts >= ?5 THEN NULL ELSE ?2 END,
       lease_until = CASE WHEN attempts >= ?5 THEN NULL ELSE ?4 END,
       ended_at = CASE WHEN attempts >= ?5 THEN ?3 END,
       last_error = CASE WHEN attempts >= ?5 AND state = 2 THEN ?7 ELSE last_error END
 WHERE rowid = (
       SELECT id FROM (
              SELECT * FROM (
                     SELECT job.rowid AS id, job.available_at AS since
                       FROM clerk_webhook_queue AS job
                      WHERE job.scope = ?1 AND job.state = 0 AND job.available_at <= ?3
                        AND (NOT ?6 OR job.object_id IS NULL OR job.object_id NOT IN (
                             SELECT other.object_id FROM clerk_webhook_queue AS other
                              WHERE other.scope = ?1 AND other.state = 2 AND other.lease_until > ?3
                                AND other.object_id IS NOT NULL))
                      ORDER BY job.available_at LIMIT 1)
              UNION ALL
              SELECT * FROM (
                     SELECT job.rowid AS id, job.available_at AS since
                       FROM clerk_webhook_queue AS job
                      WHERE job.scope = ?1 AND job.state = 2 AND job.lease_until <= ?3
                        AND (NOT ?6 OR job.object_id IS NULL OR job.object_id NOT IN (
                             SELECT other.object_id FROM clerk_webhook_queue AS other
                              WHERE other.scope = ?1 AND other.state = 2 AND other.lease_until > ?3
                                AND other.object_id IS NOT NULL))
                      ORDER BY job.lease_until LIMIT 1))
        ORDER BY since LIMIT 1)
RETURNING message_id, state, event_type, attempts, attempted_at, enqueued_at, last_error, payload";

/// Refuses an expired lease if another job about the same object is running under a live lease.
const RENEW: &str = "\
UPDATE clerk_webhook_queue SET lease_until = ?5
 WHERE scope = ?1 AND message_id = ?2 AND owner = ?3 AND state = 2
   AND (lease_until > ?4 OR object_id IS NULL OR object_id NOT IN (
        SELECT other.object_id FROM clerk_webhook_queue AS other
         WHERE other.scope = ?1 AND other.state = 2 AND other.lease_until > ?4
           AND other.object_id IS NOT NULL))";

/// A second completion with the same lease also succeeds, and keeps the time of the first one.
const COMPLETE: &str = "\
UPDATE clerk_webhook_queue
   SET state = 1, object_id = NULL, lease_until = NULL, last_error = NULL, payload = NULL,
       ended_at = CASE state WHEN 1 THEN ended_at ELSE ?4 END
 WHERE scope = ?1 AND message_id = ?2 AND owner = ?3 AND state IN (1, 2)";

const RETRY: &str = "\
UPDATE clerk_webhook_queue
   SET state = 0, owner = NULL, lease_until = NULL, available_at = ?4, last_error = ?5
 WHERE scope = ?1 AND message_id = ?2 AND owner = ?3 AND state = 2";

/// Keeps `available_at`, so that the job keeps its position in the queue.
const GIVE_BACK: &str = "\
UPDATE clerk_webhook_queue
   SET state = 0, owner = NULL, lease_until = NULL, attempts = attempts - 1
 WHERE scope = ?1 AND message_id = ?2 AND owner = ?3 AND state = 2";

/// A second call with the same lease also succeeds, and keeps the time and the error of the first one.
const BURY: &str = "\
UPDATE clerk_webhook_queue
   SET state = 3, lease_until = NULL,
       ended_at = CASE state WHEN 3 THEN ended_at ELSE ?4 END,
       last_error = CASE state WHEN 3 THEN last_error ELSE ?5 END
 WHERE scope = ?1 AND message_id = ?2 AND owner = ?3 AND state IN (2, 3)";

/// A running job whose lease has expired counts as ready, because it can be taken.
const STATS: &str = "\
SELECT event_type, sum(ready) AS ready, sum(running) AS running, sum(dead) AS dead, min(since) AS oldest_ready
  FROM (SELECT event_type, 1 AS ready, 0 AS running, 0 AS dead, enqueued_at AS since
          FROM clerk_webhook_queue WHERE scope = ?1 AND state = 0
        UNION ALL
        SELECT event_type, lease_until <= ?2, lease_until > ?2, 0,
               CASE WHEN lease_until <= ?2 THEN enqueued_at END
          FROM clerk_webhook_queue WHERE scope = ?1 AND state = 2
        UNION ALL
        SELECT event_type, 0, 0, 1, NULL
          FROM clerk_webhook_queue WHERE scope = ?1 AND state = 3)
 GROUP BY event_type";

const DEAD_LETTERS: &str = "\
SELECT message_id, event_type, attempts, attempted_at, enqueued_at, ended_at, last_error, payload
  FROM clerk_webhook_queue
 WHERE scope = ?1 AND state = 3
 ORDER BY ended_at DESC, rowid DESC
 LIMIT ?2";

const DEAD_LETTER: &str = "\
SELECT message_id, event_type, attempts, attempted_at, enqueued_at, ended_at, last_error, payload
  FROM clerk_webhook_queue
 WHERE scope = ?1 AND message_id = ?2 AND state = 3";

const RETRY_DEAD: &str = "\
UPDATE clerk_webhook_queue SET state = 0, owner = NULL, attempts = 0, available_at = ?3, ended_at = NULL
 WHERE scope = ?1 AND message_id = ?2 AND state = 3";

/// Retries the oldest dead letters, at most ?4 of them, and none that became one after ?3.
const RETRY_ALL_DEAD: &str = "\
UPDATE clerk_webhook_queue SET state = 0, owner = NULL, attempts = 0, available_at = ?5, ended_at = NULL
 WHERE rowid IN (
       SELECT rowid FROM clerk_webhook_queue
        WHERE scope = ?1 AND state = 3 AND ended_at <= ?3 AND (?2 IS NULL OR event_type = ?2)
        ORDER BY ended_at
        LIMIT ?4)";

const DISCARD: &str = "\
UPDATE clerk_webhook_queue
   SET state = 1, owner = NULL, object_id = NULL, last_error = NULL, payload = NULL, ended_at = ?3
 WHERE scope = ?1 AND message_id = ?2 AND state = 3";

const PURGE: &str = "\
DELETE FROM clerk_webhook_queue
 WHERE rowid IN (
       SELECT rowid FROM clerk_webhook_queue
        WHERE scope = ?1 AND state = 1 AND ended_at <= ?2
        ORDER BY ended_at
        LIMIT ?3)";

/// Defines a struct with the statements, and puts the table name into each of them.
macro_rules! statements {
    ($($name:ident: $sql:expr,)*) => {
        /// The statements for one table.
        #[derive(Debug)]
        pub(super) struct Statements {
            $(pub(super) $name: SqlStr,)*
        }

        impl Statements {
            /// `table` must be a valid name, optionally preceded by the name of an attached database and a
            /// dot.
            pub(super) fn of(table: &str) -> Self {
                Self { $($name: AssertSqlSafe(named($sql, table)).into_sql_str(),)* }
            }
        }
    };
}

statements! {
    migration: MIGRATION,
    enqueue: ENQUEUE,
    take: TAKE,
    renew: RENEW,
    complete: COMPLETE,
    retry: RETRY,
    give_back: GIVE_BACK,
    bury: BURY,
    stats: STATS,
    dead_letters: DEAD_LETTERS,
    dead_letter: DEAD_LETTER,
    retry_dead: RETRY_DEAD,
    retry_all_dead: RETRY_ALL_DEAD,
    discard: DISCARD,
    purge: PURGE,
}

/// Replaces the table's default name in a statement. `CREATE INDEX` accepts a database name before the index
/// name, but not before the table name.
fn named(statement: &str, table: &str) -> String {
    let (database, table) = match table.split_once('.') {
        // The names are quoted, because a table name can be a keyword, such as `order`.
        Some((database, table)) => (format!(r#""{database}"."#), table),
        None => (String::new(), table),
    };
    let mut parts = statement.split(DEFAULT);
    let mut named = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|next: char| next.is_ascii_lowercase() || next == '_');
        let suffix = &part[..part.len() - rest.len()];
        let database = if named.ends_with(" ON ") { "" } else { &database };
        named += &format!(r#"{database}"{table}{suffix}"{rest}"#);
    }
    named
}

#[cfg(test)]
mod tests {
    use sqlx::Row as _;
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

    use super::*;

    #[test]
    fn puts_the_name_of_the_table_into_a_statement() {
        let statement = "CREATE INDEX clerk_webhook_queue_ready ON clerk_webhook_queue (a); \
                         DELETE FROM clerk_webhook_queue";
        assert_eq!(
            named(statement, "order"),
            r#"CREATE INDEX "order_ready" ON "order" (a); DELETE FROM "order""#
        );
        assert_eq!(
            named(statement, "other.jobs"),
            r#"CREATE INDEX "other"."jobs_ready" ON "jobs" (a); DELETE FROM "other"."jobs""#
        );
    }

    /// Returns the steps of the plan for a statement.
    async fn plan(statement: &str, parameters: usize) -> Vec<String> {
        let options = SqliteConnectOptions::new().in_memory(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        sqlx::raw_sql(MIGRATION).execute(&pool).await.unwrap();
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let mut explain = sqlx::query(explain.into_sql_str());
        for _ in 0..parameters {
            explain = explain.bind(1);
        }
        let rows = explain.fetch_all(&pool).await.unwrap();
        rows.iter().map(|row| row.get("detail")).collect()
    }

    /// A take reads only index entries of the waiting jobs that it skips, and never sorts the waiting jobs.
    #[tokio::test]
    async fn a_take_searches_the_indexes_and_sorts_only_two_candidates() {
        let plan = plan(TAKE, 7).await;
        let count = |part: &str| plan.iter().filter(|step| step.contains(part)).count();
        let ready = "SEARCH job USING COVERING INDEX clerk_webhook_queue_ready (scope=? AND available_at<?)";
        let running = "SEARCH job USING INDEX clerk_webhook_queue_running (scope=? AND lease_until<?)";
        assert_eq!((count(ready), count(running)), (1, 1), "{plan:#?}");
        assert_eq!((count("SCAN job"), count("SCAN other")), (0, 0), "{plan:#?}");
        assert_eq!(count("TEMP B-TREE FOR ORDER BY"), 1, "{plan:#?}");
    }

    #[tokio::test]
    async fn the_statistics_read_only_indexes() {
        let plan = plan(STATS, 2).await;
        for state in ["ready", "running", "dead"] {
            let step = format!("USING COVERING INDEX clerk_webhook_queue_{state} (scope=?)");
            assert_eq!(plan.iter().filter(|line| line.ends_with(&step)).count(), 1, "{state}: {plan:#?}");
        }
    }

    #[tokio::test]
    async fn a_retry_of_all_dead_letters_searches_and_does_not_sort() {
        let plan = plan(RETRY_ALL_DEAD, 5).await;
        let step = "USING COVERING INDEX clerk_webhook_queue_dead (scope=? AND ended_at<?)";
        assert!(plan.iter().any(|line| line.ends_with(step)), "{plan:#?}");
        assert!(!plan.iter().any(|line| line.contains("B-TREE")), "{plan:#?}");
    }
}
