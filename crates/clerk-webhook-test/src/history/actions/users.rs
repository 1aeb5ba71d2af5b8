//! Actions on users, and messages to users.

use serde_json::json;

use crate::history::event::Change;
use crate::history::kind::ObjectKind;
use crate::history::person::{EmailAddress, Means, Person};
use crate::history::world::World;

impl World {
    /// A person signs up. This can create a message with a code, the user and a session.
    pub(super) fn sign_up(&mut self) {
        self.new_person();
    }

    pub(super) fn new_person(&mut self) -> u32 {
        let means = match self.log.random.below(20) {
            0..=10 => Means::Email,
            11..=15 => Means::Google,
            16..=18 => Means::Phone,
            _ => Means::Wallet,
        };
        let number = self.number();
        let person = Person::new(&mut self.log, means, number);
        self.sign_ups += 1;
        let key = self.people.insert(person);
        if self.log.random.percent(30) {
            self.send_code(key);
            // Clerk sends the code before it creates the user.
            let person = &mut self.people[key];
            person.created_at = self.log.moment();
            person.updated_at = self.log.soon();
        }
        self.record_user(key, "user.created");
        if self.has_sessions() {
            self.new_session(key, "session.created", "active");
        }
        key
    }

    /// Returns a random person, or creates one.
    pub(super) fn anybody(&mut self) -> u32 {
        self.people.any(&mut self.log.random).unwrap_or_else(|| self.new_person())
    }

    pub(super) fn change_profile(&mut self) {
        let key = self.anybody();
        let now = self.next_version_of(key);
        self.people[key].change(&mut self.log, now);
        self.record_user(key, "user.updated");
    }

    pub(super) fn add_address(&mut self) {
        let key = self.anybody();
        self.give_address(key);
        self.record_user(key, "user.updated");
    }

    /// Another address becomes the primary one, usually not the first in the list.
    pub(super) fn switch_primary(&mut self) {
        let several = |person: &Person| person.email_addresses.len() > 1;
        let key = match self.people.any_with(&mut self.log.random, several) {
            Some(key) => key,
            None => {
                let key = self.anybody();
                self.give_address(key);
                key
            }
        };
        let now = self.next_version_of(key);
        let person = &mut self.people[key];
        let primary = person.primary_email_address_id.clone();
        let other = person.email_addresses.iter().rev().find(|email| primary.as_ref() != Some(&email.id));
        person.primary_email_address_id = other.map(|email| email.id.clone());
        person.last_active_at = Some(now);
        self.record_user(key, "user.updated");
    }

    /// An address moves from one user to another, which causes two events.
    pub(super) fn move_address(&mut self) {
        let several = |person: &Person| person.email_addresses.len() > 1;
        let from = self.people.any_with(&mut self.log.random, several).unwrap_or_else(|| {
            let key = self.anybody();
            while self.people[key].email_addresses.len() < 2 {
                self.give_address(key);
                self.record_user(key, "user.updated");
            }
            key
        });
        let to = match self.people.any(&mut self.log.random) {
            Some(key) if key != from => key,
            _ => self.new_person(),
        };
        self.next_version_of(from);
        let Some(address) = self.people[from].give_up_address() else { return };
        self.record_user(from, "user.updated");
        let now = self.next_version_of(to);
        let email = EmailAddress::new(&mut self.log, address, now);
        let person = &mut self.people[to];
        person.primary_email_address_id.get_or_insert_with(|| email.id.clone());
        person.email_addresses.push(email);
        self.record_user(to, "user.updated");
    }

    /// A person is deleted. Only some of their memberships have deletion events.
    pub(super) fn delete_user(&mut self) {
        let key = self.anybody();
        if self.log.random.percent(50) {
            for organization in self.people[key].organizations.clone() {
                self.end_membership(organization, key);
            }
        }
        let Some(person) = self.people.remove(key) else { return };
        self.log.moment();
        for organization in person.organizations {
            let organization = &mut self.organizations[organization];
            organization.members.retain(|member| member.person != key);
            organization.members_count = organization.members.len();
        }
        let mut data = json!({ "deleted": true });
        if let Some(external_id) = person.external_id {
            data["external_id"] = external_id.into();
        }
        data["id"] = person.id.as_str().into();
        data["object"] = "user".into();
        self.log.record("user.deleted", &data, Change::deleted(ObjectKind::User, &person.id));
    }

    pub(super) fn send_sms(&mut self) {
        let has_phone = |person: &Person| !person.phone_numbers.is_empty();
        let key = match self.people.any_with(&mut self.log.random, has_phone) {
            Some(key) => key,
            None => {
                let key = self.anybody();
                let now = self.next_version_of(key);
                self.people[key].add_phone(&mut self.log, now);
                self.record_user(key, "user.updated");
                key
            }
        };
        self.send_sms_to(key, true);
    }

    /// Sends a code to a person who is signing up and is not a user yet.
    fn send_code(&mut self, key: u32) {
        let address = self.people[key].email_addresses.first().map(|email| email.email_address.clone());
        match address {
            Some(address) => self.send_email(&address, "verification_code"),
            None => self.send_sms_to(key, false),
        }
    }

    fn send_sms_to(&mut self, key: u32, is_user: bool) {
        let now = self.log.soon();
        let code = format!("{:06}", self.log.random.below(1_000_000));
        let person = &self.people[key];
        let Some(phone) = person.phone_numbers.last() else { return };
        let data = json!({
            "created_at_ms": now,
            "data": { "otp_code": code },
            "delivered_by_clerk": true,
            "from_phone_number": "+12025550190",
            "id": self.log.id("sms"),
            "message": format!("{code} opens Café Analytique. Keep it to yourself."),
            "object": "sms_message",
            "phone_number_id": phone.id,
            "slug": "verification_code",
            "status": "queued",
            "to_phone_number": phone.phone_number,
            "user_id": is_user.then_some(&person.id),
        });
        self.log.record("sms.created", &data, None);
    }

    /// Sends a message to a person who is not a user yet.
    pub(super) fn send_email(&mut self, to: &str, slug: &'static str) {
        self.log.soon();
        let code = format!("{:06}", self.log.random.below(1_000_000));
        let data = json!({
            "body": format!("<!DOCTYPE html>\n<html lang=\"en\"><body><p>Your code is <strong>{code}</strong>.</p></body></html>\n"),
            "body_plain": format!("Your code is {code}.\n"),
            "data": { "app": { "name": "Café Analytique" }, "otp_code": code },
            "delivered_by_clerk": true,
            "email_address_id": null,
            "from_email_name": "hello",
            "id": self.log.id("ema"),
            "object": "email",
            "slug": slug,
            "status": "queued",
            "subject": format!("{code} is your code"),
            "to_email_address": to,
            "user_id": null,
        });
        self.log.record("email.created", &data, None);
    }

    pub(super) fn record_user(&mut self, key: u32, event_type: &'static str) {
        let person = &self.people[key];
        self.log.record(event_type, person, Change::written(ObjectKind::User, &person.id));
    }

    /// Adds an address to a user. It becomes the primary address only if it is the first one.
    fn give_address(&mut self, key: u32) {
        let number = self.number();
        let now = self.next_version_of(key);
        let address = self.people[key].new_address(&mut self.log, number);
        let email = EmailAddress::new(&mut self.log, address, now);
        let person = &mut self.people[key];
        if person.email_addresses.is_empty() && email.is_verified() {
            person.primary_email_address_id = Some(email.id.clone());
        }
        // A new address is not always the last in the list.
        let place = self.log.random.index(person.email_addresses.len() + 1);
        person.email_addresses.insert(place, email);
    }

    fn next_version_of(&mut self, key: u32) -> i64 {
        let person = &mut self.people[key];
        person.updated_at = self.log.next_version(person.updated_at);
        person.updated_at
    }
}
