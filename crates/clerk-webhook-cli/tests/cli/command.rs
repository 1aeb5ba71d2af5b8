//! The complete command: help, completions, exit codes.

use clerk_webhook_tests::say;

use crate::support::process::{self, run};

/// Returns the names of the commands in the order in which the help lists them.
fn commands(of: &[&str]) -> Vec<String> {
    let help = run(&[of, &["--help"]].concat()).stdout;
    let Some((_, list)) = help.split_once("Commands:\n") else { return Vec::new() };
    list.lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// Returns the arguments of the examples in a help text that begin with the command.
fn examples(help: &str) -> Vec<Vec<String>> {
    let Some((_, list)) = help.split_once("\nExamples") else { return Vec::new() };
    let list = list.replace("\\\n", " ");
    let lines = list.lines().filter_map(|line| line.trim().strip_prefix("clerk-webhook "));
    lines.map(words).collect()
}

/// Splits a line like a shell, up to the end of the first command.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for character in line.chars() {
        match character {
            '\'' => is_quoted = !is_quoted,
            '|' | '>' | '<' | '#' | '&' | ';' if !is_quoted => break,
            ' ' if !is_quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(character),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn the_help_says_that_429_does_not_lengthen_the_delay() {
    let mut mentions = 0;
    // The command `api` responds with 429, and sends nothing.
    for name in commands(&[]).into_iter().filter(|name| name != "api") {
        let help = run(&[&name, "--help"]).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        for sentence in help.split(". ").filter(|sentence| sentence.contains("429")) {
            mentions += 1;
            assert!(sentence.contains("429 is treated like any other failure"), "{name}: {sentence}");
        }
    }
    assert!(mentions > 0);
}

#[test]
fn every_command_has_help_with_examples() {
    let names = commands(&[]);
    assert_eq!(
        names,
        [
            "trigger",
            "scenario",
            "api",
            "verify",
            "listen",
            "replay",
            "doctor",
            "events",
            "sign",
            "secret",
            "backfill",
            "reconcile",
            "db",
            "queue",
            "serve",
            "health",
            "completions"
        ]
    );
    for name in names {
        let below = commands(&[&name]);
        let paths = below.iter().map(|below| vec![name.as_str(), below]).chain([vec![name.as_str()]]);
        for path in paths {
            let shown = run(&[&path[..], &["--help"]].concat());
            assert_eq!(shown.code, 0, "{path:?}");
            let help = shown.stdout;
            assert!(help.contains(&format!("Usage: clerk-webhook {}", path.join(" "))), "{help}");
            // A command with subcommands may leave the examples to them.
            if path.len() == 2 || below.is_empty() {
                assert!(!examples(&help).is_empty(), "{path:?} has no examples: {help}");
            }
            for example in examples(&help) {
                let words: Vec<_> = example.iter().map(String::as_str).collect();
                let run = run(&[&words[..], &["--help"]].concat());
                assert_eq!(run.code, 0, "the example {words:?} does not fit the command: {run:?}");
            }
            let is_narrow =
                |line: &str| line.chars().count() <= if line.starts_with("  clerk") { 80 } else { 100 };
            assert!(help.lines().all(is_narrow), "{help}");
        }
    }
}

#[test]
fn shows_an_overview_without_arguments() {
    let run = process::run(&[]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    for command in commands(&[]) {
        assert!(run.stdout.contains(&format!("\n  {command} ")), "{command}: {}", run.stdout);
    }
    assert_eq!(examples(&run.stdout).len(), 3, "{}", run.stdout);
    assert!(!run.stdout.contains("--json") && run.stdout.lines().count() <= 28, "{}", run.stdout);

    let run = process::run(&["--json"]);
    assert_eq!((run.code, &run.objects()[0]["error"]["kind"]), (2, &"usage".into()), "{run:?}");
}

#[test]
fn generates_completions_for_every_shell() {
    for (shell, expected) in [
        ("bash", "complete -F"),
        ("elvish", "edit:completion"),
        ("fish", "complete -c clerk-webhook"),
        ("powershell", "Register-ArgumentCompleter"),
        ("zsh", "#compdef clerk-webhook"),
    ] {
        let run = run(&["completions", shell]);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stdout.contains(expected), "{shell}");
        assert!(run.stdout.contains("trigger"), "{shell}");
        // Only these shells complete values, such as the names of events.
        if ["bash", "fish", "zsh"].contains(&shell) {
            assert!(run.stdout.contains("user.created__saml"), "{shell}");
        }
    }
    assert_eq!(run(&["completions", "cmd"]).code, 2);
    let help = run(&["completions", "--help"]).stdout;
    for folder in ["~/.local/share/bash-completion/completions", "~/.zfunc"] {
        assert!(help.contains(&format!("mkdir -p {folder}\n")), "{help}");
    }
}

#[test]
fn bash_completes_commands_options_and_events() {
    let bash = |words: &[&str]| {
        let script = run(&["completions", "bash"]).stdout;
        let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
        let call = format!(
            "{script}\nCOMP_WORDS=({}); COMP_CWORD={}\n\
             name=$(complete -p clerk-webhook | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n\
             $name clerk-webhook '{last}' '{before}'; echo \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            words.len() - 1,
        );
        std::process::Command::new("bash").arg("-c").arg(call).output()
    };
    if bash(&["clerk-webhook", ""]).is_err() {
        assert!(std::env::var_os("CI").is_none(), "bash is missing");
        say("skipped: bash is missing");
        return;
    }
    for (words, expected) in [
        (&["clerk-webhook", "trig"][..], "trigger"),
        (&["clerk-webhook", "trigger", "user.created__s"], "user.created__saml"),
        (&["clerk-webhook", "doctor", "--allow"], "--allow-remote"),
        (&["clerk-webhook", "replay", "a.http", "--verb"], "--verbatim"),
    ] {
        let output = bash(words).unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "{words:?} {output:?}");
    }
}

#[test]
fn suggests_a_command_for_a_typing_error() {
    let run = run(&["triger"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("trigger"), "{}", run.stderr);
}

#[test]
fn prints_the_version_of_the_package() {
    assert_eq!(run(&["--version"]).stdout, format!("clerk-webhook {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn prints_errors_as_json() {
    let run = run(&["events", "nothing", "--json"]);
    assert_eq!(run.code, 2);
    let error = run.objects().pop().unwrap();
    assert_eq!(error["error"]["kind"], "usage");
    assert!(error["error"]["message"].as_str().unwrap().contains("nothing"));
}

#[cfg(not(feature = "sync"))]
#[test]
fn says_how_to_add_the_commands_for_the_tables() {
    for args in [&["backfill"][..], &["reconcile"], &["db", "status"]] {
        let run = run(args);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains("built without the sync feature"), "{run:?}");
    }
}

#[cfg(not(feature = "queue"))]
#[test]
fn says_how_to_add_the_queue_command() {
    let run = run(&["queue", "list", "--database", "queue.db"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--features queue"), "{}", run.stderr);
}
