//! Handles each event once: typed handlers behind verification and de-duplication, which SQLite remembers over restarts.
//!
//! Run with: `CLERK_WEBHOOK_SIGNING_SECRET=whsec_… cargo run -p example-axum-dedup`, and with `MAIL_IS_DOWN=1` to see a handler
//! that fails for a while.

use std::{env, error::Error, time::Duration};

use axum::{Router, routing::post_service};
use clerk_webhook_store::{DEFAULT_RETENTION, Deduplicator, SqliteStore, purge};
use clerk_webhook_tower::event::marker::{
    EmailCreated, OrganizationMembershipCreated, UserCreated, UserDeleted,
};
use clerk_webhook_tower::event::payload::{DeletedObject, Email, OrganizationMembership, User};
use clerk_webhook_tower::handler::DuplicateHandler;
use clerk_webhook_tower::{Context, DeduplicateLayer, Event, Failure, Handlers, HandlersExt};
use clerk_webhook_tower::{Verifier, VerifyWebhookLayer};
use tokio::{net::TcpListener, time};
use tower::Layer;
use tracing::{error, info};

/// What handlers need; a real one has a client for mail, a database and the like.
#[derive(Clone)]
struct App {
    sender: &'static str,
    mail_is_down: bool,
}

/// Any error that `?` returns makes the sender try again.
async fn welcome(user: User, cx: Context<App>) -> Result<(), Failure> {
    let primary = user.primary_email_address();
    let Some(address) = primary.and_then(|email| email.email_address.as_deref()) else { return Ok(()) };
    let domain = address.split('@').nth(1).ok_or("an address without a domain")?;
    // What happens outside takes the message id along, so that it happens once even if this process is killed right here.
    let (from, key, attempt) = (cx.state().sender, cx.message_id(), cx.attempt());
    info!(user = user.id, domain, from, %key, attempt, "sending a welcome");
    Ok(())
}

async fn joined(membership: OrganizationMembership, _cx: Context<App>) -> Result<(), Failure> {
    info!(id = membership.id, "somebody has joined an organization");
    Ok(())
}

async fn left(user: DeletedObject, _cx: Context<App>) -> Result<(), Failure> {
    let id = user.id.ok_or_else(|| Failure::abort_message("nobody can be deleted without an id"))?;
    info!(user = id, "a user has left");
    Ok(())
}

/// Clerk leaves it to the application to send a mail where its own delivery is switched off.
async fn mail(email: Email, cx: Context<App>) -> Result<(), Failure> {
    if cx.state().mail_is_down {
        return Err(Failure::retry_after(Duration::from_secs(8), "the mail server does not answer"));
    }
    info!(id = email.id, by_clerk = email.delivered_by_clerk, "a mail is on its way");
    Ok(())
}

fn handlers() -> Result<Handlers<App>, DuplicateHandler> {
    Handlers::builder()
        .on(UserCreated, welcome)
        .on(OrganizationMembershipCreated, joined)
        .on(UserDeleted, left)
        .on(EmailCreated, mail)
        .otherwise(|event: Event, _| async move {
            info!(event_type = %event.event_type(), "nothing to do");
            Ok(())
        })
        .build()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let verifier = Verifier::from_env().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(1);
    });
    let store =
        SqliteStore::open(env::var("DATABASE").unwrap_or_else(|_| "deliveries.db".to_owned())).await?;
    store.migrate().await?;
    tokio::spawn(purge_daily(store.clone()));

    let deduplicator = Deduplicator::new(store).in_progress_wait(Duration::from_secs(2));
    let handlers = handlers()?;
    println!(
        "subscribe the endpoint to {:?}",
        handlers.event_types().iter().map(|t| t.as_str()).collect::<Vec<_>>()
    );
    let app = App { sender: "Ada", mail_is_down: env::var_os("MAIL_IS_DOWN").is_some() };
    let service = DeduplicateLayer::from(deduplicator.clone()).layer(handlers.into_service(app));
    let verified = VerifyWebhookLayer::new(verifier).read_timeout(|| time::sleep(Duration::from_secs(10)));
    let app = Router::new().route("/webhooks/clerk", post_service(verified.layer(service)));

    let port: u16 = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}/webhooks/clerk", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(shutdown_signal()).await?;
    // Handlers run on when their sender has hung up, so the server has not waited for all of them.
    let stopped = deduplicator.shutdown(Duration::from_secs(13)).await;
    info!(stopped, "the end");
    Ok(())
}

async fn purge_daily(store: SqliteStore) {
    loop {
        match purge(&store, DEFAULT_RETENTION).await {
            Ok(purged) => info!(purged, "forgot old deliveries"),
            Err(error) => error!(%error, "could not forget old deliveries"),
        }
        time::sleep(Duration::from_secs(24 * 60 * 60)).await;
    }
}

/// Waits for Ctrl-C, or the SIGTERM of a process manager.
async fn shutdown_signal() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select!(_ = tokio::signal::ctrl_c() => {}, _ = terminate.recv() => {});
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}
