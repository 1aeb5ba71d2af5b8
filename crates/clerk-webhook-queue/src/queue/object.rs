//! The object that an event is about.

use clerk_webhook_core::Event;
use serde::Deserialize;

/// The maximum length of an id. A longer one cannot be one of Clerk's ids.
const MAX_LENGTH: usize = 255;

/// Returns the id of the object that the event is about, or `None` if its data has no id.
///
/// A queue calls this function for
/// [`TakeOptions::one_object_at_a_time`](crate::TakeOptions::one_object_at_a_time). A membership is
/// identified by its organization and its user, because a user who leaves an organization and joins it again
/// gets a membership with a different id.
///
/// ```
/// # use clerk_webhook_core::{Event, Timestamp};
/// use clerk_webhook_queue::object_of;
///
/// let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
/// let event = Event::from_trusted("msg_1".parse()?, Timestamp::now(), body.into())?;
/// assert_eq!(object_of(&event).as_deref(), Some("user_1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn object_of(event: &Event) -> Option<String> {
    let membership = || {
        let is_membership = event.event_type().as_str().starts_with("organizationMembership.");
        let data = is_membership.then(|| event.data_as::<Membership>().ok())??;
        Some(format!("{}/{}", data.organization.id, data.public_user_data.user_id))
    };
    let object = membership().or_else(|| Some(event.data_as::<Object>().ok()?.id))?;
    (1..=MAX_LENGTH).contains(&object.len()).then_some(object)
}

#[derive(Deserialize)]
struct Object {
    id: String,
}

#[derive(Deserialize)]
struct Membership {
    organization: Object,
    public_user_data: PublicUserData,
}

#[derive(Deserialize)]
struct PublicUserData {
    user_id: String,
}

#[cfg(test)]
mod tests {
    use clerk_webhook_core::Timestamp;

    use super::*;

    fn object(event_type: &str, data: &str) -> Option<String> {
        let body = format!(r#"{{"data":{data},"type":"{event_type}"}}"#);
        object_of(&Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), body.into()).unwrap())
    }

    #[test]
    fn the_object_of_an_event_is_the_id_in_its_data() {
        for event_type in ["user.created", "user.deleted", "session.ended", "future.event", ""] {
            assert_eq!(object(event_type, r#"{"id":"user_1"}"#).as_deref(), Some("user_1"), "{event_type}");
        }
    }

    #[test]
    fn the_object_of_a_membership_is_its_organization_and_user() {
        let data =
            r#"{"id":"orgmem_1","organization":{"id":"org_1"},"public_user_data":{"user_id":"user_1"}}"#;
        for event_type in ["created", "updated", "deleted"] {
            let event_type = format!("organizationMembership.{event_type}");
            assert_eq!(object(&event_type, data).as_deref(), Some("org_1/user_1"));
            assert_eq!(object(&event_type, r#"{"id":"orgmem_1"}"#).as_deref(), Some("orgmem_1"));
        }
        assert_eq!(object("user.created", data).as_deref(), Some("orgmem_1"));
    }

    #[test]
    fn data_without_a_usable_id_has_no_object() {
        let long = |length| format!(r#"{{"id":"{}"}}"#, "x".repeat(length));
        for data in ["null", "{}", "[]", r#"{"id":null}"#, r#"{"id":7}"#, r#"{"id":""}"#, &long(256)] {
            assert_eq!(object("user.created", data), None, "{data}");
        }
        assert_eq!(object("user.created", &long(255)).map(|object| object.len()), Some(255));
    }
}
