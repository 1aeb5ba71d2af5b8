//! Creates the client for Clerk's Backend API.

use clerk_webhook_sync::{BackendApi, HyperTransport};

use super::args::ApiArgs;
use crate::environment::{self, Variable};
use crate::failure::Failure;

/// The variables with Clerk's secret key, and with a file that contains the key.
const KEY_VARIABLES: [&str; 2] = ["CLERK_SECRET_KEY", "CLERK_SECRET_KEY_FILE"];

/// Creates the client with the secret key from the environment.
pub(crate) fn api(args: &ApiArgs) -> Result<BackendApi, Failure> {
    let [name, file] = KEY_VARIABLES;
    let key = environment::var_or_file(name, file)?.map(Variable::announced).ok_or_else(|| {
        Failure::usage(format_args!(
            "{name} is not set. Copy the secret key (sk_test_… or sk_live_…) from the API keys page of the Clerk \
             Dashboard."
        ))
    })?;
    client(&key, &args.api_url, args.api_share)
}

/// Creates the client with this key. The messages name the arguments.
pub(crate) fn client(key: &str, api_url: &str, api_share: f64) -> Result<BackendApi, Failure> {
    let transport = if api_url.trim().starts_with("http:") {
        HyperTransport::without_tls()
    } else {
        HyperTransport::new().map_err(|error| {
            Failure::network(format_args!(
                "cannot read this machine's certificates: {error}. Install the package ca-certificates."
            ))
        })?
    };
    let [name, _] = KEY_VARIABLES;
    BackendApi::new(key, transport)
        .map_err(|error| Failure::usage(format_args!("{name}: {error}")))?
        .share(api_share)
        .map_err(|error| Failure::usage(format_args!("--api-share: {error}")))?
        .base_url(api_url)
        .map_err(|error| Failure::usage(format_args!("--api-url: {error}")))
}
