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
    let run = dry(&[secret, ("CLERK_WEBHOOK_URL", "example.com/hooks")], &["trigger", "user.created"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("does not begin with http:// or https://"), "{run:?}");
}

#[test]
fn reads_the_variables_of_the_command_from_a_file() {
    let folder = Folder::new("environment-file");
    let both = format!("CLERK_WEBHOOK_SIGNING_SECRET='{SECRET}'\nCLERK_WEBHOOK_URL={URL} # mine\nOTHER=1\n");
    let trigger = &["trigger", "user.created", "--dry-run"][..];
    let to = format!("note: --to is {URL}, CLERK_WEBHOOK_URL\n");
    let default = "note: --to is http://127.0.0.1:3000/webhooks/clerk, the default\n";
    let missing = "error: no signing secret";
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
        (&both, &[], &["secret", "check"], 0, "note: CLERK_WEBHOOK_SIGNING_SECRET from .env\n".to_owned()),
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
            "CLERK_WEBHOOK_SECRET=whsec_ hidden",
            &[],
            trigger,
            2,
            "error: .env has a malformed value of CLERK_WEBHOOK_SECRET".to_owned(),
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
fn ignores_a_folder_with_the_name_of_the_file() {
    let folder = Folder::new("environment-folder");
    std::fs::create_dir(folder.join(".env")).unwrap();
    let run = run_in(&folder, None, &[("CLERK_WEBHOOK_SIGNING_SECRET", SECRET)], &["sign"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
}
