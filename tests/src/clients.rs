//! The official libraries of Clerk, Svix and Standard Webhooks, for Node and Python: as senders and as receivers.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_webhook_test::Delivery;

use crate::process::Receiver;
use crate::{OTHER_SECRET, SECRET, folder, say_skipped};

const VARIABLES: [&str; 2] = ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"];

/// How a delivery is made, and whether it must be accepted.
const CASES: [(&[&str], bool); 9] = [
    (&["--secret", SECRET], true),
    (&["--secret", SECRET, "--old-secret", OTHER_SECRET], true),
    (&["--secret", OTHER_SECRET, "--old-secret", SECRET], true),
    (&["--secret", SECRET, "--headers", "webhook"], true),
    (&["--secret", SECRET, "--age=290"], true),
    (&["--secret", SECRET, "--tamper"], false),
    (&["--secret", SECRET, "--age=301"], false),
    (&["--secret", SECRET, "--age=-302"], false),
    (&["--secret", OTHER_SECRET], false),
];

/// A program that signs with an official library and sends.
#[derive(Debug)]
pub struct Client {
    program: OsString,
    script: PathBuf,
    library: &'static str,
}

impl Client {
    /// Makes every kind of delivery to a receiver that knows [`SECRET`], and returns what was answered wrong.
    ///
    /// # Panics
    ///
    /// Panics where the client cannot be started.
    #[must_use]
    pub fn failures(&self, url: &str) -> Vec<String> {
        // One process makes all deliveries: to start it takes longer than to deliver.
        let output = self.output(url);
        let mut answers = str::from_utf8(&output.stdout).expect("the client prints text").lines();
        let mut failures = Vec::new();
        for (arguments, accepted) in CASES {
            let expected = if accepted { "200" } else { "400" };
            let answer = answers.next().unwrap_or("no answer");
            if !answer.starts_with(expected) {
                let error = String::from_utf8_lossy(&output.stderr);
                failures
                    .push(format!("{url} {self:?} {arguments:?} got {answer} instead of {expected} {error}"));
            }
        }
        failures
    }

    fn output(&self, url: &str) -> Output {
        let mut process = Command::new(&self.program)
            .arg(&self.script)
            .arg("--lines")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the client starts");
        let mut input = process.stdin.take().expect("the input is piped");
        for (arguments, _) in CASES {
            let arguments = [&["--library", self.library, url], arguments].concat();
            // A client that ends early has no answers, and its error is reported with them.
            let _ = writeln!(input, "{}", serde_json::json!(arguments));
        }
        drop(input);
        process.wait_with_output().expect("the client ends")
    }

    /// Returns how many of its deliveries are right.
    #[must_use]
    pub fn accepted() -> usize {
        CASES.iter().filter(|(_, accepted)| *accepted).count()
    }
}

/// Returns the clients that are installed.
///
/// Where some are not, that is said in a line, and how to install them; with `CI` set it is a failure.
#[must_use]
pub fn official_clients(wanted_by: &str) -> Vec<Client> {
    let scripts = scripts(wanted_by, "send");
    let client = |(program, script): &(OsString, PathBuf), library: &'static str| Client {
        program: program.clone(),
        script: script.clone(),
        library,
    };
    scripts
        .iter()
        .flat_map(|script| ["svix", "standardwebhooks"].map(|library| client(script, library)))
        .collect()
}

/// A delivery, and what the official libraries have to say of it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What it is, to be named where they say something else.
    pub name: String,
    /// The secret that they know.
    pub secret: &'static str,
    /// Whether they have to accept it.
    pub authentic: bool,
    /// What was signed.
    pub delivery: Delivery,
}

/// Lets all libraries that are installed verify these deliveries, and returns what each of the scripts says.
///
/// # Panics
///
/// Panics where one of them comes to another verdict.
#[must_use]
pub fn official_verdicts(deliveries: &[Judged], wanted_by: &str) -> Vec<String> {
    let lines: String = deliveries.iter().map(Judged::line).collect();
    let verdicts = scripts(wanted_by, "verify").into_iter().map(|(program, script)| {
        let mut process = Command::new(&program)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script starts");
        let mut input = process.stdin.take().expect("the input is piped");
        // The script reads all of it, and writes only where a verdict is wrong.
        input.write_all(lines.as_bytes()).expect("the script reads");
        drop(input);
        let output = process.wait_with_output().expect("the script ends");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success(), "{program:?}: {text}");
        text
    });
    verdicts.collect()
}

impl Judged {
    fn line(&self) -> String {
        let headers: BTreeMap<_, _> = self.delivery.headers().into_iter().collect();
        let line = serde_json::json!({
            "name": self.name,
            "secret": self.secret,
            "authentic": self.authentic,
            "headers": headers,
            "body": STANDARD.encode(self.delivery.body()),
        });
        format!("{line}\n")
    }
}

/// Returns the program that runs a script, and the script, for each language whose libraries are installed.
fn scripts(wanted_by: &str, name: &str) -> Vec<(OsString, PathBuf)> {
    let script = |extension: &str| folder(&format!("clients/{name}.{extension}"));
    let node = folder("clients/node_modules/@clerk/backend").exists().then(|| ("node".into(), script("mjs")));
    let python = folder("clients/.venv/bin/python");
    let python = python.exists().then(|| (python.into_os_string(), script("py")));
    let mut scripts = Vec::new();
    for (language, found, install) in [
        ("Node", node, "npm ci --prefix tests/clients"),
        (
            "Python",
            python,
            "python3 -m venv tests/clients/.venv && tests/clients/.venv/bin/pip install -r tests/clients/requirements.txt",
        ),
    ] {
        let Some(script) = found else {
            assert!(
                std::env::var_os("CI").is_none(),
                "the clients of {language} are not installed: {install}"
            );
            say_skipped(&format!("{wanted_by} needs those of {language}; install them with: {install}"));
            continue;
        };
        scripts.push(script);
    }
    scripts
}

/// An example that is running, until it is dropped.
#[derive(Debug)]
pub struct Example(Receiver);

impl Example {
    /// Starts a program with [`SECRET`] and waits until it says where it listens.
    #[must_use]
    pub fn start(program: &str) -> Self {
        Self(Receiver::start(&mut Command::new(program)))
    }

    /// Lets a client make every kind of delivery.
    ///
    /// # Panics
    ///
    /// Panics where one is answered wrong.
    pub fn check(&self, client: &Client) {
        let failures = client.failures(self.0.url());
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    /// Starts a program without a secret and looks at what it says.
    pub fn assert_names_missing_secret(program: &str) {
        let output = VARIABLES
            .iter()
            .fold(&mut Command::new(program), |command, name| command.env_remove(name))
            .output()
            .expect("the example starts");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        // Rust puts this in front of an error that `main` returns.
        let message = text.strip_prefix("Error: ").unwrap_or(&text);
        assert!(message.starts_with("CLERK_WEBHOOK_SIGNING_SECRET is not set"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
