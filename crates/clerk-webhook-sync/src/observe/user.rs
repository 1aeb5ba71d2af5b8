//! Users.

use std::collections::BTreeSet;

use clerk_webhook_core::event::payload::{EmailAddress, MembershipPublicUserData, User};

use super::{Children, Observation, Observed, Observer, json};
use crate::observe::canonical::{Leave, canonical};
use crate::schema::tables::{Entity, USER_EMAILS, USER_EXTERNAL_ACCOUNTS, USER_PHONE_NUMBERS};
use crate::value::{Value, clean, digest};

impl Observer<'_> {
    pub(super) fn user(&self, user: &User) -> Observation {
        let primary = user.primary_email_address();
        let primary_phone = user.primary_phone_number();
        let columns = [
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
        ];
        let mut observation = self.whole(Entity::Users, &user.id, user.updated_at, columns);
        if let Observed::Version { children: Some(children), .. } = &mut observation.observed {
            *children = vec![emails(user), phone_numbers(user), external_accounts(user)];
        }
        observation
    }

    /// Observes the copy of a user that a membership contains. The copy has no time, so the event's time is
    /// used.
    pub(super) fn user_copy(
        &self,
        user: &MembershipPublicUserData,
        id: &str,
        copy: &str,
        event_at: i64,
    ) -> Observation {
        let columns = [
            ("username", (&user.username).into()),
            ("first_name", (&user.first_name).into()),
            ("last_name", (&user.last_name).into()),
            ("image_url", user.image_url.as_deref().or(user.profile_image_url.as_deref()).into()),
            ("banned", user.banned.into()),
        ];
        let tie = digest(&canonical(copy, Leave::In, &[]));
        self.copy(Entity::Users, id, (event_at, event_at), tie, columns)
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

/// Keeps only the first row for each id, because the id is a key.
fn unique<'a>(rows: impl Iterator<Item = (&'a str, Vec<Value>)>) -> Children {
    let mut seen = BTreeSet::new();
    rows.map(|(id, row)| (clean(id), row)).filter(|(id, _)| seen.insert(id.clone())).collect()
}
