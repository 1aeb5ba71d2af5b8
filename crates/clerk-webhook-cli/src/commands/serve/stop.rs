//! Tells the sweeps to stop.

use std::sync::Arc;

use tokio::sync::watch;

/// Stops the sweeps. Clones stop the same sweeps.
#[derive(Clone, Debug, Default)]
pub(super) struct StopSignal(Arc<watch::Sender<bool>>);

impl StopSignal {
    /// Stops the running sweep, and every later one.
    pub(super) fn stop(&self) {
        self.0.send_replace(true);
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until [`stop`](Self::stop) is called.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let signal = self.clone();
        async move {
            // The signal owns the sender, so waiting cannot fail.
            let _ = signal.0.subscribe().wait_for(|is_stopped| *is_stopped).await;
        }
    }
}
