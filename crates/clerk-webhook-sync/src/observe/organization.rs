//! Organizations, memberships, invitations and domains.

use std::borrow::Cow;

use clerk_webhook_core::event::payload::{
    Organization, OrganizationDomain, OrganizationDomainVerification, OrganizationInvitation,
    OrganizationInvitationStatus, OrganizationMembership,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Observation, Observed, Observer, json, status};
use crate::error::SyncError;
use crate::observe::canonical::{Leave, canonical};
use crate::schema::tables::Entity;
use crate::value::{Value, clean, digest};

/// The JSON of the organization and the user data that a membership contains as copies.
#[derive(Default, Deserialize)]
struct Copies<'a> {
    #[serde(borrow)]
    organization: Option<&'a RawValue>,
    #[serde(borrow)]
    public_user_data: Option<&'a RawValue>,
}

impl Observer<'_> {
    pub(super) fn organization(&self, organization: &Organization) -> Observation {
        let columns = organization_columns(organization);
        self.whole(Entity::Organizations, &organization.id, organization.updated_at, columns)
    }

    /// Observes the copy of an organization that a membership contains. The copy lacks some fields.
    fn organization_copy(&self, organization: &Organization, copy: &str, event_at: i64) -> Observation {
        let times = (self.changed_at(organization.updated_at), event_at);
        let tie = digest(&canonical(copy, Leave::In, &[]));
        let columns = organization_columns(organization);
        self.copy(Entity::Organizations, &organization.id, times, tie, columns)
    }

    pub(super) fn membership(
        &self,
        membership: &OrganizationMembership,
    ) -> Result<Vec<Observation>, SyncError> {
        let Some(organization) = &membership.organization else { return Err(self.unconnected()) };
        let event_at = self.event_at(membership.updated_at);
        let copies: Copies<'_> = serde_json::from_str(self.event.raw_data()).unwrap_or_default();
        let raw = |copy: Option<&RawValue>| copy.map_or("null", RawValue::get).to_owned();
        // Clerk's specification allows a membership without a user.
        let user = membership.public_user_data.as_ref().zip(membership.user_id());
        let user = user.map(|(user, id)| self.user_copy(user, id, &raw(copies.public_user_data), event_at));
        let mut observations: Vec<_> = user.into_iter().collect();
        observations.push(self.organization_copy(organization, &raw(copies.organization), event_at));
        let columns = [
            // The views compare this time to find the later of two memberships.
            ("created_at", self.believable(membership.created_at).into()),
            ("organization_id", organization.id.as_str().into()),
            ("user_id", membership.user_id().into()),
            ("role", (&membership.role).into()),
            ("role_name", (&membership.role_name).into()),
            ("permissions", strings(&membership.permissions)),
            ("public_metadata", json(membership.public_metadata.as_json().into())),
        ];
        observations.push(self.whole(Entity::Memberships, &membership.id, membership.updated_at, columns));
        Ok(observations)
    }

    /// Returns the error for a membership without an organization, with the path of the missing field.
    fn unconnected(&self) -> SyncError {
        #[derive(Deserialize)]
        struct Connection {
            #[expect(dead_code, reason = "decoded only for its error")]
            organization: Organization,
        }
        SyncError::undecodable(match self.event.data_as::<Connection>() {
            Err(error) => error.to_string(),
            Ok(_) => "data.organization: is missing".to_owned(),
        })
    }

    /// Observes a deletion. `updated_at` in its data is the time of the last change, not of the deletion. The
    /// copies in it are not used, because their objects may be deleted too.
    pub(super) fn deleted_membership(&self, membership: &OrganizationMembership) -> Observation {
        let at = self.event.occurred_at().or(membership.updated_at);
        let at = at.unwrap_or_else(|| self.event.attempted_at()).as_millis();
        let kept = vec![
            self.believable(membership.created_at).into(),
            membership.organization_id().into(),
            membership.user_id().into(),
        ];
        let observed = Observed::Deleted { at, kept };
        Observation { entity: Entity::Memberships, id: clean(&membership.id), observed }
    }

    pub(super) fn invitation(&self, invitation: &OrganizationInvitation) -> Observation {
        let organization = invitation.organization().and_then(|organization| organization.id.as_deref());
        let state = invitation.status.as_ref().map_or("", OrganizationInvitationStatus::as_str);
        let columns = [
            ("created_at", invitation.created_at.into()),
            ("organization_id", invitation.organization_id.as_deref().or(organization).into()),
            ("email_address", (&invitation.email_address).into()),
            ("role", (&invitation.role).into()),
            ("role_name", (&invitation.role_name).into()),
            ("status", status(state)),
            ("inviter_id", (&invitation.inviter_id).into()),
            ("user_id", (&invitation.user_id).into()),
            ("expires_at", invitation.expires_at.into()),
            ("public_metadata", json(invitation.public_metadata.as_json().into())),
        ];
        self.whole(Entity::Invitations, &invitation.id, invitation.updated_at, columns)
    }

    pub(super) fn domain(&self, domain: &OrganizationDomain) -> Observation {
        let verification = domain.affiliation_verification.as_ref().or(domain.verification.as_ref());
        let owned = domain.ownership_verification.as_ref();
        let is_verified = |proof: Option<&OrganizationDomainVerification>| {
            proof.is_some_and(OrganizationDomainVerification::is_verified)
        };
        let columns = [
            ("created_at", domain.created_at.into()),
            ("organization_id", domain.organization_id.as_str().into()),
            ("name", (&domain.name).into()),
            ("enrollment_mode", status(domain.enrollment_mode.as_str())),
            ("verified", (is_verified(verification) || is_verified(owned)).into()),
        ];
        self.whole(Entity::Domains, &domain.id, domain.updated_at, columns)
    }
}

pub(super) fn strings(texts: &[impl serde::Serialize]) -> Value {
    json(Cow::Owned(serde_json::to_string(texts).unwrap_or_default()))
}

fn organization_columns(organization: &Organization) -> [(&'static str, Value); 8] {
    [
        ("created_at", organization.created_at.into()),
        ("name", (&organization.name).into()),
        ("slug", (&organization.slug).into()),
        ("image_url", organization.image_url.as_deref().or(organization.logo_url.as_deref()).into()),
        ("members_count", organization.members_count.into()),
        ("max_allowed_memberships", organization.max_allowed_memberships.into()),
        ("created_by", (&organization.created_by).into()),
        ("public_metadata", json(organization.public_metadata.as_json().into())),
    ]
}
