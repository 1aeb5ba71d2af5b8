//! Tells systemd about the state of the process, if `NOTIFY_SOCKET` is set.

use std::time::Duration;

use self::imp::State;

/// Tells systemd that the process accepts deliveries.
pub(super) fn ready() {
    imp::notify(State::Ready);
}

/// Tells systemd that the process is shutting down.
pub(super) fn stopping() {
    imp::notify(State::Stopping);
}

/// Tells systemd regularly that the process is alive, if the unit has a watchdog. Runs until it is dropped.
pub(super) async fn watchdog() {
    let Some(limit) = imp::watchdog_limit().filter(|limit| *limit > Duration::ZERO) else {
        return std::future::pending().await;
    };
    // Half of the limit is what systemd recommends.
    let mut ticks = tokio::time::interval(limit / 2);
    loop {
        ticks.tick().await;
        imp::notify(State::Watchdog);
    }
}

#[cfg(unix)]
mod imp {
    use std::time::Duration;

    use tracing::warn;

    pub(super) type State = sd_notify::NotifyState<'static>;

    pub(super) fn watchdog_limit() -> Option<Duration> {
        sd_notify::watchdog_enabled()
    }

    pub(super) fn notify(state: State) {
        if let Err(error) = sd_notify::notify(&[state]) {
            warn!(error = %error, "cannot notify systemd");
        }
    }
}

/// Other systems have no systemd.
#[cfg(not(unix))]
mod imp {
    use std::time::Duration;

    pub(super) enum State {
        Ready,
        Stopping,
        Watchdog,
    }

    pub(super) fn watchdog_limit() -> Option<Duration> {
        None
    }

    pub(super) fn notify(_: State) {}
}
