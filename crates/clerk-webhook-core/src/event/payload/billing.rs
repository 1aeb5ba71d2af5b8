//! Types that subscriptions and payments share.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// A payer: a user or an organization.
///
/// The user's fields are `None` if an organization pays, and the organization's fields are `None` if a user
/// pays. Clerk sends empty strings in these cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingPayer {
    /// The id (`cpayer_…`).
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub id: Option<String>,
    /// The instance id; no longer sent.
    pub instance_id: Option<String>,
    /// The user's id; `None` if an organization pays.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub user_id: Option<String>,
    /// The user's given name.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub first_name: Option<String>,
    /// The user's family name.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub last_name: Option<String>,
    /// The billing email address.
    pub email: Option<String>,
    /// The organization's id; `None` if a user pays.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub organization_id: Option<String>,
    /// The organization's name.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub organization_name: Option<String>,
    /// The URL of the user's picture or the organization's logo.
    pub image_url: Option<String>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
}

open_enum! {
    /// The interval between charges.
    BillingInterval {
        Month = "month",
        Annual = "annual",
    }
}

/// An amount of money.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingAmount {
    /// The amount in the smallest unit of the currency, such as cents.
    pub amount: Option<i64>,
    /// The amount as text for display, such as `20.00` or `$20.00`.
    pub amount_formatted: Option<String>,
    /// The currency, as an ISO 4217 code.
    pub currency: Option<String>,
    /// The currency symbol.
    pub currency_symbol: Option<String>,
}

/// The credit for the unused part of a billing period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingCredit {
    /// The amount of the credit.
    pub amount: Option<BillingAmount>,
    /// The number of days that remain in the period.
    pub cycle_days_remaining: Option<i64>,
    /// The number of days in the period.
    pub cycle_days_total: Option<i64>,
    /// The remaining part of the period, as a fraction from 0.0 to 1.0 despite the field's name.
    pub cycle_remaining_percent: Option<f64>,
}

/// All credits, by their source, and their total; since June 2026.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingCredits {
    /// The credit for the unused part of a billing period.
    pub proration: Option<BillingCredit>,
    /// The credit from the payer's balance.
    pub payer: Option<BillingPayerCredit>,
    /// The total of all credits.
    pub total: Option<BillingAmount>,
}

/// The credit from a payer's balance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingPayerCredit {
    /// The part of the balance that was used.
    pub applied_amount: Option<BillingAmount>,
    /// The remaining balance.
    pub remaining_balance: Option<BillingAmount>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_a_payers_empty_strings_as_none() {
        let json = r#"{"email":"ada@example.com","first_name":"Ada","id":"cpayer_1","image_url":"",
            "last_name":null,"organization_id":"","organization_name":"","user_id":"user_1"}"#;
        let payer: BillingPayer = serde_json::from_str(json).unwrap();
        assert_eq!(payer.user_id.as_deref(), Some("user_1"));
        assert_eq!(payer.first_name.as_deref(), Some("Ada"));
        assert_eq!((payer.last_name, payer.organization_id, payer.organization_name), (None, None, None));
    }

    #[test]
    fn decodes_a_payers_missing_fields_as_none() {
        let json = r#"{"email":"ada@example.com","id":"cpayer_1","image_url":"https://img.example/1"}"#;
        let payer: BillingPayer = serde_json::from_str(json).unwrap();
        assert_eq!((payer.user_id, payer.organization_id, payer.created_at), (None, None, None));
    }
}
