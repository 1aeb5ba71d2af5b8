//! Ends the parts of the server in order.
//!
//! | step | limit |
//! |---|--:|
//! | `/readyz` answers 503; the sweep is asked to stop | |
//! | the load balancer notices (`--drain`) | 0 s by default |
//! | the public listener closes, and the deliveries in flight are answered or rolled back | 13 s |
//! | the worker of the forward ends, and gives back its jobs; the sweep stops between two pages, and frees its lease | 6 s |
//! | the last spans are sent | 2 s |
//! | the admin listener and the connections to the database close | 1 s |
//!
//! Together at most 22 s after the drain, which is 27 s with a drain of 5 s. Kubernetes gives 30 s.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::deliver::Deliveries;
use super::forward::Forward;
use super::health::Readiness;
use super::listeners::Running;
use super::systemd;
use super::traces::Traces;
use crate::sync::Target;

/// How long deliveries in flight may take, except in the worst case.
const IN_FLIGHT: Duration = Duration::from_secs(12);

/// How long deliveries may take to roll back, after they were stopped.
const ROLLBACK: Duration = Duration::from_secs(1);

/// How long the sweep may take to stop, after the deliveries.
const SWEEP: Duration = Duration::from_secs(6);

/// How long the admin listener and the connections to the database may take to close.
const CLOSING: Duration = Duration::from_secs(1);

/// The parts that end.
pub(super) struct Ending {
    pub(super) readiness: Arc<Readiness>,
    pub(super) stop: CancellationToken,
    pub(super) public: Running,
    pub(super) admin: Option<Running>,
    pub(super) deliveries: Arc<Deliveries>,
    pub(super) forward: Option<Forward>,
    pub(super) sweeper: JoinHandle<()>,
    /// Tasks that never end.
    pub(super) background: [JoinHandle<()>; 4],
    pub(super) target: Arc<Target>,
    pub(super) traces: Option<Traces>,
}

/// Ends the parts.
pub(super) async fn end(ending: Ending, drain: Duration) {
    let Ending { readiness, stop, public, admin, deliveries, forward, sweeper, background, target, traces } =
        ending;
    readiness.stop();
    stop.cancel();
    systemd::stopping();
    if !drain.is_zero() {
        info!(seconds = drain.as_secs(), "draining: deliveries are still accepted");
        sleep(drain).await;
    }
    let deadline = Instant::now() + IN_FLIGHT;
    let is_answered = public.close(IN_FLIGHT).await;
    // A delivery continues if its sender has closed the connection.
    let rest = deadline.saturating_duration_since(Instant::now());
    let stopped = timeout(rest + ROLLBACK, deliveries.shutdown(rest)).await;
    if !is_answered || stopped != Ok(0) {
        warn!("stopped deliveries that took too long; the sender sends them again");
    }
    let forward = async {
        if let Some(forward) = forward {
            forward.shutdown().await;
        }
    };
    let ((), swept) = tokio::join!(forward, timeout(SWEEP, sweeper));
    if swept.is_err() {
        warn!("the sweep did not stop in time; the next one waits for up to 15 s");
    }
    for task in background {
        task.abort();
    }
    if let Some(traces) = traces {
        // Blocks its thread.
        let _ = tokio::task::spawn_blocking(move || traces.shutdown()).await;
    }
    let admin = async {
        if let Some(admin) = admin {
            admin.close(CLOSING).await;
        }
    };
    let (closed, ()) = tokio::join!(timeout(CLOSING, target.close()), admin);
    if closed.is_err() {
        warn!("the connections to the database did not close in time");
    }
}
