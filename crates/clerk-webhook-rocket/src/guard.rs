use std::ops::Deref;

use clerk_webhook_core::{Answer, Event, HeaderFields as _, Observation, Verifier};
use rocket::data::{self, Data, FromData};
use rocket::http::Status;
use rocket::outcome::Outcome::{Error, Success};
use rocket::{Ignite, Request, Rocket, Sentinel};

use crate::error::ClerkEventError;
use crate::receive::{Headers, receive};
use crate::record::Record;

/// Data guard for the event of a verified delivery.
///
/// Attach a [`ClerkFairing`](crate::ClerkFairing), which contains the verifier. Without a verifier, Rocket
/// does not launch. A delivery that fails verification gets an error response, and the handler does not run.
///
/// **Do not use `Option<ClerkEvent>` as a guard.** Rocket converts *every* error into `None`, so a forged
/// delivery would also call the handler. Use [`OptionalClerkEvent`] instead.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClerkEvent(pub Event);

/// Data guard for a route that also receives requests that are not deliveries.
///
/// It contains `None` only if the request has no signature header. A forged delivery still gets an error
/// response. The guard does not pass on the body of a request that is not a delivery.
#[derive(Clone, Debug)]
#[must_use]
pub struct OptionalClerkEvent(pub Option<Event>);

impl Deref for ClerkEvent {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.0
    }
}

#[rocket::async_trait]
impl<'r> FromData<'r> for ClerkEvent {
    type Error = ClerkEventError;

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> data::Outcome<'r, Self> {
        match receive(request, data).await {
            Ok(event) => Success(Self(event)),
            Err(error) => {
                Observation::refused(&error);
                Record::of(request).refused(&error);
                Error((Status::new(Answer::from(&error).status()), error.into()))
            }
        }
    }
}

#[rocket::async_trait]
impl<'r> FromData<'r> for OptionalClerkEvent {
    type Error = ClerkEventError;

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> data::Outcome<'r, Self> {
        if !Headers(request.headers()).has_signature_headers() {
            return Success(Self(None));
        }
        ClerkEvent::from_data(request, data).await.map(|ClerkEvent(event)| Self(Some(event)))
    }
}

/// Stops the launch if the application has no verifier.
impl Sentinel for ClerkEvent {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        rocket.state::<Verifier>().is_none()
    }
}

/// Stops the launch if the application has no verifier.
impl Sentinel for OptionalClerkEvent {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        ClerkEvent::abort(rocket)
    }
}
