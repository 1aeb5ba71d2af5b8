//! The shared state of a listener.

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

/// The state that all requests share.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) host: IpAddr,
    /// The path for deliveries, or `None` for any path.
    pub(super) path: Option<String>,
    /// The URL for deliveries, for display.
    pub(super) endpoint: String,
    pub(super) max_body: usize,
    pub(super) judge: Judge,
    pub(super) history: History,
    pub(super) script: Option<Script>,
    pub(super) forward: Option<Forward>,
    pub(super) record: Option<Arc<Folder>>,
    pub(super) lines: mpsc::Sender<Line>,
    pub(super) page: PageAccess,
    /// The id of this run, because the deliveries of every run are numbered from 1.
    pub(super) run: String,
    /// The number of pages that follow the deliveries.
    pub(super) followers: Arc<AtomicUsize>,
    /// Each delivery holds a read lock from the arrival of its body until it is displayed.
    pub(super) underway: RwLock<()>,
    pub(super) ends: watch::Sender<bool>,
}

impl Listener {
    pub(super) async fn print(&self, line: Line) {
        // Sending fails only if the printer has ended, because the reader of its output closed the pipe.
        let _ = self.lines.send(line).await;
    }

    /// Cancels the futures that `before_the_end` waits for, and returns after every received delivery has
    /// been shown.
    pub(super) async fn end(&self) {
        self.ends.send_replace(true);
        let _all = self.underway.write().await;
    }

    /// Returns the result of `work`, or `None` if the listener ends first.
    pub(super) async fn before_the_end<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut ends = self.ends.subscribe();
        tokio::select! {
            result = work => Some(result),
            _ = ends.wait_for(|ends| *ends) => None,
        }
    }
}
