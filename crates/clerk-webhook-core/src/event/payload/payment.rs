//! Attempts to collect a payment.
//!
//! Clerk calls Billing a beta and has reshaped these payloads before.

use serde::{Deserialize, Serialize};

use super::{
    BillingAmount, BillingCredit, BillingCredits, BillingInterval, BillingPayer, SubscriptionItemStatus,
};
use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// An attempt to collect a payment, the `data` of the `paymentAttempt.*` events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PaymentAttempt {
    /// The id.
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The id of the instance (`ins_…`).
    pub instance_id: Option<String>,
    /// The id of the payment (`cpa_…`), which several attempts can share.
    pub payment_id: Option<String>,
    /// The id of the invoice, deprecated.
    pub invoice_id: Option<String>,
    /// The id of the statement (`stmt_…`).
    pub statement_id: Option<String>,
    /// The id of the attempt at the gateway.
    pub gateway_external_id: Option<String>,
    /// The state of the attempt.
    #[serde(default)]
    pub status: PaymentAttemptStatus,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// When it succeeded.
    pub paid_at: Option<Timestamp>,
    /// When it failed.
    pub failed_at: Option<Timestamp>,
    /// Why it failed.
    pub failed_reason: Option<BillingFailedReason>,
    /// The date that is billed for.
    pub billing_date: Option<Timestamp>,
    /// The occasion of the charge, which Clerk's guide calls `type`.
    #[serde(default)]
    pub charge_type: ChargeType,
    /// Who is paid.
    pub payee: Option<BillingPayee>,
    /// Who pays.
    pub payer: Option<BillingPayer>,
    /// What is paid.
    pub totals: Option<BillingTotals>,
    /// What it is paid with.
    pub payment_source: Option<BillingPaymentSource>,
    /// What it is paid for.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub subscription_items: Vec<PaymentAttemptItem>,
}

open_enum! {
    /// The state of a [`PaymentAttempt`].
    PaymentAttemptStatus {
        Pending = "pending",
        Paid = "paid",
        Failed = "failed",
    }
}

open_enum! {
    /// The occasion of a charge.
    ChargeType {
        /// The payer has bought something.
        Checkout = "checkout",
        /// A period has begun.
        Recurring = "recurring",
    }
}

/// Why a [`PaymentAttempt`] failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingFailedReason {
    /// The category, such as `card_declined`.
    pub code: Option<String>,
    /// The reason that the gateway gave.
    pub decline_code: Option<String>,
}

/// Who is paid: the application, through a gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingPayee {
    /// The id (`cpayee_…`).
    pub id: Option<String>,
    /// The gateway, such as `stripe`.
    pub gateway_type: Option<String>,
    /// The id of the payee at the gateway.
    pub gateway_external_id: Option<String>,
    /// The state of the payee at the gateway.
    #[serde(default)]
    pub gateway_status: GatewayStatus,
}

open_enum! {
    /// The state of a [`BillingPayee`] at the gateway.
    GatewayStatus {
        Active = "active",
        Pending = "pending",
        Restricted = "restricted",
        Disconnected = "disconnected",
    }
}

/// What is paid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingTotals {
    /// The sum before taxes.
    pub subtotal: Option<BillingAmount>,
    /// The taxes.
    pub tax_total: Option<BillingAmount>,
    /// The sum with taxes, which is what the payer pays.
    pub grand_total: Option<BillingAmount>,
    /// The sums by unit, such as by seat; since March 2026.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub per_unit_totals: Vec<BillingUnitTotal>,
}

/// What is paid for one kind of unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingUnitTotal {
    /// The kind of unit, such as `seats`.
    pub name: Option<String>,
    /// The price of a unit, in the smallest unit of the currency.
    pub amount: Option<i64>,
    /// The number of units; `None` = unlimited.
    pub quantity: Option<i64>,
    /// The sum, in the smallest unit of the currency.
    pub total: Option<i64>,
    /// The currency, as an ISO 4217 code.
    pub currency: Option<String>,
}

/// What is paid with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingPaymentSource {
    /// The id (`cps_…`).
    pub id: Option<String>,
    /// The gateway, such as `stripe`.
    pub gateway: Option<String>,
    /// The id of the source at the gateway.
    pub gateway_external_id: Option<String>,
    /// The id of the account at the gateway.
    pub gateway_external_account_id: Option<String>,
    /// The kind of source.
    #[serde(default)]
    pub payment_method: PaymentMethod,
    /// The state of the source.
    #[serde(default)]
    pub status: PaymentSourceStatus,
    /// The brand of the card; `None` if it is none.
    pub card_type: Option<String>,
    /// The last four digits of the card; `None` if it is none.
    pub last4: Option<String>,
}

open_enum! {
    /// The kind of a [`BillingPaymentSource`].
    PaymentMethod {
        Card = "card",
        Link = "link",
    }
}

open_enum! {
    /// The state of a [`BillingPaymentSource`].
    PaymentSourceStatus {
        Active = "active",
        Disconnected = "disconnected",
    }
}

/// What a [`PaymentAttempt`] pays for.
///
/// Clerk's schema and its own examples share about half of these fields, so only the id is certain. The
/// fields after `credits` are in the examples only, from the shape before November 2025.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PaymentAttemptItem {
    /// The id of the subscription item (`csub_item_…`).
    pub id: Option<String>,
    /// The state of the item.
    pub status: Option<SubscriptionItemStatus>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// When the period began.
    pub period_start: Option<Timestamp>,
    /// When the period ends.
    pub period_end: Option<Timestamp>,
    /// How often it is charged.
    pub interval: Option<BillingInterval>,
    /// The id of the plan (`cplan_…`).
    pub plan_id: Option<String>,
    /// The plan.
    pub plan: Option<PaymentAttemptItemPlan>,
    /// The payer.
    pub payer: Option<BillingPayer>,
    /// The id of the subscription (`csub_…`).
    pub subscription_id: Option<String>,
    /// What is credited for the unused part of a period, deprecated since June 2026 in favour of `credits`.
    pub credit: Option<BillingCredit>,
    /// Everything that is credited; since June 2026.
    pub credits: Option<BillingCredits>,
    /// The date of the credit, as text.
    pub proration_date: Option<String>,
    /// How often it is charged, under its former name.
    pub plan_period: Option<BillingInterval>,
    /// When it was cancelled.
    pub canceled_at: Option<Timestamp>,
    /// When its payment became overdue.
    pub past_due_at: Option<Timestamp>,
    /// What was paid so far, in the smallest unit of the currency.
    pub lifetime_paid: Option<i64>,
    /// The next payment, in the smallest unit of the currency.
    pub next_payment_amount: Option<i64>,
    /// When the next payment is due.
    pub next_payment_date: Option<Timestamp>,
    /// The price.
    pub amount: Option<BillingAmount>,
}

/// The plan of a [`PaymentAttemptItem`].
///
/// The fields after `currency` are from the shape before November 2025.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PaymentAttemptItemPlan {
    /// The id (`cplan_…`).
    pub id: Option<String>,
    /// The name in URLs, by which an application knows its plans.
    pub slug: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// Whether it is charged more than once.
    pub is_recurring: Option<bool>,
    /// The price of a month, in the smallest unit of the currency.
    pub amount: Option<i64>,
    /// The currency, as an ISO 4217 code.
    pub currency: Option<String>,
    /// The id of the instance (`ins_…`).
    pub instance_id: Option<String>,
    /// The id of the product (`cprd_…`).
    pub product_id: Option<String>,
    /// What the plan offers.
    pub description: Option<String>,
    /// Whether it is the plan of those who chose none.
    pub is_default: Option<bool>,
    /// Whether the unused part of a period is credited.
    pub is_prorated: Option<bool>,
    /// The unit of the period.
    pub period: Option<BillingInterval>,
    /// The number of `period`s in a period.
    pub interval: Option<i64>,
    /// Whether it costs something without any use.
    pub has_base_fee: Option<bool>,
    /// The price of a month when a year is paid, in the smallest unit of the currency.
    pub annual_monthly_amount: Option<i64>,
    /// Whether everybody can see the plan.
    pub publicly_visible: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_alone_is_an_item() {
        let item: PaymentAttemptItem = serde_json::from_str(r#"{"id":"csub_item_1"}"#).unwrap();
        assert_eq!((item.status, item.plan, item.credits), (None, None, None));
    }

    #[test]
    fn a_failure_may_lack_the_reason_of_the_gateway() {
        let reason: BillingFailedReason = serde_json::from_str(r#"{"code":"card_declined"}"#).unwrap();
        assert_eq!(reason.decline_code, None);
    }
}
