//! `clerk-webhook scenario` with the URLs of several instances.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use axum::http::StatusCode;
use clerk_webhook_test::{History, Scenario};
use serde_json::Value;

use crate::support::endpoint::{Endpoint, message_id};
use crate::support::scenario::{objects, scenario, start, summary};
use crate::support::server::read;

/// Starts an instance that responds to every request with this status, and returns the ids that it receives.
fn instance(status: StatusCode) -> (Endpoint, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let server = Endpoint::answering(move |headers, _| {
        noted.lock().unwrap().push(message_id(&headers));
        status
    });
    (server, seen)
}

#[test]
fn distributes_deliveries_round_robin() {
    let instances = [StatusCode::OK; 3].map(instance);
    let to = instances.iter().map(|(server, _)| format!(" --to {}", server.url)).collect::<String>();
    let (code, objects) = objects(&format!("churn --seed 5 --events 60{to}"));
    assert_eq!(code, 0, "{objects:?}");
    let urls: Vec<_> = instances.iter().map(|(server, _)| server.url.as_str()).collect();
    assert_eq!((&objects[0]["to"], &objects[0]["urls"]), (&urls[0].into(), &urls.clone().into()));

    let history = History::builder().scenario(Scenario::Churn).seed(5).events(60).build();
    let ids: Vec<_> = history.events().iter().map(|event| event.message_id().to_string()).collect();
    for (turn, (_, seen)) in instances.iter().enumerate() {
        let expected: Vec<_> = ids.iter().skip(turn).step_by(3).cloned().collect();
        assert_eq!(*seen.lock().unwrap(), expected);
    }
    let text = String::from_utf8(scenario(&format!("churn --seed 5 --events 2{to}")).stdout).unwrap();
    assert!(text.contains(&format!("to {}", urls.join(" and "))), "{text}");
}

#[test]
fn retries_go_to_the_next_instance() {
    let (bad, at_bad) = instance(StatusCode::INTERNAL_SERVER_ERROR);
    let (good, at_good) = instance(StatusCode::OK);
    let arguments =
        format!("team --seed 2 --events 40 --concurrency 8 --retry --time-scale 1e6 --each --to {}", bad.url);
    let (code, objects) = objects(&format!("{arguments} --to {}", good.url));
    assert_eq!(code, 0, "{objects:?}");
    assert_eq!((at_bad.lock().unwrap().len(), at_good.lock().unwrap().len()), (20, 40));
    let attempts: Vec<_> = objects.iter().filter(|object| object["type"] == "attempt").collect();
    assert_eq!(attempts.len(), 60);
    for attempt in attempts {
        let expected = if attempt["status"] == 200 { &good.url } else { &bad.url };
        assert_eq!(attempt["url"], *expected);
        assert!(attempt["attempt"] == 1 || attempt["url"] == good.url, "{attempt}");
    }

    let text = scenario(&format!("{arguments} --to {}", good.url)).stdout;
    assert!(String::from_utf8(text).unwrap().contains(&format!("500 from {}", bad.url)));
}

#[test]
fn resends_after_a_lost_connection_to_the_next_instance() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let lossy = format!("http://{}/", listener.local_addr().unwrap());
    let receiver = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        read(&stream).unwrap();
    });
    let (good, seen) = instance(StatusCode::OK);
    let (code, objects) = objects(&format!("signup --events 1 --each --to {lossy} --to {}", good.url));
    assert_eq!((code, seen.lock().unwrap().len()), (0, 1), "{objects:?}");
    let attempt = &objects[1];
    assert_eq!((&attempt["resent"], &attempt["url"]), (&true.into(), &good.url.as_str().into()));
    receiver.join().unwrap();
}

#[test]
fn continues_if_an_instance_stops_but_not_if_it_never_listened() {
    // This instance responds to a single request and then stops.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let first = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        read(&stream).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        // Wait until the sender closes the connection.
        let _ = stream.read(&mut [0; 16]);
    });
    let (good, seen) = instance(StatusCode::OK);
    let arguments = format!("signup --seed 1 --events 10 --to {} --to http://{address}/", good.url);
    let (code, summed) = summary(&arguments);
    assert_eq!((code, &summed["resent"]), (0, &4.into()), "{summed}");
    assert_eq!(seen.lock().unwrap().len(), 9);
    first.join().unwrap();

    // For the next run, nothing has ever listened at this address.
    let output = start(&arguments).wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains(&format!("nothing is listening on {address}")), "{error}");
}

#[test]
fn rejects_urls_of_other_machines_unless_allowed() {
    let (good, seen) = instance(StatusCode::OK);
    for urls in [[good.url.as_str(), "http://example.com/"], ["http://example.com/", good.url.as_str()]] {
        let output = scenario(&format!("signup --events 1 --to {} --to {}", urls[0], urls[1]));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("example.com is not this machine: add --allow-remote"), "{error}");
    }
    assert!(seen.lock().unwrap().is_empty());
    let (_, objects) = objects(&format!("signup --events 1 --to {}", good.url));
    assert_eq!(objects[0]["urls"], Value::from(vec![good.url.as_str()]));
}
