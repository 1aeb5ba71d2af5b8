//! The `data` of every event type.
//!
//! One struct per kind of object, with the field names of the wire. The rules that hold for all of them:
//!
//! * An absent field and a `null` mean the same: `None`, an empty `Vec` or an empty [`Metadata`].
//! * Fields that Clerk adds later are ignored, and enumerations keep a string they do not know as `Other`.
//! * Every `*_at` field counts milliseconds and is a [`Timestamp`](crate::Timestamp). Money is an integer in
//!   the smallest unit of its currency.
//! * Ids are opaque strings; their prefixes are not checked.
//! * The constant `object` discriminators have no field. The Rust type implies them, they are never
//!   validated (Clerk is not consistent about them), and `Event::data_as` reads them where somebody needs
//!   them. [`DeletedObject`] and [`ExternalAccount`] keep theirs because there it tells things apart.
//! * What holds a one-time code or a secret link is [`Sensitive`] or [`Metadata`] and absent from `Debug`.

mod access;
mod account;
mod billing;
mod deleted;
mod domain;
mod identification;
mod invitation;
mod membership;
mod message;
mod organization;
mod payment;
mod session;
mod subscription;
mod user;
mod verification;
mod waitlist;

use serde::{Deserialize, Deserializer};

pub use super::metadata::Metadata;
pub use super::sensitive::Sensitive;
pub use access::{Permission, PermissionType, Role};
pub use account::{
    EnterpriseAccount, EnterpriseAccountConnection, EnterpriseProtocol, ExternalAccount, ExternalAccountKind,
    SamlAccount, SamlAccountConnection, ScimUserMetadata,
};
pub use billing::{
    BillingAmount, BillingCredit, BillingCredits, BillingInterval, BillingPayer, BillingPayerCredit,
};
pub use deleted::DeletedObject;
pub use domain::{
    EnrollmentMode, OrganizationDomain, OrganizationDomainVerification, OrganizationDomainVerificationStatus,
};
pub use identification::{EmailAddress, IdentificationLink, Passkey, PhoneNumber, Web3Wallet};
pub use invitation::{InviterPublicUserData, OrganizationInvitation, OrganizationInvitationStatus};
pub use membership::{MembershipPublicUserData, OrganizationMembership};
pub use message::{Email, Sms};
pub use organization::{Organization, PublicOrganizationData};
pub use payment::{
    BillingFailedReason, BillingPayee, BillingPaymentSource, BillingTotals, BillingUnitTotal, ChargeType,
    GatewayStatus, PaymentAttempt, PaymentAttemptItem, PaymentAttemptItemPlan, PaymentAttemptStatus,
    PaymentMethod, PaymentSourceStatus,
};
pub use session::{Session, SessionActivity, SessionStatus};
pub use subscription::{
    BillingItemPlan, BillingSeats, BillingUnitPrice, BillingUnitPriceTier, Subscription, SubscriptionItem,
    SubscriptionItemStatus, SubscriptionStatus,
};
pub use user::User;
pub use verification::{ClerkError, Verification, VerificationStatus};
pub use waitlist::{Invitation, InvitationStatus, WaitlistEntry, WaitlistEntryStatus};

/// Reads `null` as the default; an absent field needs `#[serde(default)]` beside it.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads `""`, which Clerk Billing sends for "no value", as `None`.
fn empty_as_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.filter(|text| !text.is_empty()))
}
