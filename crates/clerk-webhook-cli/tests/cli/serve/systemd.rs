//! The notifications to systemd, and its sockets.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use clerk_webhook_test::{Delivery, fixture};

use super::{Database, Server};
use crate::support::PATIENCE;

#[test]
fn notifies_systemd() {
    let database = Database::sqlite("systemd");
    let path = database.folder.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let receive = || {
        let mut message = [0; 256];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).trim().to_owned()
    };
    let mut command = database.command();
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let mut server = Server::start(&mut command);
    let mut seen = Vec::new();
    while !(seen.contains(&"READY=1".to_owned()) && seen.contains(&"WATCHDOG=1".to_owned())) {
        seen.push(receive());
    }
    server.signal("TERM");
    while receive() != "STOPPING=1" {}
    assert_eq!(server.ended().code(), Some(0));
}

/// Returns the command with these sockets, like systemd: the first one is file 3.
fn with_sockets(command: &Command, public: OwnedFd, admin: OwnedFd) -> Command {
    // The number of the process is known only to itself.
    let script = "exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_PID=$$ exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.env("LISTEN_FDS", "2").current_dir(command.get_current_dir().unwrap());
    shell.stdin(Stdio::from(public)).stdout(Stdio::from(admin));
    shell
}

#[test]
fn takes_the_sockets_of_a_socket_unit() {
    let database = Database::sqlite("systemd-sockets");
    let [public, admin] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = [&public, &admin].map(|socket| socket.local_addr().unwrap());
    let mut command = database.command();
    // Not used.
    command.env("CLERK_WEBHOOK_LISTEN", "192.0.2.1:1");
    let sockets = [&public, &admin].map(|socket| OwnedFd::from(socket.try_clone().unwrap()));
    let [first, second] = sockets;
    let mut server = Server::start(&mut with_sockets(&command, first, second));
    assert_eq!([server.public, server.admin], addresses);
    assert_eq!(server.deliver(&Delivery::of(fixture::user_created())).status, 200);
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn refuses_a_socket_of_another_kind() {
    let database = Database::sqlite("systemd-datagrams");
    let datagrams = || OwnedFd::from(UnixDatagram::unbound().unwrap());
    let output = with_sockets(&database.command(), datagrams(), datagrams()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("cannot use socket 1 of the socket unit as a TCP listener"), "{stderr}");
}
