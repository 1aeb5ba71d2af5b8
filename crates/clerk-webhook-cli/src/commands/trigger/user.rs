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

/// The prefixes of the ids of objects that belong to a user.
const OWNED: [&str; 6] = ["client_", "ema_", "idn_", "orgmem_", "sess_", "sms_"];

/// Makes an event about this user, and returns whether the event has a user.
///
/// An application may expect that ids, addresses, and names are unique. Therefore, the end of the user's id is
/// added to them.
pub(super) fn set(event: &mut Value, user: &str) -> bool {
    let ids = PATHS.iter().filter_map(|path| event.pointer(path)?.as_str());
    let Some(old) = ids.into_iter().find(|id| id.starts_with("user_")).map(str::to_owned) else {
        return false;
    };
    if old != user {
        replace(event, &old, user);
    }
    true
}

fn replace(value: &mut Value, old: &str, user: &str) {
    let end = user.trim_start_matches("user_");
    match value {
        Value::String(text) if text == old => user.clone_into(text),
        Value::String(text) if OWNED.iter().any(|prefix| text.starts_with(prefix)) => text.push_str(end),
        Value::String(text) => {
            if let Some((name, domain)) = text.split_once('@')
                && !text.contains([' ', '<', '/', ':'])
            {
                *text = format!("{name}+{end}@{domain}");
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, old, user)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "username" || name == "external_id" => {
                        text.push('-');
                        text.push_str(end);
                    }
                    value => replace(value, old, user),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
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
            ("user.updated", "/data/email_addresses/0/id", "idn_2fCshzqZn6RLgsTmsNlNvg6bbqO2"),
            ("user.updated", "/data/primary_email_address_id", "idn_2fCshzqZn6RLgsTmsNlNvg6bbqO2"),
            ("user.updated", "/data/username", "ada-2"),
            ("user.updated", "/data/last_name", "King"),
            ("user.deleted", "/data/id", "user_2"),
            ("user.deleted", "/data/external_id", "staff-0042-2"),
            ("organizationMembership.created", "/data/id", "orgmem_2fBpvUceFtASw1cGfFtacJj8gtN2"),
            ("organizationMembership.deleted", "/data/public_user_data/user_id", "user_2"),
            ("organizationMembership.created", "/data/organization/id", "org_2fAEkmnavwQ9yMAqNXXcDlCP54D"),
            ("organization.created", "/data/created_by", "user_2"),
            ("session.created", "/data/user/id", "user_2"),
        ] {
            let mut event = AnyFixture::named(name).unwrap().json();
            assert!(set(&mut event, "user_2"), "{name}");
            assert_eq!(event.pointer(path).unwrap(), expected, "{name} {path}");
        }
        let mut event = AnyFixture::named("role.created").unwrap().json();
        assert!(!set(&mut event, "user_2"));
    }

    #[test]
    fn the_user_of_the_example_changes_nothing() {
        let example = AnyFixture::named("user.created").unwrap().json();
        let mut event = example.clone();
        assert!(set(&mut event, example["data"]["id"].as_str().unwrap()));
        assert_eq!(event, example);
    }

    #[test]
    fn examples_of_one_object_have_the_same_id() {
        for (object, path) in [
            ("user", "/data/id"),
            ("organization", "/data/id"),
            ("organizationMembership", "/data/id"),
            ("organizationMembership", "/data/public_user_data/user_id"),
        ] {
            let ids = ["created", "updated", "deleted"].map(|event| {
                AnyFixture::named(&format!("{object}.{event}")).unwrap().json().pointer(path).cloned()
            });
            assert!(ids[0].is_some() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        }
    }
}
