//! The actions of a history.
//!
//! An action first creates missing objects that it needs, so it is possible at any time.

mod access;
mod billing;
mod sessions;
mod teams;
mod users;

use super::scenario::Scenario;
use super::world::World;

/// Generates the actions and their weights in [`Scenario::All`] from rows `Action => method: weight`.
macro_rules! actions {
    ($( $action:ident => $method:ident: $weight:literal; )+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Action {
            $( $action, )+
        }

        impl Action {
            pub(super) const ALL: &[Self] = &[ $( Self::$action, )+ ];
            const WEIGHTS: &[(Self, u64)] = &[ $( (Self::$action, $weight), )+ ];
        }

        impl World {
            pub(super) fn act(&mut self, action: Action) {
                match action {
                    $( Action::$action => self.$method(), )+
                }
            }
        }
    };
}

actions! {
    SignUp => sign_up: 20;
    ChangeProfile => change_profile: 20;
    AddAddress => add_address: 5;
    SwitchPrimary => switch_primary: 5;
    MoveAddress => move_address: 4;
    DeleteUser => delete_user: 6;
    CreateOrganization => create_organization: 6;
    ChangeOrganization => change_organization: 6;
    DeleteOrganization => delete_organization: 2;
    Join => join: 15;
    ChangeRole => change_role: 6;
    Leave => leave: 7;
    Rejoin => rejoin: 5;
    Invite => invite: 6;
    AcceptInvitation => accept_invitation: 5;
    RevokeInvitation => revoke_invitation: 2;
    AddDomain => add_domain: 2;
    ChangeDomain => change_domain: 2;
    RemoveDomain => remove_domain: 1;
    SignIn => sign_in: 12;
    SignInWithTasks => sign_in_with_tasks: 2;
    EndSession => end_session: 6;
    RemoveSession => remove_session: 2;
    RevokeSession => revoke_session: 2;
    SendSms => send_sms: 3;
    CreatePermission => create_permission: 2;
    ChangePermission => change_permission: 1;
    DeletePermission => delete_permission: 1;
    CreateRole => create_role: 2;
    ChangeRoleOfAll => change_role_of_all: 1;
    DeleteRole => delete_role: 1;
    Wait => wait: 3;
    InviteWaiting => invite_waiting: 2;
    Subscribe => subscribe: 3;
    Upgrade => upgrade: 3;
    TryOut => try_out: 2;
    AbandonCheckout => abandon_checkout: 2;
    FailPayment => fail_payment: 2;
    Cancel => cancel: 2;
    Discount => discount: 2;
}

impl Scenario {
    /// Returns the relative frequency of each action.
    pub(super) fn weights(self) -> &'static [(Action, u64)] {
        match self {
            Self::SignUp => &[
                (Action::SignUp, 10),
                (Action::ChangeProfile, 4),
                (Action::AddAddress, 1),
                (Action::SignIn, 2),
                (Action::EndSession, 1),
            ],
            Self::Team => &[
                (Action::SignUp, 6),
                (Action::ChangeProfile, 3),
                (Action::CreateOrganization, 2),
                (Action::ChangeOrganization, 2),
                (Action::Join, 5),
                (Action::ChangeRole, 3),
                (Action::Leave, 2),
                (Action::Rejoin, 1),
                (Action::Invite, 3),
                (Action::AcceptInvitation, 2),
                (Action::RevokeInvitation, 1),
                (Action::AddDomain, 1),
                (Action::ChangeDomain, 1),
                (Action::RemoveDomain, 1),
            ],
            Self::Churn => &[
                (Action::SignUp, 14),
                (Action::ChangeProfile, 24),
                (Action::AddAddress, 6),
                (Action::SwitchPrimary, 6),
                (Action::MoveAddress, 6),
                (Action::DeleteUser, 11),
                (Action::CreateOrganization, 6),
                (Action::ChangeOrganization, 12),
                (Action::DeleteOrganization, 5),
                (Action::Join, 22),
                (Action::ChangeRole, 12),
                (Action::Leave, 12),
                (Action::Rejoin, 10),
            ],
            Self::All => Action::WEIGHTS,
        }
    }
}
