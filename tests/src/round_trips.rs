//! Counts the round trips between a client and a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Forwards one connection to the server, and counts its round trips. Returns the port for the client.
///
/// A round trip begins when the client sends data after it has received data from the server.
///
/// # Panics
///
/// Panics if no port is free.
pub async fn forward(host: String, port: u16) -> (u16, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listens_on = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect((host, port)).await.unwrap();
        let (mut from_client, mut from_server) = ([0; 65536], [0; 65536]);
        let mut client_speaks = false;
        loop {
            tokio::select! {
                length = client.read(&mut from_client) => {
                    let Ok(length @ 1..) = length else { return };
                    if !client_speaks {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    client_speaks = true;
                    server.write_all(&from_client[..length]).await.unwrap();
                }
                length = server.read(&mut from_server) => {
                    let Ok(length @ 1..) = length else { return };
                    client_speaks = false;
                    client.write_all(&from_server[..length]).await.unwrap();
                }
            }
        }
    });
    (listens_on, asked)
}
