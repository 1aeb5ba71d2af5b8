//! Objects from Clerk's Backend API.

use clerk_webhook_core::{Event, MessageId, Timestamp};

use super::{Observation, Observed, Rank, observe};
use crate::error::SyncError;
use crate::schema::tables::Entity;
use crate::settings::Settings;

/// Observes an object that the Backend API returned at a time, or later.
///
/// The API and the events describe these objects equally, so the object is read as the data of an event.
pub(crate) fn observe_listed(
    entity: Entity,
    json: &str,
    read_at: i64,
    settings: &Settings,
) -> Result<Observation, SyncError> {
    let change = if entity == Entity::Invitations { "created" } else { "updated" };
    let object = entity.table().events;
    let body = format!(r#"{{"type":"{object}.{change}","timestamp":{read_at},"data":{json}}}"#);
    let unreadable = |reason: &str| SyncError::undecodable(reason.to_owned());
    let id: MessageId = "msg_api".parse().map_err(|_| unreadable("the id is invalid"))?;
    let event = Event::from_trusted(id, Timestamp::from_millis(read_at), body.into())
        .map_err(|error| unreadable(&error.to_string()))?;
    let observations = observe(&event, settings)?.map_err(|reason| unreadable(&reason.to_string()))?;
    // The other observations are copies of objects that the API lists too.
    let observation = observations.into_iter().last().ok_or_else(|| unreadable("it has no id"))?;
    match &observation.observed {
        Observed::Version { order, .. } if order.rank == Rank::Copy => Err(unreadable("it is incomplete")),
        _ => Ok(observation),
    }
}
