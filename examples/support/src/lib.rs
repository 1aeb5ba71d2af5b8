//! Functions that the examples share. `examples/axum` does not use them, so that it can be copied unchanged.

use std::{env, process, time::Duration};

use tokio::{signal, time};

/// Returns the address to listen on: `HOST` is 127.0.0.1 and `PORT` is 3000 by default.
///
/// # Errors
///
/// Returns a message with the value of `PORT` if it is not a port number.
pub fn address() -> Result<(String, u16), String> {
    let host = env::var("HOST").unwrap_or_else(|_| "127.0.0.1".to_owned());
    let port = env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let port = port.parse().map_err(|_| format!("PORT={port} is not a number from 0 to 65535"))?;
    Ok((host, port))
}

/// Waits for Ctrl-C or SIGTERM.
///
/// A task terminates the process 20 s later, even if connections or handlers are still active.
///
/// # Panics
///
/// Panics if the system does not let the process handle these signals.
pub async fn stop_signal() {
    #[cfg(unix)]
    {
        let terminate = signal::unix::signal(signal::unix::SignalKind::terminate());
        let mut terminate = terminate.expect("SIGTERM handler");
        tokio::select!(_ = signal::ctrl_c() => {}, _ = terminate.recv() => {});
    }
    #[cfg(not(unix))]
    signal::ctrl_c().await.expect("Ctrl-C handler");
    tokio::spawn(async {
        time::sleep(Duration::from_secs(20)).await;
        process::exit(1);
    });
}
