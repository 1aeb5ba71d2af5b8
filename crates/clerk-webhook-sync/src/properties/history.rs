//! Made-up lives of an instance of Clerk, small enough to be shrunk.

use std::collections::BTreeSet;

use clerk_webhook_core::{Event, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// When it all begins, in milliseconds since the Unix epoch.
const BEGINNING: i64 = 1_700_000_000_000;

/// What happens next. Which of it is possible depends on what there is.
#[derive(Clone, Debug)]
pub(super) struct Step {
    what: u8,
    who: u8,
    whom: u8,
    detail: u8,
    /// How many milliseconds later; often it is the same one.
    later: u8,
}

/// A history, and an order in which its events arrive, some of them more than once.
#[derive(Clone, Debug)]
pub(super) struct Case {
    steps: Vec<Step>,
    keys: Vec<u16>,
    again: Vec<(Index, u16)>,
}

/// Makes histories of at most so many steps.
pub(super) fn cases(longest: usize) -> impl Strategy<Value = Case> {
    let step = (0_u8..20, 0_u8..4, 0_u8..4, any::<u8>(), prop_oneof![2 => Just(0), 1 => 1_u8..4]);
    let step = step.prop_map(|(what, who, whom, detail, later)| Step { what, who, whom, detail, later });
    let steps = prop::collection::vec(step, 1..longest);
    let keys = prop::collection::vec(any::<u16>(), 60);
    let again = prop::collection::vec((any::<Index>(), any::<u16>()), 0..12);
    (steps, keys, again).prop_map(|(steps, keys, again)| Case { steps, keys, again })
}

/// What Clerk has sent, and what it holds in the end.
#[derive(Debug)]
pub(super) struct History {
    pub(super) events: Vec<Event>,
    pub(super) truth: BTreeSet<String>,
}

impl Case {
    /// Tells the history, with ids that begin with the name.
    pub(super) fn history(&self, name: &str, clock: Clock) -> History {
        let mut world = World::new(name, clock);
        for step in &self.steps {
            world.take(step);
        }
        History { truth: world.truth(), events: world.events }
    }

    /// Returns the events as they arrive.
    pub(super) fn arrivals(&self, events: &[Event]) -> Vec<Event> {
        let key = |index: usize| self.keys.get(index % self.keys.len()).copied().unwrap_or_default();
        let once = events.iter().enumerate().map(|(index, event)| (key(index), event.clone()));
        let again = self.again.iter().filter(|_| !events.is_empty());
        let again = again.map(|(index, key)| (*key, index.get(events).clone()));
        let mut arrivals: Vec<_> = once.chain(again).collect();
        arrivals.sort_by_key(|(key, _)| *key);
        arrivals.into_iter().map(|(_, event)| event).collect()
    }
}

/// What the times of envelopes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// Each is later than the one before, however close the changes are.
    Increasing,
    /// Two changes in a millisecond have the same: nobody can say which was first.
    Tied,
}

#[derive(Clone, Debug)]
struct User {
    id: String,
    name: u8,
    /// Addresses, with whether they are verified; the ids are their places, from the end.
    emails: Vec<(String, bool)>,
    primary: usize,
    created_at: i64,
    updated_at: i64,
}

#[derive(Clone, Debug)]
struct Organization {
    id: String,
    name: u8,
    created_by: String,
    members: usize,
    created_at: i64,
    updated_at: i64,
}

#[derive(Clone, Debug)]
struct Membership {
    id: String,
    organization: String,
    user: String,
    role: &'static str,
    created_at: i64,
    updated_at: i64,
}

/// An invitation, a domain, a role or a permission.
#[derive(Clone, Debug)]
struct Thing {
    kind: usize,
    id: String,
    organization: String,
    state: u8,
    created_at: i64,
    updated_at: i64,
}

const KINDS: [&str; 4] = ["organizationInvitation", "organizationDomain", "role", "permission"];
const STATUS: [&str; 3] = ["pending", "accepted", "revoked"];
const MODES: [&str; 3] = ["manual_invitation", "automatic_invitation", "automatic_suggestion"];
const ROLES: [&str; 3] = ["org:admin", "org:member", "org:accountant"];

struct World {
    name: String,
    clock: Clock,
    now: i64,
    last_event_at: i64,
    ids: usize,
    users: Vec<User>,
    organizations: Vec<Organization>,
    memberships: Vec<Membership>,
    things: Vec<Thing>,
    events: Vec<Event>,
}

fn pick<T>(of: &[T], number: u8) -> Option<usize> {
    (!of.is_empty()).then(|| usize::from(number) % of.len())
}

impl World {
    fn new(name: &str, clock: Clock) -> Self {
        Self {
            name: name.to_owned(),
            clock,
            now: BEGINNING,
            last_event_at: 0,
            ids: 0,
            users: Vec::new(),
            organizations: Vec::new(),
            memberships: Vec::new(),
            things: Vec::new(),
            events: Vec::new(),
        }
    }

    fn id(&mut self, prefix: &str) -> String {
        self.ids += 1;
        format!("{prefix}_{}{}", self.name, self.ids)
    }

    fn send(&mut self, event_type: &str, data: &Value) {
        let event_at = match self.clock {
            Clock::Increasing => (self.now + 10).max(self.last_event_at + 1),
            Clock::Tied => self.now + 10,
        };
        self.last_event_at = event_at;
        let body = json!({ "data": data, "object": "event", "timestamp": event_at, "type": event_type });
        let id = format!("msg_{}_{}", self.name, self.events.len());
        let event = Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.to_string().into());
        self.events.push(event.unwrap());
    }

    fn take(&mut self, step: &Step) {
        self.now += i64::from(step.later);
        match step.what {
            0 | 1 => self.sign_up(step),
            2..=4 => self.change_user(step),
            5 => self.delete_user(step),
            6 => self.found(step),
            7 | 8 => self.change_organization(step),
            9 => self.delete_organization(step),
            10..=12 => self.join(step),
            13 | 14 => self.change_role(step),
            15 | 16 => self.leave(step),
            17 => self.add_thing(step),
            18 => self.change_thing(step),
            _ => self.delete_thing(step),
        }
    }

    fn sign_up(&mut self, step: &Step) {
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

    fn change_user(&mut self, step: &Step) {
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

    fn delete_user(&mut self, step: &Step) {
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

    fn found(&mut self, step: &Step) {
        let id = self.id("org");
        let created_by = pick(&self.users, step.who).map(|user| self.users[user].id.clone());
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

    fn change_organization(&mut self, step: &Step) {
        let Some(index) = pick(&self.organizations, step.who) else { return };
        let organization = &mut self.organizations[index];
        organization.name = organization.name.wrapping_add(1);
        organization.updated_at = self.now;
        let data = organization.data();
        self.send("organization.updated", &data);
    }

    fn delete_organization(&mut self, step: &Step) {
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
        self.things.retain(|thing| thing.kind > 1 || thing.organization != *id);
        self.send("organization.deleted", &json!({ "deleted": true, "id": id, "object": "organization" }));
    }

    fn join(&mut self, step: &Step) {
        let (Some(user), Some(organization)) =
            (pick(&self.users, step.who), pick(&self.organizations, step.whom))
        else {
            return;
        };
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

    fn change_role(&mut self, step: &Step) {
        let Some(index) = pick(&self.memberships, step.detail) else { return };
        self.memberships[index].role = ROLES[usize::from(step.who) % 3];
        self.memberships[index].updated_at = self.now;
        let data = self.membership_data(&self.memberships[index], None);
        self.send("organizationMembership.updated", &data);
    }

    fn leave(&mut self, step: &Step) {
        let Some(index) = pick(&self.memberships, step.detail) else { return };
        // With the `updated_at` of before.
        let membership = self.memberships.remove(index);
        let data = self.membership_data(&membership, None);
        self.send("organizationMembership.deleted", &data);
    }

    fn add_thing(&mut self, step: &Step) {
        let kind = usize::from(step.detail) % 4;
        let organization =
            pick(&self.organizations, step.whom).map(|index| self.organizations[index].id.clone());
        let organization = match organization {
            Some(organization) => organization,
            None if kind > 1 => String::new(),
            None => return,
        };
        let thing = Thing {
            kind,
            id: self.id("thing"),
            organization,
            state: 0,
            created_at: self.now,
            updated_at: self.now,
        };
        self.send(&format!("{}.created", KINDS[kind]), &thing.data());
        self.things.push(thing);
    }

    fn change_thing(&mut self, step: &Step) {
        let Some(index) = pick(&self.things, step.detail) else { return };
        let thing = &mut self.things[index];
        if thing.kind == 0 && thing.state != 0 {
            return;
        }
        thing.state = 1 + (thing.state + step.who) % 2;
        thing.updated_at = self.now;
        let change = match (thing.kind, thing.state) {
            (0, 1) => "accepted",
            (0, _) => "revoked",
            _ => "updated",
        };
        let (event_type, data) = (format!("{}.{change}", KINDS[thing.kind]), thing.data());
        self.send(&event_type, &data);
    }

    fn delete_thing(&mut self, step: &Step) {
        let Some(index) = pick(&self.things, step.detail) else { return };
        // An invitation is never deleted.
        if self.things[index].kind > 0 {
            let thing = self.things.remove(index);
            let data = json!({ "deleted": true, "id": thing.id, "object": "thing" });
            self.send(&format!("{}.deleted", KINDS[thing.kind]), &data);
        }
    }

    fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    fn membership_data(&self, membership: &Membership, user: Option<&User>) -> Value {
        let organization = self.organizations.iter().find(|one| one.id == membership.organization);
        let organization = organization.map(Organization::nested);
        membership.data(organization.unwrap_or_default(), user.or_else(|| self.user(&membership.user)))
    }

    /// Returns a line for everything that is live.
    fn truth(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
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
        for Thing { kind, id, organization, state, .. } in &self.things {
            lines.insert(match kind {
                0 => format!("invitation {id} {organization} {}", STATUS[usize::from(*state)]),
                1 => format!("domain {id} {organization} {}", MODES[usize::from(*state)]),
                2 => format!("role {id} name-{state}"),
                _ => format!("permission {id} name-{state}"),
            });
        }
        lines
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

impl Thing {
    fn data(&self) -> Value {
        let Self { id, organization, .. } = self;
        let (created_at, updated_at) = (self.created_at, self.updated_at);
        let name = format!("name-{}", self.state);
        match self.kind {
            0 => json!({
                "created_at": created_at, "email_address": "guest@example.com", "id": id, "organization_id": organization,
                "role": "org:member", "status": STATUS[usize::from(self.state)], "updated_at": updated_at,
                "url": "https://example.com/?ticket=secret",
            }),
            1 => json!({
                "created_at": created_at, "enrollment_mode": MODES[usize::from(self.state)], "id": id,
                "name": "example.com", "organization_id": organization, "total_pending_invitations": 0,
                "total_pending_suggestions": 0, "updated_at": updated_at,
            }),
            _ => {
                json!({ "created_at": created_at, "id": id, "key": "org:key", "name": name, "updated_at": updated_at })
            }
        }
    }
}
