//! The secret key, and the Clerk instance that it belongs to.

use std::time::Duration;

use clerk_webhook_sync::{BackendApi, BackendApiErrorKind, ClerkSync, SyncDatabase};
use tokio::time::timeout;
use tracing::warn;

use crate::commands::serve::api;
use crate::commands::serve::config::Config;
use crate::failure::Failure;
use crate::sync::explain_sync;

/// How long the start waits for Clerk.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the start knows about Clerk.
pub(super) struct Clerk {
    pub(super) api: Option<BackendApi>,
    pub(super) instance_id: Option<String>,
}

/// Checks the secret key, and that the key, the setting and the tables belong to the same instance.
pub(super) async fn check<DB: SyncDatabase>(
    config: &Config,
    sync: &ClerkSync<DB>,
    is_complete: bool,
) -> Result<Clerk, Failure> {
    let api = api::client(config)?;
    let of_key = match &api {
        Some(api) => ask(api).await?,
        None => None,
    };
    let of_tables = match is_complete {
        true => sync.import_state().await.map_err(|error| explain_sync(&error, &config.prefix))?.instance_id,
        false => None,
    };
    let of_setting = config.instance.clone();
    compare(of_key.as_deref(), of_setting.as_deref(), of_tables.as_deref())?;
    Ok(Clerk { api, instance_id: of_key.or(of_setting).or(of_tables) })
}

/// Asks Clerk for the key's instance. Returns `None` without an answer: the next sweep asks again.
async fn ask(api: &BackendApi) -> Result<Option<String>, Failure> {
    let error = match timeout(PATIENCE, api.instance_id()).await {
        Ok(Ok(id)) => return Ok(Some(id)),
        Ok(Err(error)) if error.kind() == BackendApiErrorKind::Unauthorized => {
            return Err(Failure::usage(
                "Clerk rejected CLERK_SECRET_KEY (401). Copy the secret key from the Dashboard.",
            ));
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer in {} s", PATIENCE.as_secs()),
    };
    warn!(
        error,
        "could not check CLERK_SECRET_KEY. The server checks it before the next import or comparison"
    );
    Ok(None)
}

fn compare(key: Option<&str>, setting: Option<&str>, tables: Option<&str>) -> Result<(), Failure> {
    let differ = |one: Option<&str>, other: Option<&str>| one.is_some() && other.is_some() && one != other;
    let [key_id, setting_id, tables_id] = [key, setting, tables].map(Option::unwrap_or_default);
    if differ(key, tables) {
        return Err(Failure::Refused(format!(
            "CLERK_SECRET_KEY belongs to {key_id}, these tables hold {tables_id}. Use the key of {tables_id}, or another \
             --schema."
        )));
    }
    if differ(key, setting) {
        return Err(Failure::Refused(format!(
            "CLERK_SECRET_KEY belongs to {key_id}, --instance is {setting_id}. Use the key of {setting_id}, or remove \
             --instance."
        )));
    }
    if differ(setting, tables) {
        return Err(Failure::Refused(format!(
            "--instance is {setting_id}, these tables hold {tables_id}. Use --instance {tables_id}, or another --schema."
        )));
    }
    Ok(())
}

/// Makes the sync ignore events of other instances, if the instance is known.
pub(super) fn restrict<DB: SyncDatabase>(sync: ClerkSync<DB>, instance_id: Option<&str>) -> ClerkSync<DB> {
    match instance_id {
        Some(id) => sync.instance_id(id),
        None => sync,
    }
}
