use clerk_webhook_core::Verifier;
use rocket::fairing::{self, Fairing, Info, Kind};
use rocket::{Build, Request, Response, Rocket};

use crate::answer::set_answer;
use crate::record::receive_error;

/// Fairing that gives the guards their verifier, and that answers the deliveries that they reject.
///
/// Without this fairing, Rocket's catchers answer rejected deliveries, with HTML or JSON. To write your own
/// answers, pass the verifier to `Rocket::manage` instead of attaching the fairing, and register catchers.
/// [`receive_error`](crate::receive_error) returns the reason.
///
/// The fairing replaces the response to every rejected delivery, even if a handler extracts
/// `Result<ClerkEvent, ClerkEventError>` or `Option<ClerkEvent>`.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClerkFairing {
    verifier: Verifier,
}

impl ClerkFairing {
    /// Creates a fairing with the verifier's limits.
    pub fn new(verifier: Verifier) -> Self {
        Self { verifier }
    }
}

#[rocket::async_trait]
impl Fairing for ClerkFairing {
    fn info(&self) -> Info {
        Info { name: "Clerk webhooks", kind: Kind::Ignite | Kind::Response }
    }

    async fn on_ignite(&self, rocket: Rocket<Build>) -> fairing::Result {
        Ok(rocket.manage(self.verifier.clone()))
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        if let Some(error) = receive_error(request) {
            set_answer(response, error.into());
        }
    }
}
