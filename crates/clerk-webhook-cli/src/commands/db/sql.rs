//! SQL that the command prints.

use crate::failure::Failure;
use crate::sync::Prefix;

/// The tables that a reader needs, without the prefix. The views read some of them.
const TABLES: [&str; 14] = [
    "users",
    "user_emails",
    "user_phone_numbers",
    "user_external_accounts",
    "organizations",
    "memberships",
    "invitations",
    "domains",
    "roles",
    "permissions",
    "sessions",
    "subscriptions",
    "subscription_items",
    "waitlist_entries",
];

/// The views, without the prefix.
const VIEWS: [&str; 11] = [
    "active_users",
    "active_organizations",
    "active_memberships",
    "active_invitations",
    "active_domains",
    "active_roles",
    "active_permissions",
    "active_sessions",
    "active_subscriptions",
    "active_subscription_items",
    "active_waitlist_entries",
];

/// Returns the statements that let a role of Postgres read the tables and the views.
pub(super) fn grants(role: &str, prefix: &Prefix) -> Result<String, Failure> {
    if role.is_empty() || role.len() > 63 || role.contains(char::is_control) {
        return Err(Failure::usage(
            "the name of the role is empty, too long, or contains a control character.",
        ));
    }
    let role = format!(r#""{}""#, role.replace('"', "\"\""));
    // Without a schema, Postgres creates tables in the first schema of search_path.
    let schema = prefix.schema().unwrap_or("public");
    let names = TABLES.iter().chain(&VIEWS).map(|name| format!("    {}", prefix.name(name)));
    let names = names.collect::<Vec<_>>().join(",\n");
    Ok(format!("GRANT USAGE ON SCHEMA \"{schema}\" TO {role};\nGRANT SELECT ON\n{names}\n    TO {role};\n"))
}

/// Returns the statement for a view of Postgres that has the columns of Neon's `users_sync`.
pub(super) fn view(prefix: &Prefix) -> String {
    let (view, table) = (prefix.name("users_sync"), prefix.name("users"));
    format!(
        "\
-- All users that Clerk holds or has deleted. A deleted user has only an id and deleted_at.
-- To let a role read the view: GRANT SELECT ON {view} TO role;
CREATE OR REPLACE VIEW {view} AS
SELECT id,
       nullif(concat_ws(' ', first_name, last_name), '') AS name,
       primary_email AS email,
       timestamptz 'epoch' + created_at * interval '1 millisecond' AS created_at,
       CASE WHEN deleted_at IS NULL THEN timestamptz 'epoch' + updated_at * interval '1 millisecond' END AS updated_at,
       timestamptz 'epoch' + deleted_at * interval '1 millisecond' AS deleted_at,
       raw AS raw_json
  FROM {table}
 WHERE deleted_at IS NOT NULL OR obs_rank = 1;
"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clerk_webhook_sync::ClerkSync;

    use super::*;
    use crate::sync::{AnySync, Target};

    #[tokio::test]
    async fn the_grants_name_all_tables_and_views_for_readers() {
        let pool = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
        let sync = ClerkSync::new(pool);
        sync.migrate().await.unwrap();
        let target =
            Target { sync: AnySync::Sqlite(sync), prefix: "clerk_".parse().unwrap(), instance: None };
        let query =
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'clerk_sync_%'";
        let found = target.rows(query.to_owned(), 1).await.unwrap();
        let found: BTreeSet<_> = found.into_iter().flatten().flatten().collect();
        let known: BTreeSet<_> = TABLES.iter().chain(&VIEWS).map(|name| format!("clerk_{name}")).collect();
        assert_eq!(found, known);
    }

    #[test]
    fn quotes_the_name_of_the_role() {
        let sql = grants(r#"a"b; DROP"#, &"auth.clerk_".parse().unwrap()).unwrap();
        assert!(sql.starts_with("GRANT USAGE ON SCHEMA \"auth\" TO \"a\"\"b; DROP\";\n"), "{sql}");
        assert!(sql.contains(r#""auth"."clerk_users""#) && sql.ends_with("TO \"a\"\"b; DROP\";\n"), "{sql}");
        for role in ["", "a\nb", &"x".repeat(64)] {
            assert!(grants(role, &"clerk_".parse().unwrap()).is_err(), "{role:?}");
        }
    }
}
