//! Slots for connections, and a stream with a write timeout.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

use super::limits::Limits;

/// The slots for connections: general slots, and slots for the page only.
#[derive(Debug)]
pub(super) struct ConnectionSlots {
    general: Arc<Semaphore>,
    page: Arc<Semaphore>,
}

/// The slot of a connection. Dropping it frees the slot.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    /// The permit, and whether its slot is for the page only.
    permit: Mutex<(OwnedSemaphorePermit, bool)>,
    page: Arc<Semaphore>,
}

impl ConnectionSlots {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            general: Arc::new(Semaphore::new(limits.connections)),
            page: Arc::new(Semaphore::new(limits.page_connections)),
        }
    }

    /// Waits for a general slot.
    pub(super) async fn acquire(&self) -> Option<ConnectionSlot> {
        let permit = Arc::clone(&self.general).acquire_owned().await.ok()?;
        Some(ConnectionSlot { permit: Mutex::new((permit, false)), page: Arc::clone(&self.page) })
    }
}

impl ConnectionSlot {
    /// Exchanges a general slot for a page slot, if a page slot is free.
    pub(crate) fn switch_to_page(&self) {
        let mut held = self.permit.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.1
            && let Ok(permit) = Arc::clone(&self.page).try_acquire_owned()
        {
            *held = (permit, true);
        }
    }
}

/// A stream whose writes fail if the peer reads nothing for longer than `limit`.
#[derive(Debug)]
pub(super) struct WriteTimeout<S> {
    stream: S,
    limit: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, deadline: None }
    }

    /// Turns a write that is pending for longer than the limit into an error.
    fn within_limit<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let limit = self.limit;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.within_limit(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.within_limit(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.within_limit(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_write_fails_if_the_peer_does_not_read() {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _silent = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
        let (stream, _) = socket.accept().await.unwrap();
        let mut stream = WriteTimeout::new(stream, Duration::from_millis(20));
        let bytes = vec![0; 1 << 20];
        let error = loop {
            let written = poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, &bytes)).await;
            if let Err(error) = written {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn the_page_does_not_occupy_general_slots() {
        let slots = ConnectionSlots::new(&Limits::LOCAL);
        let mut occupied = Vec::new();
        for _ in 0..Limits::LOCAL.page_connections + Limits::LOCAL.connections {
            let slot = slots.acquire().await.unwrap();
            slot.switch_to_page();
            slot.switch_to_page();
            occupied.push(slot);
        }
        // Every slot is occupied. Each connection then releases the kind of slot that it holds.
        assert_eq!((slots.general.available_permits(), slots.page.available_permits()), (0, 0));
        occupied.remove(0);
        assert_eq!((slots.general.available_permits(), slots.page.available_permits()), (0, 1));
        occupied.pop();
        assert_eq!(slots.general.available_permits(), 1);
    }
}
