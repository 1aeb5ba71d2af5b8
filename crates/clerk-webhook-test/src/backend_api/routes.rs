//! The paths of the Backend API.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};

use super::error::ApiError;
use super::json::Shape;
use super::list::List;
use super::query::Query;
use super::world::World;
use crate::history::ObjectKind;

/// What a path refers to.
#[derive(Clone, Copy, Debug)]
enum Route<'r> {
    Instance,
    UserCount,
    List(List<'r>),
    /// The id of an object, or an organization's id or slug.
    Object(ObjectKind, &'r str),
    /// The ids of an organization and its invitation.
    Invitation(&'r str, &'r str),
}

/// Answers a request for a path without `/v1`, or returns `None` if the path is unknown.
pub(super) fn answer(
    world: &World,
    instance_id: &str,
    disabled: &BTreeSet<ObjectKind>,
    path: &str,
    query: &Query,
) -> Option<Result<Value, ApiError>> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let route = Route::of(&segments)?;
    if let Some(error) = disabled.iter().find_map(|kind| route.disabled_by(*kind)) {
        return Some(Err(error));
    }
    Some(route.answer(world, instance_id, query))
}

impl<'r> Route<'r> {
    fn of(segments: &[&'r str]) -> Option<Self> {
        use ObjectKind::{
            Organization, OrganizationDomain, OrganizationInvitation, OrganizationMembership, Permission,
            Role, User, WaitlistEntry,
        };
        let of = |owner, id, kind| {
            Some(Self::List(List { kind, owner: Some((owner, id)), public_organization: false }))
        };
        let all = |kind| Some(Self::List(List::all(kind)));
        match *segments {
            ["instance"] => Some(Self::Instance),
            ["users"] => all(User),
            ["users", "count"] => Some(Self::UserCount),
            ["users", id] => Some(Self::Object(User, id)),
            ["users", id, "organization_memberships"] => of(User, id, OrganizationMembership),
            ["organizations"] => all(Organization),
            ["organizations", id] => Some(Self::Object(Organization, id)),
            ["organizations", id, "memberships"] => of(Organization, id, OrganizationMembership),
            ["organizations", id, "invitations"] => of(Organization, id, OrganizationInvitation),
            ["organizations", organization, "invitations", id] => Some(Self::Invitation(organization, id)),
            ["organizations", id, "domains"] => of(Organization, id, OrganizationDomain),
            ["organization_memberships"] => all(OrganizationMembership),
            ["organization_invitations"] => all(OrganizationInvitation),
            ["organization_domains"] => all(OrganizationDomain),
            ["organization_roles"] => all(Role),
            ["organization_roles", id] => Some(Self::Object(Role, id)),
            ["organization_permissions"] => all(Permission),
            ["organization_permissions", id] => Some(Self::Object(Permission, id)),
            ["waitlist_entries"] => all(WaitlistEntry),
            _ => None,
        }
    }

    fn answer(self, world: &World, instance_id: &str, query: &Query) -> Result<Value, ApiError> {
        match self {
            Self::Instance => Ok(json!({
                "allowed_origins": null,
                "environment_type": "development",
                "id": instance_id,
                "object": "instance",
                "workspace_id": null,
            })),
            Self::UserCount => {
                let count = List::all(ObjectKind::User).count(world, query)?;
                Ok(json!({ "object": "total_count", "total_count": count }))
            }
            Self::List(list) => list.page(world, query),
            Self::Object(kind, id) => {
                let object = match kind {
                    ObjectKind::Organization => world.organization(id),
                    kind => world.get(kind, id),
                };
                let shape = Shape::of(query)?;
                object.map(|object| world.json(kind, object, shape)).ok_or_else(|| ApiError::not_found(id))
            }
            Self::Invitation(organization, id) => {
                let kind = ObjectKind::OrganizationInvitation;
                let invitation = world.get(kind, id);
                let invitation = invitation
                    .filter(|invitation| invitation.organization_id.as_deref() == Some(organization));
                let invitation = invitation.ok_or_else(|| ApiError::not_found(id))?;
                Ok(world.json(kind, invitation, Shape::of(query)?))
            }
        }
    }

    /// Returns the error if the route needs objects of a kind that is turned off.
    fn disabled_by(self, kind: ObjectKind) -> Option<ApiError> {
        let needed = match self {
            Self::Instance => return None,
            Self::UserCount => ObjectKind::User,
            Self::List(list) => list.kind,
            Self::Object(kind, _) => kind,
            Self::Invitation(..) => ObjectKind::OrganizationInvitation,
        };
        let is_of_organizations = matches!(
            needed,
            ObjectKind::Organization
                | ObjectKind::OrganizationMembership
                | ObjectKind::OrganizationInvitation
                | ObjectKind::OrganizationDomain
                | ObjectKind::Role
                | ObjectKind::Permission
        );
        match kind {
            // Clerk answers as if the path did not exist.
            ObjectKind::Organization if is_of_organizations => Some(ApiError::not_found("organizations")),
            kind if kind == needed => Some(ApiError::new(
                StatusCode::BAD_REQUEST,
                "feature_not_enabled",
                "not enabled",
                "This feature is not enabled on this instance",
            )),
            _ => None,
        }
    }
}
