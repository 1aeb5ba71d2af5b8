//! A client that runs a case's steps at the byte level, and returns the answers.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{interval, timeout};

use super::case::Step;
use super::handling::Gate;
use super::http2;
use super::seen::{Reply, Seen};

/// The timeout for a server, much longer than any answer takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The interval of `Step::Drip`.
const DRIPPING: Duration = Duration::from_millis(20);

/// Runs the steps and returns the answers, up to the first one that does not arrive within `patience`.
pub async fn play(address: SocketAddr, gate: &Gate, steps: &[Step], patience: Duration) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut connection = Connection::open(address).await;
    for step in steps {
        match step {
            Step::Write(bytes) => connection.write(Write::All(bytes.clone())),
            Step::WriteSlowly(bytes) => connection.write(Write::Slowly(bytes.clone())),
            Step::Drip(bytes) => connection.write(Write::Drip(bytes)),
            Step::HalfClose => connection.write(Write::End),
            Step::Reconnect => {
                connection.close().await;
                connection = Connection::open(address).await;
            }
            Step::Expect(expected) => seen.extend(connection.see(expected, patience).await),
            Step::AwaitHandler => {
                if timeout(PATIENCE, gate.began()).await.is_err() {
                    seen.push(Seen::Nothing);
                }
            }
            Step::LetHandlerEnd => gate.open(),
            Step::OnAnotherConnection(request, expected) => {
                let mut other = Connection::open(address).await;
                other.write(Write::All(request.clone()));
                seen.extend(other.see(expected, patience).await);
                other.close().await;
            }
            Step::Http2(streams) => seen.extend(http2::exchange(address, streams, PATIENCE).await),
        }
        if seen.contains(&Seen::Nothing) {
            break;
        }
    }
    seen
}

/// A connection with independent directions, because a server may answer before it has read everything.
struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writes: UnboundedSender<Write>,
    writing: JoinHandle<OwnedWriteHalf>,
    /// Whether the last answer allows further requests on this connection.
    is_reusable: bool,
}

enum Write {
    All(Bytes),
    Slowly(Bytes),
    Drip(&'static [u8]),
    End,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (reader, writer) = stream.into_split();
        let (writes, queue) = unbounded_channel();
        let writing = tokio::spawn(write(writer, queue));
        Self { reader: BufReader::new(reader), writes, writing, is_reusable: false }
    }

    fn write(&self, write: Write) {
        // If the writer has failed, the reader reports it.
        let _ = self.writes.send(write);
    }

    /// Closes both directions after everything is written.
    async fn close(self) {
        drop(self.writes);
        drop(timeout(PATIENCE, self.writing).await);
    }

    /// Reads the final response, and the interim responses (100) before it. An expected interim response is
    /// treated as final.
    async fn see(&mut self, expected: &Seen, patience: Duration) -> Vec<Seen> {
        let mut seen = Vec::new();
        loop {
            let answer = match timeout(patience, self.read()).await {
                Ok(Ok(reply)) => {
                    self.is_reusable = !reply.closes();
                    Seen::from(&reply)
                }
                Ok(Err(_)) if self.is_reusable => {
                    Seen::Wrong("closed without `Connection: close`".to_owned())
                }
                Ok(Err(_)) => Seen::Closed,
                Err(_) => Seen::Nothing,
            };
            let is_interim = answer == Seen::Continue && *expected != Seen::Continue;
            seen.push(answer);
            if !is_interim {
                break;
            }
        }
        if *expected == Seen::GivenUp && seen.iter().all(Seen::may_follow_an_early_close) {
            // Wait until the server closes its direction, because then it has processed the request.
            let ended = timeout(PATIENCE, self.reader.read_to_end(&mut Vec::new())).await;
            return vec![if ended.is_ok() { Seen::GivenUp } else { Seen::Nothing }];
        }
        seen
    }

    async fn read(&mut self) -> io::Result<Reply> {
        let mut reply = self.read_head().await?;
        if let Some(length) = reply.header("content-length") {
            reply.body.resize(length.parse().map_err(io::Error::other)?, 0);
            self.reader.read_exact(&mut reply.body).await?;
        } else if reply.header("transfer-encoding").is_some() {
            return Err(io::Error::other("unexpected chunked answer"));
        }
        Ok(reply)
    }

    async fn read_head(&mut self) -> io::Result<Reply> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let status = lines.remove(0).split(' ').nth(1).and_then(|status| status.parse().ok());
        let headers = lines.iter().filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        Ok(Reply { status: status.unwrap_or_default(), headers: headers.collect(), body: Vec::new() })
    }
}

/// Writes the queued bytes until the queue is closed. Ignores errors, because a server may stop reading.
async fn write(mut writer: OwnedWriteHalf, mut queue: UnboundedReceiver<Write>) -> OwnedWriteHalf {
    let mut dripping: Option<&[u8]> = None;
    let mut interval = interval(DRIPPING);
    loop {
        let drip = async {
            match dripping {
                Some(bytes) => {
                    interval.tick().await;
                    bytes
                }
                None => pending().await,
            }
        };
        let written = tokio::select! {
            next = queue.recv() => {
                dripping = None;
                match next {
                    Some(Write::All(bytes)) => writer.write_all(&bytes).await,
                    Some(Write::Slowly(bytes)) => write_slowly(&mut writer, &bytes).await,
                    Some(Write::Drip(bytes)) => {
                        dripping = Some(bytes);
                        Ok(())
                    }
                    Some(Write::End) => writer.shutdown().await,
                    None => return writer,
                }
            }
            bytes = drip => writer.write_all(bytes).await,
        };
        if written.is_err() {
            dripping = None;
        }
    }
}

async fn write_slowly(writer: &mut OwnedWriteHalf, bytes: &[u8]) -> io::Result<()> {
    for byte in bytes {
        writer.write_all(&[*byte]).await?;
        yield_now().await;
    }
    Ok(())
}
