//! Secrets in files that change.

use std::fs;
use std::os::unix::fs::symlink;

use clerk_webhook_test::{Delivery, fixture};
use serde_json::json;

use super::{Database, Server};
use crate::support::process::SECRET;

const NEXT: &str = "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC";

#[test]
fn a_swapped_file_replaces_the_signing_secret() {
    let database = Database::sqlite("reload");
    let current = database.folder.join("secret");
    // Kubernetes replaces a symbolic link.
    let swap = |name: &str, content: &str| {
        let (file, link) = (database.folder.join(name), database.folder.join("next-link"));
        fs::write(&file, content).unwrap();
        symlink(&file, &link).unwrap();
        fs::rename(&link, &current).unwrap();
    };
    swap("1", &format!("{SECRET}\n"));
    let mut command = database.command();
    command.env_remove("CLERK_WEBHOOK_SIGNING_SECRET").env("CLERK_WEBHOOK_SIGNING_SECRET_FILE", &current);
    let server = Server::start(&mut command);
    let old = |id: &str| server.deliver(&Delivery::of(fixture::user_created()).id(id)).status;
    let new = |id: &str| server.deliver(&Delivery::of(fixture::user_created()).id(id).secret(NEXT)).status;
    assert_eq!((old("msg_1"), new("msg_2")), (200, 400));

    swap("2", &format!("{NEXT},{SECRET}"));
    server.signal("HUP");
    server.line("a new value is in use");
    assert_eq!((old("msg_3"), new("msg_4")), (200, 200));
    assert_eq!(server.metric(r#"clerk_webhook_secret_matches_total{index="1"}"#), Some(1.0));

    swap("3", NEXT);
    server.signal("HUP");
    server.line("a new value is in use");
    assert_eq!((old("msg_5"), new("msg_6")), (400, 200));

    // A file that is empty or invalid changes nothing, and does not make the process unready.
    for (name, content) in [("4", ""), ("5", "sk_test_hidden")] {
        swap(name, content);
        server.signal("HUP");
        let line = server.line("cannot reload the secrets");
        assert!(!line.to_string().contains("hidden"), "{line}");
        assert_eq!((old("msg_7"), new(&format!("msg_{name}"))), (400, 200));
    }
    let ready = server.admin("/readyz", "");
    let check = ready.json()["checks"][2].clone();
    assert_eq!((ready.status, &check["name"], &check["ok"]), (200, &json!("secrets"), &json!(true)));
    assert!(check["error"].is_string(), "{check}");
}
