//! What people ask.

use sqlx::SqlStr;

use crate::engine::SyncDatabase;
use crate::rows::{Columns, FromColumns, MembershipRow, OrganizationRow, UserRow};
use crate::schema::Queries;
use crate::sync::ClerkSync;
use crate::value::{Kind, Value};

/// What is live. All else is a query of the application's own to the tables and views.
impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Returns a user.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn user(&self, id: &str) -> Result<Option<UserRow>, sqlx::Error> {
        self.find(|queries| &queries.user_by_id, id).await
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
        self.find(|queries| &queries.user_by_primary_email, email).await
    }

    /// Returns the user with this id in the application's own system.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn user_by_external_id(&self, id: &str) -> Result<Option<UserRow>, sqlx::Error> {
        self.find(|queries| &queries.user_by_external_id, id).await
    }

    /// Returns an organization.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn organization(&self, id: &str) -> Result<Option<OrganizationRow>, sqlx::Error> {
        self.find(|queries| &queries.organization_by_id, id).await
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
        self.pairs(|queries| &queries.members, organization_id).await
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
        self.pairs(|queries| &queries.organizations_of, user_id).await
    }

    async fn find<T: FromColumns>(
        &self,
        query: impl Fn(&Queries) -> &SqlStr,
        by: &str,
    ) -> Result<Option<T>, sqlx::Error> {
        let rows = self.ask(query(&self.statements().queries).clone(), by, &T::kinds()).await?;
        Ok(rows.into_iter().next().and_then(|row| T::read(&mut Columns::new(row))))
    }

    async fn pairs<T: FromColumns>(
        &self,
        query: impl Fn(&Queries) -> &SqlStr,
        by: &str,
    ) -> Result<Vec<(MembershipRow, Option<T>)>, sqlx::Error> {
        let kinds = [MembershipRow::kinds(), T::kinds()].concat();
        let rows = self.ask(query(&self.statements().queries).clone(), by, &kinds).await?;
        let read = |row| {
            let mut columns = Columns::new(row);
            Some((MembershipRow::read(&mut columns)?, T::read(&mut columns)))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    async fn ask(&self, query: SqlStr, by: &str, kinds: &[Kind]) -> Result<Vec<Vec<Value>>, sqlx::Error> {
        let mut connection = self.pool().acquire().await?;
        DB::fetch(&mut connection, query, vec![Value::text(by)], kinds).await
    }
}
