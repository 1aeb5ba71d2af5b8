//! Replaces the user of an example.

use serde_json::Value;

/// The paths of the user's id. The first one with a user's id counts.
const PATHS: [&str; 5] = [
    "/data/public_user_data/user_id",
    "/data/user_id",
    "/data/payer/user_id",
    "/data/created_by",
    "/data/id",
];

/// The address of a person who was invited or waits, and who may not be a user yet.
const INVITED: &str = "/data/email_address";

/// The prefixes of the ids of objects that belong to one person.
const OWNED: [&str; 20] = [
    "client_", "cpa_", "cpayer_", "cps_", "csub_", "eac_", "ema_", "entacc_", "idn_", "inv_", "orginv_",
    "orgmem_", "pa_", "pi_", "pm_", "samlacc_", "sess_", "sms_", "stmt_", "wle_",
];

/// The members that identify a person to an application or to an identity provider.
const NAMES: [&str; 4] = ["external_id", "google_id", "provider_user_id", "username"];

/// The members about other people, and the members that the application defines.
const FOREIGN: [&str; 5] =
    ["actor", "private_metadata", "public_inviter_data", "public_metadata", "unsafe_metadata"];

/// Makes an event about this user, and returns whether the event has a user.
///
/// An application may expect that ids, addresses, and names are unique. Therefore, the end of the user's id is
/// added to them.
pub(super) fn set(event: &mut Value, user: &str) -> bool {
    let mut ids = PATHS.iter().filter_map(|path| event.pointer(path)?.as_str());
    let old = ids.find(|id| id.starts_with("user_")).map(str::to_owned);
    let has_user = old.is_some() || event.pointer(INVITED).is_some();
    if has_user && old.as_deref() != Some(user) {
        replace(event, "", old.as_deref().unwrap_or_default(), user);
    }
    has_user
}

/// Replaces the user in a member with this name.
fn replace(value: &mut Value, name: &str, old: &str, user: &str) {
    match value {
        _ if FOREIGN.contains(&name) => {}
        Value::String(text) if text == old && !old.is_empty() => user.clone_into(text),
        Value::String(text) => {
            if let Some(unique) = unique(name, text, user.trim_start_matches("user_")) {
                *text = unique;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, name, old, user)),
        Value::Object(members) => {
            members.iter_mut().for_each(|(name, value)| replace(value, name, old, user))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns a text that belongs to one person, with the end of the user's id.
fn unique(name: &str, text: &str, end: &str) -> Option<String> {
    let number = end.bytes().fold(0_u32, |number, byte| number.wrapping_mul(31).wrapping_add(byte.into()));
    let is_id = name == "id" || name.ends_with("_id") || name == "verified_at_client";
    if is_id && OWNED.iter().any(|prefix| text.starts_with(prefix)) {
        return Some(format!("{text}{end}"));
    }
    if NAMES.contains(&name) {
        return Some(format!("{text}-{end}"));
    }
    if name == "web3_wallet" {
        return Some(format!("0x{number:08x}{}", text.get(10..)?));
    }
    // Numbers with 55501 after the area code are reserved for examples, so a message reaches nobody.
    if name.ends_with("phone_number") && name != "from_phone_number" && text.get(5..10)? == "55501" {
        let line = text.get(10..)?.parse::<u32>().ok()?.wrapping_add(number / 800) % 100;
        return Some(format!("+1{}55501{line:02}", 200 + number % 800));
    }
    let (user, domain) = text.split_once('@').filter(|_| !text.contains([' ', '<', '/', ':']))?;
    Some(format!("{user}+{end}@{domain}"))
}

#[cfg(test)]
mod tests {
    use clerk_webhook_test::fixture::AnyFixture;

    use super::*;

    #[test]
    fn replaces_the_user_and_what_is_unique() {
        for (name, path, expected) in [
            ("user.created", "/data/id", "user_2"),
            ("user.created", "/data/email_addresses/0/email_address", "ada.lovelace+2@example.com"),
            ("user.created__phone_only", "/data/phone_numbers/0/phone_number", "+12505550117"),
            (
                "user.created__web3",
                "/data/web3_wallets/0/web3_wallet",
                "0x00000032000000000000000000000000000ada42",
            ),
            ("user.created__oauth", "/data/external_accounts/0/google_id", "100000000000000000042-2"),
            ("user.updated", "/data/id", "user_2"),
            ("user.updated", "/data/username", "ada-2"),
            ("user.updated", "/data/last_name", "King"),
            ("user.deleted", "/data/external_id", "staff-0042-2"),
            ("organizationMembership.deleted", "/data/public_user_data/user_id", "user_2"),
            ("organization.created", "/data/created_by", "user_2"),
            ("organizationInvitation.created", "/data/email_address", "grace.hopper+2@example.com"),
            ("organizationInvitation.accepted", "/data/user_id", "user_2"),
            ("sms.created", "/data/object", "sms_message"),
            ("session.created", "/data/user/id", "user_2"),
        ] {
            let mut event = AnyFixture::named(name).unwrap().json();
            assert!(set(&mut event, "user_2"), "{name}");
            assert_eq!(event.pointer(path).unwrap(), expected, "{name} {path}");
        }
    }

    #[test]
    fn other_people_and_organizations_stay_the_same() {
        for (name, path) in [
            ("organizationInvitation.accepted", "/data/inviter_id"),
            ("organizationInvitation.accepted", "/data/public_inviter_data"),
            ("session.created__impersonated", "/data/actor"),
            ("user.updated", "/data/private_metadata"),
            ("sms.created", "/data/from_phone_number"),
            ("role.created", ""),
            ("organizationDomain.created", ""),
            ("subscriptionItem.active__organization", ""),
        ] {
            let example = AnyFixture::named(name).unwrap().json();
            let mut event = example.clone();
            assert_eq!(set(&mut event, "user_2"), !path.is_empty(), "{name}");
            assert!(example.pointer(path).is_some());
            assert_eq!(event.pointer(path), example.pointer(path), "{name} {path}");
        }
        let example = AnyFixture::named("user.created").unwrap().json();
        let mut event = example.clone();
        assert!(set(&mut event, example["data"]["id"].as_str().unwrap()));
        assert_eq!(event, example);
    }
}
