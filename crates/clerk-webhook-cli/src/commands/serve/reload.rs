//! Reads the secrets again on SIGHUP and every 60 s.
//!
//! A value that cannot be read, or is not valid, changes nothing: the last good value stays.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{info, warn};

use super::api::Api;
use super::config::{AdminToken, Config, ForwardConfig, KeySource};
use super::deliver::Deliveries;
use super::health::Readiness;

/// How often the secrets are read.
const EVERY: Duration = Duration::from_secs(60);

pub(super) struct Reloader {
    pub(super) config: Arc<Config>,
    pub(super) deliveries: Arc<Deliveries>,
    pub(super) api: Arc<Api>,
    pub(super) readiness: Arc<Readiness>,
}

impl Reloader {
    /// Reloads until the future is dropped. Signals are caught as soon as this function is called.
    pub(super) fn run(self) -> impl Future<Output = ()> + Send {
        let mut hangup = Hangup::new();
        async move {
            let mut ticks = interval_at(Instant::now() + EVERY, EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = hangup.next() => info!("reloading the secrets because of SIGHUP"),
                }
                self.reload().await;
            }
        }
    }

    async fn reload(&self) {
        let config = Arc::clone(&self.config);
        // Files can be on a slow file system.
        let read = tokio::task::spawn_blocking(move || {
            let key = config.api_key.as_ref().map_or(Ok(false), KeySource::reload);
            let token = config.admin_token.as_ref().map_or(Ok(false), AdminToken::reload);
            let forward = config.forward.as_ref().map_or(Ok(false), ForwardConfig::reload);
            (config.secrets.reload(), key, token, forward)
        });
        let Ok((secrets, key, token, forward)) = read.await else { return };
        let secrets = secrets.and_then(|is_changed| {
            if is_changed {
                self.deliveries.replace_secrets(self.config.secrets.current())?;
            }
            Ok(is_changed)
        });
        let key = key.and_then(|is_changed| {
            if is_changed {
                self.api.renew(&self.config).map_err(|failure| failure.message().to_owned())?;
            }
            Ok(is_changed)
        });
        let mut problems = Vec::new();
        let results = [
            ("signing secrets", secrets),
            ("secret key", key),
            ("admin token", token),
            ("forward secret", forward),
        ];
        for (what, result) in results {
            match result {
                Ok(true) => info!(what, "a new value is in use"),
                Ok(false) => {}
                Err(problem) => problems.push(problem),
            }
        }
        let problem = (!problems.is_empty()).then(|| problems.join("; "));
        // The same problem every minute is logged once.
        if self.readiness.secrets().set(problem.clone())
            && let Some(error) = problem
        {
            warn!(error, "cannot reload the secrets; the last good values stay in use");
        }
    }
}

/// The signal SIGHUP.
#[cfg(unix)]
struct Hangup(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Hangup {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self(signal(SignalKind::hangup()).ok())
    }

    async fn next(&mut self) {
        let signal = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if signal.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
struct Hangup;

#[cfg(not(unix))]
impl Hangup {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) {
        std::future::pending().await
    }
}
