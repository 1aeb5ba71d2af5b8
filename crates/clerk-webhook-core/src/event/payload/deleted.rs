//! What is left of a deleted object.

use serde::{Deserialize, Serialize};

/// The `data` of the `*.deleted` events, except `organizationMembership.deleted`.
///
/// A deleted membership arrives whole, as an [`OrganizationMembership`](super::OrganizationMembership).
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
    /// The id of the deleted object; Clerk's schema does not promise it, but has always sent it.
    pub id: Option<String>,
    /// The kind of the deleted object: `user`, `organization`, `organization_domain`, `role`, `permission`.
    pub object: String,
    /// The slug of the deleted object, rarely present.
    pub slug: Option<String>,
    /// Whether the object is gone, which is `true` in everything Clerk sends.
    #[serde(default = "yes")]
    pub deleted: bool,
    /// The id in the application's own system: only on `user.deleted`, only if the user had one.
    pub external_id: Option<String>,
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_alone_is_enough() {
        let deleted: DeletedObject = serde_json::from_str(r#"{"object":"role","slug":null}"#).unwrap();
        assert!(deleted.deleted);
        assert_eq!((deleted.id, deleted.slug, deleted.external_id), (None, None, None));
    }
}
