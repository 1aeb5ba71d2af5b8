//! The JSON of objects as the Backend API returns it. It differs from the data of events in a few fields.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::ApiError;
use super::query::Query;
use super::world::{Object, World};
use crate::history::ObjectKind;

const DAY: i64 = 24 * 3_600_000;

/// The parts of an object that depend on the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Whether an organization contains its counts.
    pub(super) counts: bool,
    /// Whether an organization contains `missing_member_with_elevated_permissions`.
    pub(super) missing_member: bool,
    /// Whether an invitation contains its organization.
    pub(super) public_organization: bool,
}

impl Shape {
    /// All parts that the API can return.
    pub(super) const COMPLETE: Self = Self { counts: true, missing_member: true, public_organization: true };

    /// Returns the parts that a request asks for.
    pub(super) fn of(query: &Query) -> Result<Self, ApiError> {
        Ok(Self {
            counts: query.flag("include_members_count")?.unwrap_or(false),
            missing_member: query.flag("include_missing_member_with_elevated_permissions")?.unwrap_or(false),
            public_organization: false,
        })
    }
}

impl World {
    pub(super) fn objects(&self, kind: ObjectKind) -> BTreeMap<String, Value> {
        let json = |object: &Object| (object.id.clone(), self.json(kind, object, Shape::COMPLETE));
        self.all(kind).map(json).collect()
    }

    pub(super) fn json(&self, kind: ObjectKind, object: &Object, shape: Shape) -> Value {
        let mut data = object.parsed();
        match kind {
            ObjectKind::User => complete_user(&mut data),
            ObjectKind::Organization => self.complete_organization(&mut data, shape),
            ObjectKind::OrganizationMembership => self.complete_membership(&mut data, object),
            ObjectKind::OrganizationInvitation => self.complete_invitation(&mut data, object, shape),
            ObjectKind::OrganizationDomain => {
                set(&mut data, "public_organization_data", self.public_organization(object));
            }
            _ => {}
        }
        data
    }

    fn complete_organization(&self, data: &mut Value, shape: Shape) {
        let tally = self.tally(data["id"].as_str().unwrap_or_default());
        set(data, "updated_at", tally.updated_at.into());
        if shape.counts {
            set(data, "members_count", tally.members.into());
            set(data, "pending_invitations_count", tally.pending_invitations.into());
        } else {
            remove(data, &["members_count", "pending_invitations_count"]);
        }
        if !shape.missing_member {
            remove(data, &["missing_member_with_elevated_permissions"]);
        }
    }

    /// Replaces the copies in the event with the current organization and user.
    fn complete_membership(&self, data: &mut Value, object: &Object) {
        let organization = object.organization_id.as_deref();
        if let Some(organization) = organization.and_then(|id| self.get(ObjectKind::Organization, id)) {
            let mut organization = self.json(ObjectKind::Organization, organization, Shape::COMPLETE);
            remove(&mut organization, &["private_metadata", "created_by"]);
            set(data, "organization", organization);
        }
        if let Some(user) = object.user_id.as_deref().and_then(|id| self.get(ObjectKind::User, id)) {
            let user = user.parsed();
            set(
                data,
                "public_user_data",
                json!({
                    "banned": user["banned"],
                    "deprovisioned": user["deprovisioned"],
                    "first_name": user["first_name"],
                    "has_image": user["has_image"],
                    "identifier": identifier(&user),
                    "image_url": user["image_url"],
                    "last_name": user["last_name"],
                    "profile_image_url": user["profile_image_url"],
                    "user_id": user["id"],
                    "username": user["username"],
                }),
            );
        }
    }

    /// Removes `user_id`, which only events contain.
    fn complete_invitation(&self, data: &mut Value, object: &Object, shape: Shape) {
        remove(data, &["user_id", "public_organization_data"]);
        if shape.public_organization {
            set(data, "public_organization_data", self.public_organization(object));
        }
        let inviter = data["inviter_id"].as_str().and_then(|id| self.get(ObjectKind::User, id));
        let inviter = inviter.map_or(Value::Null, |inviter| {
            let user = inviter.parsed();
            json!({
                "first_name": user["first_name"],
                "has_image": user["has_image"],
                // The schema requires a text.
                "identifier": identifier(&user).as_str().unwrap_or_default(),
                "image_url": user["image_url"],
                "last_name": user["last_name"],
                "user_id": user["id"],
            })
        });
        set(data, "public_inviter_data", inviter);
    }

    fn public_organization(&self, object: &Object) -> Value {
        let id = object.organization_id.as_deref();
        id.and_then(|id| self.get(ObjectKind::Organization, id)).map_or(Value::Null, |organization| {
            let organization = organization.parsed();
            json!({
                "has_image": organization["has_image"],
                "id": organization["id"],
                "image_url": organization["image_url"],
                "name": organization["name"],
                "slug": organization["slug"],
            })
        })
    }
}

impl Object {
    /// Returns the data of the last event about the object.
    pub(super) fn parsed(&self) -> Value {
        // The data of an event is valid JSON.
        serde_json::from_slice(&self.data).unwrap_or_default()
    }
}

/// Adapts the fields of a user that the events of a history and the API write differently.
fn complete_user(data: &mut Value) {
    // The API rounds the time down to the day.
    if let Some(at) = data["last_active_at"].as_i64() {
        set(data, "last_active_at", (at - at.rem_euclid(DAY)).into());
    }
    for account in data["external_accounts"].as_array_mut().into_iter().flatten() {
        // The schema requires these texts, and a time of expiry.
        for (name, given) in [("first_name", "given_name"), ("last_name", "family_name")] {
            let text = account[given].as_str().unwrap_or_default().to_owned();
            set(account, name, text.into());
        }
        let expires = account["created_at"].as_i64().unwrap_or_default() + 600_000;
        if account["verification"]["expire_at"].is_null() {
            set(&mut account["verification"], "expire_at", expires.into());
        }
    }
}

/// Returns the identifier that Clerk shows: the primary email address, the phone number or the username.
fn identifier(user: &Value) -> &Value {
    let primary = &user["primary_email_address_id"];
    let emails = user["email_addresses"].as_array().into_iter().flatten();
    let email = emails.map(|email| (&email["id"], &email["email_address"])).find(|(id, _)| *id == primary);
    match email {
        Some((_, address)) => address,
        None if user["phone_numbers"][0].is_object() => &user["phone_numbers"][0]["phone_number"],
        None => &user["username"],
    }
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

fn remove(object: &mut Value, names: &[&str]) {
    if let Some(object) = object.as_object_mut() {
        object.retain(|name, _| !names.contains(&name.as_str()));
    }
}
