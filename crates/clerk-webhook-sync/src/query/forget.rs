//! Erases personal data.

use std::collections::BTreeSet;
use std::slice;

use clerk_webhook_core::Timestamp;
use sqlx::SqlStr;

use crate::apply::change::Origin;
use crate::apply::engine::SyncDatabase;
use crate::error::SyncError;
use crate::observe::{Observation, Observed, Rank};
use crate::schema::record::Field;
use crate::schema::tables::Entity;
use crate::sync::ClerkSync;
use crate::value::{self, Kind, Value, fold};

impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Erases a user immediately, without waiting for `user.deleted`.
    ///
    /// Returns whether any row changed. For a user without a row, it inserts a tombstone and returns `true`.
    ///
    /// These rows become tombstones:
    ///
    /// - the user;
    /// - the invitations that the user accepted;
    /// - the invitations and waitlist entries with one of the user's current addresses, ignoring upper and
    ///   lower case.
    ///
    /// The user's addresses, phone numbers and external accounts are removed. Later events about the user are
    /// not stored. The hook is called for each of these rows.
    ///
    /// An invitation or a waitlist entry that arrives later is stored, even if it has one of the user's
    /// addresses. If the user has already been deleted, the addresses are unknown. Call
    /// [`forget_email`](Self::forget_email) for each of them.
    ///
    /// Call [`migrate`](Self::migrate) first.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written or if a hook fails. In both cases, nothing has
    /// changed.
    pub async fn forget_user(&self, id: &str) -> Result<bool, SyncError> {
        let mut transaction = self.begin().await?;
        let queries = &self.statements().queries;
        let id = value::id(id);
        // Lock the user first, so that no transaction can add an address after this one has read them.
        self.lock_user(&mut transaction, &Value::id(&id)).await?;
        let mut rows = BTreeSet::from([(Entity::Users, id.clone())]);
        let key = [Value::Text(Some(id))];
        let accepted = self.texts(&mut transaction, &queries.invitations_of, &key, "id").await?;
        rows.extend(accepted.into_iter().map(|id| (Entity::Invitations, id)));
        let addresses = self.texts(&mut transaction, &queries.addresses_of, &key, "email").await?;
        rows.extend(self.rows_with(&mut transaction, &addresses).await?);
        let erased = self.write_tombstones(&mut transaction, rows).await?;
        transaction.commit().await?;
        Ok(erased)
    }

    /// Erases the invitations and waitlist entries for the given email address.
    ///
    /// Returns whether any row changed.
    ///
    /// Use it for a person who was never a user, or whose user was deleted. Upper and lower case are ignored.
    /// The hook is called for each row. Users with the address are not erased; use
    /// [`forget_user`](Self::forget_user) for them. Invitations and entries that arrive later are stored.
    /// Call [`migrate`](Self::migrate) first.
    ///
    /// ```
    /// use clerk_webhook_sync::ClerkSync;
    /// # use clerk_webhook_core::{Event, Timestamp};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// # let body = r#"{"data":{"created_at":1,"email_address":"ada@example.com","id":"wle_1","status":"pending","updated_at":1},
    /// #     "timestamp":2,"type":"waitlistEntry.created"}"#;
    /// # let event = Event::from_trusted("msg_1".parse()?, Timestamp::now(), body.into())?;
    /// # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    /// let sync = ClerkSync::new(pool).keep_waitlist();
    /// # sync.migrate().await?;
    /// # sync.apply(&event).await?;
    /// assert!(sync.forget_email("Ada@example.com").await?);
    /// assert!(sync.waitlist_entry_by_email("ada@example.com").await?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written or if a hook fails. In both cases, nothing has
    /// changed.
    pub async fn forget_email(&self, address: &str) -> Result<bool, SyncError> {
        let mut transaction = self.begin().await?;
        let rows = self.rows_with(&mut transaction, &[address.to_owned()]).await?;
        let erased = self.write_tombstones(&mut transaction, rows).await?;
        transaction.commit().await?;
        Ok(erased)
    }

    /// Locks a user's row and its child rows until the end of the transaction.
    async fn lock_user(&self, connection: &mut DB::Connection, id: &Value) -> Result<(), SyncError> {
        if self.lock(connection, Entity::Users, id).await?.is_none() {
            // A missing row cannot be locked. Insert a row that is older than every version; it becomes a
            // tombstone.
            let rank = Rank::Copy.as_number().into();
            let order = [rank, 0.into(), 0.into(), Value::text(""), Timestamp::now().into()];
            let row = [slice::from_ref(id), &order, &Entity::Users.table().row([])].concat();
            let insert = self.statements().of(Entity::Users).version.insert.clone();
            self.execute(connection, insert, &row).await?;
            // Another transaction may have inserted the row since this one read it.
            self.lock(connection, Entity::Users, id).await?;
        }
        Ok(())
    }

    /// Returns the invitations and waitlist entries with any of these addresses, ignoring case.
    async fn rows_with(
        &self,
        connection: &mut DB::Connection,
        addresses: &[String],
    ) -> Result<BTreeSet<(Entity, String)>, SyncError> {
        let folded: BTreeSet<_> = addresses.iter().map(|address| fold(address)).collect();
        let queries = &self.statements().queries;
        let mut rows = BTreeSet::new();
        for (entity, by_email, beyond_ascii) in [
            (Entity::Invitations, &queries.invitations_by_email, &queries.invitations_beyond_ascii),
            (
                Entity::WaitlistEntries,
                &queries.waitlist_entries_by_email,
                &queries.waitlist_entries_beyond_ascii,
            ),
        ] {
            for address in &folded {
                let ids = self.texts(connection, by_email, &[Value::text(address)], "id").await?;
                rows.extend(ids.into_iter().map(|id| (entity, id)));
            }
            for row in self.fetch(connection, beyond_ascii.clone(), &[]).await? {
                let texts = (self.text(&row, "id")?, self.text(&row, "email_address")?);
                if let (Some(id), Some(address)) = texts
                    && folded.contains(&fold(&address))
                {
                    rows.insert((entity, id));
                }
            }
        }
        Ok(rows)
    }

    /// Runs a query and returns the texts in a column of the result.
    async fn texts(
        &self,
        connection: &mut DB::Connection,
        query: &SqlStr,
        by: &[Value],
        column: &str,
    ) -> Result<Vec<String>, SyncError> {
        let rows = self.fetch(connection, query.clone(), by).await?;
        rows.iter().filter_map(|row| self.text(row, column).transpose()).collect()
    }

    fn text(&self, row: &DB::Row, column: &str) -> Result<Option<String>, SyncError> {
        Ok(Field::from_value(DB::get(row, column, Kind::Text)?))
    }

    /// Turns rows into tombstones and returns whether any row changed.
    async fn write_tombstones(
        &self,
        connection: &mut DB::Connection,
        rows: BTreeSet<(Entity, String)>,
    ) -> Result<bool, SyncError> {
        let now = Timestamp::now().as_millis();
        let mut is_changed = false;
        for (entity, id) in rows {
            let observed = Observed::Deleted { at: now, kept: Vec::new() };
            let observations = vec![Observation { entity, id, observed }];
            is_changed |= self.write(connection, observations, false, Origin::Erasure).await?.is_change();
        }
        Ok(is_changed)
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Row as _, SqlStr};

    use crate::apply::engine::SyncDatabase;
    use crate::properties::{memory, postgres};
    use crate::sync::ClerkSync;

    fn statements<DB: SyncDatabase>(sync: &ClerkSync<DB>) -> [&SqlStr; 10] {
        let queries = &sync.statements().queries;
        [
            &queries.invitations_of,
            &queries.addresses_of,
            &queries.invitations_by_email,
            &queries.waitlist_entries_by_email,
            &queries.waitlist_entry_by_email,
            &queries.user_by_primary_email,
            &queries.user_by_external_id,
            &queries.invitations_beyond_ascii,
            &queries.waitlist_entries_beyond_ascii,
            &queries.live_waitlist_entries_beyond_ascii,
        ]
    }

    /// Returns whether the statement reads all addresses that contain non-ASCII characters. Only these statements
    /// have no parameters.
    fn is_beyond_ascii(statement: &SqlStr) -> bool {
        !statement.as_str().contains(['?', '$'])
    }

    /// A query that scans a table would hold the lock on the user's row for a long time.
    #[tokio::test]
    async fn addresses_are_found_by_an_index_in_sqlite() {
        let pool = memory().await;
        let sync = ClerkSync::new(pool.clone());
        sync.migrate().await.unwrap();
        for statement in statements(&sync) {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", statement.as_str()));
            let explain = sqlx::query(explain);
            let explain = if is_beyond_ascii(statement) { explain } else { explain.bind("ada@example.com") };
            let plan = explain.fetch_all(&pool).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|line| line.get("detail")).collect();
            if is_beyond_ascii(statement) {
                assert!(plan.iter().all(|line| line.ends_with("_beyond_ascii")), "{plan:#?}");
                continue;
            }
            assert!(plan.iter().any(|line| line.starts_with("SEARCH ")), "{plan:#?}");
            assert!(!plan.iter().any(|line| line.starts_with("SCAN ")), "{plan:#?}");
        }
    }

    #[tokio::test]
    async fn addresses_are_found_by_an_index_in_postgres() {
        let Some(pool) = postgres("addresses").await else { return };
        let sync = ClerkSync::new(pool.clone());
        sync.migrate().await.unwrap();
        let mut connection = pool.acquire().await.unwrap();
        let fill = "INSERT INTO clerk_user_emails SELECT 'user_' || n, 'idn_' || n, n || '@example.com', true, true
                      FROM generate_series(1, 5000) n;
                    INSERT INTO clerk_invitations (id, obs_rank, updated_at, event_at, tie, synced_at, email_address, user_id)
                    SELECT 'orginv_' || n, 1, 0, 0, '', 0, n || '@example.com', 'user_' || n FROM generate_series(1, 5000) n;
                    INSERT INTO clerk_waitlist_entries (id, obs_rank, updated_at, event_at, tie, synced_at, email_address)
                    SELECT 'wle_' || n, 1, 0, 0, '', 0, n || '@example.com' FROM generate_series(1, 5000) n;
                    INSERT INTO clerk_users (id, obs_rank, updated_at, event_at, tie, synced_at, primary_email, external_id)
                    SELECT 'user_' || n, 1, 0, 0, '', 0, n || '@example.com', n FROM generate_series(1, 5000) n;
                    SET plan_cache_mode = force_generic_plan;
                    ANALYZE clerk_users, clerk_user_emails, clerk_invitations, clerk_waitlist_entries";
        sqlx::raw_sql(fill).execute(&mut *connection).await.unwrap();
        for statement in statements(&sync) {
            let prepare = format!("DEALLOCATE ALL; PREPARE tried AS {}", statement.as_str());
            sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *connection).await.unwrap();
            let execute = match is_beyond_ascii(statement) {
                true => "EXPLAIN EXECUTE tried",
                false => "EXPLAIN EXECUTE tried('ada@example.com')",
            };
            let plan = sqlx::raw_sql(execute).fetch_all(&mut *connection).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
            if is_beyond_ascii(statement) {
                assert!(plan.iter().any(|line| line.contains("_beyond_ascii")), "{plan:#?}");
                assert!(!plan.iter().any(|line| line.contains("Seq Scan")), "{plan:#?}");
                continue;
            }
            assert!(plan.iter().any(|line| line.contains("Index Cond")), "{plan:#?}");
            assert!(!plan.iter().any(|line| line.contains("Seq Scan")), "{plan:#?}");
        }
    }
}
