//! A running `clerk-webhook api`, and requests to it.

use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;

use clerk_webhook_test::FakeBackendApi;

use super::PATIENCE;
use super::listener::{Answer, lines};
use super::process::{command, send_signal};

/// An API process on a free port. It is killed on drop.
pub(crate) struct Api {
    process: Child,
    output: Receiver<String>,
    /// The first line of the output.
    pub(crate) first: String,
    /// The lines of the introduction after the first one.
    pub(crate) introduction: Vec<String>,
    /// The host and the port.
    pub(crate) address: String,
}

impl Api {
    /// Starts an API, and waits until it has printed its introduction.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut process = command()
            .arg("api")
            .args(if arguments.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] })
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let output = lines(process.stdout.take().expect("the stream is piped"));
        let mut api =
            Self { process, output, first: String::new(), introduction: Vec::new(), address: String::new() };
        api.first = api.line();
        if !api.first.starts_with('{') {
            while !api.introduction.last().is_some_and(|line| line.contains("Ctrl-C")) {
                api.introduction.push(api.line());
            }
            assert_eq!(api.line(), "");
        }
        let (_, address) = api.first.split_once("http://").expect("a URL");
        api.address = address.split('/').next().unwrap_or_default().to_owned();
        api
    }

    /// Waits for the next line of standard output.
    pub(crate) fn line(&self) -> String {
        self.output.recv_timeout(PATIENCE).expect("another line of output")
    }

    /// Sends a GET request with the key.
    pub(crate) fn get(&self, path: &str) -> Answer {
        let key = FakeBackendApi::SECRET_KEY;
        let request = format!(
            "GET /v1{path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
        );
        Answer::to(request.as_bytes(), &*self.address)
    }

    /// Sends a signal to the process, and waits until it ends.
    #[cfg(unix)]
    pub(crate) fn terminate(&mut self, signal: &str) -> ExitStatus {
        send_signal(signal, self.process.id());
        self.process.wait().expect("the process is a child")
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
