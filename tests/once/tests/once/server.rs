//! Database servers that a test can make unavailable.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use clerk_webhook_tests::process::eventually;
use clerk_webhook_tests::servers::{self, Nats, Postgres, free_port};

/// How a server is unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Connections are closed, and new ones are refused or closed, as after a kill or during a restart.
    Gone,
    /// The server accepts data and does not answer, as if it were stopped or the network lost all packets.
    Mute,
}

/// A server that a test can make unavailable and available again.
pub trait Server {
    fn address(&self) -> String;
    fn take_away(&mut self, absence: Absence);
    fn bring_back(&mut self, absence: Absence);
}

/// A proxy between a receiver and a server. It can interrupt connections while the server keeps running.
pub struct Proxy {
    url: String,
    link: Arc<Link>,
}

#[derive(Default)]
struct Link {
    absent: Mutex<Option<Absence>>,
    changed: Condvar,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Starts a proxy for the server in a URL.
    pub fn to(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").expect("the URL has a scheme");
        let (authority, path) = rest.split_once('/').expect("the URL has a path");
        let (user, server) =
            authority.rsplit_once('@').map_or((None, authority), |(user, server)| (Some(user), server));
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("could not bind a port");
        let here: SocketAddr = listener.local_addr().expect("the listener has an address");
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        let link = Arc::<Link>::default();
        let accepting = Arc::clone(&link);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                accepting.connect(client, &server);
            }
        });
        Self { url: format!("{scheme}://{user}{here}/{path}"), link }
    }
}

impl Server for Proxy {
    fn address(&self) -> String {
        self.url.clone()
    }

    fn take_away(&mut self, absence: Absence) {
        *lock(&self.link.absent) = Some(absence);
        if absence == Absence::Gone {
            lock(&self.link.open).drain(..).for_each(close);
        }
    }

    fn bring_back(&mut self, _absence: Absence) {
        *lock(&self.link.absent) = None;
        self.link.changed.notify_all();
    }
}

impl Link {
    fn connect(self: &Arc<Self>, client: TcpStream, server: &str) {
        if *lock(&self.absent) == Some(Absence::Gone) {
            return;
        }
        let Ok(server) = TcpStream::connect(server) else { return };
        let duplicate = |stream: &TcpStream| stream.try_clone().expect("could not duplicate the socket");
        lock(&self.open).extend([duplicate(&client), duplicate(&server)]);
        for (from, to) in [(duplicate(&client), duplicate(&server)), (server, client)] {
            let link = Arc::clone(self);
            thread::spawn(move || link.carry(from, to));
        }
    }

    /// Forwards bytes until one side closes its connection. Waits while the server is mute.
    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut chunk = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            let is_mute = |absent: &mut Option<Absence>| *absent == Some(Absence::Mute);
            drop(
                self.changed.wait_while(lock(&self.absent), is_mute).unwrap_or_else(PoisonError::into_inner),
            );
            if to.write_all(&chunk[..length]).is_err() {
                break;
            }
        }
        close(from);
        close(to);
    }
}

/// A Redis server for one test, which writes everything to disk before it responds.
pub struct Redis {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl Redis {
    /// Starts a server. Returns `None` if redis-server is not installed.
    pub fn start(folder: &Path) -> Option<Self> {
        if !servers::has_program("redis-server", "a Redis that is killed") {
            return None;
        }
        let port = free_port();
        let folder = folder.to_owned();
        Some(Self { process: Self::spawn(&folder, port), folder, port })
    }

    fn spawn(folder: &Path, port: u16) -> Child {
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(folder)
            .args(["--appendonly", "yes", "--appendfsync", "always"])
            .stdout(Stdio::null())
            .spawn()
            .expect("could not start redis-server");
        eventually("the start of redis-server", || {
            let mut connection = TcpStream::connect(("127.0.0.1", port)).ok()?;
            connection.write_all(b"PING\r\n").ok()?;
            let mut answer = [0; 5];
            connection.read_exact(&mut answer).ok()?;
            (answer == *b"+PONG").then_some(())
        });
        process
    }

    fn signal(&self, name: &str) {
        let kill =
            Command::new("sh").args(["-c", "kill -$0 $1", name, &self.process.id().to_string()]).status();
        assert!(kill.expect("could not run sh").success());
    }
}

impl Server for Redis {
    fn address(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    fn take_away(&mut self, absence: Absence) {
        match absence {
            Absence::Mute => self.signal("STOP"),
            Absence::Gone => {
                self.process.kill().expect("could not kill redis-server");
                self.process.wait().expect("could not wait for redis-server");
            }
        }
    }

    fn bring_back(&mut self, absence: Absence) {
        match absence {
            Absence::Mute => self.signal("CONT"),
            Absence::Gone => self.process = Self::spawn(&self.folder, self.port),
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server for Nats {
    fn address(&self) -> String {
        self.url()
    }

    fn take_away(&mut self, _absence: Absence) {
        self.kill();
    }

    fn bring_back(&mut self, _absence: Absence) {
        self.restart();
    }
}

impl Server for Postgres {
    fn address(&self) -> String {
        self.url()
    }

    fn take_away(&mut self, _absence: Absence) {
        self.kill();
    }

    fn bring_back(&mut self, _absence: Absence) {
        self.restart();
    }
}

fn close(stream: TcpStream) {
    // Another thread that reads or writes the stream gets an error. The stream may already be closed.
    let _ = stream.shutdown(Shutdown::Both);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
