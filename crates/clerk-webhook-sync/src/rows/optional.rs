//! What is kept only where it is wanted, as types.

use clerk_webhook_core::Timestamp;
use clerk_webhook_core::event::payload::{
    BillingInterval, SessionStatus, SubscriptionItemStatus, SubscriptionStatus, WaitlistEntryStatus,
};

use super::{Columns, FromColumns};
use crate::schema::Entity;

/// A session, as the newest event has told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SessionRow {
    /// The id (`sess_…`).
    pub id: String,
    /// When the session last changed.
    pub updated_at: Timestamp,
    /// When the session began.
    pub created_at: Option<Timestamp>,
    /// The id of the user.
    pub user_id: Option<String>,
    /// The id of the client (`client_…`).
    pub client_id: Option<String>,
    /// The state of the session.
    pub status: SessionStatus,
    /// The id of the organization that was active last.
    pub last_active_organization_id: Option<String>,
    /// When the session was last used, as far as an event has told.
    pub last_active_at: Option<Timestamp>,
    /// When the session ends whatever happens.
    pub expire_at: Option<Timestamp>,
    /// When the session ends if it is not used until then, as far as an event has told: use moves it.
    pub abandon_at: Option<Timestamp>,
}

/// A plan that a user or an organization subscribes to, as the newest event has told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SubscriptionItemRow {
    /// The id (`csub_item_…`).
    pub id: String,
    /// When the item last changed.
    pub updated_at: Timestamp,
    /// When the item was created.
    pub created_at: Option<Timestamp>,
    /// The id of the subscription.
    pub subscription_id: Option<String>,
    /// The id of the payer (`cpayer_…`).
    pub payer_id: Option<String>,
    /// The id of the user who pays; `None` if an organization pays.
    pub user_id: Option<String>,
    /// The id of the organization that pays; `None` if a user pays.
    pub organization_id: Option<String>,
    /// The id of the plan (`cplan_…`).
    pub plan_id: Option<String>,
    /// The name of the plan in URLs, by which an application knows its plans.
    pub plan_slug: Option<String>,
    /// The name of the plan.
    pub plan_name: Option<String>,
    /// The state of the item. A cancelled one is paid for until `period_end`.
    pub status: SubscriptionItemStatus,
    /// Whether it is in its free trial.
    pub is_free_trial: bool,
    /// When the current period began.
    pub period_start: Option<Timestamp>,
    /// When the current period ends; `None` for the free plan, which does not end.
    pub period_end: Option<Timestamp>,
    /// How often it is charged.
    pub billing_interval: Option<BillingInterval>,
    /// The price, in the smallest unit of the currency.
    pub amount: Option<i64>,
    /// The currency, as an ISO 4217 code.
    pub currency: Option<String>,
    /// The number of seats; `None` = unlimited, or not paid by the seat.
    pub seats: Option<i64>,
}

/// The subscription of a user or an organization, as the newest event has told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SubscriptionRow {
    /// The id (`csub_…`).
    pub id: String,
    /// When the subscription last changed.
    pub updated_at: Timestamp,
    /// When the subscription was created.
    pub created_at: Option<Timestamp>,
    /// The id of the payer (`cpayer_…`).
    pub payer_id: Option<String>,
    /// The id of the user who pays; `None` if an organization pays.
    pub user_id: Option<String>,
    /// The id of the organization that pays; `None` if a user pays.
    pub organization_id: Option<String>,
    /// The state of the subscription.
    pub status: SubscriptionStatus,
    /// When it became active.
    pub active_at: Option<Timestamp>,
    /// When its payment became overdue.
    pub past_due_at: Option<Timestamp>,
    /// When it was cancelled.
    pub canceled_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Somebody who waits to be let into the application, as the newest event has told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WaitlistEntryRow {
    /// The id (`wle_…`).
    pub id: String,
    /// When the entry last changed.
    pub updated_at: Timestamp,
    /// When the entry was added.
    pub created_at: Option<Timestamp>,
    /// The address that waits.
    pub email_address: Option<String>,
    /// The state of the entry.
    pub status: WaitlistEntryStatus,
    /// Whether a batch is working on the entry, so that nothing else can.
    pub is_locked: bool,
    /// The id of the invitation that has answered it (`inv_…`).
    pub invitation_id: Option<String>,
}

impl FromColumns for SessionRow {
    const ENTITY: Entity = Entity::Sessions;

    fn read(columns: &mut Columns) -> Option<Self> {
        Some(Self {
            id: columns.text()?,
            updated_at: columns.time()?,
            created_at: columns.time(),
            user_id: columns.text(),
            client_id: columns.text(),
            status: columns.text().unwrap_or_default().as_str().into(),
            last_active_organization_id: columns.text(),
            last_active_at: columns.time(),
            expire_at: columns.time(),
            abandon_at: columns.time(),
        })
    }
}

impl FromColumns for SubscriptionItemRow {
    const ENTITY: Entity = Entity::SubscriptionItems;

    fn read(columns: &mut Columns) -> Option<Self> {
        Some(Self {
            id: columns.text()?,
            updated_at: columns.time()?,
            created_at: columns.time(),
            subscription_id: columns.text(),
            payer_id: columns.text(),
            user_id: columns.text(),
            organization_id: columns.text(),
            plan_id: columns.text(),
            plan_slug: columns.text(),
            plan_name: columns.text(),
            status: columns.text().unwrap_or_default().as_str().into(),
            is_free_trial: columns.yes(),
            period_start: columns.time(),
            period_end: columns.time(),
            billing_interval: columns.text().map(|interval| interval.as_str().into()),
            amount: columns.integer(),
            currency: columns.text(),
            seats: columns.integer(),
        })
    }
}

impl FromColumns for SubscriptionRow {
    const ENTITY: Entity = Entity::Subscriptions;

    fn read(columns: &mut Columns) -> Option<Self> {
        Some(Self {
            id: columns.text()?,
            updated_at: columns.time()?,
            created_at: columns.time(),
            payer_id: columns.text(),
            user_id: columns.text(),
            organization_id: columns.text(),
            status: columns.text().unwrap_or_default().as_str().into(),
            active_at: columns.time(),
            past_due_at: columns.time(),
            canceled_at: columns.time(),
            ended_at: columns.time(),
        })
    }
}

impl FromColumns for WaitlistEntryRow {
    const ENTITY: Entity = Entity::WaitlistEntries;

    fn read(columns: &mut Columns) -> Option<Self> {
        Some(Self {
            id: columns.text()?,
            updated_at: columns.time()?,
            created_at: columns.time(),
            email_address: columns.text(),
            status: columns.text().unwrap_or_default().as_str().into(),
            is_locked: columns.yes(),
            invitation_id: columns.text(),
        })
    }
}
