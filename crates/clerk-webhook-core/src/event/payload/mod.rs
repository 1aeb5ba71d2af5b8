//! The `data` of every event type.
//!
//! One struct per kind of object, with the field names of the wire. The rules that hold for all of them:
//!
//! * Only the fields of the table below are required. Every other field that is absent or `null` is `None`, an
//!   empty `Vec`, empty [`Metadata`] or the `Unknown` of its enumeration; [`DeletedObject::deleted`] is `true`. A value
//!   of another type is an error, and so is `null` as an element of a list.
//! * Fields that Clerk adds later are ignored, and enumerations keep a string they do not know as `Other`.
//! * Every `*_at` field counts milliseconds and is a [`Timestamp`](crate::Timestamp). Money is an integer in
//!   the smallest unit of its currency.
//! * Ids are opaque strings; their prefixes are not checked.
//! * The constant `object` discriminators have no field. The Rust type implies them, they are never
//!   validated (Clerk is not consistent about them), and `Event::data_as` reads them where somebody needs
//!   them. [`DeletedObject`] and [`ExternalAccount`] keep theirs because there it tells things apart.
//! * What holds a one-time code or a secret link is [`Sensitive`] or [`Metadata`] and absent from `Debug`.
//!
//! # Required fields
//!
//! These fields identify the object and what it belongs to. If one of them is absent, `null` or empty, the data is
//! [`Unrecognized`](super::Unrecognized).
//!
//! | payload | required |
//! |---|---|
//! | [`DeletedObject`] | |
//! | [`Email`] | `id` |
//! | [`Organization`] | `id` |
//! | [`OrganizationDomain`] | `id`, `organization_id` |
//! | [`OrganizationInvitation`] | `id` |
//! | [`OrganizationMembership`] | `id` |
//! | [`PaymentAttempt`] | `id` |
//! | [`Permission`] | |
//! | [`Role`] | `id` |
//! | [`Session`] | `id`, `user_id` |
//! | [`Sms`] | `id` |
//! | [`Subscription`] | `id` |
//! | [`SubscriptionItem`] | |
//! | [`User`] | `id` |
//! | [`WaitlistEntry`] | `id` |
//!
//! An object inside of another one is `None` if its required `id` is missing, and a list leaves it out.

mod access;
mod account;
mod billing;
mod deleted;
mod domain;
mod embedded;
mod identification;
mod invitation;
mod membership;
mod message;
mod organization;
mod payment;
mod read;
mod session;
mod subscription;
mod user;
mod verification;
mod waitlist;

use embedded::{embedded, embedded_list};
use read::{empty_as_none, id, null_as_default};

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
