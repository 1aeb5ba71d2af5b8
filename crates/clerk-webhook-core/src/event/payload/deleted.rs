//! Deleted objects.

use serde::{Deserialize, Deserializer, Serialize};

/// The `data` of the `*.deleted` events, except `organizationMembership.deleted`.
///
/// The payload of a deleted membership is an [`OrganizationMembership`](super::OrganizationMembership).
///
/// ```
/// use clerk_webhook_core::event::payload::DeletedObject;
///
/// let deleted: DeletedObject =
///     serde_json::from_str(r#"{"deleted":true,"id":"user_2fAq","object":"user"}"#)?;
/// assert_eq!(deleted.id.as_deref(), Some("user_2fAq"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeletedObject {
    /// The id of the deleted object. Clerk has always sent it, but its schema does not guarantee it.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub id: Option<String>,
    /// The kind of the deleted object: `user`, `organization`, `organization_domain`, `role`, `permission`.
    pub object: Option<String>,
    /// The slug of the deleted object; rarely present.
    pub slug: Option<String>,
    /// Whether the object was deleted. Clerk always sends `true`.
    #[serde(default = "yes", deserialize_with = "null_as_yes")]
    pub deleted: bool,
    /// The id in the application's own system; only in `user.deleted`, and only if the user had such an id.
    pub external_id: Option<String>,
}

fn yes() -> bool {
    true
}

fn null_as_yes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::deserialize(deserializer).map(|deleted| deleted.unwrap_or_else(yes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_an_object_without_fields() {
        for json in ["{}", r#"{"id":"","deleted":null,"object":null}"#] {
            let deleted: DeletedObject = serde_json::from_str(json).unwrap();
            assert!(deleted.deleted);
            assert_eq!((deleted.id, deleted.object, deleted.slug), (None, None, None));
        }
    }
}
