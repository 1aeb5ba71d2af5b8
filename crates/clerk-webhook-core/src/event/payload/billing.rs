//! What subscriptions and payments share.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// Who pays: a user or an organization.
///
/// Clerk sends empty strings for the fields of the other kind; here they are `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingPayer {
    /// The id (`cpayer_…`).
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub id: Option<String>,
    /// The id of the instance, which is no longer sent.
    pub instance_id: Option<String>,
    /// The id of the user; `None` if an organization pays.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub user_id: Option<String>,
    /// The given name of the user.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub first_name: Option<String>,
    /// The family name of the user.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub last_name: Option<String>,
    /// The e-mail address for bills.
    pub email: Option<String>,
    /// The id of the organization; `None` if a user pays.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub organization_id: Option<String>,
    /// The name of the organization.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub organization_name: Option<String>,
    /// The picture of the user or the logo of the organization.
    pub image_url: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
}

open_enum! {
    /// How often a payer is charged.
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
    /// The amount for people to read, such as `20.00` or `$20.00`.
    pub amount_formatted: Option<String>,
    /// The currency, as an ISO 4217 code.
    pub currency: Option<String>,
    /// The symbol of the currency.
    pub currency_symbol: Option<String>,
}

/// What is credited for the unused part of a period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingCredit {
    /// The credit.
    pub amount: Option<BillingAmount>,
    /// The days that are left of the period.
    pub cycle_days_remaining: Option<i64>,
    /// The days of the whole period.
    pub cycle_days_total: Option<i64>,
    /// The part of the period that is left, from 0.0 to 1.0 in spite of its name.
    pub cycle_remaining_percent: Option<f64>,
}

/// Everything that is credited; since June 2026.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingCredits {
    /// The credit for the unused part of a period.
    pub proration: Option<BillingCredit>,
    /// The credit from the balance of the payer.
    pub payer: Option<BillingPayerCredit>,
    /// The sum.
    pub total: Option<BillingAmount>,
}

/// What is credited from the balance of a payer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingPayerCredit {
    /// The part of the balance that was used.
    pub applied_amount: Option<BillingAmount>,
    /// The part that is left.
    pub remaining_balance: Option<BillingAmount>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_strings_of_a_payer_are_none() {
        let json = r#"{"email":"ada@example.com","first_name":"Ada","id":"cpayer_1","image_url":"",
            "last_name":null,"organization_id":"","organization_name":"","user_id":"user_1"}"#;
        let payer: BillingPayer = serde_json::from_str(json).unwrap();
        assert_eq!(payer.user_id.as_deref(), Some("user_1"));
        assert_eq!(payer.first_name.as_deref(), Some("Ada"));
        assert_eq!((payer.last_name, payer.organization_id, payer.organization_name), (None, None, None));
    }

    #[test]
    fn absent_fields_of_a_payer_are_none() {
        let json = r#"{"email":"ada@example.com","id":"cpayer_1","image_url":"https://img.example/1"}"#;
        let payer: BillingPayer = serde_json::from_str(json).unwrap();
        assert_eq!((payer.user_id, payer.organization_id, payer.created_at), (None, None, None));
    }
}
