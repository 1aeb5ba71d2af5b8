//! The function handles the events of each gateway once, over a copy of Lambda's runtime API.
//!
//! `events` contains the gateways' formats as AWS documents them. The tests add the headers and the body of a delivery.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use clerk_webhook::test::{Delivery, SECRET, fixture};
use clerk_webhook::{SigningSecret, Verifier};
use clerk_webhook_tests::clients::Example;
use clerk_webhook_tests::{OTHER_SECRET, event_of, servers};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_example-lambda");

const HTTP_API: &str = include_str!("events/http_api.json");
const REST_API: &str = include_str!("events/rest_api.json");
const FUNCTION_URL: &str = include_str!("events/function_url.json");

#[test]
fn verifies_the_bytes_that_the_gateway_received() {
    let Some(function) = Function::start() else { return };
    for (envelope, is_base64) in [HTTP_API, REST_API, FUNCTION_URL].map(|e| [(e, false), (e, true)]).concat()
    {
        for (case, delivery, expected) in deliveries() {
            // Gateways encode each body that is not text. Some settings make them encode every body.
            if is_base64 || str::from_utf8(&delivery.body()).is_ok() {
                let answer = function.answer(&event(envelope, &delivery, is_base64));
                assert_eq!(answer, expected, "{case}, base64: {is_base64}, in {envelope}");
            }
        }
    }
}

/// Returns new deliveries, with the status and the outcome that the function must answer.
fn deliveries() -> [(&'static str, Delivery, &'static str); 10] {
    let valid = || Delivery::of(fixture::user_created());
    let secrets = [OTHER_SECRET, SECRET].map(|text| SigningSecret::parse(text).unwrap());
    let spaced = b" {\"data\":{\"id\":\"\\u00e9\\/\"},\r\n\t\"type\":\"user.created\"}\n";
    let limit = Verifier::DEFAULT_BODY_LIMIT;
    [
        ("valid", valid(), "200 processed"),
        ("not ASCII", valid().set("/data/first_name", "Zo\u{eb} \u{1f980}\u{2028}\u{feff}"), "200 processed"),
        ("white space and escapes", Delivery::of_body(spaced.as_slice()), "200 processed"),
        ("two signatures", valid().secrets(secrets), "200 processed"),
        ("as long as the limit", Delivery::of_body(event_of(limit)), "200 ignored"),
        ("longer than the limit", Delivery::of_body(event_of(limit + 1)), "413"),
        ("forged", valid().altered(), "400"),
        ("stale", valid().stale(), "400"),
        ("unsigned", valid().unsigned(), "400"),
        (
            "not UTF-8",
            Delivery::of_body(b"{\"data\":{},\"type\":\"user.\xff\"}".as_slice()),
            "400 not_an_event",
        ),
    ]
}

#[test]
fn handles_a_message_once_in_two_instances_of_the_function() {
    let Some(first) = Function::start() else { return };
    let delivery = Delivery::of(fixture::user_created());
    assert_eq!(first.answer(&event(HTTP_API, &delivery, false)), "200 processed");
    assert_eq!(first.answer(&event(HTTP_API, &delivery, true)), "200 duplicate");
    drop(first);
    let Some(second) = Function::start() else { return };
    assert_eq!(second.answer(&event(REST_API, &delivery, false)), "200 duplicate");
}

#[test]
fn rejects_a_repeated_header_of_an_http_api() {
    let Some(function) = Function::start() else { return };
    let repeated = || Delivery::of(fixture::user_created()).repeated("svix-id");
    // An HTTP API joins the values with commas.
    assert_eq!(function.answer(&event(HTTP_API, &repeated(), false)), "400");
    // lambda_http keeps only the last value of a REST API's header. The signature must cover this value.
    assert_eq!(function.answer(&event(REST_API, &repeated(), false)), "200 processed");
}

#[test]
fn handles_the_next_event_after_one_that_it_cannot_convert() {
    let Some(function) = Function::start() else { return };
    let delivery = Delivery::of(fixture::user_created());
    let mut not_base64 = event(REST_API, &delivery, true);
    not_base64["body"] = "\u{eb}".into();
    let mut no_header = event(HTTP_API, &delivery, false);
    no_header["headers"]["user-agent"] = "\n".into();
    let mut no_uri = event(HTTP_API, &delivery, false);
    no_uri["headers"]["x-forwarded-proto"] = "a b".into();
    for event in [not_base64, no_header, no_uri, Value::Null] {
        let (path, error) = function.invoke(&event);
        assert!(path.ends_with("/error"), "{path}: {error}, {event}");
    }
    assert_eq!(function.answer(&event(REST_API, &delivery, false)), "200 processed");
}

#[test]
fn reports_a_missing_secret_in_one_line() {
    Example::assert_names_missing_secret(PROGRAM);
}

/// Adds a delivery to an event as the gateway does.
fn event(envelope: &str, delivery: &Delivery, is_base64: bool) -> Value {
    let mut event: Value = serde_json::from_str(envelope).unwrap();
    for (name, value) in delivery.headers() {
        match event.get_mut("multiValueHeaders") {
            // `headers` has the last value of each header.
            Some(all) => {
                all.as_object_mut().unwrap().entry(name).or_insert_with(|| Vec::<Value>::new().into());
                all[name].as_array_mut().unwrap().push(value.as_str().into());
                event["headers"][name] = value.into();
            }
            None => {
                let header = &mut event["headers"][name];
                *header = header.as_str().map_or(value.clone(), |first| format!("{first},{value}")).into();
            }
        }
    }
    let body = delivery.body();
    event["body"] = match is_base64 {
        true => BASE64_STANDARD.encode(body).into(),
        false => str::from_utf8(&body).unwrap().into(),
    };
    event["isBase64Encoded"] = is_base64.into();
    event
}

/// An instance of the function, and the runtime API that it asks for events.
struct Function {
    process: Child,
    events: Sender<String>,
    results: Receiver<(String, Value)>,
}

impl Function {
    /// Starts the function, or returns `None` if there is no Postgres server.
    fn start() -> Option<Self> {
        let database = servers::postgres("the example for AWS Lambda")?;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, next) = mpsc::channel();
        let (result, results) = mpsc::channel();
        let next = Arc::new(Mutex::new(next));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (next, result) = (Arc::clone(&next), result.clone());
                thread::spawn(move || serve(&connection, &next, &result));
            }
        });
        let mut command = Command::new(PROGRAM);
        command.env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET).env("DATABASE_URL", database);
        command.env("AWS_LAMBDA_RUNTIME_API", address).env("AWS_LAMBDA_FUNCTION_NAME", "webhooks");
        command
            .env("RUST_BACKTRACE", "0")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
        let process = command.stdout(Stdio::null()).spawn().unwrap();
        Some(Self { process, events, results })
    }

    /// Sends an event, and returns the path and the body of the request with the result.
    fn invoke(&self, event: &Value) -> (String, Value) {
        self.events.send(event.to_string()).unwrap();
        self.results.recv_timeout(Duration::from_secs(30)).expect("the function answers")
    }

    /// Sends an event, and returns the status and the outcome of the function's response.
    fn answer(&self, event: &Value) -> String {
        let (path, response) = self.invoke(event);
        assert!(path.ends_with("/response"), "{path}: {response}");
        assert_eq!(response["isBase64Encoded"], false);
        let body: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
        format!("{} {}", response["statusCode"], body["outcome"].as_str().unwrap_or("")).trim().to_owned()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves `/2018-06-01/runtime/invocation/next`, and the results that the function posts.
fn serve(
    stream: &TcpStream,
    next: &Mutex<Receiver<String>>,
    result: &Sender<(String, Value)>,
) -> io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let path = head.split(' ').nth(1).unwrap().to_owned();
        if path == "/2018-06-01/runtime/invocation/next" {
            let Ok(event) = next.lock().unwrap().recv() else { return Ok(()) };
            write!(
                writer,
                "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
                 Lambda-Runtime-Deadline-Ms: 4102444800000\r\nContent-Type: application/json\r\n\
                 Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-central-1:123456789012:function:webhooks\r\n\
                 Content-Length: {}\r\n\r\n{event}",
                event.len(),
            )?;
        } else {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut body)?;
            writer.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")?;
            let _ = result.send((path, serde_json::from_slice(&body).unwrap()));
        }
    }
}
