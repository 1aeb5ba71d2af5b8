//! Queries for live rows.

use std::cmp::Reverse;

use clerk_webhook_core::Timestamp;
use clerk_webhook_core::event::payload::SubscriptionItemStatus;
use sqlx::SqlStr;

use crate::apply::engine::SyncDatabase;
use crate::error::advise;
use crate::schema::queries::{OTHER, Queries};
use crate::schema::table::TableRow;
use crate::schema::tables::{
    MembershipRow, OrganizationRow, SessionRow, SubscriptionItemRow, SubscriptionRow, UserRow,
    WaitlistEntryRow,
};
use crate::sync::ClerkSync;
use crate::value::{Value, fold};

/// Queries for live rows. For anything else, query the views with SQL.
impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Returns the user with this id, or `None` if the user is unknown or was deleted.
    ///
    /// # Errors
    ///
    /// Returns an error if the query fails.
    pub async fn user(&self, id: &str) -> Result<Option<UserRow>, sqlx::Error> {
        self.find(|queries| &queries.user_by_id, &[Value::id(id)]).await
    }

    /// Returns the user with this verified primary email address.
    ///
    /// Unverified addresses are ignored, because any user can enter another person's address. While an
    /// address moves from one user to another, both rows can contain it. In that case, the user whose row
    /// changed last is returned.
    ///
    /// # Errors
    ///
    /// Returns an error if the query fails.
    pub async fn user_by_primary_email(&self, email: &str) -> Result<Option<UserRow>, sqlx::Error> {
        self.find(|queries| &queries.user_by_primary_email, &[Value::text(email)]).await
    }

    /// Returns the user with this external id, which is the id in the application's system.
    ///
    /// # Errors
    ///
    /// Returns an error if the query fails.
    pub async fn user_by_external_id(&self, id: &str) -> Result<Option<UserRow>, sqlx::Error> {
        self.find(|queries| &queries.user_by_external_id, &[Value::text(id)]).await
    }

    /// Returns the organization with this id, or `None` if it is unknown or was deleted.
    ///
    /// # Errors
    ///
    /// Returns an error if the query fails.
    pub async fn organization(&self, id: &str) -> Result<Option<OrganizationRow>, sqlx::Error> {
        self.find(|queries| &queries.organization_by_id, &[Value::id(id)]).await
    }

    /// Returns an organization's memberships with their users, sorted by the time of joining.
    ///
    /// If no event about a user has arrived yet, the user contains only the fields that the membership
    /// contains. The user is `None` if the membership contains no user.
    ///
    /// # Errors
    ///
    /// Returns an error if the query fails.
    pub async fn members(
        &self,
        organization_id: &str,
    ) -> Result<Vec<(MembershipRow, Option<UserRow>)>, sqlx::Error> {
        self.pairs(|queries| &queries.members, &[Value::id(organization_id)]).await
    }

    /// Returns a user's memberships with their organizations, sorted by the time of joining.
    ///
    /// If no event about an organization has arrived yet, the organization contains only the fields that the
    /// membership contains.
    ///
    /// # Errors
    ///
    /// Returns an error if the query fails.
    pub async fn organizations_of(
        &self,
        user_id: &str,
    ) -> Result<Vec<(MembershipRow, Option<OrganizationRow>)>, sqlx::Error> {
        self.pairs(|queries| &queries.organizations_of, &[Value::id(user_id)]).await
    }

    /// Returns a user's active sessions that have not expired, sorted by the time of creation.
    ///
    /// The list is empty without [`keep_sessions`](Self::keep_sessions). Sessions without `expire_at` are
    /// left out. An abandoned session is returned until `expire_at`, because Clerk sends no event when a
    /// session is used or abandoned.
    ///
    /// # Errors
    ///
    /// Returns an error if the query fails.
    pub async fn sessions_of(&self, user_id: &str) -> Result<Vec<SessionRow>, sqlx::Error> {
        let mut sessions: Vec<SessionRow> =
            self.list(|queries| &queries.sessions_of, &[Value::id(user_id)]).await?;
        let now = Timestamp::now();
        sessions.retain(|session| session.expire_at.is_some_and(|end| end > now));
        Ok(sessions)
    }

    /// Returns a user's or an organization's active, canceled and overdue subscriptions.
    ///
    /// A canceled subscription stays in the list until an event reports its end. A payer usually has one
    /// subscription, which contains all plans. Use [`subscription_items_of`](Self::subscription_items_of) to
    /// get the plans. The list is empty without [`keep_billing`](Self::keep_billing).
    ///
    /// # Errors
    ///
    /// Returns an error if the query fails.
    pub async fn subscriptions_of(&self, payer: &str) -> Result<Vec<SubscriptionRow>, sqlx::Error> {
        self.list(|queries| &queries.subscriptions_of, &[Value::id(payer)]).await
    }

    /// Returns a user's or an organization's plans.
    ///
    /// The list contains active plans, canceled plans until their period ends, and plans whose payment is
    /// overdue. Check `status` to tell them apart. The list does not contain upcoming plans. It is empty
    /// without [`keep_billing`](Self::keep_billing).
    ///
    /// ```
    /// use clerk_webhook_sync::ClerkSync;
    /// # use clerk_webhook_core::{Event, Timestamp};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// # let body = r#"{"data":{"id":"csub_item_1","payer":{"email":"","id":"cpayer_1","image_url":"","organization_id":"org_1"},
    /// #     "period_start":1,"plan":{"amount":1450,"currency":"EUR","id":"cplan_1","is_recurring":true,"name":"Pro","slug":"pro"},
    /// #     "status":"active","updated_at":1},"timestamp":2,"type":"subscriptionItem.active"}"#;
    /// # let event = Event::from_trusted("msg_1".parse()?, Timestamp::now(), body.into())?;
    /// # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    /// let sync = ClerkSync::new(pool).keep_billing();
    /// # sync.migrate().await?;
    /// # sync.apply(&event).await?;
    /// let plans = sync.subscription_items_of("org_1").await?;
    /// assert!(plans.iter().any(|item| item.plan_slug.as_deref() == Some("pro")));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the query fails.
    pub async fn subscription_items_of(&self, payer: &str) -> Result<Vec<SubscriptionItemRow>, sqlx::Error> {
        let mut items: Vec<SubscriptionItemRow> =
            self.list(|queries| &queries.subscription_items_of, &[Value::id(payer)]).await?;
        let now = Timestamp::now();
        // Omit canceled items whose period has ended, because the event that ends them may arrive late.
        items.retain(|item| {
            item.status != SubscriptionItemStatus::Canceled || item.period_end.is_none_or(|end| end > now)
        });
        Ok(items)
    }

    /// Returns the waitlist entry with an email address, ignoring upper and lower case.
    ///
    /// If several entries have the address, the one that changed last is returned. Without
    /// [`keep_waitlist`](Self::keep_waitlist), the result is `None`.
    ///
    /// # Errors
    ///
    /// Returns an error if the query fails.
    pub async fn waitlist_entry_by_email(
        &self,
        email: &str,
    ) -> Result<Option<WaitlistEntryRow>, sqlx::Error> {
        let folded = fold(email);
        let by_email = &[Value::text(&folded)];
        let mut entries: Vec<WaitlistEntryRow> =
            self.list(|queries| &queries.waitlist_entry_by_email, by_email).await?;
        let others: Vec<WaitlistEntryRow> =
            self.list(|queries| &queries.live_waitlist_entries_beyond_ascii, &[]).await?;
        entries.extend(
            others
                .into_iter()
                .filter(|entry| entry.email_address.as_deref().map(fold).as_ref() == Some(&folded)),
        );
        Ok(entries.into_iter().max_by(|one, other| {
            (one.updated_at, Reverse(&one.id)).cmp(&(other.updated_at, Reverse(&other.id)))
        }))
    }

    async fn find<T: TableRow>(
        &self,
        query: impl Fn(&Queries) -> &SqlStr,
        by: &[Value],
    ) -> Result<Option<T>, sqlx::Error> {
        Ok(self.list(query, by).await?.into_iter().next())
    }

    async fn list<T: TableRow>(
        &self,
        query: impl Fn(&Queries) -> &SqlStr,
        by: &[Value],
    ) -> Result<Vec<T>, sqlx::Error> {
        let rows = self.ask(query(&self.statements().queries).clone(), by).await?;
        rows.iter().filter_map(|row| self.read(row, "").transpose()).collect()
    }

    async fn pairs<T: TableRow>(
        &self,
        query: impl Fn(&Queries) -> &SqlStr,
        by: &[Value],
    ) -> Result<Vec<(MembershipRow, Option<T>)>, sqlx::Error> {
        let rows = self.ask(query(&self.statements().queries).clone(), by).await?;
        let pair = |row| {
            let other = self.read(row, OTHER)?;
            Ok(self.read(row, "")?.map(|membership| (membership, other)))
        };
        rows.iter().filter_map(|row| pair(row).transpose()).collect()
    }

    /// Reads a row whose column names begin with the prefix. Returns `None` if its id is null.
    pub(crate) fn read<T: TableRow>(&self, row: &DB::Row, prefix: &str) -> Result<Option<T>, sqlx::Error> {
        Ok(T::read(self.record(row, &T::TABLE, prefix)?))
    }

    async fn ask(&self, query: SqlStr, by: &[Value]) -> Result<Vec<DB::Row>, sqlx::Error> {
        let ask = async {
            if self.keeps_statements() {
                return self.fetch(&mut *self.pool().acquire().await?, query, by).await;
            }
            let mut transaction = self.begin().await?;
            let rows = self.fetch(&mut transaction, query, by).await?;
            transaction.commit().await?;
            Ok(rows)
        };
        ask.await.map_err(advise)
    }
}
