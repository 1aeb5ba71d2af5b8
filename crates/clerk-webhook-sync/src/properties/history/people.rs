//! Users, organizations and memberships.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Step, World, pick};

#[derive(Clone, Debug)]
pub(super) struct User {
    id: String,
    name: u8,
    /// Addresses, with whether they are verified; the ids are their places, from the end.
    emails: Vec<(String, bool)>,
    primary: usize,
    created_at: i64,
    updated_at: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Organization {
    id: String,
    name: u8,
    created_by: String,
    members: usize,
    created_at: i64,
    updated_at: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Membership {
    id: String,
    organization: String,
    user: String,
    role: &'static str,
    created_at: i64,
    updated_at: i64,
}

const ROLES: [&str; 3] = ["org:admin", "org:member", "org:accountant"];

impl World {
    pub(super) fn sign_up(&mut self, step: &Step) {
        let id = self.id("user");
        // Sometimes an address that somebody else has, or had.
        let emails = (0..step.detail % 4)
            .map(|number| (format!("{}@example.com", step.whom + number), (step.detail >> number) & 8 == 0));
        let user = User {
            id,
            name: step.detail,
            emails: emails.collect(),
            primary: usize::from(step.who),
            created_at: self.now,
            updated_at: self.now,
        };
        self.send("user.created", &user.data());
        self.users.push(user);
    }

    pub(super) fn change_user(&mut self, step: &Step) {
        let Some(index) = pick(&self.users, step.who) else { return };
        let user = &mut self.users[index];
        match step.detail % 3 {
            0 => user.name = user.name.wrapping_add(1),
            1 => user.primary += 1,
            _ if user.emails.len() > 2 => drop(user.emails.remove(0)),
            // Another one than before: nobody has an address twice.
            _ => user.emails.push((format!("{}-{}@example.com", step.detail, self.events.len()), true)),
        }
        user.updated_at = self.now;
        let data = user.data();
        self.send("user.updated", &data);
    }

    pub(super) fn delete_user(&mut self, step: &Step) {
        let Some(index) = pick(&self.users, step.who) else { return };
        let user = self.users.remove(index);
        let ended = |membership: &Membership| membership.user == user.id;
        let memberships: Vec<_> = self.memberships.iter().filter(|one| ended(one)).cloned().collect();
        if step.detail.is_multiple_of(2) {
            // The others end without an event of their own.
            for membership in &memberships {
                let data = self.membership_data(membership, Some(&user));
                self.send("organizationMembership.deleted", &data);
            }
        }
        self.memberships.retain(|membership| !ended(membership));
        self.send("user.deleted", &json!({ "deleted": true, "id": user.id, "object": "user" }));
    }

    pub(super) fn found(&mut self, step: &Step) {
        let id = self.id("org");
        let created_by = self.any_user(step.who);
        let organization = Organization {
            id,
            name: step.detail,
            created_by: created_by.unwrap_or_else(|| "user_nobody".to_owned()),
            members: 0,
            created_at: self.now,
            updated_at: self.now,
        };
        self.send("organization.created", &organization.data());
        self.organizations.push(organization);
    }

    pub(super) fn change_organization(&mut self, step: &Step) {
        let Some(index) = pick(&self.organizations, step.who) else { return };
        let organization = &mut self.organizations[index];
        organization.name = organization.name.wrapping_add(1);
        organization.updated_at = self.now;
        let data = organization.data();
        self.send("organization.updated", &data);
    }

    pub(super) fn delete_organization(&mut self, step: &Step) {
        let Some(index) = pick(&self.organizations, step.who) else { return };
        let organization = self.organizations.remove(index);
        let id = &organization.id;
        if step.detail.is_multiple_of(2) {
            let ended: Vec<_> =
                self.memberships.iter().filter(|one| one.organization == *id).cloned().collect();
            for membership in &ended {
                let data = membership.data(organization.nested(), self.user(&membership.user));
                self.send("organizationMembership.deleted", &data);
            }
        }
        self.memberships.retain(|membership| membership.organization != *id);
        self.end_things_of(id);
        self.send("organization.deleted", &json!({ "deleted": true, "id": id, "object": "organization" }));
    }

    pub(super) fn join(&mut self, step: &Step) {
        let (Some(user), Some(organization)) =
            (pick(&self.users, step.who), pick(&self.organizations, step.whom))
        else {
            return;
        };
        self.join_as(user, organization, step);
    }

    fn join_as(&mut self, user: usize, organization: usize, step: &Step) {
        let user = self.users[user].id.clone();
        let joined = self.organizations[organization].id.clone();
        if self.memberships.iter().any(|one| one.user == user && one.organization == joined) {
            return;
        }
        // The organization changes with it, and says so in no event of its own.
        self.organizations[organization].members += 1;
        self.organizations[organization].updated_at = self.now;
        let membership = Membership {
            id: self.id("orgmem"),
            organization: joined,
            user,
            role: ROLES[usize::from(step.detail) % 3],
            created_at: self.now,
            updated_at: self.now,
        };
        let data = self.membership_data(&membership, None);
        self.send("organizationMembership.created", &data);
        self.memberships.push(membership);
    }

    pub(super) fn change_role(&mut self, step: &Step) {
        let Some(index) = pick(&self.memberships, step.detail) else { return };
        self.memberships[index].role = ROLES[usize::from(step.who) % 3];
        self.memberships[index].updated_at = self.now;
        let data = self.membership_data(&self.memberships[index], None);
        self.send("organizationMembership.updated", &data);
    }

    pub(super) fn leave(&mut self, step: &Step) {
        let Some(index) = pick(&self.memberships, step.detail) else { return };
        // With the `updated_at` of before.
        let membership = self.memberships.remove(index);
        let data = self.membership_data(&membership, None);
        self.send("organizationMembership.deleted", &data);
        // Half of them join again at once.
        let user = self.users.iter().position(|user| user.id == membership.user);
        let organization = self.organizations.iter().position(|one| one.id == membership.organization);
        if let (true, Some(user), Some(organization)) = (step.who < 2, user, organization) {
            self.now += i64::from(step.whom);
            self.join_as(user, organization, step);
        }
    }

    pub(super) fn any_user(&self, number: u8) -> Option<String> {
        pick(&self.users, number).map(|index| self.users[index].id.clone())
    }

    pub(super) fn any_organization(&self, number: u8) -> Option<String> {
        pick(&self.organizations, number).map(|index| self.organizations[index].id.clone())
    }

    /// Returns whether a user or an organization has not been deleted.
    pub(super) fn is_there(&self, id: &str) -> bool {
        self.user(id).is_some() || self.organizations.iter().any(|organization| organization.id == id)
    }

    fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    fn membership_data(&self, membership: &Membership, user: Option<&User>) -> Value {
        let organization = self.organizations.iter().find(|one| one.id == membership.organization);
        let organization = organization.map(Organization::nested);
        membership.data(organization.unwrap_or_default(), user.or_else(|| self.user(&membership.user)))
    }

    pub(super) fn true_people(&self, lines: &mut BTreeSet<String>) {
        for user in &self.users {
            let (primary, verified) = match user.primary() {
                Some(index) => (user.emails[index].0.as_str(), user.emails[index].1.to_string()),
                None => ("-", "-".to_owned()),
            };
            lines.insert(format!("user {} name-{} {primary} {verified}", user.id, user.name));
            for (place, (email, verified)) in user.emails.iter().enumerate() {
                let is_primary = user.primary() == Some(place);
                lines.insert(format!("email {} {email} {verified} {is_primary}", user.id));
            }
        }
        for Organization { id, name, created_by, .. } in &self.organizations {
            lines.insert(format!("organization {id} name-{name} {created_by}"));
        }
        for Membership { id, organization, user, role, .. } in &self.memberships {
            lines.insert(format!("membership {id} {organization} {user} {role}"));
        }
    }
}

impl User {
    fn primary(&self) -> Option<usize> {
        (!self.emails.is_empty()).then(|| self.primary % self.emails.len())
    }

    fn data(&self) -> Value {
        let emails = self.emails.iter().map(|(email, verified)| {
            let status = if *verified { "verified" } else { "unverified" };
            json!({
                "email_address": email, "id": format!("idn_{email}"), "linked_to": [],
                "verification": { "status": status, "strategy": "email_code" },
            })
        });
        json!({
            "created_at": self.created_at,
            "email_addresses": emails.collect::<Vec<_>>(),
            "first_name": format!("name-{}", self.name),
            "id": self.id,
            "object": "user",
            "primary_email_address_id": self.primary().map(|index| format!("idn_{}", self.emails[index].0)),
            "private_metadata": { "secret": self.name },
            "public_metadata": { "plan": self.name % 3 },
            "updated_at": self.updated_at,
        })
    }
}

impl Organization {
    fn data(&self) -> Value {
        let mut data = self.nested();
        data["created_by"] = self.created_by.as_str().into();
        data["private_metadata"] = json!({ "secret": self.name });
        data
    }

    /// What a membership shows of it.
    fn nested(&self) -> Value {
        json!({
            "created_at": self.created_at,
            "id": self.id,
            "members_count": self.members,
            "name": format!("name-{}", self.name),
            "object": "organization",
            "public_metadata": {},
            "updated_at": self.updated_at,
        })
    }
}

impl Membership {
    fn data(&self, organization: Value, user: Option<&User>) -> Value {
        let name = user.map(|user| format!("name-{}", user.name));
        json!({
            "created_at": self.created_at,
            "id": self.id,
            "object": "organization_membership",
            "organization": organization,
            "permissions": [self.role],
            "public_user_data": { "first_name": name, "identifier": "somebody", "user_id": self.user },
            "role": self.role,
            "updated_at": self.updated_at,
        })
    }
}
