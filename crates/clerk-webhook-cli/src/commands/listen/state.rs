//! What all connections of a listener share.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::sync::{RwLock, mpsc, watch};

use super::forward::Forward;
use super::history::History;
use super::page::access::PageAccess;
use super::printer::Line;
use super::record::Folder;
use super::script::Script;
use super::verdict::Judge;

/// All that a request may need.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) host: IpAddr,
    /// The only path of deliveries, unless any will do.
    pub(super) path: Option<String>,
    /// The URL that deliveries go to, as it is shown.
    pub(super) endpoint: String,
    pub(super) max_body: usize,
    pub(super) judge: Judge,
    pub(super) history: History,
    pub(super) script: Option<Script>,
    pub(super) forward: Option<Forward>,
    pub(super) record: Option<Arc<Folder>>,
    pub(super) lines: mpsc::Sender<Line>,
    pub(super) page: PageAccess,
    /// Tells this run from others, whose deliveries have the same numbers.
    pub(super) run: String,
    /// How many pages follow what arrives.
    pub(super) followers: Arc<AtomicUsize>,
    /// Held by each delivery whose body has arrived, until the delivery has been shown.
    pub(super) underway: RwLock<()>,
    pub(super) ends: watch::Sender<bool>,
}

impl Listener {
    pub(super) async fn print(&self, line: Line) {
        // The printer ends before the server only if nobody reads its output any more.
        let _ = self.lines.send(line).await;
    }

    /// Stops all waiting, and returns when every delivery that has arrived has been shown.
    pub(super) async fn end(&self) {
        self.ends.send_replace(true);
        let _all = self.underway.write().await;
    }

    /// Returns the result of some work, or `None` if the listener ends first.
    pub(super) async fn before_the_end<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut ends = self.ends.subscribe();
        tokio::select! {
            result = work => Some(result),
            _ = ends.wait_for(|ends| *ends) => None,
        }
    }
}
