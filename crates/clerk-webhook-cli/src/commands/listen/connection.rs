//! What a connection may take: a place among so many, and time.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// How many connections there are at once: each may hold a body of the largest size.
const MAX_CONNECTIONS: usize = 128;

/// How many connections of the page there are besides.
const MAX_OF_PAGE: usize = 64;

/// The places that there are.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    of_page: Arc<Semaphore>,
}

/// The place of a connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    permit: Mutex<(OwnedSemaphorePermit, bool)>,
    of_page: Arc<Semaphore>,
}

impl Places {
    pub(super) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            of_page: Arc::new(Semaphore::new(MAX_OF_PAGE)),
        }
    }

    /// Waits for a place.
    pub(super) async fn take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { permit: Mutex::new((permit, false)), of_page: Arc::clone(&self.of_page) })
    }
}

impl Place {
    /// Takes one of the places for the page instead, where there is one.
    pub(super) fn leave_to_senders(&self) {
        let mut held = self.permit.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.1
            && let Ok(permit) = Arc::clone(&self.of_page).try_acquire_owned()
        {
            *held = (permit, true);
        }
    }
}

/// A stream that fails where the other end does not take what is written.
#[derive(Debug)]
pub(super) struct Impatient<S> {
    stream: S,
    limit: Duration,
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, waits: None }
    }

    /// Makes an error of it that nothing could be written for so long.
    fn within_limit<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waits = None;
            return written;
        }
        let limit = self.limit;
        let waits = self.waits.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(waits.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
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
    async fn who_does_not_read_is_left() {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _silent = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
        let (stream, _) = socket.accept().await.unwrap();
        let mut stream = Impatient::new(stream, Duration::from_millis(20));
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
    async fn the_page_takes_no_place_of_those_who_send() {
        let places = Places::new();
        let mut taken = Vec::new();
        for _ in 0..MAX_OF_PAGE + MAX_CONNECTIONS {
            let place = places.take().await.unwrap();
            place.leave_to_senders();
            place.leave_to_senders();
            taken.push(place);
        }
        // All are taken; whoever leaves gives back what it had.
        assert_eq!((places.all.available_permits(), places.of_page.available_permits()), (0, 0));
        taken.remove(0);
        assert_eq!((places.all.available_permits(), places.of_page.available_permits()), (0, 1));
        taken.pop();
        assert_eq!(places.all.available_permits(), 1);
    }
}
