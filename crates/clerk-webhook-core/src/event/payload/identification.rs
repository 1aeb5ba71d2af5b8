//! A user's identifications: email addresses, phone numbers, wallets and passkeys.

use serde::{Deserialize, Serialize};

use super::{Sensitive, Verification};
use crate::Timestamp;

/// An email address of a [`User`](super::User).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EmailAddress {
    /// The id (`idn_…`), to which `User::primary_email_address_id` refers.
    pub id: Option<String>,
    /// The address.
    pub email_address: Option<String>,
    /// Whether the address is reserved for this user even before it is verified.
    pub reserved: Option<bool>,
    /// The verification; `None` before it starts.
    pub verification: Option<Verification>,
    /// The accounts that share this address.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub linked_to: Vec<IdentificationLink>,
    /// Whether the address's domain belongs to one of the instance's enterprise connections; since 2025.
    pub matches_sso_connection: Option<bool>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
}

impl EmailAddress {
    /// Returns whether the user verified the address.
    ///
    /// Never match accounts by an unverified address: it may belong to a different person.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verification.as_ref().is_some_and(Verification::is_verified)
    }
}

/// A phone number of a [`User`](super::User).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PhoneNumber {
    /// The id (`idn_…`), to which `User::primary_phone_number_id` refers.
    pub id: Option<String>,
    /// The number in E.164 format, such as `+12025550100`.
    pub phone_number: Option<String>,
    /// Whether the number is used as a second factor.
    pub reserved_for_second_factor: Option<bool>,
    /// Whether the number is the default second factor.
    pub default_second_factor: Option<bool>,
    /// Whether the number is reserved for this user even before it is verified.
    pub reserved: Option<bool>,
    /// The verification; `None` before it starts.
    pub verification: Option<Verification>,
    /// The accounts that share this number.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub linked_to: Vec<IdentificationLink>,
    /// The backup codes for the second factor. Each of them can replace the second factor at sign-in.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub backup_codes: Sensitive<Vec<String>>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
}

impl PhoneNumber {
    /// Returns whether the user verified the number.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verification.as_ref().is_some_and(Verification::is_verified)
    }
}

/// A blockchain wallet of a [`User`](super::User).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Web3Wallet {
    /// The id (`idn_…`), to which `User::primary_web3_wallet_id` refers.
    pub id: Option<String>,
    /// The wallet address.
    pub web3_wallet: Option<String>,
    /// The verification; `None` before it starts.
    pub verification: Option<Verification>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
}

impl Web3Wallet {
    /// Returns whether the user verified the wallet.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verification.as_ref().is_some_and(Verification::is_verified)
    }
}

/// A passkey of a [`User`](super::User).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Passkey {
    /// The id.
    pub id: Option<String>,
    /// The passkey's name.
    pub name: Option<String>,
    /// The time of the last sign-in with the passkey.
    pub last_used_at: Option<Timestamp>,
    /// The verification.
    pub verification: Option<Verification>,
}

/// A reference from an email address or phone number to an account that shares it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IdentificationLink {
    /// The account's id (`idn_…`).
    pub id: Option<String>,
    /// The kind of account, such as `oauth_google`, sent as `type`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_not_verified_without_a_verification() {
        let email: EmailAddress =
            serde_json::from_str(r#"{"email_address":"ada@example.com","linked_to":null}"#).unwrap();
        assert!(!email.is_verified());
        assert!(email.linked_to.is_empty());
        let wallet: Web3Wallet =
            serde_json::from_str(r#"{"web3_wallet":"0xada","verification":null}"#).unwrap();
        assert!(!wallet.is_verified());
    }

    #[test]
    fn debug_does_not_show_backup_codes() {
        let phone: PhoneNumber =
            serde_json::from_str(r#"{"phone_number":"+12025550100","backup_codes":["c0de"]}"#).unwrap();
        assert_eq!(*phone.backup_codes, ["c0de"]);
        assert!(!format!("{phone:?}").contains("c0de"));
        let phone: PhoneNumber =
            serde_json::from_str(r#"{"phone_number":"+12025550100","backup_codes":null}"#).unwrap();
        assert!(phone.backup_codes.is_empty());
    }
}
