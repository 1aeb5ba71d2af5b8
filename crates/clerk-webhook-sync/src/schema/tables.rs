//! The descriptions of all tables. Statements and row types are derived from them.

use clerk_webhook_core::Timestamp;
use clerk_webhook_core::event::payload::{
    BillingInterval, Metadata, SessionStatus, SubscriptionItemStatus, SubscriptionStatus, WaitlistEntryStatus,
};

use super::record::{Field, Record};
use super::table::{ChildTable, Column, Table, TableRow};
use crate::value::Kind;

/// Derives [`Entity`], the row types and the [`Table`]s from descriptions.
///
/// The descriptions are in the order in which one event writes the tables. Each table begins with `id` and
/// the columns of [`ORDER`](super::ORDER), continues with `created_at` and the fields, and ends with `raw`.
macro_rules! tables {
    (@or $default:expr) => { $default };
    (@or $default:expr, $given:expr) => { $given };
    ($(
        $(#[$doc:meta])*
        $entity:ident in $name:literal: $row:ident(
            events: $events:literal, id: $id:literal,
            $(essential: $essential:literal,)?
            $(kept: $kept:expr,)?
            $(not_in_raw: $not_in_raw:expr,)?
            $(children: $children:expr,)?
        ) {
            $($(#[$field_doc:meta])* $field:ident: $type:ty $(=> $is:ident)?,)*
        }
    )+) => {
        /// A kind of object with its own table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Entity {
            $($entity,)+
        }

        impl Entity {
            pub(crate) const ALL: &[Self] = &[$(Self::$entity,)+];

            pub(crate) const fn table(self) -> &'static Table {
                match self {
                    $(Self::$entity => &<$row as TableRow>::TABLE,)+
                }
            }
        }

        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq)]
            #[non_exhaustive]
            pub struct $row {
                #[doc = concat!("The id (`", $id, "_…`).")]
                pub id: String,
                /// When the object last changed.
                pub updated_at: Timestamp,
                /// When the object was created.
                pub created_at: Option<Timestamp>,
                $($(#[$field_doc])* pub $field: $type,)*
            }

            impl TableRow for $row {
                const TABLE: Table = Table {
                    name: $name,
                    events: $events,
                    columns: &[
                        Column::new("created_at", Kind::Integer),
                        $(Column::new(stringify!($field), <$type as Field>::KIND)$(.$is())?,)*
                        Column::new("raw", Kind::Json),
                    ],
                    kept: tables!(@or &[] $(, &$kept)?),
                    essential: tables!(@or None $(, Some($essential))?),
                    not_in_raw: tables!(@or &[] $(, &$not_in_raw)?),
                    children: tables!(@or &[] $(, &$children)?),
                };

                fn read(mut record: Record) -> Option<Self> {
                    Some(Self {
                        id: record.take::<Option<String>>("id")?,
                        updated_at: record.take::<Option<Timestamp>>("updated_at")?,
                        created_at: record.take("created_at"),
                        $($field: record.take(stringify!($field)),)*
                    })
                }
            }
        )+
    };
}

tables! {
    /// A user.
    Users in "users": UserRow(
        events: "user", id: "user", essential: "email_addresses",
        // Memberships are stored in their own table.
        not_in_raw: ["organization_memberships"],
        children: [USER_EMAILS, USER_PHONE_NUMBERS, USER_EXTERNAL_ACCOUNTS],
    ) {
        /// The id in the application's system.
        external_id: Option<String>,
        /// The username.
        username: Option<String>,
        /// The given name.
        first_name: Option<String>,
        /// The family name.
        last_name: Option<String>,
        /// The URL of the picture.
        image_url: Option<String>,
        /// The id of the primary email address (`idn_…`).
        primary_email_id: Option<String> => id,
        /// The primary email address.
        primary_email: Option<String>,
        /// Whether the primary email address is verified. An unverified address can belong to another person.
        primary_email_verified: bool,
        /// The primary phone number.
        primary_phone: Option<String>,
        /// Whether the user is banned.
        banned: bool,
        /// Whether the user is locked out.
        locked: bool,
        /// When the user last signed in, as of the newest event.
        last_sign_in_at: Option<Timestamp>,
        /// Metadata that the frontend may read.
        public_metadata: Metadata,
    }

    /// An organization.
    Organizations in "organizations": OrganizationRow(
        events: "organization", id: "org", essential: "name",
    ) {
        /// The name.
        name: Option<String>,
        /// The name in URLs.
        slug: Option<String>,
        /// The URL of the logo.
        image_url: Option<String>,
        /// The number of members, as of the newest event.
        members_count: Option<i64>,
        /// The maximum number of members; 0 means unlimited.
        max_allowed_memberships: Option<i64>,
        /// The id of the user who created the organization.
        created_by: Option<String> => id,
        /// Metadata that the frontend may read.
        public_metadata: Metadata,
    }

    /// A user's membership in an organization.
    Memberships in "memberships": MembershipRow(
        events: "organizationMembership", id: "orgmem", essential: "role",
        kept: ["created_at", "organization_id", "user_id"],
        not_in_raw: ["organization", "public_user_data"],
    ) {
        /// The organization's id.
        organization_id: Option<String> => id,
        /// The user's id.
        user_id: Option<String> => id,
        /// The role's key, such as `org:admin`.
        role: Option<String>,
        /// The role's name.
        role_name: Option<String>,
        /// The keys of the permissions that the role grants.
        permissions: Vec<String>,
        /// Metadata that the frontend may read.
        public_metadata: Metadata,
    }

    /// An invitation to an organization.
    Invitations in "invitations": InvitationRow(
        events: "organizationInvitation", id: "orginv",
        not_in_raw: ["data", "public_inviter_data", "public_organization_data"],
    ) {
        /// The organization's id.
        organization_id: Option<String> => id,
        /// The invited email address.
        email_address: Option<String>,
        /// The key of the role that the invitation grants, such as `org:member`.
        role: Option<String>,
        /// The role's name.
        role_name: Option<String>,
        /// `pending`, `accepted`, `revoked` or `expired`.
        status: Option<String>,
        /// The id of the user who sent the invitation.
        inviter_id: Option<String> => id,
        /// The id of the user who accepted the invitation.
        user_id: Option<String> => id,
        /// When the invitation expires.
        expires_at: Option<Timestamp>,
        /// Metadata that the frontend may read.
        public_metadata: Metadata,
    }

    /// An organization's domain.
    Domains in "domains": DomainRow(
        events: "organizationDomain", id: "orgdmn", essential: "name",
        // The email address belongs to the user who verified the domain.
        not_in_raw: ["affiliation_email_address", "public_organization_data"],
    ) {
        /// The organization's id.
        organization_id: Option<String> => id,
        /// The name, such as `example.com`.
        name: Option<String>,
        /// How users with an address in this domain join.
        enrollment_mode: Option<String>,
        /// Whether the domain is verified.
        verified: bool,
    }

    /// A role that members can have.
    Roles in "roles": RoleRow(
        events: "role", id: "role", essential: "permissions",
    ) {
        /// The name.
        name: Option<String>,
        /// The key, such as `org:admin`.
        key: Option<String>,
        /// What the role is for.
        description: Option<String>,
        /// Whether an organization's creator can get the role.
        is_creator_eligible: bool,
        /// The keys of the permissions that the role grants, in alphabetical order.
        permissions: Vec<String>,
    }

    /// A permission that roles can grant.
    Permissions in "permissions": PermissionRow(
        events: "permission", id: "perm", essential: "key",
    ) {
        /// The name.
        name: Option<String>,
        /// The key, such as `org:invoices:read`.
        key: Option<String>,
        /// What the permission is for.
        description: Option<String>,
        /// Who defined the permission: `system` or `user`.
        kind: Option<String>,
    }

    /// A user's session in one client.
    Sessions in "sessions": SessionRow(
        events: "session", id: "sess",
        not_in_raw: ["actor", "latest_activity", "public_user_data", "user"],
    ) {
        /// The user's id.
        user_id: Option<String> => id,
        /// The client's id. A client is a browser or a device.
        client_id: Option<String> => id,
        /// The session's status. Check `expire_at` too, because Clerk sends no event when a session expires.
        status: SessionStatus,
        /// The id of the organization that was last active in the session.
        last_active_organization_id: Option<String> => id,
        /// When the session was last used, as of the newest event. Clerk sends no event when a session is
        /// used.
        last_active_at: Option<Timestamp>,
        /// When the session expires, even if it is used.
        expire_at: Option<Timestamp>,
        /// When the session will be abandoned if it is not used, as of the newest event.
        abandon_at: Option<Timestamp>,
    }

    /// A plan that a user or an organization subscribes to.
    SubscriptionItems in "subscription_items": SubscriptionItemRow(
        events: "subscriptionItem", id: "csub_item", not_in_raw: ["payer"],
    ) {
        /// The subscription's id.
        subscription_id: Option<String> => id,
        /// The payer's id (`cpayer_…`).
        payer_id: Option<String> => id,
        /// The id of the user who pays; `None` if an organization pays.
        user_id: Option<String> => id,
        /// The id of the organization that pays; `None` if a user pays.
        organization_id: Option<String> => id,
        /// The plan's id (`cplan_…`).
        plan_id: Option<String> => id,
        /// The plan's slug, by which an application identifies its plans.
        plan_slug: Option<String>,
        /// The plan's name.
        plan_name: Option<String>,
        /// The item's status. A canceled item is paid until `period_end`.
        status: SubscriptionItemStatus,
        /// Whether the item is in its free trial.
        is_free_trial: bool,
        /// When the current period began.
        period_start: Option<Timestamp>,
        /// When the current period ends; `None` for the free plan, which has no end.
        period_end: Option<Timestamp>,
        /// How often the payer is charged.
        billing_interval: Option<BillingInterval>,
        /// The price, in the smallest unit of the currency.
        amount: Option<i64>,
        /// The currency, as an ISO 4217 code.
        currency: Option<String>,
        /// The number of seats; `None` if it is unlimited or the plan is not priced by seats.
        seats: Option<i64>,
    }

    /// A user's or an organization's subscription.
    Subscriptions in "subscriptions": SubscriptionRow(
        events: "subscription", id: "csub", essential: "status",
        not_in_raw: ["items", "payer"],
    ) {
        /// The payer's id (`cpayer_…`).
        payer_id: Option<String> => id,
        /// The id of the user who pays; `None` if an organization pays.
        user_id: Option<String> => id,
        /// The id of the organization that pays; `None` if a user pays.
        organization_id: Option<String> => id,
        /// The subscription's status.
        status: SubscriptionStatus,
        /// When the subscription became active.
        active_at: Option<Timestamp>,
        /// When the payment became overdue.
        past_due_at: Option<Timestamp>,
        /// When the subscription was canceled.
        canceled_at: Option<Timestamp>,
        /// When the subscription ended.
        ended_at: Option<Timestamp>,
    }

    /// A waitlist entry.
    WaitlistEntries in "waitlist_entries": WaitlistEntryRow(
        events: "waitlistEntry", id: "wle", essential: "email_address",
    ) {
        /// The waiting person's email address.
        email_address: Option<String>,
        /// The entry's status.
        status: WaitlistEntryStatus,
        /// Whether a batch operation has locked the entry.
        is_locked: bool,
        /// The id of the invitation that was sent for the entry (`inv_…`).
        invitation_id: Option<String> => id,
    }
}

pub(crate) const USER_EMAILS: ChildTable = ChildTable {
    name: "user_emails",
    owner: "user_id",
    columns: &[
        Column::new("email", Kind::Text).required(),
        Column::new("verified", Kind::Boolean).required(),
        Column::new("is_primary", Kind::Boolean).required(),
    ],
};

pub(crate) const USER_PHONE_NUMBERS: ChildTable = ChildTable {
    name: "user_phone_numbers",
    owner: "user_id",
    columns: &[
        Column::new("phone_number", Kind::Text).required(),
        Column::new("verified", Kind::Boolean).required(),
        Column::new("is_primary", Kind::Boolean).required(),
    ],
};

pub(crate) const USER_EXTERNAL_ACCOUNTS: ChildTable = ChildTable {
    name: "user_external_accounts",
    owner: "user_id",
    columns: &[
        Column::new("provider", Kind::Text),
        Column::new("provider_user_id", Kind::Text),
        Column::new("email", Kind::Text),
        Column::new("username", Kind::Text),
        Column::new("verified", Kind::Boolean).required(),
    ],
};

impl MembershipRow {
    /// Returns whether the membership grants the permission with this key.
    #[must_use]
    pub fn has_permission(&self, key: &str) -> bool {
        self.permissions.iter().any(|permission| permission == key)
    }
}
