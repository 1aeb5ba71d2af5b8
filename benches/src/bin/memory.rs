//! Measures how much memory a sender can make a server use, with connections without a body and with large
//! bodies. Linux only.
//!
//! `memory [--check] [connections, 10,000 by default]`
//!
//! Each server is a separate process. Its resident memory is read from `/proc`. The baseline is a handler
//! that hashes the body and stores nothing: it shows the memory that hyper and axum use themselves.

use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::{env, fs, thread};

use clerk_webhook_benches::delivery::SignedDelivery;
use clerk_webhook_benches::handlers::{BARE, DRAIN, EXTRACTOR_TYPED, LAYER_UNTOUCHED, PATH};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The names of the servers. The first one is the baseline.
const SERVERS: [&str; 4] = [DRAIN, BARE, LAYER_UNTOUCHED, EXTRACTOR_TYPED];

const OURS: [&str; 2] = [LAYER_UNTOUCHED, EXTRACTOR_TYPED];

/// The memory that a connection without a body may use above the baseline, in bytes.
const GOAL_CONNECTION: i64 = 16 * 1024;

/// The response to an accepted delivery, and the response of servers without verification to every delivery.
const OK: &str = "HTTP/1.1 200";

/// The default body limit, and the length of the bodies, in bytes.
const BODY: usize = 2 * 1024 * 1024;

/// The memory that a forged body may use above the baseline, in bytes.
const GOAL_BODY: i64 = BODY as i64 + 64 * 1024;

/// The number of concurrent bodies.
const BODIES: usize = 32;

/// The bytes of one write. A loopback socket could carry much more in one write than a network.
const CHUNK: usize = 16 * 1024;

fn main() -> Result<ExitCode> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let connections = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(10_000);
    let missed = show(
        &format!("{connections} connections that announce 2 MiB and send no body: KiB per connection"),
        |server| idle(server, connections),
        Some(GOAL_CONNECTION),
    )? + show(
        &format!("{BODIES} concurrent forged bodies of 2 MiB: KiB per body at the peak"),
        |server| bodies(server, &forged(), "HTTP/1.1 400", BODIES),
        Some(GOAL_BODY),
    )? + show(
        &format!("{BODIES} concurrent authentic bodies of 2 MiB: KiB per body at the peak"),
        |server| bodies(server, &padded(), OK, BODIES),
        None,
    )? + show(
        "1 authentic body of 2 MiB: KiB at the peak",
        |server| bodies(server, &padded(), OK, 1),
        None,
    )? + show("1,000 requests that announce 1 TiB: KiB in total", claims, None)?;
    println!("{missed} goals missed");
    Ok(ExitCode::from(u8::from(arguments.iter().any(|argument| argument == "--check") && missed > 0)))
}

/// Measures all servers, prints their memory, and returns the number of missed goals.
fn show(title: &str, attack: impl Fn(&mut Server) -> Result<i64>, goal: Option<i64>) -> Result<usize> {
    println!("{title}\n{:<44}{:>10}{:>16}", "", "KiB", "above baseline");
    let (mut own, mut missed) = (None, 0);
    for name in SERVERS {
        let bytes = attack(&mut Server::start(name)?)?;
        let beyond = bytes - *own.get_or_insert(bytes);
        let is_ours = OURS.contains(&name);
        let verdict = match goal.filter(|_| is_ours) {
            Some(goal) if beyond <= goal => format!("  ok, goal <= {}", goal / 1024),
            Some(goal) => {
                missed += 1;
                format!("  MISSED, goal <= {}", goal / 1024)
            }
            None => String::new(),
        };
        println!("  {name:<42}{:>10.1}{:>16.1}{verdict}", bytes as f64 / 1024.0, beyond as f64 / 1024.0);
    }
    println!();
    Ok(missed)
}

/// Opens connections that never send a body, and returns the memory per connection, in bytes.
fn idle(server: &mut Server, count: usize) -> Result<i64> {
    let delivery = SignedDelivery::new(vec![b' '; BODY].into());
    let head = head(&delivery, "expect: 100-continue\r\n");
    // The first connection initializes the shared state of the server.
    let first = server.open(&head)?;
    let before = server.resident()?;
    let open: Vec<_> = (0..count).map(|_| server.open(&head)).collect::<Result<_>>()?;
    let after = server.resident()?;
    drop((first, open));
    Ok((after - before) / i64::try_from(count)?)
}

/// Sends bodies concurrently, and returns the memory per body at the peak, in bytes.
fn bodies(server: &mut Server, delivery: &SignedDelivery, answer: &str, count: usize) -> Result<i64> {
    server.warm_up()?;
    let before = server.resident()?;
    let head = head(delivery, "expect: 100-continue\r\n");
    let mut streams: Vec<_> = (0..count).map(|_| server.open(&head)).collect::<Result<_>>()?;
    let (last, rest) = delivery.body.split_last().ok_or("the body is empty")?;
    for chunk in rest.chunks(CHUNK) {
        for stream in &mut streams {
            stream.write_all(chunk)?;
        }
    }
    // Waits, so that the server has all bodies in memory at the same time.
    server.await_read()?;
    for stream in &mut streams {
        stream.write_all(&[*last])?;
        expect(stream, if server.is_ours { answer } else { OK })?;
    }
    Ok((server.peak()? - before) / i64::try_from(count)?)
}

/// Announces bodies that do not fit into memory, and returns how much the peak grows, in bytes.
fn claims(server: &mut Server) -> Result<i64> {
    server.warm_up()?;
    let before = server.resident()?;
    let mut delivery = SignedDelivery::user_created();
    delivery.headers.insert("content-length", (1_u64 << 40).into());
    for _ in 0..1000 {
        let mut stream = server.connect()?;
        stream.write_all(head(&delivery, "").as_bytes())?;
        // The other servers wait for the body until the connection closes.
        if server.is_ours {
            expect(&mut stream, "HTTP/1.1 413")?;
        }
    }
    Ok(server.peak()? - before)
}

/// Returns a `user.created` that is padded with spaces to 2 MiB.
fn padded() -> SignedDelivery {
    let mut body = SignedDelivery::user_created().body.to_vec();
    body.resize(BODY, b' ');
    SignedDelivery::new(body.into())
}

/// Returns the padded body with the signature of another body.
fn forged() -> SignedDelivery {
    SignedDelivery { headers: SignedDelivery::new(vec![b' '; BODY].into()).headers, ..padded() }
}

fn head(delivery: &SignedDelivery, extra: &str) -> String {
    let fields = delivery
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().expect("the headers are ASCII text")));
    format!("POST {PATH} HTTP/1.1\r\n{}{extra}\r\n", fields.collect::<String>())
}

/// Reads the head of a response and checks its status.
fn expect(stream: &mut TcpStream, status: &str) -> Result<()> {
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer[..length]);
    if answer.starts_with(status) {
        Ok(())
    } else {
        Err(format!("expected {status}, received {answer:?}").into())
    }
}

/// A server in a separate process.
struct Server {
    process: Child,
    address: String,
    is_ours: bool,
}

impl Server {
    fn start(name: &str) -> Result<Self> {
        let program = env::current_exe()?.with_file_name("serve");
        let mut process =
            Command::new(&program).arg(name).stdout(Stdio::piped()).spawn().map_err(|error| {
                format!("{}: {error}; run `cargo build --release --bins`", program.display())
            })?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("the server has no standard output")?)
            .read_line(&mut line)?;
        let address =
            line.trim().strip_prefix("listening on http://").and_then(|rest| rest.split('/').next());
        let address =
            address.ok_or_else(|| format!("{name} did not print its address, but: {line}"))?.to_owned();
        Ok(Self { process, address, is_ours: OURS.contains(&name) })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address).map_err(|error| match error.raw_os_error() {
            // EMFILE
            Some(24) => io::Error::other("too many open files. Run `ulimit -n 20000` first."),
            _ => error,
        })?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Sends a head and waits for `100 Continue`, which the server sends when the handler reads the body.
    fn open(&self, head: &str) -> Result<TcpStream> {
        let mut stream = self.connect()?;
        stream.write_all(head.as_bytes())?;
        expect(&mut stream, "HTTP/1.1 100")?;
        Ok(stream)
    }

    /// Waits until the server has read all data. The kernel buffers unread data, which does not count as
    /// resident memory.
    fn await_read(&self) -> Result<()> {
        let (_, port) = self.address.rsplit_once(':').ok_or("the address has no port")?;
        let port = format!(":{:04X}", port.parse::<u16>()?);
        while fs::read_to_string("/proc/net/tcp")?.lines().any(|line| is_unread(line, &port)) {
            thread::yield_now();
        }
        // The server has one thread, so it responds only after it has processed the data that it read before.
        self.warm_up()
    }

    /// Sends a small delivery, so that the server initializes its shared state.
    fn warm_up(&self) -> Result<()> {
        let delivery = SignedDelivery::user_created();
        let mut stream = self.connect()?;
        stream.write_all(head(&delivery, "").as_bytes())?;
        stream.write_all(&delivery.body)?;
        expect(&mut stream, OK)
    }

    /// Returns the resident memory of the process in bytes, and resets its peak.
    fn resident(&self) -> Result<i64> {
        fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5")?;
        self.status("VmRSS:")
    }

    /// Returns the peak of the resident memory since the last call to `resident`, in bytes.
    fn peak(&self) -> Result<i64> {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> Result<i64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let value = status.lines().find_map(|line| line.strip_prefix(field));
        let kibibytes = value.and_then(|value| value.trim().strip_suffix(" kB"));
        Ok(kibibytes.ok_or("the server process has ended")?.parse::<i64>()? * 1024)
    }
}

/// Returns whether a line of `/proc/net/tcp` is a connection from or to this port with data in a queue.
fn is_unread(line: &str, port: &str) -> bool {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [_, local, remote, _, queues, ..] = fields[..] else { return false };
    (local.ends_with(port) || remote.ends_with(port)) && queues != "00000000:00000000"
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
