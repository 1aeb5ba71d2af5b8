//! Sessions.

use serde::{Deserialize, Serialize};

use super::{Metadata, User};
use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// A user's session in one client: the `data` of the `session.*` events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Session {
    /// The id (`sess_…`).
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The user's id.
    #[serde(deserialize_with = "super::id")]
    pub user_id: String,
    /// The id of the client (`client_…`).
    pub client_id: Option<String>,
    /// The actor who is impersonating the user, such as `{"sub": "user_…"}`; empty if there is no
    /// impersonation.
    #[serde(default)]
    pub actor: Metadata,
    /// The state of the session.
    #[serde(default)]
    pub status: SessionStatus,
    /// The id of the organization that was last active in the session.
    pub last_active_organization_id: Option<String>,
    /// The time at which the session was last used.
    pub last_active_at: Option<Timestamp>,
    /// The device and location from which the session was last used, if known.
    pub latest_activity: Option<SessionActivity>,
    /// The time at which the session ends, even if it is used.
    pub expire_at: Option<Timestamp>,
    /// The time at which the session ends if it is not used again.
    pub abandon_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The user at the time of the event; since November 2025. `None` if Clerk sends the user without an id.
    #[serde(default, deserialize_with = "super::embedded")]
    pub user: Option<User>,
}

open_enum! {
    /// The state of a [`Session`].
    SessionStatus {
        Active = "active",
        /// The user must complete tasks before the session becomes active.
        Pending = "pending",
        Revoked = "revoked",
        Ended = "ended",
        Expired = "expired",
        Removed = "removed",
        Abandoned = "abandoned",
        Replaced = "replaced",
    }
}

/// The device and location from which a [`Session`] was last used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SessionActivity {
    /// The id.
    pub id: Option<String>,
    /// The type of device, such as `desktop`.
    pub device_type: Option<String>,
    /// Whether the device is a mobile device.
    pub is_mobile: Option<bool>,
    /// The name of the browser.
    pub browser_name: Option<String>,
    /// The version of the browser.
    pub browser_version: Option<String>,
    /// The IP address.
    pub ip_address: Option<String>,
    /// The city, estimated from the IP address.
    pub city: Option<String>,
    /// The country, estimated from the IP address.
    pub country: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_a_session_without_a_user() {
        let json = r#"{"abandon_at":5,"client_id":"client_1","created_at":1,"expire_at":4,"id":"sess_1",
            "last_active_at":3,"object":"session","status":"pending","updated_at":2,"user_id":"user_1"}"#;
        let session: Session = serde_json::from_str(json).unwrap();
        assert_eq!(session.status, SessionStatus::Pending);
        assert!(session.user.is_none() && session.latest_activity.is_none() && session.actor.is_empty());
    }

    #[test]
    fn decodes_a_session_whose_user_has_no_id() {
        for (user, expected) in [
            (r#"{"first_name":"Ada"}"#, None),
            (r#"{"id":null,"first_name":"Ada"}"#, None),
            (r#"{"id":"","first_name":"Ada"}"#, None),
            ("{}", None),
            ("null", None),
            (r#"{"id":"user_1","first_name":"Ada"}"#, Some("user_1")),
            (r#"{"first_name":"Ada","id":"user_1"}"#, Some("user_1")),
        ] {
            let json = format!(r#"{{"user":{user},"id":"sess_1","user_id":"user_1","status":"active"}}"#);
            let session: Session = serde_json::from_str(&json).unwrap();
            assert_eq!(session.user.as_ref().map(|user| user.id.as_str()), expected, "{user}");
            assert_eq!(session.status, SessionStatus::Active, "{user}");
            let again: Session = serde_json::from_value(serde_json::to_value(&session).unwrap()).unwrap();
            assert_eq!(again, session);
        }
        for user in [r#"{"id":7}"#, r#"{"first_name":7}"#, r#""user_1""#, r#"["user_1"]"#] {
            let json = format!(r#"{{"user":{user},"id":"sess_1","user_id":"user_1"}}"#);
            assert!(serde_json::from_str::<Session>(&json).is_err(), "{user}");
        }
    }
}
