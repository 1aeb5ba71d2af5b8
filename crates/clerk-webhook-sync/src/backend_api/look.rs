//! Reads single objects, to find out whether they exist.

use super::answer::{self, Object, Page};
use super::client::BackendApi;
use super::endpoint::{MAX_IDS, Request, is_known_to_clerk};
use super::error::{BackendApiError, BackendApiErrorKind};
use super::resource::Resource;

/// What Clerk says about an object.
#[derive(Clone, Debug)]
pub(crate) enum Look {
    /// The object exists.
    Exists { object: Object, read_at: i64 },
    /// The object does not exist, unless the feature was turned off:
    /// [`BackendApi::check_that_feature_is_on`]. `at` is when Clerk answered, at the latest.
    Gone { at: i64 },
    /// Neither is certain.
    Unknown,
}

/// An object that a listing did not contain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Absent<'a> {
    pub(crate) id: &'a str,
    pub(crate) organization_id: Option<&'a str>,
    pub(crate) user_id: Option<&'a str>,
}

impl BackendApi {
    /// Looks at one object.
    ///
    /// Returns [`Look::Unknown`] if an id that the request needs is missing, if Clerk rejects the request for
    /// another reason than the object's absence, or if the answer is about another object.
    ///
    /// Returns an error if Clerk rejects the key or the rate, does not answer, or says that the feature is
    /// off.
    pub(crate) async fn look(&self, resource: Resource, row: Absent<'_>) -> Result<Look, BackendApiError> {
        let ids = [Some(row.id), row.organization_id, row.user_id];
        if !ids.into_iter().flatten().all(is_known_to_clerk) {
            return Ok(Look::Unknown);
        }
        let looked = match (resource, row.organization_id, row.user_id) {
            (Resource::Users, ..) => self.look_at(Request::user(row.id), row.id).await,
            (Resource::Organizations, ..) => self.look_at(Request::organization(row.id), row.id).await,
            (Resource::Roles, ..) => self.look_at(Request::role(row.id), row.id).await,
            (Resource::Permissions, ..) => self.look_at(Request::permission(row.id), row.id).await,
            (Resource::Invitations, Some(organization), _) => {
                self.look_at(Request::invitation(organization, row.id), row.id).await
            }
            (Resource::Memberships, Some(organization), Some(user)) => {
                match self.look_in(resource, Request::membership(organization, user), row.id).await {
                    // A membership does not outlive its organization or its user.
                    Err(error) if error.is_no_object() => self.look_at_parents(organization, user).await,
                    looked => looked,
                }
            }
            (Resource::Domains, Some(organization), _) => {
                let request = Request::list(resource).with("organization_id", organization);
                self.look_in(resource, request, row.id).await
            }
            (Resource::WaitlistEntries, ..) => {
                self.look_in(resource, Request::list(resource).with("query", row.id), row.id).await
            }
            (Resource::Memberships | Resource::Invitations | Resource::Domains, ..) => Ok(Look::Unknown),
        };
        looked.or_else(|error| if is_about_object(&error) { Ok(Look::Unknown) } else { Err(error) })
    }

    /// Returns the users or the organizations with these ids that exist.
    ///
    /// An object that is missing in the result can exist: look at it.
    pub(crate) async fn existing(&self, resource: Resource, ids: &[&str]) -> Result<Page, BackendApiError> {
        let mut existing = Page { objects: Vec::new(), total: None, read_at: i64::MAX };
        let name = match resource {
            Resource::Users => "user_id",
            Resource::Organizations => "organization_id",
            // These lists have no such filter.
            _ => return Ok(existing),
        };
        let ids: Vec<_> = ids.iter().copied().filter(|id| is_known_to_clerk(id)).collect();
        for ids in ids.chunks(MAX_IDS) {
            let request = ids.iter().fold(Request::list(resource), |request, id| request.with(name, id));
            let request = request.with("limit", MAX_IDS);
            let (rows, read_at) = self.get(&request, |body| answer::rows(body, resource)).await?;
            existing.read_at = existing.read_at.min(read_at.earliest);
            existing.objects.extend(rows.objects.into_iter().filter(|object| ids.contains(&&*object.id)));
        }
        Ok(existing)
    }

    /// Looks at an object that has an endpoint.
    async fn look_at(&self, request: Request, id: &str) -> Result<Look, BackendApiError> {
        match self.get(&request, answer::object).await {
            Ok((Some(object), read_at)) if object.id == id => {
                Ok(Look::Exists { object, read_at: read_at.earliest })
            }
            Ok(_) => Ok(Look::Unknown),
            Err(error) => match error.answered_at().filter(|_| error.is_no_object()) {
                Some(at) => Ok(Look::Gone { at }),
                None => Err(error),
            },
        }
    }

    /// Looks at the organization and the user of a membership. Returns [`Look::Gone`] if one of them does not
    /// exist.
    async fn look_at_parents(&self, organization: &str, user: &str) -> Result<Look, BackendApiError> {
        for (request, id) in
            [(Request::organization(organization), organization), (Request::user(user), user)]
        {
            if let Look::Gone { at } = self.look_at(request, id).await? {
                return Ok(Look::Gone { at });
            }
        }
        Ok(Look::Unknown)
    }

    /// Looks for an object in a list.
    async fn look_in(&self, resource: Resource, request: Request, id: &str) -> Result<Look, BackendApiError> {
        let mut listing = self.list_matching(resource, request);
        while let Some(page) = listing.next().await? {
            if let Some(object) = page.objects.into_iter().find(|object| object.id == id) {
                return Ok(Look::Exists { object, read_at: page.read_at });
            }
        }
        Ok(match listing.ended_at().filter(|_| listing.is_complete()) {
            Some(at) => Look::Gone { at },
            None => Look::Unknown,
        })
    }

    /// Returns an error if the resource cannot be listed.
    ///
    /// If a feature is turned off, Clerk answers as if none of its objects exists. Call this after the last
    /// [`Look::Gone`] that it has to confirm.
    pub(crate) async fn check_that_feature_is_on(&self, resource: Resource) -> Result<(), BackendApiError> {
        let request = Request::list(resource).with("limit", 1);
        self.get(&request, |body| answer::rows(body, resource)).await.map(drop)
    }
}

/// Returns whether an error concerns only the object, so that other objects can still be looked at.
fn is_about_object(error: &BackendApiError) -> bool {
    match error.kind() {
        BackendApiErrorKind::Rejected => true,
        BackendApiErrorKind::UnusableResponse => error.status().is_none(),
        BackendApiErrorKind::Unavailable => error.status() == Some(500),
        _ => false,
    }
}
