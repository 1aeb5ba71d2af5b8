//! A minimal HTTP/1.1 connection. It can send requests that no client library sends.

use std::io;

use bytes::Buf;
use clerk_webhook_tests::response::ResponseHead;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;

/// The maximum size of a response, in bytes. The examples' responses are far smaller.
const LONGEST_ANSWER: usize = 16 * 1024;

pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    rejected: bool,
}

#[derive(Clone, Copy)]
pub struct Answer {
    pub status: u16,
    pub keep_alive: bool,
}

impl Connection {
    pub async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::new(), rejected: false })
    }

    /// Sends a request and reads the response, which may arrive before the request is sent completely.
    pub async fn exchange(&mut self, head: &str, body: &[u8]) -> io::Result<Answer> {
        self.received.clear();
        let (mut reader, mut writer) = self.stream.split();
        let sending = async move {
            let mut request = Buf::chain(head.as_bytes(), body);
            writer.write_all_buf(&mut request).await
        };
        let receiving = receive(&mut reader, &mut self.received);
        tokio::pin!(sending, receiving);
        let (sent, answer) = tokio::select! {
            biased;
            // The server may respond and close the connection before it has read the request, so read the
            // response even if sending fails.
            sent = &mut sending => (sent.is_ok(), receiving.await),
            answer = &mut receiving => (false, answer),
        };
        let answer = answer?;
        self.rejected = answer.status != 200;
        Ok(Answer { keep_alive: answer.keep_alive && sent, ..answer })
    }

    /// Returns whether the last exchange failed because the server had closed the connection after it
    /// rejected the previous delivery.
    pub fn was_closed_after_rejection(&self, error: &io::Error) -> bool {
        self.rejected && self.received.is_empty() && is_closed(error)
    }

    /// Sends a part of a request and closes the connection, optionally with a reset.
    pub async fn break_off(mut self, head: &str, part: &[u8], reset: bool) -> io::Result<()> {
        self.stream.write_all_buf(&mut Buf::chain(head.as_bytes(), part)).await?;
        if reset {
            self.reset();
        }
        Ok(())
    }

    /// Closes the connection without TIME_WAIT. Otherwise, tens of thousands of connections exhaust the local
    /// ports.
    pub fn reset(self) {
        // If this fails, the connection closes normally.
        let _ = self.stream.set_zero_linger();
    }
}

pub fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}

async fn receive(reader: &mut ReadHalf<'_>, received: &mut Vec<u8>) -> io::Result<Answer> {
    loop {
        if let Some((answer, length)) = parse(received)? {
            if received.len() == length {
                return Ok(answer);
            }
            if received.len() > length {
                return Err(io::Error::other("the response is longer than its Content-Length"));
            }
        }
        if received.len() > LONGEST_ANSWER {
            return Err(io::Error::other("the response is too long"));
        }
        if reader.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Returns the response and its total length, or `None` if its head is incomplete.
fn parse(received: &[u8]) -> io::Result<Option<(Answer, usize)>> {
    let Some(head) = ResponseHead::parse(received)? else { return Ok(None) };
    let keep_alive = !head.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(Some((Answer { status: head.status, keep_alive }, head.body_start + head.content_length)))
}
