//! The configuration: sources, origins and problems.

use std::process::Command;

use serde_json::{Value, json};

use super::Database;
use crate::support::folder::Folder;
use crate::support::process::{Run, SECRET, command, finish};

const KEY: &str = "sk_test_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Returns the command with a database and a secret, and these arguments.
fn serve(folder: &Folder, args: &[&str]) -> Command {
    let mut command = command();
    command.arg("serve").args(args).current_dir(folder.path());
    command.env("DATABASE_URL", "sqlite:app.db").env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET);
    command
}

/// Returns the settings that `--print-config` shows.
#[track_caller]
fn printed(command: &mut Command) -> Value {
    let run = finish(command.args(["--print-config", "--json"]), b"");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    run.objects().remove(0)
}

/// Runs a command that must fail, and returns its message.
#[track_caller]
fn refused(command: &mut Command, code: i32) -> String {
    let Run { code: found, stderr, stdout } = finish(command, b"");
    assert_eq!((found, stdout.as_str()), (code, ""), "{stderr}");
    stderr.strip_prefix("error: ").unwrap_or(&stderr).trim_end().to_owned()
}

#[test]
fn a_flag_overrides_a_variable_and_a_variable_overrides_the_file() {
    let folder = Folder::new("serve-precedence");
    folder.write(
        "clerk-webhook.toml",
        b"# all\nlisten = '127.0.0.1:1'\npath = '/file'\npool = 20\ndrain = '5s'\n",
    );
    let mut command =
        serve(&folder, &["--config", "clerk-webhook.toml", "--listen", "127.0.0.1:3", "--migrate"]);
    command.env("CLERK_WEBHOOK_LISTEN", "127.0.0.1:2").env("CLERK_WEBHOOK_PATH", "/variable");
    // An empty variable counts as missing.
    command.env("CLERK_WEBHOOK_POOL", "");
    let settings = printed(&mut command);
    for (key, value, origin) in [
        ("listen", "127.0.0.1:3", "--listen"),
        ("path", "/variable", "CLERK_WEBHOOK_PATH"),
        ("pool", "20", "clerk-webhook.toml, line 4"),
        ("drain", "5s", "clerk-webhook.toml, line 5"),
        ("migrate", "true", "--migrate"),
        ("reconcile-every", "24h", "default"),
        ("admin-listen", "127.0.0.1:9464", "default"),
        ("log-format", "json", "default"),
        ("database", "sqlite:app.db", "DATABASE_URL"),
    ] {
        assert_eq!(settings[key], json!({ "value": value, "origin": origin }), "{key}");
    }
    assert!(!folder.join("app.db").exists());
}

#[test]
fn a_platform_assigns_the_port() {
    let folder = Folder::new("serve-port");
    let listen = |command: &mut Command| printed(command.env("PORT", "8123"))["listen"].clone();
    assert_eq!(listen(&mut serve(&folder, &[])), json!({ "value": "0.0.0.0:8123", "origin": "PORT" }));
    let set = listen(&mut serve(&folder, &["--listen", "127.0.0.1:1"]));
    assert_eq!(set, json!({ "value": "127.0.0.1:1", "origin": "--listen" }));
    let message = refused(serve(&folder, &[]).env("PORT", "70000"), 2);
    assert_eq!(message, r#"PORT: "70000" is not a port. Use 1 to 65535."#);
}

#[test]
fn prints_no_secret() {
    let folder = Folder::new("serve-print");
    folder.write("token", b"a-token-that-is-hidden\n");
    for json in [true, false] {
        let mut command = serve(&folder, &["--print-config"]);
        command
            .env("DATABASE_URL", "postgres://hidden:hidden@db:6543/app?sslpassword=hidden")
            .env("CLERK_SECRET_KEY", KEY)
            .env("CLERK_WEBHOOK_ADMIN_TOKEN_FILE", "token")
            .env("CLERK_WEBHOOK_FORWARD_TO", "http://10.0.0.7:3000/hook?token=hidden")
            .env("CLERK_WEBHOOK_FORWARD_SECRET", "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC");
        if json {
            command.arg("--json");
        }
        let run = finish(&mut command, b"");
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stdout.contains("postgres://db:6543/app"), "{}", run.stdout);
        assert!(run.stdout.contains("http://10.0.0.7:3000/hook"), "{}", run.stdout);
        assert!(run.stdout.contains("CLERK_WEBHOOK_ADMIN_TOKEN_FILE"), "{}", run.stdout);
        for hidden in ["hidden", &SECRET[6..], &KEY[8..], "Ypq3"] {
            assert!(!run.stdout.contains(hidden), "{hidden}: {}", run.stdout);
        }
    }
}

#[test]
fn shows_all_problems_together() {
    let folder = Folder::new("serve-problems");
    folder.write("url", b"sqlite:app.db");
    folder.write("clerk-webhook.toml", b"pool = 20\n\nlisen = 'x'\n");
    let mut command = serve(&folder, &["--config", "clerk-webhook.toml", "--db-wait", "soon"]);
    command
        .env_remove("CLERK_WEBHOOK_SIGNING_SECRET")
        .env("DATABASE_URL_FILE", "url")
        .env("CLERK_WEBHOOK_ADMIN_TOKEN", "hidden");
    let message = refused(&mut command, 2);
    let expected = [
        "5 problems in the configuration:",
        "CLERK_WEBHOOK_SIGNING_SECRET is not set. Copy the signing secret (whsec_...) of the endpoint from the Clerk Dashboard.",
        "DATABASE_URL and DATABASE_URL_FILE are both set. Unset one.",
        "CLERK_WEBHOOK_ADMIN_TOKEN is too short. Use 16 characters or more.",
        r#"--db-wait: "soon" is not a duration. Use a number and ms, s, m, h or d: 30s."#,
        r#"clerk-webhook.toml, line 3: unknown key "lisen". Did you mean "listen"?"#,
    ];
    assert_eq!(message.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn names_the_mistake_of_a_single_setting() {
    let folder = Folder::new("serve-mistakes");
    folder.write("empty", b"\n");
    for (name, value, expected) in [
        (
            "CLERK_WEBHOOK_SIGNING_SECRET",
            "sk_test_hidden",
            "CLERK_WEBHOOK_SIGNING_SECRET holds an API key (sk_test_...). A signing secret begins with whsec_.",
        ),
        ("CLERK_WEBHOOK_SIGNING_SECRET", "whsec_!hidden", "CLERK_WEBHOOK_SIGNING_SECRET is not valid: "),
        ("CLERK_SECRET_KEY", "whsec_hidden", "CLERK_SECRET_KEY is not valid: "),
        ("CLERK_SECRET_KEY_FILE", "empty", "CLERK_SECRET_KEY_FILE names an empty file."),
        ("CLERK_SECRET_KEY_FILE", "missing", "CLERK_SECRET_KEY_FILE: cannot read the file missing: "),
        ("DATABASE_URL", "mysql://hidden@db/app", "DATABASE_URL: the value is not the URL of a database."),
        ("DATABASE_URL", "sqlite::memory:", "DATABASE_URL: a database in memory loses its rows. Use a file."),
        (
            "CLERK_WEBHOOK_FORWARD_TO",
            "http://example.com/",
            "CLERK_WEBHOOK_FORWARD_TO: http is only for private addresses. Use https.",
        ),
        ("CLERK_WEBHOOK_NOTIFY", "changes", "--notify needs Postgres. Remove it, or use another database."),
        ("CLERK_WEBHOOK_PATH", "/readyz", "CLERK_WEBHOOK_PATH: /readyz is a path of the health checks."),
        ("RUST_LOG", "loud", "RUST_LOG: the levels are not valid."),
    ] {
        let message = refused(serve(&folder, &["--check"]).env(name, value), 2);
        assert!(message.starts_with(expected) && !message.contains("hidden"), "{message}");
    }
}

#[test]
fn no_setting_turns_verification_off() {
    let folder = Folder::new("serve-verification");
    let help = finish(serve(&folder, &[]).arg("--help"), b"").stdout.to_lowercase();
    for word in ["insecure", "skip", "no-verif", "unverified", "disable"] {
        assert!(!help.contains(word), "{word}: {help}");
    }
    for flag in ["--insecure", "--no-verify", "--skip-verification", "--secret=none"] {
        assert_eq!(finish(serve(&folder, &[flag]).arg("--check"), b"").code, 2, "{flag}");
    }
    for secret in ["", " ", "none", "off", "false", ",", "whsec_"] {
        let run = finish(serve(&folder, &["--check"]).env("CLERK_WEBHOOK_SIGNING_SECRET", secret), b"");
        assert_eq!(run.code, 2, "{secret:?}: {run:?}");
    }
}

#[test]
fn a_password_is_in_no_message() {
    let database = Database::sqlite("password");
    let mut command = database.command();
    command.env("DATABASE_URL", "postgres://user:hidden@127.0.0.1:1/app").args(["--db-wait", "0"]);
    let message = refused(&mut command, 3);
    assert_eq!(message, "Postgres at 127.0.0.1:1 refused connections for 0 s. Start it, or raise --db-wait.");
}
