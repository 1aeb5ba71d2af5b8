//! Verification of identifications.

use serde::{Deserialize, Serialize};

use super::{Metadata, Sensitive};
use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// The verification that a user owns an email address, a phone number, a wallet, a passkey or an account.
///
/// Clerk has eleven kinds of verification. This type contains the fields of all kinds, and
/// [`strategy`](Self::strategy) identifies the kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verification {
    /// The state of the verification.
    #[serde(default)]
    pub status: VerificationStatus,
    /// The verification strategy, such as `email_code`, `admin`, `ticket`, `saml` or `from_oauth_google`.
    pub strategy: Option<String>,
    /// The number of attempts; `None` for OAuth.
    pub attempts: Option<i64>,
    /// The expiry time.
    pub expire_at: Option<Timestamp>,
    /// The id of the client that completed the verification. Despite the field's name, it is not a time.
    pub verified_at_client: Option<String>,
    /// The reason for a failure; only for OAuth, SAML and Google One Tap.
    pub error: Option<ClerkError>,
    /// The URL to which the user was redirected for verification; only for OAuth and SAML.
    pub external_verification_redirect_url: Option<Sensitive<String>>,
    /// The challenge; only for wallets and passkeys.
    pub nonce: Option<Sensitive<String>>,
    /// The message to sign; only for wallets and passkeys.
    pub message: Option<Sensitive<String>>,
    /// The channel through which a code was sent to a phone: `sms` or `whatsapp`; since June 2026.
    pub channel: Option<String>,
}

impl Verification {
    /// Returns whether the status is [`VerificationStatus::Verified`].
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.status == VerificationStatus::Verified
    }
}

open_enum! {
    /// The state of a [`Verification`].
    VerificationStatus {
        Unverified = "unverified",
        Verified = "verified",
        /// The sign-in must continue as a sign-up because no user has the account, or the sign-up must
        /// continue as a sign-in because a user already has it.
        Transferable = "transferable",
        Failed = "failed",
        Expired = "expired",
    }
}

/// An error in the format of Clerk's APIs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClerkError {
    /// The machine-readable reason.
    pub code: Option<String>,
    /// The reason as a short text.
    pub message: Option<String>,
    /// The reason as a sentence for the user.
    pub long_message: Option<String>,
    /// Details that depend on the code.
    #[serde(default)]
    pub meta: Metadata,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_a_verification_with_only_status_and_strategy() {
        let json = r#"{"status":"transferable","strategy":"oauth_custom_acme"}"#;
        let verification: Verification = serde_json::from_str(json).unwrap();
        assert_eq!(verification.status, VerificationStatus::Transferable);
        assert!(!verification.is_verified());
    }

    #[test]
    fn debug_does_not_show_challenges() {
        let json = r#"{"status":"verified","strategy":"passkey","nonce":"n0nce","message":"m3ssage"}"#;
        let verification: Verification = serde_json::from_str(json).unwrap();
        assert!(verification.is_verified());
        let shown = format!("{verification:?}");
        assert!(!shown.contains("n0nce") && !shown.contains("m3ssage"), "{shown}");
    }
}
