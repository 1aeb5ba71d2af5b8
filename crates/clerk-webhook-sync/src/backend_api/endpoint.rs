//! The endpoints, their paths and their parameters.

use std::fmt::Display;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::resource::Resource;

/// The characters that are escaped in a path segment or a parameter: all except the unreserved ones.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The number of objects in a page. Clerk answers a higher limit with 10 objects.
pub(super) const MAX_LIMIT: u32 = 500;

/// The number of ids that Clerk accepts in a filter.
pub(crate) const MAX_IDS: usize = 100;

/// What the status 404 with the code `resource_not_found` says about an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotFound {
    /// The key belongs to no instance.
    NoInstance,
    /// The instance does not have the feature.
    FeatureOff,
    /// An object in the path does not exist.
    NoObject,
}

/// A GET request without the base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The path without ids.
    pub(super) endpoint: &'static str,
    pub(super) not_found: NotFound,
    /// The path and the query.
    pub(super) target: String,
}

impl Request {
    /// The instance that the key belongs to.
    pub(super) fn instance() -> Self {
        Self::new("/instance", NotFound::NoInstance)
    }

    /// The number of users.
    pub(super) fn users_count() -> Self {
        Self::new("/users/count", NotFound::NoInstance)
    }

    /// All objects of a resource.
    pub(super) fn list(resource: Resource) -> Self {
        match resource {
            Resource::Users => Self::new("/users", NotFound::NoInstance),
            Resource::Organizations => {
                Self::new("/organizations", NotFound::FeatureOff).with("include_members_count", true)
            }
            Resource::Memberships => Self::new("/organization_memberships", NotFound::FeatureOff),
            Resource::Invitations => Self::new("/organization_invitations", NotFound::FeatureOff),
            Resource::Domains => Self::new("/organization_domains", NotFound::FeatureOff),
            Resource::Roles => Self::new("/organization_roles", NotFound::FeatureOff),
            Resource::Permissions => Self::new("/organization_permissions", NotFound::FeatureOff),
            Resource::WaitlistEntries => Self::new("/waitlist_entries", NotFound::FeatureOff),
        }
    }

    pub(super) fn user(id: &str) -> Self {
        Self::object("/users/{user_id}", &[id])
    }

    pub(super) fn organization(id: &str) -> Self {
        Self::object("/organizations/{organization_id}", &[id]).with("include_members_count", true)
    }

    pub(super) fn invitation(organization_id: &str, id: &str) -> Self {
        Self::object("/organizations/{organization_id}/invitations/{invitation_id}", &[organization_id, id])
    }

    pub(super) fn role(id: &str) -> Self {
        Self::object("/organization_roles/{organization_role_id}", &[id])
    }

    pub(super) fn permission(id: &str) -> Self {
        Self::object("/organization_permissions/{permission_id}", &[id])
    }

    /// An organization's memberships of a user.
    pub(super) fn membership(organization_id: &str, user_id: &str) -> Self {
        Self::object("/organizations/{organization_id}/memberships", &[organization_id])
            .with("user_id", user_id)
    }

    /// Adds a parameter.
    pub(super) fn with(mut self, name: &str, value: impl Display) -> Self {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(name);
        self.target.push('=');
        self.target.extend(utf8_percent_encode(&value.to_string(), ESCAPED));
        self
    }

    fn new(endpoint: &'static str, not_found: NotFound) -> Self {
        Self { endpoint, not_found, target: endpoint.to_owned() }
    }

    /// Replaces the names in braces with ids.
    fn object(endpoint: &'static str, ids: &[&str]) -> Self {
        let mut ids = ids.iter();
        let mut target = String::new();
        for segment in endpoint.split('/').skip(1) {
            target.push('/');
            match ids.as_slice() {
                [id, ..] if segment.starts_with('{') => {
                    target.extend(utf8_percent_encode(id, ESCAPED));
                    ids.next();
                }
                _ => target.push_str(segment),
            }
        }
        Self { endpoint, not_found: NotFound::NoObject, target }
    }
}

/// Returns whether Clerk can find an object by this id, in a path and in a filter.
///
/// The tables contain the digest of a very long id, which Clerk does not know. A filter excludes an id after
/// `-`. Servers and proxies resolve the segments `.` and `..`.
pub(super) fn is_known_to_clerk(id: &str) -> bool {
    id.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !id.starts_with("sha256:")
        && !id.contains('\u{fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_ids_in_paths_and_parameters() {
        assert_eq!(Request::user("user_1").target, "/users/user_1");
        assert_eq!(Request::user("a/../b?c=d#é %").target, "/users/a%2F..%2Fb%3Fc%3Dd%23%C3%A9%20%25");
        assert_eq!(
            Request::invitation("org_1/x", "orginv_{1}").target,
            "/organizations/org_1%2Fx/invitations/orginv_%7B1%7D"
        );
        assert_eq!(
            Request::membership("org_1", "-user&limit=1").with("limit", 500).target,
            "/organizations/org_1/memberships?user_id=-user%26limit%3D1&limit=500"
        );
        assert_eq!(
            Request::list(Resource::Organizations).with("order_by", "+created_at").target,
            "/organizations?include_members_count=true&order_by=%2Bcreated_at"
        );
    }

    #[test]
    fn does_not_look_up_ids_that_clerk_reads_differently() {
        for id in ["user_1", "org_2fAq", "0"] {
            assert!(is_known_to_clerk(id), "{id}");
        }
        for id in ["", ".", "..", "-user_1", "+user_1", "sha256:00", "user_\u{fffd}", "/users", "é"] {
            assert!(!is_known_to_clerk(id), "{id}");
        }
    }
}
