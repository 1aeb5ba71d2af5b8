//! The `data` of every event type.
//!
//! Each kind of object has one struct. Its fields have the same names as in the JSON. All structs follow
//! these rules:
//!
//! * **Missing fields.** Only the fields in the table below are required. If another field is missing or
//!   `null`, it is decoded as `None`, an empty `Vec`, empty [`Metadata`] or the `Unknown` variant. The
//!   exception is [`DeletedObject::deleted`], which is decoded as `true`.
//! * **Wrong types.** A value of an unexpected type is an error. So is `null` as a list element.
//! * **New fields and values.** Unknown fields are ignored. Enumerations decode an unknown string as `Other`.
//! * **Units.** Every `*_at` field is a [`Timestamp`](crate::Timestamp) in milliseconds. Money is an integer
//!   in the smallest unit of its currency.
//! * **Ids** are strings of any form. Their prefixes are not checked.
//! * **`object`.** Most structs have no field for `object`, because the Rust type implies its value. The
//!   value is not checked, because Clerk uses different spellings. Use `Event::data_as` to read it.
//!   [`DeletedObject`] and [`ExternalAccount`] have this field, because it identifies the kind of object.
//! * **Secrets.** Fields with one-time codes or secret links have type [`Sensitive`] or [`Metadata`], whose
//!   `Debug` output does not show the content.
//!
//! # Required fields
//!
//! These fields identify the object and its owner. If one of them is missing, `null` or empty, the data is
//! decoded as [`Unrecognized`](super::Unrecognized).
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
//! If an object inside another object lacks its required `id`, it is decoded as `None`. In a list, it is
//! skipped.

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
