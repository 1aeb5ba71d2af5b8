//! Subscriptions and their items.
//!
//! Clerk Billing is in beta, and Clerk has changed these payloads before.

use serde::{Deserialize, Serialize};

use super::{BillingAmount, BillingCredit, BillingInterval, BillingPayer};
use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// A payer's subscription: the `data` of the `subscription.*` events.
///
/// Clerk sends no event when a subscription is canceled. A payer cancels a [`SubscriptionItem`], and Clerk
/// sends `subscriptionItem.canceled`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Subscription {
    /// The id (`csub_…`).
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The state of the subscription.
    #[serde(default)]
    pub status: SubscriptionStatus,
    /// The time at which the subscription became active.
    pub active_at: Option<Timestamp>,
    /// The time of cancellation.
    pub canceled_at: Option<Timestamp>,
    /// The time at which the subscription ended.
    pub ended_at: Option<Timestamp>,
    /// The time at which the payment became overdue.
    pub past_due_at: Option<Timestamp>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
    /// The id of the last payment (`cpa_…`); `None` before the first payment.
    pub latest_payment_id: Option<String>,
    /// The id of the payer (`cpayer_…`).
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub payer_id: Option<String>,
    /// The payer; since October 2025.
    pub payer: Option<BillingPayer>,
    /// The id of the payment source (`cps_…`); `None` for free plans.
    pub payment_source_id: Option<String>,
    /// The subscription's items, without `payer` and `subscription_id`.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub items: Vec<SubscriptionItem>,
}

open_enum! {
    /// The state of a [`Subscription`].
    SubscriptionStatus {
        Abandoned = "abandoned",
        Active = "active",
        Canceled = "canceled",
        Ended = "ended",
        Expired = "expired",
        Incomplete = "incomplete",
        PastDue = "past_due",
        Upcoming = "upcoming",
    }
}

/// A plan to which a payer subscribes: the `data` of the `subscriptionItem.*` events.
///
/// A plan change ends one item and activates another. The fields after `seats` occur only in Clerk's
/// TypeScript types, which show the format from before November 2025.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SubscriptionItem {
    /// The id (`csub_item_…`); `None` if Clerk omits it.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub id: Option<String>,
    /// The state of the item. A canceled item remains paid until `period_end`.
    #[serde(default)]
    pub status: SubscriptionItemStatus,
    /// Whether the item is in its free trial.
    pub is_free_trial: Option<bool>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
    /// The start of the current billing period.
    pub period_start: Option<Timestamp>,
    /// The end of the current billing period; `None` for the free default plan, which does not end.
    pub period_end: Option<Timestamp>,
    /// The interval between charges.
    pub interval: Option<BillingInterval>,
    /// The id of the plan (`cplan_…`).
    pub plan_id: Option<String>,
    /// The plan.
    pub plan: Option<BillingItemPlan>,
    /// The payer; `None` in [`Subscription::items`].
    pub payer: Option<BillingPayer>,
    /// The id of the subscription; `None` in [`Subscription::items`].
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub subscription_id: Option<String>,
    /// The seats of a plan with a price per seat; since March 2026.
    pub seats: Option<BillingSeats>,
    /// The credit for the unused part of a billing period.
    pub credit: Option<BillingCredit>,
    /// The proration date, as text.
    pub proration_date: Option<String>,
    /// The interval between charges; former name of `interval`.
    pub plan_period: Option<BillingInterval>,
    /// The time of cancellation.
    pub canceled_at: Option<Timestamp>,
    /// The time at which the payment became overdue.
    pub past_due_at: Option<Timestamp>,
    /// The total of all payments, in the smallest unit of the currency.
    pub lifetime_paid: Option<i64>,
    /// The amount of the next payment, in the smallest unit of the currency.
    pub next_payment_amount: Option<i64>,
    /// The due date of the next payment.
    pub next_payment_date: Option<Timestamp>,
    /// The price.
    pub amount: Option<BillingAmount>,
}

open_enum! {
    /// The state of a [`SubscriptionItem`].
    SubscriptionItemStatus {
        Abandoned = "abandoned",
        Active = "active",
        Canceled = "canceled",
        Ended = "ended",
        Expired = "expired",
        Incomplete = "incomplete",
        PastDue = "past_due",
        Upcoming = "upcoming",
    }
}

/// The plan of a [`SubscriptionItem`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingItemPlan {
    /// The id (`cplan_…`).
    pub id: Option<String>,
    /// The name in URLs. Use it to identify a plan in code.
    pub slug: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// Whether the plan is billed on a recurring basis.
    pub is_recurring: Option<bool>,
    /// The price, in the smallest unit of the currency.
    pub amount: Option<i64>,
    /// The currency, as an ISO 4217 code.
    pub currency: Option<String>,
    /// The prices per unit, such as per seat; since March 2026.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub unit_prices: Vec<BillingUnitPrice>,
    /// The instance id (`ins_…`); only in Clerk's TypeScript types.
    pub instance_id: Option<String>,
    /// The product id (`cprd_…`); only in Clerk's TypeScript types.
    pub product_id: Option<String>,
    /// The plan's description; only in Clerk's TypeScript types.
    pub description: Option<String>,
    /// The unit of the billing period; only in Clerk's TypeScript types.
    pub period: Option<BillingInterval>,
    /// The number of units in a billing period; only in Clerk's TypeScript types.
    pub interval: Option<i64>,
    /// Whether the plan has a base fee, which is charged even if the plan is not used; only in Clerk's
    /// TypeScript types.
    pub has_base_fee: Option<bool>,
    /// The monthly price if the payer pays annually, in the smallest unit of the currency; only in Clerk's
    /// TypeScript types.
    pub annual_monthly_amount: Option<i64>,
    /// Whether the plan is publicly visible; only in Clerk's TypeScript types.
    pub publicly_visible: Option<bool>,
    /// The length of the free trial in days; no longer sent.
    pub free_trial_days: Option<i64>,
    /// Whether the plan has a free trial; no longer sent.
    pub free_trial_enabled: Option<bool>,
    /// Whether payers who have not chosen a plan get this plan; no longer sent.
    pub is_default: Option<bool>,
}

/// The price of one kind of unit in a [`BillingItemPlan`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingUnitPrice {
    /// The kind of unit, such as `seats`.
    pub name: Option<String>,
    /// The number of units in a block.
    pub block_size: Option<i64>,
    /// The prices for ranges of blocks.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub tiers: Vec<BillingUnitPriceTier>,
}

/// The price per block for a range of blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingUnitPriceTier {
    /// The first block of the range.
    pub starts_at_block: Option<i64>,
    /// The last block of the range; `None` means unlimited.
    pub ends_after_block: Option<i64>,
    /// The price per block, in the smallest unit of the currency.
    pub amount_per_block: Option<i64>,
    /// The currency, as an ISO 4217 code.
    pub currency: Option<String>,
}

/// The seats of a [`SubscriptionItem`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingSeats {
    /// The number of seats; `None` means unlimited.
    pub quantity: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_the_fields_of_clerks_typescript_types() {
        let json = r#"{"amount":1450,"annual_monthly_amount":1200,"currency":"EUR","description":"All of it",
            "has_base_fee":true,"id":"cplan_1","instance_id":"ins_1","interval":1,"is_default":false,
            "is_recurring":true,"name":"Pro","period":"annual","product_id":"cprd_1","publicly_visible":false,
            "slug":"pro"}"#;
        let plan: BillingItemPlan = serde_json::from_str(json).unwrap();
        assert_eq!(plan.instance_id.as_deref(), Some("ins_1"));
        assert_eq!(plan.product_id.as_deref(), Some("cprd_1"));
        assert_eq!(plan.description.as_deref(), Some("All of it"));
        assert_eq!((plan.period, plan.interval), (Some(BillingInterval::Annual), Some(1)));
        assert_eq!((plan.has_base_fee, plan.publicly_visible), (Some(true), Some(false)));
        assert_eq!(plan.annual_monthly_amount, Some(1200));
    }

    #[test]
    fn decodes_a_nested_item_of_a_free_plan() {
        let json = r#"{"created_at":1,"id":"csub_1","items":[{"id":"csub_item_1","object":"subscription_item",
            "period_end":null,"period_start":1,"status":"paused","subscription_id":null}],
            "payer_id":"cpayer_1","status":"past_due","updated_at":1}"#;
        let subscription: Subscription = serde_json::from_str(json).unwrap();
        assert_eq!(subscription.status, SubscriptionStatus::PastDue);
        let item = &subscription.items[0];
        assert_eq!(item.status, SubscriptionItemStatus::Other("paused".into()));
        assert_eq!((item.period_end, item.payer.is_none()), (None, true));
    }
}
