//! Runs the `curl` commands of deliveries in a shell, and checks the arguments and the received request.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;

use bytes::Bytes;
use clerk_webhook_core::Verifier;
use clerk_webhook_test::{
    Delivery, SECRET,
    fixture::{self, AnyFixture},
};

/// Bodies that a shell, `printf` or curl could misinterpret.
fn bodies() -> Vec<Bytes> {
    let texts = [
        "",
        "{}",
        "'",
        "''\\''",
        "it's \"quoted\" `id` $(id) ${HOME} $'x' !! ~ * ? # ; & | < > \\",
        "\\n \\000 \\\\ %s %d %%",
        "@/etc/passwd",
        "@-",
        "-",
        "-v",
        "--",
        "-n x",
        "a\nb\n",
        "\r\n\r\n",
        "\n\n",
        "\t",
        "a\0b",
        "\u{1b}[31mred\u{7f}\u{85}",
        "é … \u{1f980} \u{202e}",
        "\u{feff}{}",
    ];
    let mut bodies: Vec<_> = texts.into_iter().map(|text| Bytes::from_static(text.as_bytes())).collect();
    bodies.push((0..=255).collect::<Vec<u8>>().into());
    bodies.push(Bytes::from_static(b"-\xff\xfe"));
    bodies.push("x".repeat(200_000).into());
    bodies.push("'é'".repeat(50_000).into());
    bodies.push(Delivery::of(fixture::email_created()).set("/data/subject", "it's 1\n2").body());
    bodies
}

/// Runs a script in a shell, and returns its standard output.
fn run(script: &str) -> Vec<u8> {
    let mut shell = Command::new("sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = shell.stdin.take().unwrap();
    let script = script.to_owned();
    let writer = thread::spawn(move || input.write_all(script.as_bytes()));
    let output = shell.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output.stdout
}

/// Returns the arguments and the standard input that a shell passes to `curl`.
fn arguments_and_input(command: &str) -> (Vec<String>, Vec<u8>) {
    let output = run(&format!("curl() {{ printf '%s\\0' \"$@\"; printf '%s\\0' end; cat; }}\n{command}\n"));
    let mut rest = output.as_slice();
    let mut arguments = Vec::new();
    loop {
        let end = rest.iter().position(|byte| *byte == 0).unwrap();
        let argument = String::from_utf8(rest[..end].to_vec()).unwrap();
        rest = &rest[end + 1..];
        if argument == "end" {
            return (arguments, rest.to_vec());
        }
        arguments.push(argument);
    }
}

#[test]
fn a_shell_passes_headers_and_body_to_curl_unchanged() {
    const URL: &str = "http://127.0.0.1:3000/hook?a=1&b='x'";
    for body in bodies() {
        let delivery = Delivery::of_body(body.clone()).header("x-odd", "it's \"$HOME\" \\");
        let command = delivery.curl(URL);
        let (arguments, input) = arguments_and_input(&command);
        let expected: Vec<_> =
            delivery.headers().iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let mut arguments = arguments.iter().map(String::as_str);
        assert_eq!((arguments.next(), arguments.next()), (Some("-i"), Some(URL)));
        for header in &expected {
            assert_eq!((arguments.next(), arguments.next()), (Some("-H"), Some(header.as_str())));
        }
        let rest: Vec<_> = arguments.collect();
        match rest.as_slice() {
            ["--data-raw", text] => assert_eq!(text.as_bytes(), body),
            ["--data-binary", "@-"] => assert!(input == body, "{command}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_command_contains_no_control_characters() {
    for body in bodies() {
        let command = Delivery::of_body(body).curl("http://127.0.0.1/");
        let is_calm = |line: &str| !line.chars().any(char::is_control);
        assert!(command.lines().all(is_calm), "{command:?}");
        assert_eq!(command.matches('\n').count(), command.matches(" \\\n  -").count());
    }
}

/// Receives one request, and returns the lines of its head, and its body.
fn receive(listener: &TcpListener) -> (Vec<String>, Vec<u8>) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let head = loop {
        let length = stream.read(&mut buffer).unwrap();
        assert_ne!(length, 0, "the connection closed before the request was complete");
        request.extend_from_slice(&buffer[..length]);
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break String::from_utf8(request.drain(..end + 4).collect()).unwrap();
        }
    };
    let lines: Vec<_> = head.trim_end().lines().map(str::to_owned).collect();
    let length = lines.iter().find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    while request.len() < length {
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "the connection closed before the body was complete");
        request.extend_from_slice(&buffer[..read]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nOK").unwrap();
    (lines, request)
}

#[test]
fn curl_sends_the_delivery() {
    if Command::new("curl").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "curl is not installed");
        // The test harness does not capture what is written directly.
        let _ = writeln!(std::io::stderr(), "skipped: sending with curl needs curl");
        return;
    }
    // By default, curl expands braces and brackets to several URLs.
    let path = "/webhooks/clerk?a={b,c}&d=[1-3]";
    let verifier = Verifier::new(SECRET).unwrap();
    let right = || Delivery::of(fixture::user_created());
    let odd = [
        right().unsigned(),
        right().without("content-type"),
        right().repeated("svix-id"),
        right().replaced("svix-id", ""),
        right().replaced("content-type", ""),
        right().header("x-test", "a, \"b\"; c"),
    ];
    let deliveries =
        bodies().into_iter().map(Delivery::of_body).chain(AnyFixture::all().map(Delivery::of)).chain(odd);
    for delivery in deliveries {
        // Each delivery has its own listener, so that a second request fails instead of waiting.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let command = delivery.curl(&format!("http://{}{path}", listener.local_addr().unwrap()));
        let receiver = thread::spawn(move || receive(&listener));
        let answer = run(&command);
        assert!(answer.ends_with(b"OK"), "{:?}", String::from_utf8_lossy(&answer));
        let (head, body) = receiver.join().unwrap();

        assert_eq!(head[0], format!("POST {path} HTTP/1.1"));
        let ours = |line: &&String| {
            let name = line.split(':').next().unwrap().to_lowercase();
            !["host", "user-agent", "accept", "content-length", "expect"].contains(&name.as_str())
        };
        let sent: Vec<_> = head[1..].iter().filter(ours).map(|line| line.trim().to_owned()).collect();
        let headers = delivery.headers();
        let expected = headers.iter().map(|(name, value)| format!("{name}: {value}").trim().to_owned());
        assert_eq!(sent, expected.collect::<Vec<_>>());
        assert!(body == delivery.body());
        let fields: Vec<_> = sent.iter().filter_map(|line| line.split_once(": ")).collect();
        assert_eq!(verifier.verify(&fields, &body).is_ok(), verifier.verify(&headers, &body).is_ok());
    }
}
