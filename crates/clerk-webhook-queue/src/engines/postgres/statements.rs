//! The SQL statements of one table.

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::sql;

/// Replaces the abbreviations in a statement.
fn expanded(statement: &str) -> String {
    let millis = |clock: &str| format!("floor(extract(epoch FROM {clock}) * 1000)::bigint");
    let mut sql = statement
        .replace("<patience>", sql::PATIENCE)
        .replace("<complete>", sql::COMPLETE_RECORD)
        .replace("<remove>", sql::REMOVE)
        .replace("<wake>", sql::WAKE_IN);
    for row in ["job", "next"] {
        let ticket = format!(
            "graphile_worker.add_job('clerk_webhook', \
             json_build_object('table', '<table>', 'scope', {row}.scope, 'message_id', {row}.message_id), \
             run_at => to_timestamp({row}.available_at / 1000.0), max_attempts => 32767, \
             job_key => 'clerk_webhook:<table>:' || {row}.scope || ':' || {row}.message_id, \
             flags => ARRAY['clerk_webhook:<table>:' || {row}.scope]"
        );
        // The mode inserts the ticket with two statements instead of six, but does not replace an old ticket.
        let mode = format!(
            "job_key_mode => CASE WHEN EXISTS (SELECT FROM graphile_worker._private_jobs AS ticket \
             WHERE ticket.key = 'clerk_webhook:<table>:' || {row}.scope || ':' || {row}.message_id) \
             THEN 'replace' ELSE 'unsafe_dedupe' END"
        );
        sql = sql.replace(&format!("<ticket {row} at available_at>"), &format!("{ticket})"));
        sql = sql.replace(&format!("<first ticket {row} at available_at>"), &format!("{ticket}, {mode})"));
    }
    // The second argument is the seed of the hash. It is arbitrary.
    let object = "hashtextextended('clerk_webhook:<table>:' || job.scope || ':' || job.object_id, 7164785587434629122)";
    sql.replace("<object job>", object)
        .replace("<now>", &millis("clock_timestamp()"))
        // Unlike `clock_timestamp()`, it can be compared with the entries of an index.
        .replace("<started>", &millis("statement_timestamp()"))
        .replace("<begun>", &millis("now()"))
}

/// Puts the name of the table and of graphile_worker's schema into a statement.
fn named(statement: &str, table: &str, graphile: &str) -> SqlStr {
    let (schema, name) = match table.split_once('.') {
        // The names are quoted, because a table name can be a keyword, such as `order`.
        Some((schema, name)) => (format!(r#""{schema}"."#), name),
        None => (String::new(), table),
    };
    let statement = statement.replace("graphile_worker.", &format!(r#""{graphile}"."#));
    let mut parts = statement.split(sql::DEFAULT);
    let mut named = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|next: char| next.is_ascii_lowercase() || next == '_');
        let suffix = &part[..part.len() - rest.len()];
        // `CREATE INDEX` accepts a schema before the table name, but not before the index name.
        let schema = if suffix.is_empty() { &schema } else { "" };
        named += &format!(r#"{schema}"{name}{suffix}"{rest}"#);
    }
    AssertSqlSafe(named.replace("<table>", table)).into_sql_str()
}

/// Defines a struct with the statements, and puts the names into each of them.
macro_rules! statements {
    ($($name:ident: $sql:expr,)*) => {
        /// The statements for one table.
        #[derive(Debug)]
        pub(super) struct Statements {
            $(pub(super) $name: SqlStr,)*
        }

        impl Statements {
            /// `table` must be a valid name, optionally preceded by a schema and a dot. `graphile` must be the
            /// valid name of graphile_worker's schema.
            pub(super) fn of(table: &str, graphile: &str) -> Self {
                Self { $($name: named(&expanded($sql), table, graphile),)* }
            }
        }
    };
}

statements! {
    migration: &format!("{}{}", sql::ONE_AT_A_TIME, sql::MIGRATION),
    migrated: sql::MIGRATED,
    graphile_migrated: sql::GRAPHILE_MIGRATED,
    enqueue: sql::ENQUEUE,
    // The setting would also apply to the other statements of the application's transaction.
    enqueue_in: &sql::ENQUEUE.replace("<patience>", "patience AS MATERIALIZED (SELECT 1)"),
    lock: sql::LOCK,
    take: sql::TAKE,
    find: sql::FIND,
    repair: sql::REPAIR,
    clean: sql::CLEAN,
    die: sql::DIE,
    renew: sql::RENEW,
    lock_expired: sql::LOCK_EXPIRED,
    renew_expired: sql::RENEW_EXPIRED,
    complete: sql::COMPLETE,
    complete_in: sql::COMPLETE_IN,
    lock_object: sql::LOCK_OBJECT,
    mark: sql::MARK,
    retry: sql::RETRY,
    give_back: sql::GIVE_BACK,
    bury: sql::BURY,
    stats: sql::STATS,
    dead_letters: sql::DEAD_LETTERS,
    dead_letter: sql::DEAD_LETTER,
    retry_dead: sql::RETRY_DEAD,
    retry_all_dead: sql::RETRY_ALL_DEAD,
    discard: sql::DISCARD,
    purge: sql::PURGE,
    move_ticket: sql::MOVE_TICKET,
    wake: sql::WAKE,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_the_names_into_a_statement() {
        let statement = "CREATE INDEX clerk_webhook_queue_ready ON clerk_webhook_queue (a); \
                         SELECT graphile_worker.add_job('<table>')";
        assert_eq!(
            named(statement, "order", "graphile_worker").as_str(),
            r#"CREATE INDEX "order_ready" ON "order" (a); SELECT "graphile_worker".add_job('order')"#
        );
        assert_eq!(
            named(statement, "hooks.jobs", "work").as_str(),
            r#"CREATE INDEX "jobs_ready" ON "hooks"."jobs" (a); SELECT "work".add_job('hooks.jobs')"#
        );
    }

    #[test]
    fn replaces_every_abbreviation() {
        let statements = format!("{:?}", Statements::of("jobs", "work"));
        let names = [
            "begun", "complete", "first", "now", "object", "patience", "remove", "started", "table",
            "ticket", "wake",
        ];
        for name in names {
            let abbreviation = format!("<{name}");
            assert!(!statements.contains(&abbreviation), "{abbreviation}");
        }
    }
}
