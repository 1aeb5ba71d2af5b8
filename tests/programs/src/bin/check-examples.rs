//! Checks example programs with the `clerk-webhook` command.
//!
//! Run it with `cargo run -p clerk-webhook-tests-programs --bin check-examples -- COMMAND PROGRAM…`. The
//! arguments are the paths of built programs. Each program must answer a delivery of every event type with
//! 200. `sync-server` must also handle each event of a shuffled history with duplicates once, with a new
//! SQLite file.

use std::process::{Command, ExitCode};

use clerk_webhook_core::EventType;
use clerk_webhook_tests::SECRET;
use clerk_webhook_tests::process::Receiver;
use serde_json::Value;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(command) = arguments.next() else {
        eprintln!("usage: check-examples COMMAND PROGRAM…");
        return ExitCode::from(2);
    };
    let mut code = ExitCode::SUCCESS;
    for program in arguments {
        match check(&command, &program) {
            Ok(result) => println!("{program}: {result}"),
            Err(failure) => {
                println!("{program}: FAILED: {failure}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn check(command: &str, program: &str) -> Result<String, String> {
    let database =
        std::env::temp_dir().join(format!("clerk-webhook-check-examples-{}.db", std::process::id()));
    let receiver = Receiver::start(Command::new(program).env("DATABASE", &database));
    for event in EventType::ALL {
        let answer = run(command, &["trigger", event.as_str(), "--to", receiver.url()])?;
        if answer["status"] != 200 {
            return Err(format!("{event} was answered with {answer}"));
        }
    }
    let mut result = format!("200 for each of {} event types", EventType::ALL.len());
    if program.ends_with("sync-server") {
        let arguments = [
            "scenario",
            "all",
            "--seed",
            "7",
            "--shuffle",
            "--duplicate",
            "3",
            "--concurrency",
            "8",
            "--retry",
            "--to",
            receiver.url(),
        ];
        let summary = run(command, &arguments)?;
        let (messages, processed) = (&summary["messages"], &summary["outcomes"]["processed"]);
        if messages.as_u64().is_none_or(|messages| messages < 100) || messages != processed {
            return Err(format!("not every event was handled exactly once: {summary}"));
        }
        result += &format!("; each of {messages} events handled once: {}", summary["outcomes"]);
    }
    receiver.kill();
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", database.display()));
    }
    Ok(result)
}

/// Runs the command, and returns the last JSON object that it prints.
fn run(command: &str, arguments: &[&str]) -> Result<Value, String> {
    let output = Command::new(command)
        .env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET)
        .arg("--json")
        .args(arguments)
        .output()
        .map_err(|error| format!("{command}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().next_back().unwrap_or_default();
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{arguments:?} ended with {}: {last} {error}", output.status));
    }
    serde_json::from_str(last).map_err(|error| format!("{arguments:?} printed {last}: {error}"))
}
