//! Users.

use std::collections::BTreeSet;

use clerk_webhook_core::event::payload::{EmailAddress, MembershipPublicUserData, User};

use super::{Children, Observation, Observed, Observer, Order, Rank, json};
use crate::observe::canonical::{Leave, canonical, digest};
use crate::schema::{Entity, USER_EMAILS, USER_EXTERNAL_ACCOUNTS, USER_PHONE_NUMBERS};
use crate::value::{Value, clean};

impl Observer<'_> {
    pub(super) fn user(&self, user: &User) -> Observation {
        let primary = user.primary_email_address();
        let primary_phone = user.primary_phone_number();
        let columns = Entity::Users.table().row([
            ("created_at", user.created_at.into()),
            ("external_id", (&user.external_id).into()),
            ("username", (&user.username).into()),
            ("first_name", (&user.first_name).into()),
            ("last_name", (&user.last_name).into()),
            ("image_url", user.image_url.as_deref().or(user.profile_image_url.as_deref()).into()),
            ("primary_email_id", (&user.primary_email_address_id).into()),
            ("primary_email", primary.and_then(|email| email.email_address.as_deref()).into()),
            ("primary_email_verified", primary.map(EmailAddress::is_verified).into()),
            ("primary_phone", primary_phone.and_then(|phone| phone.phone_number.as_deref()).into()),
            ("banned", user.banned.into()),
            ("locked", user.locked.into()),
            ("last_sign_in_at", user.last_sign_in_at.into()),
            ("public_metadata", json(user.public_metadata.as_json().into())),
            // Memberships have rows of their own, where they come at all.
            ("raw", self.raw(&["organization_memberships"])),
        ]);
        let children = vec![emails(user), phone_numbers(user), external_accounts(user)];
        self.whole(Entity::Users, &user.id, user.updated_at, columns, children)
    }

    /// What a membership shows of its user. It has no time of its own, but shows them as they were when the event occurred.
    pub(super) fn user_copy(
        &self,
        user: &MembershipPublicUserData,
        id: &str,
        copy: &str,
        event_at: i64,
    ) -> Observation {
        let columns = Entity::Users.table().row([
            ("username", (&user.username).into()),
            ("first_name", (&user.first_name).into()),
            ("last_name", (&user.last_name).into()),
            ("image_url", user.image_url.as_deref().or(user.profile_image_url.as_deref()).into()),
            ("banned", user.banned.into()),
        ]);
        let tie = digest(&canonical(copy, Leave::In, &[]));
        let order = Order { rank: Rank::Copy, updated_at: event_at, event_at, tie };
        let observed = Observed::Version { order, columns, children: None };
        Observation { entity: Entity::Users, id: clean(id), observed }
    }
}

fn emails(user: &User) -> Children {
    let primary = user.primary_email_address_id.as_deref();
    let rows = user.email_addresses.iter().filter_map(|email| {
        let address = email.email_address.as_deref()?;
        let row = USER_EMAILS.row([
            ("email", address.into()),
            ("verified", email.is_verified().into()),
            ("is_primary", (email.id.is_some() && email.id.as_deref() == primary).into()),
        ]);
        Some((email.id.as_deref().unwrap_or(address), row))
    });
    unique(rows)
}

fn phone_numbers(user: &User) -> Children {
    let primary = user.primary_phone_number_id.as_deref();
    let rows = user.phone_numbers.iter().filter_map(|phone| {
        let number = phone.phone_number.as_deref()?;
        let row = USER_PHONE_NUMBERS.row([
            ("phone_number", number.into()),
            ("verified", phone.is_verified().into()),
            ("is_primary", (phone.id.is_some() && phone.id.as_deref() == primary).into()),
        ]);
        Some((phone.id.as_deref().unwrap_or(number), row))
    });
    unique(rows)
}

fn external_accounts(user: &User) -> Children {
    let rows = user.external_accounts.iter().filter_map(|account| {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let row = USER_EXTERNAL_ACCOUNTS.row([
            ("provider", (&account.provider).into()),
            ("provider_user_id", account.provider_user_id.as_deref().or(account.google_id.as_deref()).into()),
            ("email", (&given(&account.email_address)).into()),
            ("username", (&given(&account.username)).into()),
            ("verified", account.is_verified().into()),
        ]);
        Some((account.id.as_deref().or(account.external_account_id.as_deref())?, row))
    });
    unique(rows)
}

/// Keeps the first row of each id, which is a key.
fn unique<'a>(rows: impl Iterator<Item = (&'a str, Vec<Value>)>) -> Children {
    let mut seen = BTreeSet::new();
    rows.map(|(id, row)| (clean(id), row)).filter(|(id, _)| seen.insert(id.clone())).collect()
}
