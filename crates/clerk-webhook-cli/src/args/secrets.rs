//! Where signing secrets come from.

use std::env::{self, VarError};
use std::fs;
use std::path::PathBuf;

use clap::Args;
use clerk_webhook_core::SigningSecret;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The names that are read, the first that is set wins.
const VARIABLES: [&str; 2] = ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"];

/// The arguments that name signing secrets.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SecretArgs {
    /// Signing secret (whsec_…), several times during a rotation, the new one first; others on this machine can see it in
    /// the list of processes [default: the variable CLERK_WEBHOOK_SIGNING_SECRET, else CLERK_WEBHOOK_SECRET]
    #[arg(long = "secret", value_name = "WHSEC", allow_hyphen_values = true)]
    secrets: Vec<SecretText>,

    /// File with the signing secret or secrets, separated by white space or commas
    #[arg(long, value_name = "FILE", conflicts_with = "secrets")]
    secret_file: Option<PathBuf>,
}

/// The text of a secret, which `Debug` does not show.
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

/// The text in which secrets were given, and the name of the place.
pub(crate) struct SecretSource {
    pub(crate) place: String,
    pub(crate) text: String,
}

impl SecretArgs {
    /// Returns the secrets that sign, or that deliveries are verified with.
    pub(crate) fn secrets(&self) -> Result<Vec<SigningSecret>, Failure> {
        let mut secrets = Vec::new();
        for SecretSource { place, text } in self.sources()? {
            let found = SigningSecret::parse_list(&text).map_err(|error| {
                Failure::usage(format_args!("{place}: {error}; `clerk-webhook secret check` says more"))
            })?;
            secrets.extend(found);
        }
        if secrets.is_empty() {
            return Err(Failure::usage(
                "there is no signing secret: set CLERK_WEBHOOK_SIGNING_SECRET to that of your endpoint (whsec_…), or give \
                 --secret or --secret-file; `clerk-webhook secret new` makes one for tests",
            ));
        }
        Ok(secrets)
    }

    /// Returns the texts as they were given, the first kind of place that has any.
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
        for name in VARIABLES {
            match env::var(name) {
                Ok(text) => return Ok(vec![SecretSource { place: name.to_owned(), text }]),
                Err(VarError::NotPresent) => {}
                Err(VarError::NotUnicode(_)) => {
                    return Err(Failure::usage(format_args!(
                        "{name} is not text, so it is no signing secret"
                    )));
                }
            }
        }
        Ok(Vec::new())
    }
}
