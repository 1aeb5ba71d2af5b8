//! Secrets whose files are read again while the process runs.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use clerk_webhook_core::SigningSecret;
use clerk_webhook_sync::{BackendApi, HyperTransport};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::sources::{Found, from_file};

/// The smallest number of characters of an admin token.
const SHORTEST_TOKEN: usize = 16;

/// A text and the file that contains it, if there is one.
struct Source {
    origin: String,
    file: Option<PathBuf>,
    current: Mutex<Zeroizing<String>>,
    check: fn(&str) -> Result<(), String>,
}

impl Source {
    fn new(found: Found, check: fn(&str) -> Result<(), String>) -> Result<Self, String> {
        let origin = found.origin.to_string();
        check(&found.text).map_err(|problem| format!("{origin} {problem}"))?;
        Ok(Self { origin, file: found.file, current: Mutex::new(found.text), check })
    }

    fn current(&self) -> Zeroizing<String> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file again. Returns whether the value changed. After an error, the last good value stays.
    fn reload(&self) -> Result<bool, String> {
        let Some(file) = &self.file else { return Ok(false) };
        let origin = &self.origin;
        let Found { text, .. } = from_file(file, origin.clone())?;
        (self.check)(&text).map_err(|problem| format!("{origin} {problem}"))?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let is_changed = *current != text;
        *current = text;
        Ok(is_changed)
    }
}

/// The signing secrets.
pub(in super::super) struct SecretSource(Source);

impl SecretSource {
    pub(super) fn new(found: Found) -> Result<Self, String> {
        Source::new(found, |text| check_secrets(text).map(drop)).map(Self)
    }

    pub(in super::super) fn current(&self) -> Vec<SigningSecret> {
        check_secrets(&self.0.current()).unwrap_or_default()
    }

    pub(in super::super) fn reload(&self) -> Result<bool, String> {
        self.0.reload()
    }
}

fn check_secrets(text: &str) -> Result<Vec<SigningSecret>, String> {
    for word in SigningSecret::split_list(text) {
        let prefixes = ["sk_test_", "sk_live_", "pk_test_", "pk_live_", "ak_"];
        if let Some(prefix) = prefixes.into_iter().find(|prefix| word.starts_with(prefix)) {
            return Err(format!("holds an API key ({prefix}...). A signing secret begins with whsec_."));
        }
    }
    match SigningSecret::parse_list(text) {
        Ok(secrets) if secrets.is_empty() => Err("holds no secret.".to_owned()),
        Ok(secrets) => Ok(secrets),
        Err(error) => Err(format!("is not valid: {error}")),
    }
}

/// Clerk's secret key.
pub(in super::super) struct KeySource(Source);

impl KeySource {
    pub(super) fn new(found: Found) -> Result<Self, String> {
        Source::new(found, check_key).map(Self)
    }

    pub(in super::super) fn current(&self) -> Zeroizing<String> {
        self.0.current()
    }

    pub(in super::super) fn reload(&self) -> Result<bool, String> {
        self.0.reload()
    }
}

fn check_key(text: &str) -> Result<(), String> {
    let checked = BackendApi::new(text, HyperTransport::without_tls());
    checked.map(drop).map_err(|error| format!("is not valid: {error}"))
}

/// The token of the administrator.
pub(in super::super) struct AdminToken(Source);

impl AdminToken {
    pub(super) fn new(found: Found) -> Result<Self, String> {
        Source::new(found, check_token).map(Self)
    }

    /// Compares in constant time.
    pub(in super::super) fn matches(&self, candidate: &str) -> bool {
        self.0.current().as_bytes().ct_eq(candidate.as_bytes()).into()
    }

    pub(in super::super) fn reload(&self) -> Result<bool, String> {
        self.0.reload()
    }
}

fn check_token(text: &str) -> Result<(), String> {
    if text.chars().count() < SHORTEST_TOKEN {
        return Err(format!("is too short. Use {SHORTEST_TOKEN} characters or more."));
    }
    Ok(())
}
