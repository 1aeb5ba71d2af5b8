//! Serves one application on one thread: `serve <name>`. `serve --list` prints the names.

use std::error::Error;
use std::process::ExitCode;
use std::{env, io};

use clerk_webhook_benches::handlers::{APPLICATIONS, Application, DRAINING, PATH};
use tokio::net::TcpListener;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let argument = env::args().nth(1).unwrap_or_default();
    let mut applications = APPLICATIONS.iter().chain([&DRAINING]);
    if argument == "--list" {
        applications.for_each(|(name, _)| println!("{name}"));
        return Ok(ExitCode::SUCCESS);
    }
    let Some((_, make)) = applications.find(|(name, _)| *name == argument) else {
        eprintln!("usage: serve <name>; `serve --list` prints the names");
        return Ok(ExitCode::FAILURE);
    };
    // One thread, so that the applications are compared on one core.
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(serve(make()))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(application: Application) -> io::Result<()> {
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(0);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}{PATH}", listener.local_addr()?);
    axum::serve(listener, application.into_router()).await
}
