//! What the README says is so: its tests run, and its tables are those of the code.
#![expect(clippy::unwrap_used, reason = "it fails where a test shall fail")]

#[cfg(feature = "actix")]
mod with_actix;
#[cfg(feature = "http")]
mod with_axum;
#[cfg(feature = "warp")]
mod with_warp;

use clerk_webhook_core::{Answer, ReceiveErrorKind, SigningSecret, Verifier};
use clerk_webhook_test::{
    Delivery, SECRET,
    fixture::{self, AnyFixture},
};

const README: &str = include_str!("../../README.md");

/// Returns the cells of the table under a heading, without its head.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = README.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

#[test]
fn the_tests_in_it_are_those_that_run() {
    for snippet in [include_str!("with_axum.rs"), include_str!("with_actix.rs"), include_str!("with_warp.rs")]
    {
        let block = format!("```rust\n{snippet}```\n");
        assert!(README.contains(&block), "the README lacks:\n{block}");
    }
}

#[test]
fn the_table_of_what_breaks_a_delivery_is_true() {
    let right = || Delivery::of(fixture::user_created());
    let broken: [(&str, Delivery); 19] = [
        (".stale()", right().stale()),
        (".from_the_future()", right().from_the_future()),
        (".wrong_secret()", right().wrong_secret()),
        (".altered()", right().altered()),
        (".cut_short()", right().cut_short()),
        (".reserialized()", right().reserialized()),
        (".unsigned()", right().unsigned()),
        (r#".without("svix-id")"#, right().without("svix-id")),
        (r#".repeated("svix-id")"#, right().repeated("svix-id")),
        (r#".replaced("svix-id", "msg_other")"#, right().replaced("svix-id", "msg_other")),
        (r#".replaced("svix-id", "no.dots")"#, right().replaced("svix-id", "no.dots")),
        (r#".replaced("svix-timestamp", "soon")"#, right().replaced("svix-timestamp", "soon")),
        (r#".replaced("svix-signature", "")"#, right().replaced("svix-signature", "")),
        (r#".replaced("svix-signature", "v1,")"#, right().replaced("svix-signature", "v1,")),
        (r#".replaced("svix-signature", "v2,AAAA")"#, right().replaced("svix-signature", "v2,AAAA")),
        (".secrets([])", right().secrets([])),
        (r#"Delivery::of_body("hello")"#, Delivery::of_body("hello")),
        (r#"Delivery::of_body("[]")"#, Delivery::of_body("[]")),
        ("Delivery::of_body(vec![b' '; 3_000_000])", Delivery::of_body(vec![b' '; 3_000_000])),
    ];
    let verifier = Verifier::builder().secret(SigningSecret::parse(SECRET).unwrap()).build().unwrap();
    let mut table = Vec::new();
    for (call, delivery) in broken {
        let error = verifier.receive(&delivery.headers(), delivery.body()).unwrap_err();
        let kind = match error.kind() {
            ReceiveErrorKind::Verify(kind) => format!("{kind:?}"),
            ReceiveErrorKind::Event(kind) => format!("{kind:?}"),
            kind => format!("{kind:?}"),
        };
        let answer = Answer::from(&error);
        table.push((
            format!("`{call}`"),
            format!("`{kind}`"),
            format!("{} `{}`", answer.status(), answer.outcome()),
        ));
    }
    let said: Vec<_> = rows("What breaks a delivery")
        .iter()
        .map(|row| (row[0].to_owned(), row[2].to_owned(), row[3].to_owned()))
        .collect();
    assert_eq!(said, table);
}

#[test]
fn the_table_of_fixtures_is_complete() {
    let function = |name: &str| {
        let letters = name.replace("__", "_").replace('.', "_");
        let snake = letters
            .chars()
            .flat_map(|letter| letter.is_uppercase().then_some('_').into_iter().chain(letter.to_lowercase()));
        format!("`{}`", snake.collect::<String>())
    };
    let variants = AnyFixture::all().filter(|fixture| fixture.name().contains("__"));
    let table: Vec<_> =
        variants.map(|fixture| vec![function(fixture.name()), fixture.description().to_owned()]).collect();
    let lines: Vec<_> = table.iter().map(|row| format!("| {} | {} |", row[0], row[1])).collect();
    assert_eq!(rows("Fixtures"), table, "\n{}", lines.join("\n"));
    let counts = format!("{} fixtures", AnyFixture::all().len());
    assert!(README.contains(&counts), "the README does not say {counts}");
}
