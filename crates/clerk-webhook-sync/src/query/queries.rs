//! What people ask.

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

/// What is live. All else is a query of the application's own to the tables and views.
impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Returns a user.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn user(&self, id: &str) -> Result<Option<UserRow>, sqlx::Error> {
        self.find(|queries| &queries.user_by_id, &[Value::id(id)]).await
    }

    /// Returns the user whose primary e-mail address this is, and who has proven to own it.
    ///
    /// An address that nobody has verified may be anybody's, and to find an account by one would give it away. While an
    /// address moves from one user to another, both can have it for a moment: then it is the one who changed last.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn user_by_primary_email(&self, email: &str) -> Result<Option<UserRow>, sqlx::Error> {
        self.find(|queries| &queries.user_by_primary_email, &[Value::text(email)]).await
    }

    /// Returns the user with this id in the application's own system.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn user_by_external_id(&self, id: &str) -> Result<Option<UserRow>, sqlx::Error> {
        self.find(|queries| &queries.user_by_external_id, &[Value::text(id)]).await
    }

    /// Returns an organization.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn organization(&self, id: &str) -> Result<Option<OrganizationRow>, sqlx::Error> {
        self.find(|queries| &queries.organization_by_id, &[Value::id(id)]).await
    }

    /// Returns the members of an organization, those who joined first at the beginning.
    ///
    /// A member of whom no event of their own has come yet is shown with what their membership shows of them.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn members(
        &self,
        organization_id: &str,
    ) -> Result<Vec<(MembershipRow, Option<UserRow>)>, sqlx::Error> {
        self.pairs(|queries| &queries.members, &[Value::id(organization_id)]).await
    }

    /// Returns the organizations of a user, those that they joined first at the beginning.
    ///
    /// An organization of which no event of its own has come yet is shown with what the membership shows of it.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn organizations_of(
        &self,
        user_id: &str,
    ) -> Result<Vec<(MembershipRow, Option<OrganizationRow>)>, sqlx::Error> {
        self.pairs(|queries| &queries.organizations_of, &[Value::id(user_id)]).await
    }

    /// Returns the sessions of a user that are active and have not run out, those that began first at the beginning.
    ///
    /// Returns none without [`keep_sessions`](Self::keep_sessions), and no session whose `expire_at` is unknown. An abandoned
    /// session is returned until `expire_at`, because Clerk sends no event when a session is used or abandoned.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn sessions_of(&self, user_id: &str) -> Result<Vec<SessionRow>, sqlx::Error> {
        let mut sessions: Vec<SessionRow> =
            self.list(|queries| &queries.sessions_of, &[Value::id(user_id)]).await?;
        let now = Timestamp::now();
        sessions.retain(|session| session.expire_at.is_some_and(|end| end > now));
        Ok(sessions)
    }

    /// Returns the subscriptions of a user or of an organization that have not ended.
    ///
    /// Commonly it is one, whatever its owner pays for: what that is, [`subscription_items_of`](Self::subscription_items_of)
    /// says. There are none without [`keep_billing`](Self::keep_billing).
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn subscriptions_of(&self, payer: &str) -> Result<Vec<SubscriptionRow>, sqlx::Error> {
        self.list(|queries| &queries.subscriptions_of, &[Value::id(payer)]).await
    }

    /// Returns what a user or an organization subscribes to: the plans that it has.
    ///
    /// It has also those that it has cancelled, until their period ends, and those whose payment is overdue; their status
    /// says so. It has not yet those that are upcoming. There are none without [`keep_billing`](Self::keep_billing).
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
    /// Where the database cannot be asked.
    pub async fn subscription_items_of(&self, payer: &str) -> Result<Vec<SubscriptionItemRow>, sqlx::Error> {
        let mut items: Vec<SubscriptionItemRow> =
            self.list(|queries| &queries.subscription_items_of, &[Value::id(payer)]).await?;
        let now = Timestamp::now();
        // Even where the event that tells the end is late.
        items.retain(|item| {
            item.status != SubscriptionItemStatus::Canceled || item.period_end.is_none_or(|end| end > now)
        });
        Ok(items)
    }

    /// Returns the entry of an e-mail address, in upper or lower case, in the waitlist: the one that changed last if there
    /// are several.
    ///
    /// There is none without [`keep_waitlist`](Self::keep_waitlist).
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
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

    /// Reads a row whose columns have names that begin with the prefix. Returns nothing if its id is null.
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
