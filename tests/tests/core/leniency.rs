//! The required fields of each payload, and the errors if a field is missing or has a different type.

use std::collections::{BTreeMap, BTreeSet};

use clerk_webhook_core::event::UnrecognizedReason;
use clerk_webhook_core::event::marker::UserCreated;
use clerk_webhook_core::{Event, EventData, Timestamp};
use clerk_webhook_tests::mutations::{Missing, mutations};
use clerk_webhook_tests::{fixtures, folder, json_files, message_id};
use serde_json::Value;

fn event(body: impl Into<Vec<u8>>) -> Event {
    Event::from_trusted(message_id(), Timestamp::now(), body.into().into()).unwrap()
}

/// Returns the error if the data of an event cannot be decoded.
fn error(event: &Event) -> Option<String> {
    match event.data() {
        EventData::Unrecognized(data) => {
            assert!(matches!(data.reason(), UnrecognizedReason::Undecodable(_)), "{data:?}");
            Some(data.reason().to_string())
        }
        _ => None,
    }
}

/// Parses the table of required fields in the payloads' documentation.
fn documented() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    const DOCUMENTATION: &str = include_str!("../../../crates/clerk-webhook-core/src/event/payload/mod.rs");
    let rows = DOCUMENTATION.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    let row = |row: &'static str| {
        let (payload, fields) = row.split_once("`] |").unwrap();
        (payload, fields.split('`').skip(1).step_by(2).collect())
    };
    rows.map(row).collect()
}

#[test]
fn requires_only_the_documented_fields() {
    let documented = documented();
    let (mut seen, mut accepted, mut rejected) = (BTreeSet::new(), 0, BTreeSet::new());
    for (name, body) in fixtures() {
        let payload = event(body.clone()).event_type().payload_name().unwrap();
        let required = documented.get(payload).unwrap_or_else(|| panic!("{payload} is not documented"));
        seen.insert(payload);
        for mutation in mutations(&body) {
            let (path, missing) = (&mutation.path, mutation.missing);
            let field = path.strip_prefix("data.").unwrap();
            let expected = required.contains(field).then(|| match missing {
                Missing::Absent => format!("{path}: is missing"),
                Missing::Null => format!("{path}: is null, expected a string"),
            });
            assert_eq!(error(&event(mutation.body)), expected, "{name}: {path} {missing:?}");
            match expected {
                Some(_) => drop(rejected.insert((payload, field.to_owned()))),
                None => accepted += 1,
            }
        }
    }
    assert_eq!(seen, documented.keys().copied().collect());
    let rows = documented
        .into_iter()
        .flat_map(|(payload, fields)| fields.into_iter().map(move |field| (payload, field.to_owned())));
    assert_eq!(rejected, rows.collect());
    assert!(accepted > 3_000, "{accepted}");
}

#[test]
fn rejects_an_empty_string_in_a_required_field() {
    for (name, body) in fixtures() {
        let payload = event(body.clone()).event_type().payload_name().unwrap();
        for field in &documented()[payload] {
            let mut json: Value = serde_json::from_slice(&body).unwrap();
            json["data"][field] = "".into();
            let expected = format!("data.{field}: expected a string that is not empty");
            assert_eq!(error(&event(json.to_string())), Some(expected), "{name}");
        }
    }
}

#[test]
fn a_deletion_requires_only_an_id() {
    for object in ["user", "organization", "organizationDomain", "role", "permission"] {
        for data in [
            r#"{"id":"x_1"}"#,
            r#"{"id":"x_1","deleted":true}"#,
            r#"{"id":"x_1","object":null,"deleted":null}"#,
        ] {
            let event = event(format!(r#"{{"data":{data},"type":"{object}.deleted"}}"#));
            let id = match event.data() {
                EventData::UserDeleted(object)
                | EventData::OrganizationDeleted(object)
                | EventData::OrganizationDomainDeleted(object)
                | EventData::RoleDeleted(object)
                | EventData::PermissionDeleted(object) => object.id.as_deref(),
                data => panic!("{data:?}"),
            };
            assert_eq!(id, Some("x_1"), "{object} {data}");
        }
    }
    for data in
        [r#"{"id":"orgmem_1"}"#, r#"{"id":"orgmem_1","deleted":true,"object":"organization_membership"}"#]
    {
        let event = event(format!(r#"{{"data":{data},"type":"organizationMembership.deleted"}}"#));
        let EventData::OrganizationMembershipDeleted(membership) = event.data() else { panic!("{event:?}") };
        assert_eq!((membership.id.as_str(), membership.organization_id()), ("orgmem_1", None));
    }
}

#[test]
fn reports_the_path_of_a_value_with_another_type() {
    for (event_type, data, expected) in [
        (
            "user.created",
            r#"{"id":"user_1","created_at":"today"}"#,
            "data.created_at: expected milliseconds since the Unix epoch",
        ),
        (
            "user.created",
            r#"{"id":"user_1","email_addresses":[{},{"verification":{"status":1}}]}"#,
            "data.email_addresses[1].verification.status: expected a string",
        ),
        (
            "user.created",
            r#"{"id":"user_1","email_addresses":{}}"#,
            "data.email_addresses: expected a sequence",
        ),
        (
            "session.created",
            r#"{"id":"sess_1","user_id":"user_1","user":{"banned":"no","id":"user_1"}}"#,
            "data.user.banned: expected a boolean",
        ),
        (
            "session.created",
            r#"{"id":"sess_1","user_id":"user_1","user":{"phone_numbers":[{"id":1}]}}"#,
            "data.user.phone_numbers[0].id: expected a string",
        ),
        (
            "organizationMembership.created",
            r#"{"id":"orgmem_1","organization":{"id":7}}"#,
            "data.organization.id: expected a string",
        ),
        ("user.deleted", r#"{"id":7}"#, "data.id: expected a string"),
    ] {
        let event = event(format!(r#"{{"data":{data},"type":"{event_type}"}}"#));
        assert_eq!(error(&event).as_deref(), Some(expected));
    }
}

#[test]
fn decodes_incomplete_payloads_from_public_reports() {
    let files = json_files(&folder("field-cases"));
    assert_eq!(files.len(), 11);
    for (name, body) in files {
        let event = event(body);
        let expected = (name == "user.created-addresses-as-strings")
            .then_some("data.email_addresses[0]: expected struct EmailAddress");
        assert_eq!(error(&event).as_deref(), expected, "{name}");
        match event.data() {
            EventData::UserCreated(user) => {
                assert_eq!(user.email_addresses.len(), 1, "{name}");
                assert!(user.email_addresses[0].email_address.is_some(), "{name}");
            }
            EventData::UserUpdated(user) => {
                assert!(user.email_addresses.is_empty() && user.first_name.is_none())
            }
            EventData::UserDeleted(user) => assert_eq!(user.id.as_deref(), Some("clerk_123")),
            EventData::SessionCreated(session) => {
                assert_eq!((session.status.as_str(), session.abandon_at), ("active", None));
            }
            EventData::OrganizationMembershipCreated(membership) => {
                assert_eq!(membership.organization_id(), Some("org_abc"));
                assert_eq!(
                    (membership.user_id(), membership.role.as_deref()),
                    (Some("user_abc"), Some("org:member"))
                );
            }
            EventData::OrganizationInvitationAccepted(invitation) => {
                assert_eq!(invitation.organization_id.as_deref(), Some("org_abc"));
            }
            EventData::SubscriptionItemCanceled(item) => {
                assert_eq!((item.id.as_deref(), item.status.as_str()), (None, ""));
                assert_eq!(item.payer.as_ref().unwrap().user_id.as_deref(), Some("user_cancel"));
            }
            EventData::EmailCreated(email) => assert_eq!(email.delivered_by_clerk, Some(false)),
            EventData::WaitlistEntryCreated(entry) => assert_eq!(entry.status.as_str(), "pending"),
            data => assert_eq!(name, "user.created-addresses-as-strings", "{data:?}"),
        }
    }
}

#[test]
fn finds_the_primary_address_if_another_address_is_incomplete() {
    let body = r#"{"data":{"id":"user_1","primary_email_address_id":"idn_2","email_addresses":[{"id":"idn_1"},
        {"id":"idn_2","email_address":"ada@example.com"}]},"type":"user.created"}"#;
    let event = event(body);
    let user = event.payload(UserCreated).unwrap();
    assert_eq!(user.primary_email_address().unwrap().email_address.as_deref(), Some("ada@example.com"));
}
