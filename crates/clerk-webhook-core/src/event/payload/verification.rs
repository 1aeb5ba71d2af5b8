//! How an identification was proven.

use serde::{Deserialize, Serialize};

use super::{Metadata, Sensitive};
use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// The state of the proof that a user owns an e-mail address, phone number, wallet, passkey or account.
///
/// Clerk has eleven kinds of verification; this is their union, and [`strategy`](Self::strategy) tells them
/// apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verification {
    /// How far the verification has come.
    #[serde(default)]
    pub status: VerificationStatus,
    /// The way of proving, such as `email_code`, `admin`, `ticket`, `saml` or `from_oauth_google`.
    pub strategy: Option<String>,
    /// The number of attempts so far; `None` for OAuth.
    pub attempts: Option<i64>,
    /// When the verification expires.
    pub expire_at: Option<Timestamp>,
    /// The id of the client that completed the verification, not a time.
    pub verified_at_client: Option<String>,
    /// Why it failed; only for OAuth, SAML and Google One Tap.
    pub error: Option<ClerkError>,
    /// Where the user was sent to prove it; only for OAuth and SAML.
    pub external_verification_redirect_url: Option<Sensitive<String>>,
    /// The challenge; only for wallets and passkeys.
    pub nonce: Option<Sensitive<String>>,
    /// The message to be signed; only for wallets and passkeys.
    pub message: Option<Sensitive<String>>,
    /// How the code travelled to a phone, `sms` or `whatsapp`; since June 2026.
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
    /// How far a [`Verification`] has come.
    VerificationStatus {
        Unverified = "unverified",
        Verified = "verified",
        /// The account belongs to another user, or to nobody yet: sign-in turns into sign-up or back.
        Transferable = "transferable",
        Failed = "failed",
        Expired = "expired",
    }
}

/// An error of Clerk's, as its APIs return it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClerkError {
    /// The machine-readable reason.
    pub code: Option<String>,
    /// The reason in a few words.
    pub message: Option<String>,
    /// The reason in a sentence for the user.
    pub long_message: Option<String>,
    /// Details that depend on the code.
    #[serde(default)]
    pub meta: Metadata,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_strategy_are_enough() {
        let json = r#"{"status":"transferable","strategy":"oauth_custom_acme"}"#;
        let verification: Verification = serde_json::from_str(json).unwrap();
        assert_eq!(verification.status, VerificationStatus::Transferable);
        assert!(!verification.is_verified());
    }

    #[test]
    fn challenges_are_redacted() {
        let json = r#"{"status":"verified","strategy":"passkey","nonce":"n0nce","message":"m3ssage"}"#;
        let verification: Verification = serde_json::from_str(json).unwrap();
        assert!(verification.is_verified());
        let shown = format!("{verification:?}");
        assert!(!shown.contains("n0nce") && !shown.contains("m3ssage"), "{shown}");
    }
}
