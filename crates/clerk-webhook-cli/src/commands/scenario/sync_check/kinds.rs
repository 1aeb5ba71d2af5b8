//! The expected tables and columns of each kind of object.

use clerk_webhook_test::ObjectKind;
use serde_json::{Value, json};

use super::columns::{Column, Form, Source};

/// A kind of object, with its table and the view of live rows.
#[derive(Debug)]
pub(super) struct Kind {
    /// The table, without the prefix.
    pub(super) table: &'static str,
    /// The view of live rows.
    pub(super) view: &'static str,
    pub(super) object: ObjectKind,
    /// The prefix of the event types for this kind of object.
    pub(super) events: &'static str,
    pub(super) columns: &'static [Column],
    /// The columns that a tombstone takes from the deletion event. All other data columns are empty.
    pub(super) kept: &'static [&'static str],
    pub(super) parts: &'static [Part],
}

/// An array in an object, whose elements have a separate table.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) table: &'static str,
    /// The key columns: the owner's id and the element's id.
    pub(super) key: &'static [&'static str],
    /// The name of the array in the owner's data.
    pub(super) member: &'static str,
    pub(super) columns: &'static [Column],
}

/// Returns the first of these members that is not null.
fn first_of(object: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| &object[*name]).find(|value| !value.is_null()).cloned().unwrap_or_default()
}

fn not_empty(value: &Value) -> Value {
    value.as_str().filter(|text| !text.is_empty()).map_or(Value::Null, Value::from)
}

fn is_verified(verification: &Value) -> bool {
    verification["status"] == "verified"
}

/// Returns the element whose id is in the object's `by` member, or null if it does not exist. Never falls
/// back to the first element.
fn named<'v>(object: &'v Value, array: &str, by: &str) -> &'v Value {
    let id = object[by].as_str();
    let elements = object[array].as_array().map_or(&[][..], Vec::as_slice);
    let found = elements.iter().find(|element| id.is_some() && element["id"].as_str() == id);
    found.unwrap_or(&Value::Null)
}

fn primary_email(user: &Value) -> &Value {
    named(user, "email_addresses", "primary_email_address_id")
}

const CREATED_AT: Column = Column::number("created_at");
const UPDATED_AT: Column = Column::number("updated_at");
const VERIFIED: Column =
    Column::computed("verified", Form::Boolean, |object, _| is_verified(&object["verification"]).into());
const IMAGE: Column = Column::computed("image_url", Form::Text, |object, _| {
    first_of(object, &["image_url", "profile_image_url", "logo_url"])
});

/// All kinds of objects.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        table: "users",
        view: "active_users",
        object: ObjectKind::User,
        events: "user",
        columns: &[
            CREATED_AT,
            UPDATED_AT,
            Column::text("external_id"),
            Column::text("username"),
            Column::text("first_name"),
            Column::text("last_name"),
            IMAGE,
            Column::computed("primary_email_id", Form::Text, |user, _| {
                user["primary_email_address_id"].clone()
            }),
            Column::computed("primary_email", Form::Text, |user, _| {
                primary_email(user)["email_address"].clone()
            }),
            Column::computed("primary_email_verified", Form::Boolean, |user, _| match primary_email(user) {
                Value::Null => Value::Null,
                email => is_verified(&email["verification"]).into(),
            }),
            Column::computed("primary_phone", Form::Text, |user, _| {
                named(user, "phone_numbers", "primary_phone_number_id")["phone_number"].clone()
            }),
            Column::boolean("banned"),
            Column::boolean("locked"),
            Column::number("last_sign_in_at"),
            Column::json("public_metadata"),
            Column::raw(&["organization_memberships"]),
        ],
        kept: &[],
        parts: &[
            Part {
                table: "user_emails",
                key: &["user_id", "id"],
                member: "email_addresses",
                columns: &[
                    Column::computed("email", Form::Text, |email, _| email["email_address"].clone()),
                    VERIFIED,
                    Column::computed("is_primary", Form::Boolean, |email, user| {
                        (email["id"] == user["primary_email_address_id"]).into()
                    }),
                ],
            },
            Part {
                table: "user_phone_numbers",
                key: &["user_id", "id"],
                member: "phone_numbers",
                columns: &[
                    Column::text("phone_number"),
                    VERIFIED,
                    Column::computed("is_primary", Form::Boolean, |phone, user| {
                        (phone["id"] == user["primary_phone_number_id"]).into()
                    }),
                ],
            },
            Part {
                table: "user_external_accounts",
                key: &["user_id", "id"],
                member: "external_accounts",
                columns: &[
                    Column::text("provider"),
                    Column::computed("provider_user_id", Form::Text, |account, _| {
                        first_of(account, &["provider_user_id", "google_id"])
                    }),
                    Column::computed("email", Form::Text, |account, _| not_empty(&account["email_address"])),
                    Column::computed("username", Form::Text, |account, _| not_empty(&account["username"])),
                    VERIFIED,
                ],
            },
        ],
    },
    Kind {
        table: "organizations",
        view: "active_organizations",
        object: ObjectKind::Organization,
        events: "organization",
        columns: &[
            CREATED_AT,
            UPDATED_AT,
            Column::text("name"),
            Column::text("slug"),
            IMAGE,
            Column::number("members_count"),
            Column::number("max_allowed_memberships"),
            Column::text("created_by"),
            Column::json("public_metadata"),
            Column::raw(&[]),
        ],
        kept: &[],
        parts: &[],
    },
    Kind {
        table: "memberships",
        view: "active_memberships",
        object: ObjectKind::OrganizationMembership,
        events: "organizationMembership",
        columns: &[
            CREATED_AT,
            UPDATED_AT,
            Column::computed("organization_id", Form::Text, |membership, _| {
                membership["organization"]["id"].clone()
            }),
            Column::computed("user_id", Form::Text, |membership, _| {
                membership["public_user_data"]["user_id"].clone()
            }),
            Column::text("role"),
            Column::text("role_name"),
            Column::new("permissions", Form::Set, Source::Member("permissions")),
            Column::json("public_metadata"),
            Column::raw(&["organization", "public_user_data"]),
        ],
        kept: &["created_at", "organization_id", "user_id"],
        parts: &[],
    },
    Kind {
        table: "invitations",
        view: "active_invitations",
        object: ObjectKind::OrganizationInvitation,
        events: "organizationInvitation",
        columns: &[
            CREATED_AT,
            UPDATED_AT,
            Column::text("organization_id"),
            Column::text("email_address"),
            Column::text("role"),
            Column::text("role_name"),
            Column::text("status").shown(),
            Column::text("inviter_id"),
            Column::text("user_id"),
            Column::number("expires_at"),
            Column::json("public_metadata"),
            Column::raw(&["data", "public_inviter_data", "public_organization_data"]),
        ],
        kept: &[],
        parts: &[],
    },
    Kind {
        table: "domains",
        view: "active_domains",
        object: ObjectKind::OrganizationDomain,
        events: "organizationDomain",
        columns: &[
            CREATED_AT,
            UPDATED_AT,
            Column::text("organization_id"),
            Column::text("name"),
            Column::text("enrollment_mode").shown(),
            Column::computed("verified", Form::Boolean, |domain, _| {
                let affiliation = first_of(domain, &["affiliation_verification", "verification"]);
                json!(is_verified(&affiliation) || is_verified(&domain["ownership_verification"]))
            }),
            Column::raw(&["affiliation_email_address", "public_organization_data"]),
        ],
        kept: &[],
        parts: &[],
    },
    Kind {
        table: "roles",
        view: "active_roles",
        object: ObjectKind::Role,
        events: "role",
        columns: &[
            CREATED_AT,
            UPDATED_AT,
            Column::text("name"),
            Column::text("key"),
            Column::text("description"),
            Column::boolean("is_creator_eligible"),
            Column::computed("permissions", Form::Set, |role, _| {
                let permissions = role["permissions"].as_array().map_or(&[][..], Vec::as_slice);
                permissions.iter().map(|permission| permission["key"].clone()).collect()
            }),
            Column::raw(&[]),
        ],
        kept: &[],
        parts: &[],
    },
    Kind {
        table: "permissions",
        view: "active_permissions",
        object: ObjectKind::Permission,
        events: "permission",
        columns: &[
            CREATED_AT,
            UPDATED_AT,
            Column::text("name"),
            Column::text("key"),
            Column::text("description"),
            Column::computed("kind", Form::Text, |permission, _| permission["type"].clone()).shown(),
            Column::raw(&[]),
        ],
        kept: &[],
        parts: &[],
    },
];
