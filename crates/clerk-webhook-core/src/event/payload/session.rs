//! Sessions.

use serde::{Deserialize, Serialize};

use super::{Metadata, User};
use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// A session of a user in one client, the `data` of the `session.*` events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Session {
    /// The id (`sess_…`).
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The id of the user.
    #[serde(deserialize_with = "super::id")]
    pub user_id: String,
    /// The id of the client (`client_…`).
    pub client_id: Option<String>,
    /// Who impersonates the user, as `{"sub": "user_…"}` and more; empty without impersonation.
    #[serde(default)]
    pub actor: Metadata,
    /// The state of the session.
    #[serde(default)]
    pub status: SessionStatus,
    /// The id of the organization that was active last.
    pub last_active_organization_id: Option<String>,
    /// When the session was last used.
    pub last_active_at: Option<Timestamp>,
    /// The device and place of the last use, where they are known.
    pub latest_activity: Option<SessionActivity>,
    /// When the session ends whatever happens.
    pub expire_at: Option<Timestamp>,
    /// When the session ends if it is not used until then.
    pub abandon_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// When it began.
    pub created_at: Option<Timestamp>,
    /// The user as of the event; only since November 2025. `None` if it has no id.
    #[serde(default, deserialize_with = "super::embedded")]
    pub user: Option<User>,
}

open_enum! {
    /// The state of a [`Session`].
    SessionStatus {
        Active = "active",
        /// The user still has tasks to complete before the session becomes active.
        Pending = "pending",
        Revoked = "revoked",
        Ended = "ended",
        Expired = "expired",
        Removed = "removed",
        Abandoned = "abandoned",
        Replaced = "replaced",
    }
}

/// The device and place in which a [`Session`] was used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SessionActivity {
    /// The id.
    pub id: Option<String>,
    /// The kind of device, such as `desktop`.
    pub device_type: Option<String>,
    /// Whether it is a mobile device.
    pub is_mobile: Option<bool>,
    /// The name of the browser.
    pub browser_name: Option<String>,
    /// The version of the browser.
    pub browser_version: Option<String>,
    /// The IP address, as text.
    pub ip_address: Option<String>,
    /// The city, guessed from the address.
    pub city: Option<String>,
    /// The country, guessed from the address.
    pub country: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_before_november_2025_have_no_user() {
        let json = r#"{"abandon_at":5,"client_id":"client_1","created_at":1,"expire_at":4,"id":"sess_1",
            "last_active_at":3,"object":"session","status":"pending","updated_at":2,"user_id":"user_1"}"#;
        let session: Session = serde_json::from_str(json).unwrap();
        assert_eq!(session.status, SessionStatus::Pending);
        assert!(session.user.is_none() && session.latest_activity.is_none() && session.actor.is_empty());
    }

    #[test]
    fn a_session_does_not_need_the_id_of_its_embedded_user() {
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
