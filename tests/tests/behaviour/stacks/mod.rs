//! The ways in which an application can receive, each as a server on a socket of its own.

mod actix;
mod axum;
mod hyper;
mod warp;

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_core::{SigningSecret, Timestamp, Verifier};
use clerk_webhook_store::{Deduplicator, DynDeliveryStore};
use clerk_webhook_tests::body::ScriptedBody;
use clerk_webhook_tests::request::collect;
use clerk_webhook_tests::vectors::own_secrets;
use clerk_webhook_tests::{other_secret, secret};
use http::{Request, Response};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use super::handling::{Gate, Handling};
use super::inbox::{Delivered, Inbox};

pub use clerk_webhook_tests::request::PATH;

/// The most bytes of a body in [`Setup::SmallLimit`].
pub const SMALL_LIMIT: usize = 1000;

/// A framework, and what of it verifies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stack {
    TowerLayer,
    AxumExtractor,
    AxumLayer,
    ActixExtractor,
    ActixMiddleware,
    WarpFilter,
    WarpLayer,
}

impl Stack {
    pub const ALL: [Self; 7] = [
        Self::TowerLayer,
        Self::AxumExtractor,
        Self::AxumLayer,
        Self::ActixExtractor,
        Self::ActixMiddleware,
        Self::WarpFilter,
        Self::WarpLayer,
    ];
}

/// As the README calls it.
impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TowerLayer => "Tower layer on hyper",
            Self::AxumExtractor => "Axum extractor",
            Self::AxumLayer => "Axum behind the layer",
            Self::ActixExtractor => "Actix extractor",
            Self::ActixMiddleware => "Actix middleware",
            Self::WarpFilter => "Warp filter",
            Self::WarpLayer => "Warp behind the layer",
        })
    }
}

/// How a receiver is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// One secret, and the limits that a verifier has by default.
    Standard,
    /// Bodies have to be small.
    SmallLimit,
    /// Bodies have to come fast.
    ShortReadTimeout,
    /// Two secrets, as during a rotation.
    Rotation,
    /// The secrets of all vectors.
    AllSecrets,
    /// The secrets of all vectors, and a clock that the case sets.
    SetClock,
    /// Typed handlers, each delivery once.
    Handling,
    /// The same, where handlers have little time.
    ShortHandlerTimeout,
    /// The same, where the store cannot be reached.
    StoreDown,
}

impl Setup {
    pub const ALL: [Self; 9] = [
        Self::Standard,
        Self::SmallLimit,
        Self::ShortReadTimeout,
        Self::Rotation,
        Self::AllSecrets,
        Self::SetClock,
        Self::Handling,
        Self::ShortHandlerTimeout,
        Self::StoreDown,
    ];

    /// Returns whether typed handlers answer, and not the stack alone.
    pub fn is_handling(self) -> bool {
        matches!(self, Self::Handling | Self::ShortHandlerTimeout | Self::StoreDown)
    }

    fn secrets(self) -> Vec<SigningSecret> {
        match self {
            Self::Rotation => vec![secret(), other_secret()],
            Self::AllSecrets | Self::SetClock => own_secrets(),
            _ => vec![secret()],
        }
    }

    /// Longer than any client here waits, but where a case is about it.
    fn read_timeout(self) -> Duration {
        if self == Self::ShortReadTimeout { Duration::from_millis(300) } else { Duration::from_secs(60) }
    }
}

/// What a receiver is made of.
#[derive(Clone)]
struct Parts {
    verifier: Verifier,
    inbox: Inbox,
    handling: Handling,
}

/// A response, and what the handler got.
pub struct Exchange {
    pub response: Response<Bytes>,
    pub delivered: Vec<Delivered>,
}

/// Sends a request to a stack without a socket.
pub async fn exchange(stack: Stack, verifier: Verifier, request: Request<ScriptedBody>) -> Exchange {
    let inbox = Inbox::default();
    let handling = Handling::new(Setup::Standard, inbox.clone());
    let parts = Parts { verifier, inbox: inbox.clone(), handling };
    let response = match stack {
        Stack::TowerLayer => collect(hyper::verified(parts).oneshot(request).await.unwrap()).await,
        Stack::AxumExtractor => collect(axum::extractor(parts).oneshot(request).await.unwrap()).await,
        Stack::AxumLayer => collect(axum::behind_layer(parts).oneshot(request).await.unwrap()).await,
        Stack::ActixExtractor => actix::call(actix::extractor(parts), request).await,
        Stack::ActixMiddleware => actix::call(actix::middleware(parts), request).await,
        Stack::WarpFilter => {
            collect(::warp::service(warp::filter(parts)).oneshot(request).await.unwrap()).await
        }
        Stack::WarpLayer => collect(warp::behind_layer(parts).oneshot(request).await.unwrap()).await,
    };
    Exchange { response, delivered: inbox.take() }
}

/// A receiver that listens, until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub inbox: Inbox,
    clock: Arc<AtomicI64>,
    handling: Handling,
    /// Ends the thread of the server when it is dropped.
    _stop: oneshot::Sender<()>,
}

impl Server {
    pub fn start(stack: Stack, setup: Setup) -> Self {
        let clock = Arc::<AtomicI64>::default();
        let mut verifier = Verifier::builder().secrets(setup.secrets()).read_timeout(setup.read_timeout());
        if setup == Setup::SmallLimit {
            verifier = verifier.body_limit(SMALL_LIMIT);
        }
        if setup == Setup::SetClock {
            let clock = Arc::clone(&clock);
            verifier = verifier.clock(move || Timestamp::from_millis(clock.load(Ordering::SeqCst)));
        }
        let verifier = verifier.build().unwrap();
        let inbox = Inbox::default();
        let handling = Handling::new(setup, inbox.clone());
        let parts = Parts { verifier, inbox: inbox.clone(), handling: handling.clone() };

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        // Actix wants a thread of its own, and the others get theirs so that none can hold up the clients.
        thread::spawn(move || serve(stack, setup, listener, parts, stopped));
        Self { address, inbox, clock, handling, _stop: stop }
    }

    /// Returns what knows whether a handler runs.
    pub fn gate(&self) -> &Gate {
        &self.handling.app.gate
    }

    /// Returns what recognises the duplicates that come to [`PATH`].
    pub fn deduplicator(&self) -> &Deduplicator<Arc<dyn DynDeliveryStore>> {
        &self.handling.endpoints[0].deduplicator
    }

    /// Sets the clock of the verifier, where the set-up has one that can be set.
    pub fn set_clock(&self, now: Timestamp) {
        self.clock.store(now.as_millis(), Ordering::SeqCst);
    }
}

fn serve(stack: Stack, setup: Setup, listener: TcpListener, parts: Parts, stopped: oneshot::Receiver<()>) {
    let handles = setup.is_handling();
    match stack {
        Stack::ActixExtractor if handles => {
            return actix::serve(listener, actix::handling_extractor(parts), stopped);
        }
        Stack::ActixMiddleware if handles => {
            return actix::serve(listener, actix::handling_middleware(parts), stopped);
        }
        Stack::ActixExtractor => return actix::serve(listener, actix::extractor(parts), stopped),
        Stack::ActixMiddleware => return actix::serve(listener, actix::middleware(parts), stopped),
        _ => {}
    }
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let serving = async {
            match stack {
                Stack::TowerLayer if handles => hyper::serve_handling(listener, parts).await,
                Stack::AxumExtractor if handles => {
                    axum::serve(listener, axum::handling_extractor(parts)).await;
                }
                Stack::AxumLayer if handles => {
                    axum::serve(listener, axum::handling_behind_layer(parts)).await;
                }
                Stack::WarpFilter if handles => warp::serve_handling(listener, parts).await,
                Stack::WarpLayer if handles => warp::serve_handling_behind_layer(listener, parts).await,
                Stack::TowerLayer => hyper::serve(listener, parts).await,
                Stack::AxumExtractor => axum::serve(listener, axum::extractor(parts)).await,
                Stack::AxumLayer => axum::serve(listener, axum::behind_layer(parts)).await,
                Stack::WarpFilter => warp::serve(listener, parts).await,
                Stack::WarpLayer => hyper::serve_connections(listener, warp::behind_layer(parts)).await,
                Stack::ActixExtractor | Stack::ActixMiddleware => {}
            }
        };
        tokio::select! {
            () = serving => {}
            // That there is nobody any more who could send is the signal.
            _ = stopped => {}
        }
    });
    // Clients that are still there are cut off.
    runtime.shutdown_background();
}
