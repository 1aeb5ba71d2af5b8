//! Signals that end the server.

/// Waits for Ctrl-C or SIGTERM. Both are caught as soon as this function is called.
#[cfg(unix)]
pub(crate) fn interruption() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};

    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    async move {
        match signals {
            [Ok(mut interrupt), Ok(mut terminate)] => {
                tokio::select!(_ = interrupt.recv() => {}, _ = terminate.recv() => {});
            }
            // If a handler cannot be installed, its signal terminates the process.
            _ => std::future::pending().await,
        }
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
pub(crate) async fn interruption() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
