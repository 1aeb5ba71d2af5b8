//! The ways to receive deliveries, each as a server on its own socket.

mod actix;
mod axum;
mod hyper;
mod poem;
mod rocket;
mod warp;

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_core::{SigningSecret, Timestamp, Verifier};
use clerk_webhook_store::{Deduplicator, DynDeliveryStore};
use clerk_webhook_tests::body::ScriptedBody;
use clerk_webhook_tests::request::collect;
use clerk_webhook_tests::vectors::all_secrets;
use clerk_webhook_tests::{other_secret, secret};
use http::{Request, Response};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use super::handling::{Gate, Handling};
use super::inbox::{Delivered, Inbox};

pub use clerk_webhook_tests::request::PATH;

/// The body limit in bytes of [`Setup::SmallLimit`].
pub const SMALL_LIMIT: usize = 1000;

/// A framework, and the part of the adapter that verifies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stack {
    TowerLayer,
    AxumExtractor,
    AxumLayer,
    ActixExtractor,
    ActixMiddleware,
    WarpFilter,
    WarpLayer,
    PoemExtractor,
    PoemEndpoint,
    RocketGuard,
}

impl Stack {
    pub const ALL: [Self; 10] = [
        Self::TowerLayer,
        Self::AxumExtractor,
        Self::AxumLayer,
        Self::ActixExtractor,
        Self::ActixMiddleware,
        Self::WarpFilter,
        Self::WarpLayer,
        Self::PoemExtractor,
        Self::PoemEndpoint,
        Self::RocketGuard,
    ];

    /// Returns the stacks that [`exchange`] supports. Without a socket, Rocket takes only complete bodies.
    pub fn without_socket() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|stack| *stack != Self::RocketGuard)
    }
}

/// The name in the guide.
impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TowerLayer => "Tower layer on hyper",
            Self::AxumExtractor => "Axum extractor",
            Self::AxumLayer => "Axum with the layer",
            Self::ActixExtractor => "Actix extractor",
            Self::ActixMiddleware => "Actix middleware",
            Self::WarpFilter => "Warp filter",
            Self::WarpLayer => "Warp with the layer",
            Self::PoemExtractor => "Poem extractor",
            Self::PoemEndpoint => "Poem endpoint",
            Self::RocketGuard => "Rocket guard",
        })
    }
}

/// How a receiver is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// One secret and the default limits.
    Standard,
    /// A body limit of [`SMALL_LIMIT`].
    SmallLimit,
    /// A read timeout of 300 ms.
    ShortReadTimeout,
    /// Two secrets, as during a rotation.
    Rotation,
    /// The secrets of all vectors.
    AllSecrets,
    /// The secrets of all vectors, and a clock that the case sets.
    SetClock,
    /// Typed handlers with duplicate handling.
    Handling,
    /// Like `Handling`, with a short handler timeout.
    ShortHandlerTimeout,
    /// Like `Handling`, with a store that cannot be reached.
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

    /// Returns whether the server runs typed handlers.
    pub fn is_handling(self) -> bool {
        matches!(self, Self::Handling | Self::ShortHandlerTimeout | Self::StoreDown)
    }

    fn secrets(self) -> Vec<SigningSecret> {
        match self {
            Self::Rotation => vec![secret(), other_secret()],
            Self::AllSecrets | Self::SetClock => all_secrets(),
            _ => vec![secret()],
        }
    }

    /// A timeout that no case reaches, except with `ShortReadTimeout`.
    fn read_timeout(self) -> Duration {
        if self == Self::ShortReadTimeout { Duration::from_millis(300) } else { Duration::from_secs(60) }
    }
}

/// The parts of a receiver.
#[derive(Clone)]
struct Parts {
    verifier: Verifier,
    inbox: Inbox,
    handling: Handling,
}

/// A response and the calls to the handler.
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
        Stack::AxumLayer => collect(axum::with_layer(parts).oneshot(request).await.unwrap()).await,
        Stack::ActixExtractor => actix::call(actix::extractor(parts), request).await,
        Stack::ActixMiddleware => actix::call(actix::middleware(parts), request).await,
        Stack::WarpFilter => {
            collect(::warp::service(warp::filter(parts)).oneshot(request).await.unwrap()).await
        }
        Stack::WarpLayer => collect(warp::with_layer(parts).oneshot(request).await.unwrap()).await,
        Stack::PoemExtractor => collect(poem::call(poem::extractor(parts), request).await).await,
        Stack::PoemEndpoint => collect(poem::call(poem::endpoint(parts), request).await).await,
        Stack::RocketGuard => panic!("{stack} takes no frames without a socket"),
    };
    Exchange { response, delivered: inbox.take() }
}

/// A running server. Dropping it stops the server.
pub struct Server {
    pub address: SocketAddr,
    pub inbox: Inbox,
    clock: Arc<AtomicI64>,
    handling: Handling,
    /// Stops the server thread when it is dropped.
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
        let (ready, addresses) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        // Actix needs its own thread. The other stacks get one too, so that no server can delay the clients.
        thread::spawn(move || serve(stack, setup, listener, parts, ready, stopped));
        let address = addresses.recv().unwrap();
        Self { address, inbox, clock, handling, _stop: stop }
    }

    /// Returns the handlers' gate.
    pub fn gate(&self) -> &Gate {
        &self.handling.app.gate
    }

    /// Returns the deduplicator of [`PATH`].
    pub fn deduplicator(&self) -> &Deduplicator<Arc<dyn DynDeliveryStore>> {
        &self.handling.endpoints[0].deduplicator
    }

    /// Sets the verifier's clock. Only `Setup::SetClock` uses it.
    pub fn set_clock(&self, now: Timestamp) {
        self.clock.store(now.as_millis(), Ordering::SeqCst);
    }
}

fn serve(
    stack: Stack,
    setup: Setup,
    listener: TcpListener,
    parts: Parts,
    ready: mpsc::Sender<SocketAddr>,
    stopped: oneshot::Receiver<()>,
) {
    let handles = setup.is_handling();
    if stack != Stack::RocketGuard {
        ready.send(listener.local_addr().unwrap()).unwrap();
    }
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
                    axum::serve(listener, axum::handling_with_layer(parts)).await;
                }
                Stack::WarpFilter if handles => warp::serve_handling(listener, parts).await,
                Stack::WarpLayer if handles => warp::serve_handling_with_layer(listener, parts).await,
                Stack::PoemExtractor if handles => {
                    poem::serve(listener, poem::handling_extractor(parts)).await;
                }
                Stack::PoemEndpoint if handles => {
                    poem::serve(listener, poem::handling_endpoint(parts)).await;
                }
                Stack::TowerLayer => hyper::serve(listener, parts).await,
                Stack::AxumExtractor => axum::serve(listener, axum::extractor(parts)).await,
                Stack::AxumLayer => axum::serve(listener, axum::with_layer(parts)).await,
                Stack::WarpFilter => warp::serve(listener, parts).await,
                Stack::WarpLayer => hyper::serve_connections(listener, warp::with_layer(parts)).await,
                Stack::PoemExtractor => poem::serve(listener, poem::extractor(parts)).await,
                Stack::PoemEndpoint => poem::serve(listener, poem::endpoint(parts)).await,
                Stack::RocketGuard => rocket::serve(parts, handles, ready).await,
                Stack::ActixExtractor | Stack::ActixMiddleware => {}
            }
        };
        tokio::select! {
            () = serving => {}
            // The dropped sender is the signal to stop.
            _ = stopped => {}
        }
    });
    // Close the remaining connections.
    runtime.shutdown_background();
}
