//! Payment attempts.
//!
//! Clerk Billing is in beta, and Clerk has changed these payloads before.

use serde::{Deserialize, Serialize};

use super::{
    BillingAmount, BillingCredit, BillingCredits, BillingInterval, BillingPayer, SubscriptionItemStatus,
};
use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// An attempt to collect a payment: the `data` of the `paymentAttempt.*` events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PaymentAttempt {
    /// The id.
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The instance id (`ins_…`).
    pub instance_id: Option<String>,
    /// The id of the payment (`cpa_…`). Several attempts can belong to one payment.
    pub payment_id: Option<String>,
    /// The id of the invoice; deprecated.
    pub invoice_id: Option<String>,
    /// The id of the statement (`stmt_…`).
    pub statement_id: Option<String>,
    /// The attempt's id at the gateway.
    pub gateway_external_id: Option<String>,
    /// The state of the attempt.
    #[serde(default)]
    pub status: PaymentAttemptStatus,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
    /// The time at which the payment succeeded.
    pub paid_at: Option<Timestamp>,
    /// The time at which the payment failed.
    pub failed_at: Option<Timestamp>,
    /// The reason for the failure.
    pub failed_reason: Option<BillingFailedReason>,
    /// The billing date.
    pub billing_date: Option<Timestamp>,
    /// The reason for the charge. Clerk's guide calls it `type`.
    #[serde(default)]
    pub charge_type: ChargeType,
    /// The payee.
    pub payee: Option<BillingPayee>,
    /// The payer.
    pub payer: Option<BillingPayer>,
    /// The amounts of the payment.
    pub totals: Option<BillingTotals>,
    /// The payment source, such as a card.
    pub payment_source: Option<BillingPaymentSource>,
    /// The subscription items that the payment pays for.
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
    /// The reason for a charge.
    ChargeType {
        /// The payer made a purchase.
        Checkout = "checkout",
        /// A billing period began.
        Recurring = "recurring",
    }
}

/// The reason why a [`PaymentAttempt`] failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingFailedReason {
    /// The category, such as `card_declined`.
    pub code: Option<String>,
    /// The reason from the gateway.
    pub decline_code: Option<String>,
}

/// The payee: the application that receives the payment through a gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingPayee {
    /// The id (`cpayee_…`).
    pub id: Option<String>,
    /// The gateway, such as `stripe`.
    pub gateway_type: Option<String>,
    /// The payee's id at the gateway.
    pub gateway_external_id: Option<String>,
    /// The payee's state at the gateway.
    #[serde(default)]
    pub gateway_status: GatewayStatus,
}

open_enum! {
    /// A [`BillingPayee`]'s state at the gateway.
    GatewayStatus {
        Active = "active",
        Pending = "pending",
        Restricted = "restricted",
        Disconnected = "disconnected",
    }
}

/// The amounts of a payment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingTotals {
    /// The total before taxes.
    pub subtotal: Option<BillingAmount>,
    /// The taxes.
    pub tax_total: Option<BillingAmount>,
    /// The total with taxes, which the payer pays.
    pub grand_total: Option<BillingAmount>,
    /// The totals per unit, such as per seat; since March 2026.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub per_unit_totals: Vec<BillingUnitTotal>,
}

/// The total for one kind of unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingUnitTotal {
    /// The kind of unit, such as `seats`.
    pub name: Option<String>,
    /// The price per unit, in the smallest unit of the currency.
    pub amount: Option<i64>,
    /// The number of units; `None` means unlimited.
    pub quantity: Option<i64>,
    /// The total, in the smallest unit of the currency.
    pub total: Option<i64>,
    /// The currency, as an ISO 4217 code.
    pub currency: Option<String>,
}

/// A payment source, such as a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingPaymentSource {
    /// The id (`cps_…`).
    pub id: Option<String>,
    /// The gateway, such as `stripe`.
    pub gateway: Option<String>,
    /// The payment source's id at the gateway.
    pub gateway_external_id: Option<String>,
    /// The account's id at the gateway.
    pub gateway_external_account_id: Option<String>,
    /// The kind of payment source.
    #[serde(default)]
    pub payment_method: PaymentMethod,
    /// The state of the payment source.
    #[serde(default)]
    pub status: PaymentSourceStatus,
    /// The card brand; `None` if the source is not a card.
    pub card_type: Option<String>,
    /// The last four digits of the card; `None` if the source is not a card.
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

/// A subscription item that a [`PaymentAttempt`] pays for.
///
/// Only about half of these fields are in both Clerk's schema and its examples, so all fields are optional.
/// The fields after `credits` occur only in the examples, which show the format from before November 2025.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PaymentAttemptItem {
    /// The id of the subscription item (`csub_item_…`).
    pub id: Option<String>,
    /// The state of the subscription item.
    pub status: Option<SubscriptionItemStatus>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
    /// The start of the billing period.
    pub period_start: Option<Timestamp>,
    /// The end of the billing period.
    pub period_end: Option<Timestamp>,
    /// The interval between charges.
    pub interval: Option<BillingInterval>,
    /// The id of the plan (`cplan_…`).
    pub plan_id: Option<String>,
    /// The plan.
    pub plan: Option<PaymentAttemptItemPlan>,
    /// The payer.
    pub payer: Option<BillingPayer>,
    /// The id of the subscription (`csub_…`).
    pub subscription_id: Option<String>,
    /// The credit for the unused part of a billing period. Deprecated since June 2026: use `credits`.
    pub credit: Option<BillingCredit>,
    /// All credits; since June 2026.
    pub credits: Option<BillingCredits>,
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

/// The plan of a [`PaymentAttemptItem`].
///
/// The fields after `currency` belong to the format from before November 2025.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PaymentAttemptItemPlan {
    /// The id (`cplan_…`).
    pub id: Option<String>,
    /// The name in URLs. Use it to identify a plan in code.
    pub slug: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// Whether the plan is billed on a recurring basis.
    pub is_recurring: Option<bool>,
    /// The price per month, in the smallest unit of the currency.
    pub amount: Option<i64>,
    /// The currency, as an ISO 4217 code.
    pub currency: Option<String>,
    /// The instance id (`ins_…`).
    pub instance_id: Option<String>,
    /// The product id (`cprd_…`).
    pub product_id: Option<String>,
    /// The plan's description.
    pub description: Option<String>,
    /// Whether payers who have not chosen a plan get this plan.
    pub is_default: Option<bool>,
    /// Whether the unused part of a billing period is credited.
    pub is_prorated: Option<bool>,
    /// The unit of the billing period.
    pub period: Option<BillingInterval>,
    /// The number of units in a billing period.
    pub interval: Option<i64>,
    /// Whether the plan has a base fee, which is charged even if the plan is not used.
    pub has_base_fee: Option<bool>,
    /// The monthly price if the payer pays annually, in the smallest unit of the currency.
    pub annual_monthly_amount: Option<i64>,
    /// Whether the plan is publicly visible.
    pub publicly_visible: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_an_item_with_only_an_id() {
        let item: PaymentAttemptItem = serde_json::from_str(r#"{"id":"csub_item_1"}"#).unwrap();
        assert_eq!((item.status, item.plan, item.credits), (None, None, None));
    }

    #[test]
    fn decodes_a_failure_without_a_reason_from_the_gateway() {
        let reason: BillingFailedReason = serde_json::from_str(r#"{"code":"card_declined"}"#).unwrap();
        assert_eq!(reason.decline_code, None);
    }
}
