//! Which tables there are, and what their columns are.

use super::{ChildTable, Column, Table};
use crate::value::Kind;

pub(super) const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text, is_id: false }
}

/// An id of Clerk, which may be the id of a row.
pub(super) const fn id(name: &'static str) -> Column {
    Column { name, kind: Kind::Text, is_id: true }
}

pub(super) const fn integer(name: &'static str) -> Column {
    Column { name, kind: Kind::Integer, is_id: false }
}

const fn boolean(name: &'static str) -> Column {
    Column { name, kind: Kind::Boolean, is_id: false }
}

const fn json(name: &'static str) -> Column {
    Column { name, kind: Kind::Json, is_id: false }
}

pub(super) static USERS: Table = Table {
    name: "users",
    columns: &[
        integer("created_at"),
        text("external_id"),
        text("username"),
        text("first_name"),
        text("last_name"),
        text("image_url"),
        id("primary_email_id"),
        text("primary_email"),
        boolean("primary_email_verified"),
        text("primary_phone"),
        boolean("banned"),
        boolean("locked"),
        integer("last_sign_in_at"),
        json("public_metadata"),
        json("raw"),
    ],
    kept: &[],
    children: &[USER_EMAILS, USER_PHONE_NUMBERS, USER_EXTERNAL_ACCOUNTS],
};

pub(crate) const USER_EMAILS: ChildTable = ChildTable {
    name: "user_emails",
    owner: "user_id",
    columns: &[text("email"), boolean("verified"), boolean("is_primary")],
};

pub(crate) const USER_PHONE_NUMBERS: ChildTable = ChildTable {
    name: "user_phone_numbers",
    owner: "user_id",
    columns: &[text("phone_number"), boolean("verified"), boolean("is_primary")],
};

pub(crate) const USER_EXTERNAL_ACCOUNTS: ChildTable = ChildTable {
    name: "user_external_accounts",
    owner: "user_id",
    columns: &[
        text("provider"),
        text("provider_user_id"),
        text("email"),
        text("username"),
        boolean("verified"),
    ],
};

pub(super) static ORGANIZATIONS: Table = Table {
    name: "organizations",
    columns: &[
        integer("created_at"),
        text("name"),
        text("slug"),
        text("image_url"),
        integer("members_count"),
        integer("max_allowed_memberships"),
        id("created_by"),
        json("public_metadata"),
        json("raw"),
    ],
    kept: &[],
    children: &[],
};

pub(super) static MEMBERSHIPS: Table = Table {
    name: "memberships",
    columns: &[
        integer("created_at"),
        id("organization_id"),
        id("user_id"),
        text("role"),
        text("role_name"),
        json("permissions"),
        json("public_metadata"),
        json("raw"),
    ],
    kept: &["created_at", "organization_id", "user_id"],
    children: &[],
};

pub(super) static INVITATIONS: Table = Table {
    name: "invitations",
    columns: &[
        integer("created_at"),
        id("organization_id"),
        text("email_address"),
        text("role"),
        text("role_name"),
        text("status"),
        id("inviter_id"),
        id("user_id"),
        integer("expires_at"),
        json("public_metadata"),
        json("raw"),
    ],
    kept: &[],
    children: &[],
};

pub(super) static DOMAINS: Table = Table {
    name: "domains",
    columns: &[
        integer("created_at"),
        id("organization_id"),
        text("name"),
        text("enrollment_mode"),
        boolean("verified"),
        json("raw"),
    ],
    kept: &[],
    children: &[],
};

pub(super) static ROLES: Table = Table {
    name: "roles",
    columns: &[
        integer("created_at"),
        text("name"),
        text("key"),
        text("description"),
        boolean("is_creator_eligible"),
        json("permissions"),
        json("raw"),
    ],
    kept: &[],
    children: &[],
};

pub(super) static PERMISSIONS: Table = Table {
    name: "permissions",
    columns: &[
        integer("created_at"),
        text("name"),
        text("key"),
        text("description"),
        text("kind"),
        json("raw"),
    ],
    kept: &[],
    children: &[],
};

pub(super) static SESSIONS: Table = Table {
    name: "sessions",
    columns: &[
        integer("created_at"),
        id("user_id"),
        id("client_id"),
        text("status"),
        id("last_active_organization_id"),
        integer("last_active_at"),
        integer("expire_at"),
        integer("abandon_at"),
        json("raw"),
    ],
    kept: &[],
    children: &[],
};

pub(super) static SUBSCRIPTION_ITEMS: Table = Table {
    name: "subscription_items",
    columns: &[
        integer("created_at"),
        id("subscription_id"),
        id("payer_id"),
        id("user_id"),
        id("organization_id"),
        id("plan_id"),
        text("plan_slug"),
        text("plan_name"),
        text("status"),
        boolean("is_free_trial"),
        integer("period_start"),
        integer("period_end"),
        text("billing_interval"),
        integer("amount"),
        text("currency"),
        integer("seats"),
        json("raw"),
    ],
    kept: &[],
    children: &[],
};

pub(super) static SUBSCRIPTIONS: Table = Table {
    name: "subscriptions",
    columns: &[
        integer("created_at"),
        id("payer_id"),
        id("user_id"),
        id("organization_id"),
        text("status"),
        integer("active_at"),
        integer("past_due_at"),
        integer("canceled_at"),
        integer("ended_at"),
        json("raw"),
    ],
    kept: &[],
    children: &[],
};

pub(super) static WAITLIST_ENTRIES: Table = Table {
    name: "waitlist_entries",
    columns: &[
        integer("created_at"),
        text("email_address"),
        text("status"),
        boolean("is_locked"),
        id("invitation_id"),
        json("raw"),
    ],
    kept: &[],
    children: &[],
};
