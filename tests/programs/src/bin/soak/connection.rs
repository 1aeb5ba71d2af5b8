//! One HTTP/1.1 connection, by hand: it has to send what no client library would.

use std::io;

use bytes::Buf;
use clerk_webhook_tests::response::ResponseHead;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;

/// The answers of the examples are far smaller; a longer one is an error, not a reason to buffer.
const LONGEST_ANSWER: usize = 16 * 1024;

pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    refused: bool,
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
        Ok(Self { stream, received: Vec::new(), refused: false })
    }

    /// Sends a request and reads the answer, which may come before everything is sent.
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
            // The server may have answered and closed before it has read everything, so the answer counts.
            sent = &mut sending => (sent.is_ok(), receiving.await),
            answer = &mut receiving => (false, answer),
        };
        let answer = answer?;
        self.refused = answer.status != 200;
        Ok(Answer { keep_alive: answer.keep_alive && sent, ..answer })
    }

    /// Whether an error of the last exchange means no more than that the server had closed after a refusal.
    pub fn was_closed_after_refusal(&self, error: &io::Error) -> bool {
        self.refused && self.received.is_empty() && is_closed(error)
    }

    /// Sends a part of a request and disconnects: in order, or by a reset.
    pub async fn break_off(mut self, head: &str, part: &[u8], reset: bool) -> io::Result<()> {
        self.stream.write_all_buf(&mut Buf::chain(head.as_bytes(), part)).await?;
        if reset {
            self.reset();
        }
        Ok(())
    }

    /// Closes without the minute of TIME_WAIT, of which tens of thousands would use up the local ports.
    pub fn reset(self) {
        // Where it fails, the connection closes as usual.
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
                return Err(io::Error::other("the answer is longer than it says"));
            }
        }
        if received.len() > LONGEST_ANSWER {
            return Err(io::Error::other("the answer is too long"));
        }
        if reader.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Returns the answer and its length with the body, or nothing while its head is incomplete.
fn parse(received: &[u8]) -> io::Result<Option<(Answer, usize)>> {
    let Some(head) = ResponseHead::parse(received)? else { return Ok(None) };
    let keep_alive = !head.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(Some((Answer { status: head.status, keep_alive }, head.body_start + head.content_length)))
}
