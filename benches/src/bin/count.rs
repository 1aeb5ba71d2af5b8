//! Calls one contestant n times, for tools that count instructions: `count <group> <contestant> <n>`.

use std::env;
use std::process::ExitCode;

use clerk_webhook_benches::GROUPS;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let Some((title, name, calls)) = read(&arguments) else {
        eprintln!("usage: count <group> <contestant> <calls>");
        return ExitCode::FAILURE;
    };
    let contestant = GROUPS
        .iter()
        .filter(|(known, _)| *known == title)
        .flat_map(|(_, make)| make().contestants)
        .find(|contestant| contestant.name == name);
    let Some(mut contestant) = contestant else {
        eprintln!("unknown contestant {name:?} in the group {title:?}; see GROUPS in benches/src/lib.rs");
        return ExitCode::FAILURE;
    };
    for _ in 0..calls {
        (contestant.call)();
    }
    ExitCode::SUCCESS
}

fn read(arguments: &[String]) -> Option<(&str, &str, u64)> {
    let [title, name, calls] = arguments else { return None };
    Some((title, name, calls.parse().ok()?))
}
