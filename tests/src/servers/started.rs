//! Servers that a test starts and kills.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::{env, fs, thread};

use super::{has_program, pg_ctl};

/// A NATS server with JetStream for one test, which the test can kill.
#[derive(Debug)]
pub struct Nats {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl Nats {
    /// Starts a server without streams. Returns `None` if nats-server is not installed.
    ///
    /// # Panics
    ///
    /// Panics if the server does not start.
    #[must_use]
    pub fn start(needed_by: &str) -> Option<Self> {
        // Large enough for the default body limit of a verifier.
        Self::start_with(needed_by, "max_payload: 2113536")
    }

    /// Starts a server with further lines of its configuration file.
    ///
    /// # Panics
    ///
    /// Panics if the server does not start.
    #[must_use]
    pub fn start_with(needed_by: &str, settings: &str) -> Option<Self> {
        if !has_program("nats-server", needed_by) {
            return None;
        }
        let port = free_port();
        let folder = folder("nats", port);
        configure(&folder, port, settings);
        Some(Self { process: Self::spawn(&folder), folder, port })
    }

    /// Starts three servers that form a cluster.
    ///
    /// # Panics
    ///
    /// Panics if a server does not start.
    #[must_use]
    pub fn start_cluster(needed_by: &str) -> Option<[Self; 3]> {
        let ports = [0; 3].map(|_| free_port());
        let routes = ports.map(|port| format!("\"nats://127.0.0.1:{port}\"")).join(",");
        let mut servers = ports.iter().map_while(|port| {
            let cluster = format!("cluster {{ name: c, listen: \"127.0.0.1:{port}\", routes: [{routes}] }}");
            Self::start_with(needed_by, &format!("server_name: n{port}\n{cluster}"))
        });
        Some([servers.next()?, servers.next()?, servers.next()?])
    }

    /// Returns the server's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills the server, as `kill -9` does.
    ///
    /// # Panics
    ///
    /// Panics if the server cannot be killed.
    pub fn kill(&mut self) {
        self.process.kill().expect("could not kill nats-server");
        self.process.wait().expect("could not wait for nats-server");
    }

    /// Starts the killed server again, with its files and its port.
    ///
    /// # Panics
    ///
    /// Panics if the server does not start.
    pub fn restart(&mut self) {
        self.process = Self::spawn(&self.folder);
    }

    /// Starts the killed server again, with other lines of its configuration file.
    ///
    /// # Panics
    ///
    /// Panics if the server does not start.
    pub fn restart_with(&mut self, settings: &str) {
        configure(&self.folder, self.port, settings);
        self.restart();
    }

    /// Deletes all files of the killed server, so that it starts without streams.
    ///
    /// # Panics
    ///
    /// Panics if the files cannot be deleted.
    pub fn wipe(&self) {
        fs::remove_dir_all(self.folder.join("data")).expect("could not delete the files");
    }

    /// Copies the files of the killed server, for [`recover`](Self::recover).
    ///
    /// # Panics
    ///
    /// Panics if the files cannot be copied.
    pub fn back_up(&self) {
        self.copy("data", "backup");
    }

    /// Replaces the files of the killed server with those that [`back_up`](Self::back_up) copied.
    ///
    /// # Panics
    ///
    /// Panics if the files cannot be copied.
    pub fn recover(&self) {
        self.wipe();
        self.copy("backup", "data");
    }

    fn copy(&self, from: &str, to: &str) {
        let copied = Command::new("cp").arg("-a").arg(from).arg(to).current_dir(&self.folder).status();
        assert!(copied.as_ref().is_ok_and(ExitStatus::success), "{copied:?}");
    }

    fn spawn(folder: &Path) -> Child {
        let mut server = Command::new("nats-server");
        server.arg("--config").arg(folder.join("nats.conf")).stderr(Stdio::piped());
        let mut process = server.spawn().expect("could not start nats-server");
        let log = BufReader::new(process.stderr.take().expect("the log is piped"));
        let mut lines = log.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("Server is ready")), "nats-server did not start");
        // Read the rest of the log, so that a full pipe cannot block the server.
        thread::spawn(move || lines.for_each(drop));
        process
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Writes the configuration file of nats-server.
fn configure(folder: &Path, port: u16, settings: &str) {
    let listen = format!("listen: \"127.0.0.1:{port}\"");
    let jetstream = format!("jetstream {{ store_dir: \"{}\" }}", folder.join("data").display());
    fs::write(folder.join("nats.conf"), format!("{listen}\n{jetstream}\n{settings}\n"))
        .expect("could not write the configuration");
}

/// A Postgres server for one test, which the test can kill.
///
/// If the test runs as root, the server's processes run as the user `postgres`.
#[derive(Debug)]
pub struct Postgres {
    pg_ctl: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Postgres {
    /// Starts a server with an empty database. Returns `None` if Postgres is not installed.
    ///
    /// # Panics
    ///
    /// Panics if the server does not start.
    #[must_use]
    pub fn start(needed_by: &str) -> Option<Self> {
        let pg_ctl = pg_ctl(needed_by)?;
        let port = free_port();
        let server = Self { pg_ctl, folder: folder("postgres", port), port };
        if is_root() {
            server.run(Command::new("chown").arg("postgres").arg(&server.folder));
        }
        let mut initdb = as_user_of_postgres(&server.pg_ctl.with_file_name("initdb"));
        initdb.args(["--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--no-locale"]);
        server.run(initdb.arg("--no-sync").arg("--pgdata").arg(server.data()));
        server.restart();
        Some(server)
    }

    /// Returns the URL of an empty database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Restarts the server, which then accepts only connections with TLS.
    ///
    /// # Panics
    ///
    /// Panics if a file cannot be read or written, or if the server does not start.
    pub fn require_tls(&self, certificate: &Path, key: &Path) {
        for (file, name) in [(certificate, "server.crt"), (key, "server.key")] {
            let mut install = Command::new("install");
            install.args(["--mode", "600"]);
            if is_root() {
                install.args(["--owner", "postgres"]);
            }
            self.run(install.arg(file).arg(self.data().join(name)));
        }
        fs::write(self.data().join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 trust\n")
            .expect("could not write the rules");
        fs::write(self.data().join("postgresql.auto.conf"), "ssl = on\n")
            .expect("could not write the setting");
        self.kill();
        self.restart();
    }

    /// Kills all processes of the server.
    ///
    /// # Panics
    ///
    /// Panics if the server cannot be killed.
    pub fn kill(&self) {
        let mut stop = as_user_of_postgres(&self.pg_ctl);
        self.run(stop.args(["stop", "--mode", "immediate", "--pgdata"]).arg(self.data()));
    }

    /// Starts the killed server again, with its files and its port. The server recovers the database from its
    /// log.
    ///
    /// # Panics
    ///
    /// Panics if the server does not start.
    pub fn restart(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200",
            self.port
        );
        let mut start = as_user_of_postgres(&self.pg_ctl);
        start.args(["start", "--wait", "--options", &options, "--pgdata"]).arg(self.data());
        self.run(start.arg("--log").arg(self.data().join("log")));
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn run(&self, command: &mut Command) {
        let status = command.current_dir(&self.folder).stdout(Stdio::null()).status();
        assert!(status.as_ref().is_ok_and(ExitStatus::success), "{command:?}: {status:?}");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = as_user_of_postgres(&self.pg_ctl);
        stop.args(["stop", "--mode", "immediate", "--pgdata"]).arg(self.data());
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn as_user_of_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("could not run id");
    id.stdout.starts_with(b"0\n")
}

/// Creates a folder for a server's files. It is not in the checkout, because the user `postgres` may not be
/// able to access the checkout.
fn folder(server: &str, port: u16) -> PathBuf {
    let name = format!("clerk-webhook-{server}-{}-{port}", process::id());
    let folder = env::temp_dir().join(name);
    fs::create_dir(&folder).expect("could not create the folder");
    folder
}

/// Returns a port below the range of ephemeral ports, so that no outgoing connection takes the port while the
/// server is down.
///
/// # Panics
///
/// Panics if no port is free.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = 20_000 + u16::try_from(process::id() % 10_000).unwrap_or(0);
    (0..100)
        .map(|_| begin + NEXT.fetch_add(1, Ordering::Relaxed))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("no port is free")
}
