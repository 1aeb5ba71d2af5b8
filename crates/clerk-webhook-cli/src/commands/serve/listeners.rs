//! Listens on an address, and stops listening in an orderly way.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use listenfd::ListenFd;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::server::limits::Limits;
use crate::server::response::Body;
use crate::server::serve::serve_until;

/// A bound socket that does not accept connections yet.
pub(super) struct Bound {
    socket: TcpListener,
    pub(super) address: SocketAddr,
}

/// A running listener.
pub(super) struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Where the sockets come from: systemd, if a socket unit started the process, else the operating system.
pub(super) struct Sockets(ListenFd);

impl Sockets {
    /// Takes the sockets that the process inherited.
    pub(super) fn inherited() -> Self {
        Self(ListenFd::from_env())
    }

    /// Returns the inherited socket at this position, or else binds the address. `option` is the name of the option
    /// that sets the address.
    pub(super) async fn bind(
        &mut self,
        position: usize,
        address: SocketAddr,
        option: &str,
    ) -> Result<Bound, Failure> {
        let unusable = |error: io::Error| {
            let number = position + 1;
            Failure::usage(format_args!(
                "cannot use socket {number} of the socket unit as a TCP listener: {error}"
            ))
        };
        let socket = match self.0.take_tcp_listener(position).map_err(unusable)? {
            Some(socket) => {
                socket.set_nonblocking(true).map_err(unusable)?;
                TcpListener::from_std(socket).map_err(unusable)?
            }
            None => {
                TcpListener::bind(address).await.map_err(|error| cannot_listen(address, option, &error))?
            }
        };
        let address = socket.local_addr().map_err(unusable)?;
        Ok(Bound { socket, address })
    }
}

impl Bound {
    /// Begins to accept connections.
    pub(super) fn serve<S, R, F>(self, shared: Arc<S>, respond: R) -> Running
    where
        S: Send + Sync + 'static,
        R: Fn(Arc<S>, Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let respond = move |request, peer, _| {
            let response = respond(Arc::clone(&shared), request, peer);
            async move { Ok(response.await) }
        };
        let stopped = async move {
            let _ = stopped.await;
        };
        let task = tokio::spawn(serve_until(self.socket, Limits::SERVE, stopped, respond));
        Running { stop, task }
    }
}

impl Running {
    /// Closes the socket, and waits until the requests in flight are answered. Returns whether they were answered
    /// within the limit.
    pub(super) async fn close(self, limit: Duration) -> bool {
        // The task has ended if it no longer receives.
        let _ = self.stop.send(());
        tokio::time::timeout(limit, self.task).await.is_ok()
    }
}

fn cannot_listen(address: SocketAddr, option: &str, error: &io::Error) -> Failure {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => Failure::usage(format_args!(
            "port {port} is in use. Stop the process that uses it, or select another address with {option}."
        )),
        io::ErrorKind::PermissionDenied => Failure::usage(format_args!(
            "permission denied for port {port}: select a port above 1023 with {option}"
        )),
        io::ErrorKind::AddrNotAvailable => Failure::usage(format_args!(
            "{} is not an address of this machine: change {option}",
            address.ip()
        )),
        _ => Failure::usage(format_args!("cannot listen on {address} ({option}): {error}")),
    }
}
