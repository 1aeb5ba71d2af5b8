//! E-mail domains of organizations.

use serde::{Deserialize, Serialize};

use super::PublicOrganizationData;
use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// An e-mail domain whose users may join an organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OrganizationDomain {
    /// The id.
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The id of the organization.
    #[serde(deserialize_with = "super::id")]
    pub organization_id: String,
    /// The domain itself, such as `example.com`.
    pub name: Option<String>,
    /// How users of the domain become members.
    #[serde(default)]
    pub enrollment_mode: EnrollmentMode,
    /// The address by which the domain was verified.
    pub affiliation_email_address: Option<String>,
    /// The proof that a member has an address in the domain; since May 2026.
    pub affiliation_verification: Option<OrganizationDomainVerification>,
    /// The proof that the organization owns the domain, `None` until one was tried; since May 2026.
    pub ownership_verification: Option<OrganizationDomainVerification>,
    /// The deprecated name of `affiliation_verification`, still sent beside it.
    pub verification: Option<OrganizationDomainVerification>,
    /// The number of invitations to users of the domain that wait for an answer.
    pub total_pending_invitations: Option<i64>,
    /// The number of suggestions to users of the domain that wait for an answer.
    pub total_pending_suggestions: Option<i64>,
    /// The organization, as far as everybody may see it.
    pub public_organization_data: Option<PublicOrganizationData>,
    /// When it was added.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
}

open_enum! {
    /// How users of an [`OrganizationDomain`] become members.
    EnrollmentMode {
        ManualInvitation = "manual_invitation",
        AutomaticInvitation = "automatic_invitation",
        AutomaticSuggestion = "automatic_suggestion",
        /// Since June 2026.
        EnterpriseSso = "enterprise_sso",
    }
}

/// The state of a proof about an [`OrganizationDomain`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "OrganizationDomainVerificationWire")]
#[non_exhaustive]
pub struct OrganizationDomainVerification {
    /// How far the verification has come.
    pub status: OrganizationDomainVerificationStatus,
    /// The way of proving, such as `email_code` or, for ownership, `txt`.
    pub strategy: Option<String>,
    /// The number of attempts so far.
    pub attempts: Option<i64>,
    /// When the verification expires; read from `expires_at` too, as Clerk's TypeScript types spell it.
    pub expire_at: Option<Timestamp>,
    /// When it succeeded; since May 2026.
    pub verified_at: Option<Timestamp>,
}

impl OrganizationDomainVerification {
    /// Returns whether the status is [`OrganizationDomainVerificationStatus::Verified`].
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.status == OrganizationDomainVerificationStatus::Verified
    }
}

open_enum! {
    /// How far an [`OrganizationDomainVerification`] has come.
    OrganizationDomainVerificationStatus {
        Unverified = "unverified",
        Verified = "verified",
        Failed = "failed",
        Expired = "expired",
    }
}

/// The wire form with both spellings, since an alias would refuse a body that has both.
#[derive(Deserialize)]
struct OrganizationDomainVerificationWire {
    #[serde(default)]
    status: OrganizationDomainVerificationStatus,
    strategy: Option<String>,
    attempts: Option<i64>,
    expire_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    verified_at: Option<Timestamp>,
}

impl From<OrganizationDomainVerificationWire> for OrganizationDomainVerification {
    fn from(wire: OrganizationDomainVerificationWire) -> Self {
        let OrganizationDomainVerificationWire {
            status,
            strategy,
            attempts,
            expire_at,
            expires_at,
            verified_at,
        } = wire;
        Self { status, strategy, attempts, expire_at: expire_at.or(expires_at), verified_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_the_expiry_are_read_alone_and_together() {
        for (times, expected) in [
            (r#""expire_at":7"#, Some(7)),
            (r#""expires_at":8"#, Some(8)),
            (r#""expire_at":7,"expires_at":8"#, Some(7)),
            (r#""expires_at":8,"expire_at":null"#, Some(8)),
            (r#""attempts":null"#, None),
        ] {
            let json = format!(r#"{{"status":"verified","strategy":"email_code",{times}}}"#);
            let verification: OrganizationDomainVerification = serde_json::from_str(&json).unwrap();
            assert_eq!(verification.expire_at.map(Timestamp::as_millis), expected, "{times}");
            assert!(verification.is_verified());
        }
    }
}
