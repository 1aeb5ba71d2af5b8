//! The kinds of objects that the API lists.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::schema::tables::Entity;

/// A kind of object that Clerk's Backend API lists, and the table for it.
///
/// Sessions and subscriptions are missing. The API lists sessions only for one user at a time, and its
/// subscriptions lack columns of the tables. Only events fill those tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// Users.
    Users,
    /// Organizations.
    Organizations,
    /// Memberships of users in organizations.
    Memberships,
    /// Invitations to organizations.
    Invitations,
    /// Domains of organizations.
    Domains,
    /// Roles in organizations.
    Roles,
    /// Permissions in organizations.
    Permissions,
    /// Entries of the waitlist.
    WaitlistEntries,
}

impl Resource {
    /// All resources.
    pub const ALL: &[Self] = &[
        Self::Users,
        Self::Organizations,
        Self::Memberships,
        Self::Invitations,
        Self::Domains,
        Self::Roles,
        Self::Permissions,
        Self::WaitlistEntries,
    ];

    /// Returns the name of the table, without its prefix: `users`, `waitlist_entries`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.entity().table().name
    }

    pub(crate) const fn entity(self) -> Entity {
        match self {
            Self::Users => Entity::Users,
            Self::Organizations => Entity::Organizations,
            Self::Memberships => Entity::Memberships,
            Self::Invitations => Entity::Invitations,
            Self::Domains => Entity::Domains,
            Self::Roles => Entity::Roles,
            Self::Permissions => Entity::Permissions,
            Self::WaitlistEntries => Entity::WaitlistEntries,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Resource {
    type Err = UnknownResource;

    fn from_str(text: &str) -> Result<Self, UnknownResource> {
        Self::ALL.iter().copied().find(|resource| resource.as_str() == text).ok_or(UnknownResource)
    }
}

/// The error for a text that is not the name of a [`Resource`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownResource;

impl fmt::Display for UnknownResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "this table does not exist, or Clerk's Backend API does not list its objects. Use one of ",
        )?;
        for (index, resource) in Resource::ALL.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{resource}")?;
        }
        Ok(())
    }
}

/// Shows the same text as `Display`, because a user sees it if `main` returns the error.
impl fmt::Debug for UnknownResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for UnknownResource {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_the_name_of_a_table() {
        let names: Vec<_> = Resource::ALL.iter().map(|resource| resource.as_str()).collect();
        assert_eq!(
            names,
            [
                "users",
                "organizations",
                "memberships",
                "invitations",
                "domains",
                "roles",
                "permissions",
                "waitlist_entries"
            ]
        );
        for resource in Resource::ALL {
            assert_eq!(resource.to_string().parse(), Ok(*resource));
        }
    }

    #[test]
    fn the_error_for_an_unknown_name_lists_the_names() {
        for unknown in ["", "user", "Users", "sessions", "clerk_users"] {
            let error = unknown.parse::<Resource>().unwrap_err();
            assert!(error.to_string().ends_with("users, organizations, memberships, invitations, domains, roles, permissions, waitlist_entries"));
        }
    }
}
