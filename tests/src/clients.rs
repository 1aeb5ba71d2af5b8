//! Sends and verifies deliveries with the official Node and Python libraries from Clerk, Svix and Standard
//! Webhooks.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::process::Receiver;
use crate::{OTHER_SECRET, SECRET, folder, say_skipped};

const VARIABLES: [&str; 2] = ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"];

/// The arguments of each delivery, and whether the receiver must accept it.
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

/// A script that signs with an official library and sends.
#[derive(Debug)]
pub struct Client {
    program: OsString,
    script: PathBuf,
    library: &'static str,
}

impl Client {
    /// Sends every kind of delivery to a receiver that knows [`SECRET`], and returns the unexpected
    /// responses.
    ///
    /// # Panics
    ///
    /// Panics if the client cannot be started.
    #[must_use]
    pub fn failures(&self, url: &str) -> Vec<String> {
        // One process sends all deliveries, because starting it takes longer than sending them.
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
            // Ignore the error: a client that exits early prints an error, which the caller reports.
            let _ = writeln!(input, "{}", serde_json::json!(arguments));
        }
        drop(input);
        process.wait_with_output().expect("the client exits")
    }

    /// Returns how many of the deliveries must be accepted.
    #[must_use]
    pub fn accepted() -> usize {
        CASES.iter().filter(|(_, accepted)| *accepted).count()
    }
}

/// Returns the installed clients.
///
/// If some are missing, the function prints how to install them. It panics if `CI` is set.
#[must_use]
pub fn official_clients(needed_by: &str) -> Vec<Client> {
    let scripts = scripts(needed_by, "send", ("@clerk/backend", "svix"));
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

/// A delivery and the verdict that the official libraries must return.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The name that the script prints if the verdict is unexpected.
    pub name: String,
    /// The signing secret of the verifying library.
    pub secret: &'static str,
    /// Whether the libraries must accept the delivery.
    pub authentic: bool,
    /// The signature headers.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Verifies the deliveries with all installed libraries, and returns the output of each script.
///
/// # Panics
///
/// Panics if a library returns a different verdict.
#[must_use]
pub fn official_verdicts(deliveries: &[Judged], needed_by: &str) -> Vec<String> {
    let lines: String = deliveries.iter().map(Judged::line).collect();
    let verdicts =
        scripts(needed_by, "verify", ("@clerk/backend", "svix")).into_iter().map(|(program, script)| {
            let mut process = Command::new(&program)
                .arg(script)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("the script starts");
            let mut input = process.stdin.take().expect("the input is piped");
            // This cannot deadlock, because the script prints only unexpected verdicts while it reads.
            input.write_all(lines.as_bytes()).expect("the script reads its input");
            drop(input);
            let output = process.wait_with_output().expect("the script exits");
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            assert!(output.status.success(), "{program:?}: {text}");
            text
        });
    verdicts.collect()
}

impl Judged {
    fn line(&self) -> String {
        let line = serde_json::json!({
            "name": self.name,
            "secret": self.secret,
            "authentic": self.authentic,
            "headers": self.headers,
            "body": STANDARD.encode(&self.body),
        });
        format!("{line}\n")
    }
}

/// Reads a Backend API with all installed official libraries, and returns the JSON that each script prints.
///
/// # Panics
///
/// Panics if a library rejects a response.
#[must_use]
pub fn official_readings(url: &str, key: &str, needed_by: &str) -> Vec<Value> {
    let scripts = scripts(needed_by, "list", ("@clerk/backend", "clerk_backend_api"));
    let readings = scripts.into_iter().map(|(program, script)| {
        let output = Command::new(&program).arg(script).args([url, key]).output().expect("the script starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program:?}: {error}");
        serde_json::from_slice(&output.stdout).expect("the script prints JSON")
    });
    readings.collect()
}

/// Compares the responses of a Backend API with Clerk's OpenAPI file, and returns the output of the script, unless Prism is
/// not installed.
///
/// # Panics
///
/// Panics if a response does not match.
#[must_use]
pub fn schema_verdict(url: &str, key: &str, needed_by: &str) -> Option<String> {
    let program = node("@stoplight/prism-cli").or_else(|| missing(needed_by, "Node", INSTALL_NODE))?;
    let output = Command::new(program)
        .arg(folder("clients/schema.mjs"))
        .args([url, key])
        .arg(folder("backend-api/openapi.yml"))
        .output()
        .expect("the script starts");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    Some(text)
}

const INSTALL_NODE: &str = "npm ci --prefix tests/clients";

/// Returns the interpreter if a package is installed.
fn node(package: &str) -> Option<OsString> {
    folder(&format!("clients/node_modules/{package}")).exists().then(|| "node".into())
}

/// Returns the interpreter if a module is installed.
fn python(module: &str) -> Option<OsString> {
    let versions = fs::read_dir(folder("clients/.venv/lib")).ok()?;
    let mut modules = versions.flatten().map(|version| version.path().join("site-packages").join(module));
    modules.any(|module| module.exists()).then(|| folder("clients/.venv/bin/python").into_os_string())
}

/// Prints that a test was skipped, and how to install what it needs. Panics if `CI` is set.
fn missing<T>(needed_by: &str, language: &str, install: &str) -> Option<T> {
    assert!(
        std::env::var_os("CI").is_none(),
        "the {language} clients are not installed; install them with: {install}"
    );
    say_skipped(&format!("{needed_by} needs the {language} clients; install them with: {install}"));
    None
}

/// Returns the interpreter and the script for each language whose library is installed: a package and a module.
fn scripts(needed_by: &str, name: &str, (package, module): (&str, &str)) -> Vec<(OsString, PathBuf)> {
    let script = |extension: &str| folder(&format!("clients/{name}.{extension}"));
    let node = node(package).map(|program| (program, script("mjs")));
    let python = python(module).map(|program| (program, script("py")));
    let scripts = [
        ("Node", node, INSTALL_NODE),
        (
            "Python",
            python,
            "python3 -m venv tests/clients/.venv && tests/clients/.venv/bin/pip install -r tests/clients/requirements.txt",
        ),
    ];
    let found = scripts
        .into_iter()
        .map(|(language, found, install)| found.or_else(|| missing(needed_by, language, install)));
    found.flatten().collect()
}

/// A running example. Dropping it kills the process.
#[derive(Debug)]
pub struct Example(Receiver);

impl Example {
    /// Starts a program with [`SECRET`] and waits until it prints its address.
    #[must_use]
    pub fn start(program: &str) -> Self {
        Self(Receiver::start(&mut Command::new(program)))
    }

    /// Sends every kind of delivery from a client.
    ///
    /// # Panics
    ///
    /// Panics if a response is unexpected.
    pub fn check(&self, client: &Client) {
        let failures = client.failures(self.0.url());
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    /// Starts a program without a signing secret and checks its error message.
    pub fn assert_names_missing_secret(program: &str) {
        let output = VARIABLES
            .iter()
            .fold(&mut Command::new(program), |command, name| command.env_remove(name))
            .output()
            .expect("the example starts");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        // Rust prefixes an error that `main` returns.
        let message = text.strip_prefix("Error: ").unwrap_or(&text);
        assert!(message.starts_with("CLERK_WEBHOOK_SIGNING_SECRET is not set"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
