//! Actions on organizations, members, invitations and domains.

use serde_json::json;

use crate::history::event::Change;
use crate::history::kind::ObjectKind;
use crate::history::person::Metadata;
use crate::history::team::{ADMIN, Domain, Invitation, MEMBER, Membership, Organization, ROLES, Role};
use crate::history::world::World;

impl World {
    /// A person creates an organization and becomes its first member.
    pub(super) fn create_organization(&mut self) {
        self.new_organization();
    }

    fn new_organization(&mut self) -> u32 {
        let founder = self.anybody();
        let number = self.number();
        let organization = Organization::new(&mut self.log, &self.people[founder], number);
        let key = self.organizations.insert(organization);
        self.record_organization(key, "organization.created");
        self.begin_membership(key, founder, ADMIN);
        key
    }

    /// Returns a random organization, or creates one.
    fn any_organization(&mut self) -> u32 {
        self.organizations.any(&mut self.log.random).unwrap_or_else(|| self.new_organization())
    }

    /// Returns a random organization with members, and one of its members.
    fn any_member(&mut self) -> (u32, usize) {
        let inhabited = |organization: &Organization| !organization.members.is_empty();
        let key = self.organizations.any_with(&mut self.log.random, inhabited);
        let key = key.unwrap_or_else(|| self.new_organization());
        (key, self.log.random.index(self.organizations[key].members.len()))
    }

    pub(super) fn change_organization(&mut self) {
        let key = self.any_organization();
        let organization = &mut self.organizations[key];
        organization.updated_at = self.log.next_version(organization.updated_at);
        organization.change(&mut self.log);
        self.record_organization(key, "organization.updated");
    }

    /// An organization is deleted. Either all of its memberships have deletion events, or none.
    pub(super) fn delete_organization(&mut self) {
        let key = self.any_organization();
        if self.log.random.percent(50) {
            let members: Vec<u32> =
                self.organizations[key].members.iter().map(|member| member.person).collect();
            for person in members {
                self.end_membership(key, person);
            }
        }
        let Some(organization) = self.organizations.remove(key) else { return };
        self.log.moment();
        for member in &organization.members {
            self.people[member.person].organizations.retain(|other| *other != key);
        }
        let data = json!({
            "deleted": true,
            "id": organization.id,
            "object": "organization",
            "slug": organization.slug,
        });
        let change = Change::deleted(ObjectKind::Organization, &organization.id);
        self.log.record("organization.deleted", &data, change);
    }

    pub(super) fn join(&mut self) {
        let key = self.any_organization();
        let person = self.anybody();
        let person =
            if self.organizations[key].member(person).is_some() { self.new_person() } else { person };
        let role = self.log.random.pick(&ROLES);
        self.begin_membership(key, person, role);
    }

    pub(super) fn change_role(&mut self) {
        let (key, place) = self.any_member();
        let member = &mut self.organizations[key].members[place];
        member.updated_at = self.log.next_version(member.updated_at);
        if self.log.random.percent(50) {
            member.role = self.log.random.pick(&ROLES);
        } else {
            *member.metadata.entry("desk").or_default() += 1;
        }
        self.record_membership(key, place, "organizationMembership.updated");
    }

    pub(super) fn leave(&mut self) {
        let (key, place) = self.any_member();
        let person = self.organizations[key].members[place].person;
        self.end_membership(key, person);
    }

    /// A former member joins again, with a new membership id.
    pub(super) fn rejoin(&mut self) {
        let deserted = |organization: &Organization| !organization.former.is_empty();
        let key = match self.organizations.any_with(&mut self.log.random, deserted) {
            Some(key) => key,
            None => {
                let (key, place) = self.any_member();
                let person = self.organizations[key].members[place].person;
                self.end_membership(key, person);
                key
            }
        };
        let Some(person) = self.organizations[key].former.pop() else { return };
        if self.people.get(person).is_some() && self.organizations[key].member(person).is_none() {
            self.begin_membership(key, person, MEMBER);
        }
    }

    fn begin_membership(&mut self, key: u32, person: u32, role: Role) {
        let now = self.log.soon();
        let id = self.log.id("orgmem");
        let organization = &mut self.organizations[key];
        organization.members.push(Membership {
            person,
            id,
            role,
            metadata: Metadata::new(),
            created_at: now,
            updated_at: now,
        });
        organization.members_count = organization.members.len();
        // A new member also changes the organization a little later, without an event about the organization.
        organization.updated_at = self.log.soon();
        let place = organization.members.len() - 1;
        self.people[person].organizations.push(key);
        self.record_membership(key, place, "organizationMembership.created");
    }

    /// Ends a membership. The event contains the unchanged membership, without the time at which it ended.
    pub(super) fn end_membership(&mut self, key: u32, person: u32) {
        let Some(place) = self.organizations[key].member(person) else { return };
        self.log.moment();
        self.record_membership(key, place, "organizationMembership.deleted");
        let organization = &mut self.organizations[key];
        organization.members.remove(place);
        organization.members_count = organization.members.len();
        // Drop the oldest: long lists cost time without better coverage.
        if organization.former.len() >= 16 {
            organization.former.remove(0);
        }
        organization.former.push(person);
        self.people[person].organizations.retain(|other| *other != key);
    }

    pub(super) fn invite(&mut self) {
        self.new_invitation();
    }

    fn new_invitation(&mut self) -> (u32, usize) {
        let (key, place) = self.any_member();
        let inviter = self.organizations[key].members[place].person;
        let now = self.log.moment();
        let id = self.log.id("orginv");
        let number = self.number();
        let email_address = format!("guest.{number}@example.com");
        let role = self.log.random.pick(&ROLES);
        let organization = &mut self.organizations[key];
        organization.invitations.push(Invitation {
            id,
            email_address: email_address.clone(),
            inviter,
            role,
            status: "pending",
            created_at: now,
            updated_at: now,
        });
        organization.pending_invitations_count = organization.invitations.len();
        let place = organization.invitations.len() - 1;
        self.record_invitation(key, place, "organizationInvitation.created", None);
        self.send_email(&email_address, "organization_invitation");
        (key, place)
    }

    fn any_invitation(&mut self) -> (u32, usize) {
        let inviting = |organization: &Organization| !organization.invitations.is_empty();
        match self.organizations.any_with(&mut self.log.random, inviting) {
            Some(key) => (key, self.log.random.index(self.organizations[key].invitations.len())),
            None => self.new_invitation(),
        }
    }

    pub(super) fn accept_invitation(&mut self) {
        let (key, place) = self.any_invitation();
        let guest = self.anybody();
        let guest = if self.organizations[key].member(guest).is_some() { self.new_person() } else { guest };
        let role = self.organizations[key].invitations[place].role;
        self.close_invitation(key, place, "accepted", "organizationInvitation.accepted", Some(guest));
        self.begin_membership(key, guest, role);
    }

    pub(super) fn revoke_invitation(&mut self) {
        let (key, place) = self.any_invitation();
        self.close_invitation(key, place, "revoked", "organizationInvitation.revoked", None);
    }

    fn close_invitation(
        &mut self,
        key: u32,
        place: usize,
        status: &'static str,
        event_type: &'static str,
        accepted_by: Option<u32>,
    ) {
        let invitation = &mut self.organizations[key].invitations[place];
        invitation.updated_at = self.log.next_version(invitation.updated_at);
        invitation.status = status;
        self.record_invitation(key, place, event_type, accepted_by);
        let organization = &mut self.organizations[key];
        organization.invitations.remove(place);
        organization.pending_invitations_count = organization.invitations.len();
    }

    pub(super) fn add_domain(&mut self) {
        self.new_domain();
    }

    fn new_domain(&mut self) -> (u32, usize) {
        let key = self.any_organization();
        let number = self.number();
        let domain = Domain::new(&mut self.log, number);
        self.organizations[key].domains.push(domain);
        let place = self.organizations[key].domains.len() - 1;
        self.record_domain(key, place, "organizationDomain.created");
        (key, place)
    }

    fn any_domain(&mut self) -> (u32, usize) {
        let reachable = |organization: &Organization| !organization.domains.is_empty();
        match self.organizations.any_with(&mut self.log.random, reachable) {
            Some(key) => (key, self.log.random.index(self.organizations[key].domains.len())),
            None => self.new_domain(),
        }
    }

    pub(super) fn change_domain(&mut self) {
        let (key, place) = self.any_domain();
        let domain = &mut self.organizations[key].domains[place];
        domain.updated_at = self.log.next_version(domain.updated_at);
        domain.change(&mut self.log);
        self.record_domain(key, place, "organizationDomain.updated");
    }

    pub(super) fn remove_domain(&mut self) {
        let (key, place) = self.any_domain();
        let domain = self.organizations[key].domains.remove(place);
        self.log.moment();
        let data = json!({ "deleted": true, "id": domain.id, "object": "organization_domain" });
        let change = Change::deleted(ObjectKind::OrganizationDomain, &domain.id);
        self.log.record("organizationDomain.deleted", &data, change);
    }

    fn record_organization(&mut self, key: u32, event_type: &'static str) {
        let organization = &self.organizations[key];
        let change = Change::written(ObjectKind::Organization, &organization.id);
        self.log.record(event_type, organization, change);
    }

    fn record_membership(&mut self, key: u32, place: usize, event_type: &'static str) {
        let organization = &self.organizations[key];
        let member = &organization.members[place];
        let data = organization.membership(member, &self.people[member.person]);
        let change = match event_type {
            "organizationMembership.deleted" => {
                Change::deleted(ObjectKind::OrganizationMembership, &member.id)
            }
            _ => Change::written(ObjectKind::OrganizationMembership, &member.id),
        };
        self.log.record(event_type, &data, change);
    }

    fn record_invitation(
        &mut self,
        key: u32,
        place: usize,
        event_type: &'static str,
        accepted_by: Option<u32>,
    ) {
        let organization = &self.organizations[key];
        let invitation = &organization.invitations[place];
        let inviter = self.people.get(invitation.inviter);
        let accepted_by = accepted_by.and_then(|person| self.people.get(person));
        let data = organization.invitation(invitation, inviter, accepted_by);
        let change = Change::written(ObjectKind::OrganizationInvitation, &invitation.id);
        self.log.record(event_type, &data, change);
    }

    fn record_domain(&mut self, key: u32, place: usize, event_type: &'static str) {
        let organization = &self.organizations[key];
        let domain = &organization.domains[place];
        let change = Change::written(ObjectKind::OrganizationDomain, &domain.id);
        self.log.record(event_type, &organization.domain(domain), change);
    }
}
