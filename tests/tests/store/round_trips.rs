//! How often a store asks the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clerk_webhook_store::{Claim, DeliveryStore as _, Held, PostgresStore};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::databases::{Engine as _, PostgresDatabase, begin_new, key};

/// Passes a connection on to the server, and counts how often the client speaks after the server has.
pub(crate) async fn counting(options: PgConnectOptions) -> (PgConnectOptions, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = (options.get_host().to_owned(), options.get_port());
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(server).await.unwrap();
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
    let options = options.host("127.0.0.1").port(port).ssl_mode(PgSslMode::Disable);
    (options, asked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_claim_is_one_and_a_transaction_costs_one_more() {
    let Some(database) = PostgresDatabase::create("round_trips").await else { return };
    let (options, asked) = counting(database.options()).await;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .unwrap();
    let store = PostgresStore::new(pool.clone());
    let trips = async || {
        // The pool looks at a connection when it is given back; after this it is idle again.
        while pool.num_idle() == 0 {
            tokio::task::yield_now().await;
        }
        asked.swap(0, Ordering::SeqCst)
    };

    // With the first, statements are prepared. Each ends with the pool's own look at the connection.
    for round in 0..2 {
        let id = format!("msg_{round}");
        trips().await;
        let Claim::Claimed(lease) = store.claim(&key(&id), Duration::from_secs(60)).await.unwrap() else {
            panic!("it is free");
        };
        let claim = trips().await;
        assert_eq!(store.complete(&lease).await.unwrap(), Held::Yes);
        let complete = trips().await;
        pool.begin().await.unwrap().commit().await.unwrap();
        let nothing = trips().await;
        begin_new(&store, &format!("msg_t{round}")).await.commit().await.unwrap();
        let transaction = trips().await;
        if round == 1 {
            assert_eq!((claim, complete), (1 + 1, 1 + 1));
            // The mark, and the look at it before the commit.
            assert_eq!(transaction, nothing + 2);
        }
    }
}
