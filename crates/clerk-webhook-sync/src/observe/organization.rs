//! Organizations, and what belongs to them.

use std::borrow::Cow;

use clerk_webhook_core::event::payload::{
    Organization, OrganizationDomain, OrganizationDomainVerification, OrganizationInvitation,
    OrganizationInvitationStatus, OrganizationMembership,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Change, Observation, Observer, Order, Rank, json};
use crate::canonical::{Leave, canonical, digest};
use crate::rules::Rule;
use crate::schema::Entity;
use crate::value::{Value, clean};

/// The copies inside of a membership, as they were sent.
#[derive(Default, Deserialize)]
struct Copies<'a> {
    #[serde(borrow)]
    organization: Option<&'a RawValue>,
    #[serde(borrow)]
    public_user_data: Option<&'a RawValue>,
}

impl Observer<'_> {
    pub(super) fn organization(&self, organization: &Organization) -> Observation {
        let columns = self.organization_columns(organization, self.raw(&[]));
        let updated_at = Some(organization.updated_at);
        self.whole(Entity::Organizations, &organization.id, updated_at, columns, Vec::new())
    }

    fn organization_columns(&self, organization: &Organization, raw: Value) -> Vec<Value> {
        Entity::Organizations.table().row([
            ("created_at", organization.created_at.into()),
            ("name", organization.name.as_str().into()),
            ("slug", (&organization.slug).into()),
            ("image_url", organization.image_url.as_deref().or(organization.logo_url.as_deref()).into()),
            ("members_count", organization.members_count.into()),
            ("max_allowed_memberships", organization.max_allowed_memberships.into()),
            ("created_by", (&organization.created_by).into()),
            ("public_metadata", json(organization.public_metadata.as_json().into())),
            ("raw", raw),
        ])
    }

    /// What a membership shows of its organization, which is not all of it.
    fn organization_copy(&self, organization: &Organization, copy: &str, event_at: i64) -> Observation {
        let rank = if self.rules.hold(Rule::CopiesAreLess) { Rank::Copy } else { Rank::Whole };
        let order = Order {
            rank,
            updated_at: organization.updated_at.as_millis(),
            event_at,
            tie: digest(&canonical(copy, Leave::In, &[])),
        };
        let columns = self.organization_columns(organization, Value::Json(None));
        let change = Change::Version { order, columns, children: None };
        Observation { entity: Entity::Organizations, id: clean(&organization.id), change }
    }

    pub(super) fn membership(&self, membership: &OrganizationMembership) -> Vec<Observation> {
        let event_at = self.event_at(Some(membership.updated_at));
        let copies: Copies<'_> = serde_json::from_str(self.event.raw_data()).unwrap_or_default();
        let raw = |copy: Option<&RawValue>| copy.map_or("null", RawValue::get).to_owned();
        let user = membership.public_user_data.as_ref();
        let mut observations: Vec<_> = user
            .map(|user| self.user_copy(user, &raw(copies.public_user_data), event_at))
            .into_iter()
            .collect();
        observations.push(self.organization_copy(
            &membership.organization,
            &raw(copies.organization),
            event_at,
        ));
        let columns = Entity::Memberships.table().row([
            ("created_at", membership.created_at.into()),
            ("organization_id", membership.organization_id().into()),
            ("user_id", membership.user_id().into()),
            ("role", membership.role.as_str().into()),
            ("role_name", (&membership.role_name).into()),
            ("permissions", strings(&membership.permissions)),
            ("public_metadata", json(membership.public_metadata.as_json().into())),
            // The tombstone of a user reaches the row of the user only, so there must be nothing of them elsewhere.
            ("raw", self.raw(&["organization", "public_user_data"])),
        ]);
        let updated_at = Some(membership.updated_at);
        observations.push(self.whole(Entity::Memberships, &membership.id, updated_at, columns, Vec::new()));
        observations
    }

    /// The data of a deleted membership is as it was before, `updated_at` included. What it shows of others is not looked
    /// at: they may be gone as well.
    pub(super) fn deleted_membership(&self, membership: &OrganizationMembership) -> Observation {
        let at = if self.rules.hold(Rule::DeletedByEnvelope) {
            self.event_at(Some(membership.updated_at))
        } else {
            membership.updated_at.as_millis()
        };
        let kept = vec![membership.organization_id().into(), membership.user_id().into()];
        let change = Change::Deleted { at, kept };
        Observation { entity: Entity::Memberships, id: clean(&membership.id), change }
    }

    pub(super) fn invitation(&self, invitation: &OrganizationInvitation) -> Observation {
        let organization = invitation.organization().map(|organization| organization.id.as_str());
        let status = invitation.status.as_ref().map(OrganizationInvitationStatus::as_str);
        // Whoever has the link is the one who was invited; and others are shown by copies that are as in a membership.
        let left_out: &[&str] = match self.raw {
            crate::RawColumn::Full => &["data", "public_inviter_data", "public_organization_data"],
            _ => &["data", "public_inviter_data", "public_organization_data", "url"],
        };
        let columns = Entity::Invitations.table().row([
            ("created_at", invitation.created_at.into()),
            ("organization_id", invitation.organization_id.as_deref().or(organization).into()),
            ("email_address", invitation.email_address.as_str().into()),
            ("role", invitation.role.as_str().into()),
            ("role_name", (&invitation.role_name).into()),
            ("status", status.into()),
            ("inviter_id", (&invitation.inviter_id).into()),
            ("user_id", (&invitation.user_id).into()),
            ("expires_at", invitation.expires_at.into()),
            ("public_metadata", json(invitation.public_metadata.as_json().into())),
            ("raw", self.raw(left_out)),
        ]);
        let updated_at = Some(invitation.updated_at);
        self.whole(Entity::Invitations, &invitation.id, updated_at, columns, Vec::new())
    }

    pub(super) fn domain(&self, domain: &OrganizationDomain) -> Observation {
        let verification = domain.affiliation_verification.as_ref().or(domain.verification.as_ref());
        let owned = domain.ownership_verification.as_ref();
        let is_verified = |proof: Option<&OrganizationDomainVerification>| {
            proof.is_some_and(OrganizationDomainVerification::is_verified)
        };
        let columns = Entity::Domains.table().row([
            ("created_at", domain.created_at.into()),
            ("organization_id", domain.organization_id.as_str().into()),
            ("name", domain.name.as_str().into()),
            ("enrollment_mode", domain.enrollment_mode.as_str().into()),
            ("verified", (is_verified(verification) || is_verified(owned)).into()),
            // The address is that of whoever has verified the domain, whose tombstone does not reach this row.
            ("raw", self.raw(&["affiliation_email_address", "public_organization_data"])),
        ]);
        let updated_at = Some(domain.updated_at);
        self.whole(Entity::Domains, &domain.id, updated_at, columns, Vec::new())
    }
}

pub(super) fn strings(texts: &[impl serde::Serialize]) -> Value {
    json(Cow::Owned(serde_json::to_string(texts).unwrap_or_default()))
}
