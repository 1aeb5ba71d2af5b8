//! Organizations and their objects in Clerk's format. The fields are in the order of Clerk's JSON.

use serde::Serialize;

use super::event_log::EventLog;
use super::person::{IMAGE, Metadata, Person};

const TRADES: [&str; 8] =
    ["Atelier", "Bakery", "Brasserie", "Foundry", "Laboratório", "Observatory", "Verlag", "Werkstatt"];
const PLACES: [&str; 8] = ["Cirey", "Delft", "Göttingen", "Kyōto", "Lund", "Mumbai", "Torino", "Yorkshire"];
const MODES: [&str; 3] = ["automatic_invitation", "automatic_suggestion", "manual_invitation"];

/// A role in an organization: its key, its name and its permissions.
pub(super) type Role = (&'static str, &'static str, &'static [&'static str]);

pub(super) const ADMIN: Role = (
    "org:admin",
    "Admin",
    &["org:sys_profile:manage", "org:sys_memberships:manage", "org:sys_memberships:read"],
);
pub(super) const MEMBER: Role = ("org:member", "Member", &["org:sys_memberships:read"]);
pub(super) const ROLES: [Role; 3] =
    [ADMIN, MEMBER, ("org:accountant", "Buchhaltung", &["org:invoices:create", "org:sys_memberships:read"])];

#[derive(Clone, Debug, Serialize)]
pub(super) struct Organization {
    admin_delete_enabled: bool,
    pub(super) created_at: i64,
    created_by: String,
    has_image: bool,
    pub(super) id: String,
    image_url: &'static str,
    max_allowed_memberships: u32,
    pub(super) members_count: usize,
    missing_member_with_elevated_permissions: bool,
    name: String,
    object: &'static str,
    pub(super) pending_invitations_count: usize,
    private_metadata: Metadata,
    public_metadata: Metadata,
    pub(super) slug: String,
    pub(super) updated_at: i64,
    #[serde(skip)]
    pub(super) members: Vec<Membership>,
    #[serde(skip)]
    pub(super) former: Vec<u32>,
    #[serde(skip)]
    pub(super) invitations: Vec<Invitation>,
    #[serde(skip)]
    pub(super) domains: Vec<Domain>,
}

#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub(super) person: u32,
    pub(super) id: String,
    pub(super) role: Role,
    pub(super) metadata: Metadata,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Invitation {
    pub(super) id: String,
    pub(super) email_address: String,
    pub(super) inviter: u32,
    pub(super) role: Role,
    pub(super) status: &'static str,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Domain {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) mode: &'static str,
    pub(super) verified: bool,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

/// The JSON of a membership.
#[derive(Serialize)]
pub(super) struct MembershipData<'a> {
    created_at: i64,
    id: &'a str,
    object: &'static str,
    organization: NestedOrganization<'a>,
    permissions: &'a [&'static str],
    private_metadata: Metadata,
    public_metadata: &'a Metadata,
    public_user_data: PublicUserData<'a>,
    role: &'static str,
    role_name: &'static str,
    updated_at: i64,
}

/// The JSON of an organization inside a membership, which lacks `created_by` and `private_metadata`.
#[derive(Serialize)]
struct NestedOrganization<'a> {
    admin_delete_enabled: bool,
    created_at: i64,
    has_image: bool,
    id: &'a str,
    image_url: &'static str,
    max_allowed_memberships: u32,
    members_count: usize,
    missing_member_with_elevated_permissions: bool,
    name: &'a str,
    object: &'static str,
    pending_invitations_count: usize,
    public_metadata: &'a Metadata,
    slug: &'a str,
    updated_at: i64,
}

#[derive(Serialize)]
struct PublicUserData<'a> {
    banned: bool,
    deprovisioned: bool,
    first_name: Option<&'static str>,
    has_image: bool,
    identifier: Option<&'a str>,
    image_url: &'static str,
    last_name: Option<&'static str>,
    profile_image_url: &'static str,
    user_id: &'a str,
    username: Option<&'a str>,
}

/// The JSON of an invitation.
#[derive(Serialize)]
pub(super) struct InvitationData<'a> {
    created_at: i64,
    email_address: &'a str,
    expires_at: i64,
    id: &'a str,
    inviter_id: Option<&'a str>,
    object: &'static str,
    organization_id: &'a str,
    private_metadata: Metadata,
    public_inviter_data: Option<Inviter<'a>>,
    public_metadata: Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_organization_data: Option<PublicOrganizationData<'a>>,
    role: &'static str,
    role_name: &'static str,
    status: &'static str,
    updated_at: i64,
    url: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Inviter<'a> {
    first_name: Option<&'static str>,
    has_image: bool,
    identifier: Option<&'a str>,
    image_url: &'static str,
    last_name: Option<&'static str>,
    user_id: &'a str,
}

#[derive(Serialize)]
struct PublicOrganizationData<'a> {
    has_image: bool,
    id: &'a str,
    image_url: &'static str,
    name: &'a str,
    slug: &'a str,
}

/// The JSON of a domain.
#[derive(Serialize)]
pub(super) struct DomainData<'a> {
    affiliation_email_address: Option<&'a str>,
    affiliation_verification: Option<DomainVerification>,
    created_at: i64,
    enrollment_mode: &'static str,
    id: &'a str,
    name: &'a str,
    object: &'static str,
    organization_id: &'a str,
    ownership_verification: Option<DomainVerification>,
    public_organization_data: PublicOrganizationData<'a>,
    total_pending_invitations: u32,
    total_pending_suggestions: u32,
    updated_at: i64,
    verification: Option<DomainVerification>,
}

#[derive(Clone, Copy, Serialize)]
struct DomainVerification {
    attempts: u32,
    expire_at: i64,
    status: &'static str,
    strategy: &'static str,
    verified_at: i64,
}

impl Organization {
    pub(super) fn new(log: &mut EventLog, founder: &Person, number: usize) -> Self {
        let now = log.moment();
        Self {
            admin_delete_enabled: true,
            created_at: now,
            created_by: founder.id.clone(),
            has_image: false,
            id: log.id("org"),
            image_url: IMAGE,
            max_allowed_memberships: log.random.pick(&[0, 5, 100]),
            members_count: 1,
            missing_member_with_elevated_permissions: false,
            name: format!("{} {}", log.random.pick(&TRADES), log.random.pick(&PLACES)),
            object: "organization",
            pending_invitations_count: 0,
            private_metadata: Metadata::new(),
            public_metadata: Metadata::new(),
            slug: format!("organization-{number}"),
            updated_at: now,
            members: Vec::new(),
            former: Vec::new(),
            invitations: Vec::new(),
            domains: Vec::new(),
        }
    }

    /// Changes a random field.
    pub(super) fn change(&mut self, log: &mut EventLog) {
        match log.random.below(5) {
            0 => {
                self.name = format!("{} {}", log.random.pick(&TRADES), log.random.pick(&PLACES));
            }
            1 => self.has_image = !self.has_image,
            2 => self.max_allowed_memberships = log.random.pick(&[0, 5, 20, 100]),
            3 => *self.public_metadata.entry("seats").or_default() += 1,
            _ => *self.private_metadata.entry("discount").or_default() += 1,
        }
    }

    pub(super) fn membership<'a>(
        &'a self,
        membership: &'a Membership,
        person: &'a Person,
    ) -> MembershipData<'a> {
        MembershipData {
            created_at: membership.created_at,
            id: &membership.id,
            object: "organization_membership",
            organization: NestedOrganization {
                admin_delete_enabled: self.admin_delete_enabled,
                created_at: self.created_at,
                has_image: self.has_image,
                id: &self.id,
                image_url: self.image_url,
                max_allowed_memberships: self.max_allowed_memberships,
                members_count: self.members_count,
                missing_member_with_elevated_permissions: self.missing_member_with_elevated_permissions,
                name: &self.name,
                object: self.object,
                pending_invitations_count: self.pending_invitations_count,
                public_metadata: &self.public_metadata,
                slug: &self.slug,
                updated_at: self.updated_at,
            },
            permissions: membership.role.2,
            private_metadata: Metadata::new(),
            public_metadata: &membership.metadata,
            public_user_data: PublicUserData {
                banned: person.banned,
                deprovisioned: person.deprovisioned,
                first_name: person.first_name,
                has_image: person.has_image,
                identifier: person.identifier(),
                image_url: person.image_url,
                last_name: person.last_name,
                profile_image_url: person.image_url,
                user_id: &person.id,
                username: person.username.as_deref(),
            },
            role: membership.role.0,
            role_name: membership.role.1,
            updated_at: membership.updated_at,
        }
    }

    /// Returns the JSON of an invitation, with the user if it was accepted.
    pub(super) fn invitation<'a>(
        &'a self,
        invitation: &'a Invitation,
        inviter: Option<&'a Person>,
        accepted_by: Option<&'a Person>,
    ) -> InvitationData<'a> {
        InvitationData {
            created_at: invitation.created_at,
            email_address: &invitation.email_address,
            expires_at: invitation.created_at + 30 * 24 * 3_600_000,
            id: &invitation.id,
            inviter_id: inviter.map(|inviter| inviter.id.as_str()),
            object: "organization_invitation",
            organization_id: &self.id,
            private_metadata: Metadata::new(),
            public_inviter_data: inviter.map(|inviter| Inviter {
                first_name: inviter.first_name,
                has_image: inviter.has_image,
                identifier: inviter.identifier(),
                image_url: inviter.image_url,
                last_name: inviter.last_name,
                user_id: &inviter.id,
            }),
            public_metadata: Metadata::new(),
            public_organization_data: accepted_by.map(|_| self.public_data()),
            role: invitation.role.0,
            role_name: invitation.role.1,
            status: invitation.status,
            updated_at: invitation.updated_at,
            url: (invitation.status == "pending")
                .then_some("https://accounts.example.com/v1/tickets/accept?ticket=b3duLXRpY2tldA"),
            user_id: accepted_by.map(|person| person.id.as_str()),
        }
    }

    pub(super) fn domain<'a>(&'a self, domain: &'a Domain) -> DomainData<'a> {
        let verification = domain.verified.then_some(DomainVerification {
            attempts: 1,
            expire_at: domain.created_at + 600_000,
            status: "verified",
            strategy: "email_code",
            verified_at: domain.updated_at,
        });
        DomainData {
            affiliation_email_address: None,
            affiliation_verification: verification,
            created_at: domain.created_at,
            enrollment_mode: domain.mode,
            id: &domain.id,
            name: &domain.name,
            object: "organization_domain",
            organization_id: &self.id,
            ownership_verification: None,
            public_organization_data: self.public_data(),
            total_pending_invitations: 0,
            total_pending_suggestions: 0,
            updated_at: domain.updated_at,
            verification,
        }
    }

    fn public_data(&self) -> PublicOrganizationData<'_> {
        PublicOrganizationData {
            has_image: self.has_image,
            id: &self.id,
            image_url: self.image_url,
            name: &self.name,
            slug: &self.slug,
        }
    }

    pub(super) fn member(&self, person: u32) -> Option<usize> {
        self.members.iter().position(|member| member.person == person)
    }
}

impl Domain {
    pub(super) fn new(log: &mut EventLog, number: usize) -> Self {
        let now = log.moment();
        Self {
            id: log.id("orgdmn"),
            name: format!("company-{number}.example"),
            mode: "manual_invitation",
            verified: false,
            created_at: now,
            updated_at: now,
        }
    }

    /// Verifies the domain the first time, and then changes its enrollment mode.
    pub(super) fn change(&mut self, log: &mut EventLog) {
        if self.verified {
            self.mode = log.random.pick(&MODES);
        }
        self.verified = true;
    }
}
