//! What the tables have to have of each kind of object.

use clerk_webhook_test::history::ObjectKind;
use serde_json::{Value, json};

/// A kind of object, which has a table of its own, and a view of what is live in it.
#[derive(Debug)]
pub(super) struct Kind {
    /// The table, without the prefix.
    pub(super) table: &'static str,
    /// The view of what is live.
    pub(super) view: &'static str,
    pub(super) object: ObjectKind,
    pub(super) columns: &'static [Column],
    /// Which columns a tombstone may keep.
    pub(super) kept: &'static [&'static str],
    pub(super) parts: &'static [Part],
}

/// What there can be many of in one object, and is in a table of its own.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) table: &'static str,
    /// The columns with the id of the object that it belongs to, and with its own.
    pub(super) key: &'static [&'static str],
    /// The array in the data of that object.
    pub(super) member: &'static str,
    pub(super) columns: &'static [Column],
}

/// A column, and what has to be in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) form: Form,
    source: Source,
    is_shown: bool,
}

/// The words of the columns of which the values are shown.
const WORDS: &[&str] = &[
    "accepted",
    "automatic_invitation",
    "automatic_suggestion",
    "expired",
    "manual_invitation",
    "pending",
    "revoked",
    "system",
    "user",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Number,
    Boolean,
    Json,
    /// An array of which the order means nothing.
    Set,
    /// Nothing, or the data without a part of it, as the sync was told.
    Raw,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    /// The member of this name.
    Member(&'static str),
    /// Computed from the object, and from what it is a part of, which otherwise is the object itself.
    Computed(fn(&Value, &Value) -> Value),
    /// All but these members, which are copies of others.
    AllBut(&'static [&'static str]),
}

impl Column {
    const fn new(name: &'static str, form: Form, source: Source) -> Self {
        let is_shown = matches!(form, Form::Number | Form::Boolean);
        Self { name, form, source, is_shown }
    }

    const fn text(name: &'static str) -> Self {
        Self::new(name, Form::Text, Source::Member(name))
    }

    const fn number(name: &'static str) -> Self {
        Self::new(name, Form::Number, Source::Member(name))
    }

    const fn boolean(name: &'static str) -> Self {
        Self::new(name, Form::Boolean, Source::Member(name))
    }

    const fn json(name: &'static str) -> Self {
        Self::new(name, Form::Json, Source::Member(name))
    }

    const fn raw(without: &'static [&'static str]) -> Self {
        Self::new("raw", Form::Raw, Source::AllBut(without))
    }

    const fn computed(name: &'static str, form: Form, source: fn(&Value, &Value) -> Value) -> Self {
        Self::new(name, form, Source::Computed(source))
    }

    /// A text in which nothing personal can be: a word out of a few.
    const fn shown(self) -> Self {
        Self { is_shown: true, ..self }
    }

    /// The time at which something was deleted.
    pub(super) const fn deletion() -> Self {
        Self::number("deleted_at")
    }

    /// Returns what has to be in it.
    pub(super) fn expected(&self, object: &Value, owner: &Value) -> Value {
        match self.source {
            Source::Member(name) => object[name].clone(),
            Source::Computed(compute) => compute(object, owner),
            Source::AllBut(names) => {
                let mut object = object.clone();
                if let Some(members) = object.as_object_mut() {
                    members.retain(|name, _| !names.contains(&name.as_str()));
                }
                object
            }
        }
    }

    /// Returns whether something is what has to be in it.
    pub(super) fn is_right(&self, expected: &Value, found: &Value) -> bool {
        match self.form {
            Form::Raw => found.is_null() || is_version(found, expected),
            Form::Set => sorted(expected) == sorted(found),
            _ => expected == found,
        }
    }

    /// Returns whether a value can be shown, since nothing personal can be in it.
    pub(super) fn can_show(&self, value: &Value) -> bool {
        // What a broken program has written there can be anything.
        self.is_shown
            && match value {
                Value::Null | Value::Bool(_) | Value::Number(_) => true,
                Value::String(word) if self.form == Form::Text => WORDS.contains(&word.as_str()),
                _ => false,
            }
    }

    /// Reads what a database has in it, as text.
    pub(super) fn read(&self, text: Option<String>) -> Value {
        let Some(text) = text else { return Value::Null };
        let read = match self.form {
            Form::Text => None,
            Form::Number => text.parse::<i64>().ok().map(Value::from),
            Form::Boolean => match text.as_str() {
                "1" | "true" => Some(Value::Bool(true)),
                "0" | "false" => Some(Value::Bool(false)),
                _ => None,
            },
            Form::Json | Form::Set | Form::Raw => serde_json::from_str(&text).ok(),
        };
        read.unwrap_or(Value::String(text))
    }
}

/// Returns whether something is this version of an object, possibly without a part of it.
fn is_version(part: &Value, whole: &Value) -> bool {
    ["id", "updated_at"].iter().all(|name| part[*name] == whole[*name]) && is_within(part, whole)
}

/// Returns whether something is the other with at most some members of objects left out.
fn is_within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|other| is_within(value, other)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| is_within(part, whole))
        }
        _ => part == whole,
    }
}

fn sorted(value: &Value) -> Vec<String> {
    let mut texts: Vec<_> = match value {
        Value::Array(values) => values.iter().map(ToString::to_string).collect(),
        other => vec![other.to_string()],
    };
    texts.sort_unstable();
    texts
}

/// Returns the first of some members that is there.
fn first_of(object: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| &object[*name]).find(|value| !value.is_null()).cloned().unwrap_or_default()
}

fn not_empty(value: &Value) -> Value {
    value.as_str().filter(|text| !text.is_empty()).map_or(Value::Null, Value::from)
}

fn is_verified(verification: &Value) -> bool {
    verification["status"] == "verified"
}

/// Returns the element of an array that an id names; never the first one instead.
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

/// A further kind is a further entry.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        table: "users",
        view: "active_users",
        object: ObjectKind::User,
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
        kept: &["organization_id", "user_id"],
        parts: &[],
    },
    Kind {
        table: "invitations",
        view: "active_invitations",
        object: ObjectKind::OrganizationInvitation,
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
            Column::raw(&["public_organization_data"]),
        ],
        kept: &[],
        parts: &[],
    },
    Kind {
        table: "roles",
        view: "active_roles",
        object: ObjectKind::Role,
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
