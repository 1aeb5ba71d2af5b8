//! The sources of signing secrets: arguments, files, and environment variables.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use clerk_webhook_core::SigningSecret;
use zeroize::Zeroizing;

use crate::environment;
use crate::failure::Failure;

/// The environment variables that can contain signing secrets. The first one that is set is used.
const VARIABLES: [&str; 2] = ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"];

/// The arguments that select signing secrets.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SecretArgs {
    /// Signing secret, visible in the process list [default: $CLERK_WEBHOOK_SIGNING_SECRET, else
    /// $CLERK_WEBHOOK_SECRET]
    ///
    /// All users of this machine can read the process list. During a rotation, repeat the option with the new
    /// secret first.
    #[arg(long = "secret", value_name = "WHSEC", allow_hyphen_values = true)]
    secrets: Vec<SecretText>,

    /// File with signing secrets, separated by white space or commas
    #[arg(long, value_name = "FILE", conflicts_with = "secrets")]
    secret_file: Option<PathBuf>,
}

/// The text of a secret. `Debug` does not show it.
#[derive(Clone)]
pub(crate) struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// The text that contains secrets, and the name of its source.
pub(crate) struct SecretSource {
    pub(crate) place: String,
    pub(crate) text: String,
}

impl SecretArgs {
    /// Returns the secrets for signing or verifying deliveries.
    ///
    /// Fails if there is no secret, or if one is malformed.
    pub(crate) fn secrets(&self) -> Result<Vec<SigningSecret>, Failure> {
        let mut secrets = Vec::new();
        for SecretSource { place, text } in self.sources()? {
            let found = SigningSecret::parse_list(&text).map_err(|error| {
                Failure::usage(format_args!(
                    "{place}: {error} To check every secret, run `clerk-webhook secret check`."
                ))
            })?;
            secrets.extend(found);
        }
        if secrets.is_empty() {
            return Err(Failure::usage(
                "no signing secret: set CLERK_WEBHOOK_SIGNING_SECRET to the endpoint's signing secret (whsec_…), or \
                 pass --secret or --secret-file; `clerk-webhook secret new` creates one for tests",
            ));
        }
        Ok(secrets)
    }

    /// Returns the texts of the first source that is given: `--secret`, `--secret-file`, or a variable.
    pub(crate) fn sources(&self) -> Result<Vec<SecretSource>, Failure> {
        if !self.secrets.is_empty() {
            let source = |text: &SecretText| SecretSource {
                place: "--secret".to_owned(),
                text: text.expose().to_owned(),
            };
            return Ok(self.secrets.iter().map(source).collect());
        }
        if let Some(file) = &self.secret_file {
            let text = fs::read_to_string(file)
                .map_err(|error| Failure::usage(format_args!("cannot read {}: {error}", file.display())))?;
            return Ok(vec![SecretSource { place: file.display().to_string(), text }]);
        }
        let variables = environment::vars(&VARIABLES)?.into_iter().take(1);
        Ok(variables
            .map(|variable| SecretSource { place: variable.name.to_owned(), text: variable.announced() })
            .collect())
    }
}
