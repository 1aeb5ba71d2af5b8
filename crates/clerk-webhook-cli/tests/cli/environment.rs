//! Environment variables, the `.env` file, and the default of `--to`.

use crate::support::folder::Folder;
use crate::support::process::{Run, SECRET, command, finish};

const OTHER: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const URL: &str = "http://127.0.0.1:3001/hooks";

/// Runs the command in a folder with this `.env` file and these variables.
fn run_in(folder: &Folder, file: Option<&str>, variables: &[(&str, &str)], args: &[&str]) -> Run {
    if let Some(file) = file {
        folder.write(".env", file.as_bytes());
    }
    finish(command().current_dir(folder.path()).envs(variables.iter().copied()).args(args), b"")
}

#[test]
fn prints_the_url_without_to() {
    let folder = Folder::new("environment-to");
    let dry = |variables: &[(&str, &str)], command: &[&str]| run_in(&folder, None, variables, command);
    let secret = ("CLERK_WEBHOOK_SIGNING_SECRET", SECRET);
    for command in
        [&["trigger", "user.created", "--dry-run"][..], &["sign", "--body", "Cargo.toml", "--format", "curl"]]
    {
        folder.write("Cargo.toml", b"{}");
        let run = dry(&[secret], command);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stdout.contains("http://127.0.0.1:3000/webhooks/clerk"), "{run:?}");
        assert!(run.stderr.contains("--to is http://127.0.0.1:3000/webhooks/clerk, the default"), "{run:?}");
        let run = dry(&[secret, ("CLERK_WEBHOOK_URL", ":3001/hooks")], command);
        assert!(run.stdout.contains(URL), "{run:?}");
        assert!(run.stderr.contains(&format!("--to is {URL}, CLERK_WEBHOOK_URL")), "{run:?}");
    }
    for (url, expected) in [
        ("example.com/hooks?hidden", "example.com/hooks does not begin with http:// or https://"),
        ("", "the URL is empty"),
        ("http://localhost/\u{1b}[2J?hidden", "http://localhost/\\u{1b}[2J is not a URL"),
        ("http://me:hidden@localhost/", "remove the user name and password"),
    ] {
        let run = dry(&[secret, ("CLERK_WEBHOOK_URL", url)], &["trigger", "user.created"]);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(&format!("error: CLERK_WEBHOOK_URL: {expected}")), "{run:?}");
        assert!(!run.stderr.contains("hidden") && !run.stderr.contains('\u{1b}'), "{run:?}");
    }
    let url = format!("{URL}?token=hidden");
    let run = dry(&[secret, ("CLERK_WEBHOOK_URL", &url)], &["trigger", "user.created", "--dry-run"]);
    assert!(run.stdout.contains(&url), "{run:?}");
    assert!(run.stderr.contains(&format!("--to is {URL}?[redacted], CLERK_WEBHOOK_URL")), "{run:?}");
}

#[test]
fn reads_the_variables_of_the_command_from_a_file() {
    let folder = Folder::new("environment-file");
    let both = format!("CLERK_WEBHOOK_SIGNING_SECRET='{SECRET}'\nCLERK_WEBHOOK_URL={URL} # mine\nOTHER=1\n");
    let trigger = &["trigger", "user.created", "--dry-run"][..];
    let to = format!("note: --to is {URL}, CLERK_WEBHOOK_URL\n");
    let default = "note: --to is http://127.0.0.1:3000/webhooks/clerk, the default\n";
    let missing = "error: no signing secret";
    let secret = &["secret", "check", SECRET][..];
    let from_file = |name: &str| format!("note: {name} from .env\n");
    for (file, variables, args, code, expected) in [
        (
            &*both,
            &[][..],
            trigger,
            0,
            format!(
                "note: --to is {URL}, CLERK_WEBHOOK_URL from .env\nnote: CLERK_WEBHOOK_SIGNING_SECRET from .env\n"
            ),
        ),
        (
            &both,
            &[("CLERK_WEBHOOK_SECRET", OTHER)],
            trigger,
            0,
            format!("note: --to is {URL}, CLERK_WEBHOOK_URL from .env\n"),
        ),
        (&both, &[("CLERK_WEBHOOK_SECRET", OTHER), ("CLERK_WEBHOOK_URL", URL)], trigger, 0, to.clone()),
        (&both, &[], &["trigger", "user.created", "--no-env-file"], 2, format!("{default}{missing}")),
        (&both, &[], &["events"], 0, String::new()),
        // Variables that an argument replaces are not mentioned.
        (
            &both,
            &[],
            &["trigger", "user.created", "--dry-run", "--to", URL, "--secret", OTHER],
            0,
            String::new(),
        ),
        ("OTHER=1", &[], trigger, 2, format!("{default}{missing}")),
        (
            "OTHER=it's\nCLERK_WEBHOOK_SECRET='hidden",
            &[],
            trigger,
            2,
            format!("{default}error: cannot read CLERK_WEBHOOK_SECRET in line 2 of .env"),
        ),
        ("OTHER=it's\nCLERK_WEBHOOK_SECRET='hidden", &[("CLERK_WEBHOOK_URL", URL)], secret, 0, String::new()),
        (
            "CLERK_WEBHOOK_SECRET=whsec_$hidden",
            &[],
            &["secret", "check"],
            1,
            from_file("CLERK_WEBHOOK_SECRET"),
        ),
        (
            &format!("OTHER=it's\n{both}"),
            &[],
            &["secret", "check"],
            0,
            from_file("CLERK_WEBHOOK_SIGNING_SECRET"),
        ),
    ] {
        let run = run_in(&folder, Some(file), variables, args);
        assert_eq!(run.code, code, "{args:?} {run:?}");
        assert!(run.stderr.starts_with(&expected), "{args:?} {expected} {run:?}");
        assert_eq!(run.stderr.is_empty(), expected.is_empty(), "{args:?} {run:?}");
        assert!(!run.stderr.contains(SECRET) && !run.stderr.contains("hidden"), "{run:?}");
    }
}

#[test]
fn reads_at_most_a_mebibyte_and_only_if_a_variable_is_missing() {
    let folder = Folder::new("environment-large");
    folder.write(".env", &vec![b'#'; (1 << 20) + 1]);
    let secret = ("CLERK_WEBHOOK_SIGNING_SECRET", SECRET);
    for (args, variables, code) in [
        (&["sign"][..], &[][..], 2),
        (&["sign"], &[secret], 0),
        (&["sign", "--secret", SECRET], &[], 0),
        (&["events"], &[], 0),
        (&["trigger", "user.created", "--dry-run"], &[secret], 2),
        (&["trigger", "user.created", "--dry-run", "--no-env-file"], &[secret], 0),
        (&["trigger", "user.created", "--dry-run"], &[secret, ("CLERK_WEBHOOK_URL", URL)], 0),
    ] {
        let run = run_in(&folder, None, variables, args);
        assert_eq!(run.code, code, "{args:?} {run:?}");
        let is_blamed = run.stderr.contains("cannot read .env: the file is larger than 1 MiB");
        assert_eq!(is_blamed, code == 2, "{run:?}");
    }
}

#[test]
fn ignores_a_folder_with_the_name_of_the_file() {
    let folder = Folder::new("environment-folder");
    std::fs::create_dir(folder.join(".env")).unwrap();
    let run = run_in(&folder, None, &[("CLERK_WEBHOOK_SIGNING_SECRET", SECRET)], &["sign"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
}
