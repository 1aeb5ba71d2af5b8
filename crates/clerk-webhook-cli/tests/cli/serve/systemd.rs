//! The notifications to systemd.

use std::os::unix::net::UnixDatagram;

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
