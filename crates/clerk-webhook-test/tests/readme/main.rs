//! Checks the guide's `testing` chapter: its tests run here, and its tables match the code.
#![expect(clippy::unwrap_used, reason = "a failure fails the test")]

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

const CHAPTER: &str = include_str!("../../../clerk-webhook/src/guide/testing.md");

/// Returns the cells of the table under a heading, without the header row.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = CHAPTER.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// The imports differ, because the chapter uses the `clerk-webhook` crate.
#[test]
fn the_chapter_shows_the_tests_that_run_here() {
    for test in [include_str!("with_axum.rs"), include_str!("with_actix.rs"), include_str!("with_warp.rs")] {
        let (_imports, code) = test.split_once("\n\n").unwrap();
        assert!(
            CHAPTER.contains(&format!("\n{code}```\n")),
            "copy this code into the guide's `testing` chapter:\n{code}"
        );
    }
}

#[test]
fn the_table_of_broken_deliveries_matches_the_verifier() {
    let valid = || Delivery::of(fixture::user_created());
    let broken: [(&str, Delivery); 19] = [
        (".stale()", valid().stale()),
        (".from_the_future()", valid().from_the_future()),
        (".wrong_secret()", valid().wrong_secret()),
        (".altered()", valid().altered()),
        (".cut_short()", valid().cut_short()),
        (".reserialized()", valid().reserialized()),
        (".unsigned()", valid().unsigned()),
        (r#".without("svix-id")"#, valid().without("svix-id")),
        (r#".repeated("svix-id")"#, valid().repeated("svix-id")),
        (r#".replaced("svix-id", "msg_other")"#, valid().replaced("svix-id", "msg_other")),
        (r#".replaced("svix-id", "no.dots")"#, valid().replaced("svix-id", "no.dots")),
        (r#".replaced("svix-timestamp", "soon")"#, valid().replaced("svix-timestamp", "soon")),
        (r#".replaced("svix-signature", "")"#, valid().replaced("svix-signature", "")),
        (r#".replaced("svix-signature", "v1,")"#, valid().replaced("svix-signature", "v1,")),
        (r#".replaced("svix-signature", "v2,AAAA")"#, valid().replaced("svix-signature", "v2,AAAA")),
        (".secrets([])", valid().secrets([])),
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
    let documented: Vec<_> = rows("Ways to break a delivery")
        .iter()
        .map(|row| (row[0].to_owned(), row[2].to_owned(), row[3].to_owned()))
        .collect();
    assert_eq!(documented, table);
}

#[test]
fn the_table_of_fixtures_lists_all_variants() {
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
    assert!(CHAPTER.contains(&counts), "the guide's `testing` chapter must contain `{counts}`");
}
