//! Puts the parts of the server together, and ends them in order.

use std::sync::Arc;

use clerk_webhook_core::{Timestamp, Verifier};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::api::Api;
use super::config::Config;
use super::deliver::Deliveries;
use super::forward::Forward;
use super::health::Readiness;
use super::listeners::Sockets;
use super::metrics::Metrics;
use super::reload::Reloader;
use super::routes::{Admin, Public};
use super::shutdown::{Ending, end};
use super::start::Opened;
use super::status::Sources;
use super::storage::Storage;
use super::sweep_log::SweepLog;
use super::sweeps::{Observer, Sweeping};
use super::traces::Traces;
use super::{purge, systemd, tables};
use crate::failure::Failure;
use crate::server::shutdown::interruption;
use crate::sync::{AnySync, Target, on};

/// Serves until a signal ends the process. A second signal ends it at once.
pub(super) async fn serve(
    config: Config,
    opened: Opened,
    traces: Option<Traces>,
    metrics: Metrics,
    interrupted: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let started_at = Timestamp::now();
    let mut sockets = Sockets::inherited();
    let public = sockets.bind(0, config.listen, "--listen").await?;
    let admin = match config.admin_listen {
        Some(address) => Some(sockets.bind(1, address, "--admin-listen").await?),
        None => None,
    };
    let verifier = Verifier::builder().secrets(config.secrets.current()).build();
    let verifier =
        verifier.map_err(|error| Failure::usage(format_args!("cannot verify deliveries: {error}")))?;
    let config = Arc::new(config);
    let deliveries = Arc::new(Deliveries::new(verifier, &opened));
    let storage = Arc::new(Storage::of(&opened));
    let Parts { sync, api, instance_id, tls } = Parts::of(opened);
    let (prefix, instance) = (config.prefix.clone(), config.instance.clone());
    let target = Arc::new(Target { sync, prefix, instance });
    let (api, readiness) = (Arc::new(Api::new(api)), Arc::new(Readiness::new(Arc::clone(&target))));
    let forward = Forward::start(&config, &storage, &readiness)?;
    let (sweeps, stop) = (Arc::new(SweepLog::default()), CancellationToken::new());

    let addresses = (public.address, admin.as_ref().map(|admin| admin.address));
    let upkeep = metrics.upkeep();
    let public = public.serve(
        Arc::new(Public {
            config: Arc::clone(&config),
            deliveries: Arc::clone(&deliveries),
            readiness: Arc::clone(&readiness),
        }),
        |public, request, _| public.respond(request),
    );
    let admin = admin.map(|admin| {
        let shared = Admin {
            config: Arc::clone(&config),
            readiness: Arc::clone(&readiness),
            metrics,
            sources: Sources {
                target: Arc::clone(&target),
                storage: Arc::clone(&storage),
                deliveries: Arc::clone(&deliveries),
                sweeps: Arc::clone(&sweeps),
                started_at,
                instance_id: instance_id.clone(),
                tls,
            },
        };
        admin.serve(Arc::new(shared), |admin, request, peer| admin.respond(request, peer))
    });
    let observer =
        Observer { deliveries: Arc::clone(&deliveries), log: sweeps, every: config.reconcile_every };
    let sweeper = Sweeping { config: &config, api: &api, observer, stop: &stop };
    let reloader = Reloader {
        config: Arc::clone(&config),
        deliveries: Arc::clone(&deliveries),
        api: Arc::clone(&api),
        readiness: Arc::clone(&readiness),
    };
    let background: [JoinHandle<()>; 4] = [
        tokio::spawn(upkeep),
        tokio::spawn(reloader.run()),
        tokio::spawn(purge::run(storage)),
        tokio::spawn(systemd::watchdog()),
    ];
    introduce(&config, &target, addresses, instance_id.as_deref(), tls);
    systemd::ready();
    let sweeper = on!(&target.sync, sync => sweeper.spawn(sync));

    interrupted.await;
    let again = interruption();
    info!("shutting down; a second signal ends the process at once");
    let ending =
        Ending { readiness, stop, public, admin, deliveries, forward, sweeper, background, target, traces };
    tokio::select! {
        () = end(ending, config.drain) => {
            info!("shut down");
            Ok(())
        }
        () = again => {
            warn!("a second signal ended the process before the shutdown was complete");
            Err(Failure::Negative)
        }
    }
}

/// The parts of an opened database that do not depend on its kind.
struct Parts {
    sync: AnySync,
    api: Option<clerk_webhook_sync::BackendApi>,
    instance_id: Option<String>,
    tls: Option<bool>,
}

impl Parts {
    fn of(opened: Opened) -> Self {
        match opened {
            Opened::Sqlite(open) => Self {
                sync: AnySync::Sqlite(open.sync),
                api: open.api,
                instance_id: open.instance_id,
                tls: open.tls,
            },
            Opened::Postgres(open) => Self {
                sync: AnySync::Postgres(open.sync),
                api: open.api,
                instance_id: open.instance_id,
                tls: open.tls,
            },
        }
    }
}

/// Logs what the administrator needs to know after a start.
fn introduce(
    config: &Config,
    target: &Target,
    (public, admin): (std::net::SocketAddr, Option<std::net::SocketAddr>),
    instance_id: Option<&str>,
    tls: Option<bool>,
) {
    let database = target.sync.kind();
    let version = env!("CARGO_PKG_VERSION");
    info!(version, instance_id, database, tls, tables = %target.prefix, "started");
    if config.api_key.is_none() {
        warn!(
            "CLERK_SECRET_KEY is not set: objects that existed before the endpoint are not imported, and lost events are not repaired"
        );
    }
    let events = tables::needed_events(config.tables).join(",");
    info!(events, "subscribe the endpoint in the Clerk Dashboard to these event types");
    if let Some(address) = admin {
        info!(%address, "serving health, metrics and status");
    }
    // The last line, so that its reader knows that the process accepts deliveries.
    info!(address = %public, path = config.path, "accepting deliveries");
}
