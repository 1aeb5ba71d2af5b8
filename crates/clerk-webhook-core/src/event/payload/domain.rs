//! Organizations' email domains.

use serde::{Deserialize, Serialize};

use super::PublicOrganizationData;
use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// An email domain whose users can join an organization: the `data` of `organizationDomain.created` and
/// `organizationDomain.updated`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OrganizationDomain {
    /// The id.
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The organization's id.
    #[serde(deserialize_with = "super::id")]
    pub organization_id: String,
    /// The domain, such as `example.com`.
    pub name: Option<String>,
    /// How users with an address in the domain become members.
    #[serde(default)]
    pub enrollment_mode: EnrollmentMode,
    /// The email address that was used to verify the domain.
    pub affiliation_email_address: Option<String>,
    /// The verification that a member has an address in the domain; since May 2026.
    pub affiliation_verification: Option<OrganizationDomainVerification>,
    /// The verification that the organization owns the domain; since May 2026. It is `None` before the first
    /// attempt.
    pub ownership_verification: Option<OrganizationDomainVerification>,
    /// A copy of `affiliation_verification`; deprecated, but still sent.
    pub verification: Option<OrganizationDomainVerification>,
    /// The number of pending invitations to users with an address in the domain.
    pub total_pending_invitations: Option<i64>,
    /// The number of pending suggestions to users with an address in the domain.
    pub total_pending_suggestions: Option<i64>,
    /// The organization's public data.
    pub public_organization_data: Option<PublicOrganizationData>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
}

open_enum! {
    /// How users with an address in an [`OrganizationDomain`] become members.
    EnrollmentMode {
        ManualInvitation = "manual_invitation",
        AutomaticInvitation = "automatic_invitation",
        AutomaticSuggestion = "automatic_suggestion",
        /// Clerk has offered this mode since June 2026.
        EnterpriseSso = "enterprise_sso",
    }
}

/// A verification of an [`OrganizationDomain`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "OrganizationDomainVerificationWire")]
#[non_exhaustive]
pub struct OrganizationDomainVerification {
    /// The state of the verification.
    pub status: OrganizationDomainVerificationStatus,
    /// The strategy, such as `email_code`, or `txt` for ownership.
    pub strategy: Option<String>,
    /// The number of attempts.
    pub attempts: Option<i64>,
    /// The expiry time. It is also decoded from `expires_at`, the name in Clerk's TypeScript types.
    pub expire_at: Option<Timestamp>,
    /// The time at which the verification succeeded; since May 2026.
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
    /// The state of an [`OrganizationDomainVerification`].
    OrganizationDomainVerificationStatus {
        Unverified = "unverified",
        Verified = "verified",
        Failed = "failed",
        Expired = "expired",
    }
}

/// The received form with both spellings of the field. A serde alias would reject data that contains both.
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
    fn decodes_both_spellings_of_the_expiry() {
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
