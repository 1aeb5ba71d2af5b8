//! Listings, while objects are created and deleted.

use std::collections::HashSet;
use std::time::Duration;

use super::super::error::BackendApiErrorKind as Kind;
use super::super::listing::{Cursor, Listing};
use super::super::resource::Resource;
use super::server::{Server, ok};
use super::world::{Cursors, World};

/// Reads a listing to its end, and returns the ids.
pub(super) async fn ids(listing: &mut Listing) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some(page) = listing.next().await.unwrap() {
        assert!(!page.objects.is_empty());
        ids.extend(page.objects.into_iter().map(|object| object.id));
    }
    ids
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|index| index.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn users_are_listed_by_cursor_and_all_others_by_anchored_offset() {
    let (server, _) = World::new(5, 3).serve(|_, _, _| {});
    let mut listing = server.api.list(Resource::Users, None);
    assert_eq!(listing.cursor(), None);
    let first = listing.next().await.unwrap().unwrap();
    assert_eq!((first.objects.len(), first.total), (3, Some(5)));
    assert_eq!(first.objects[2].json.get(), r#"{"id":"2","created_at":1002}"#);
    assert_eq!(listing.cursor(), Some(Cursor { id: "2".to_owned(), created_at: 1_002 }));
    assert_eq!(ids(&mut listing).await, ["3", "4"]);
    assert!(listing.has_seen("4") && !listing.has_seen("5"));
    assert_eq!(listing.missing(), 0);
    assert!(listing.next().await.unwrap().is_none());
    let page = "/users?limit=500&order_by=created_at";
    assert_eq!(
        server.targets(),
        [
            "/users/count".to_owned(),
            page.to_owned(),
            format!("{page}&starting_after=2"),
            format!("{page}&starting_after=4"),
            "/users/count".to_owned(),
        ]
    );

    let (server, _) = World::new(5, 3).serve(|_, _, _| {});
    let mut listing = server.api.list(Resource::Organizations, None);
    assert_eq!(listing.next().await.unwrap().unwrap().total, Some(5));
    assert_eq!((ids(&mut listing).await, listing.cursor()), (numbers(3..5), None));
    let page = "/organizations?include_members_count=true&limit=500&order_by=created_at&offset=";
    assert_eq!(server.targets(), [format!("{page}0"), format!("{page}2")]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_table_has_no_page() {
    for resource in Resource::ALL {
        let (server, _) = World::new(0, 500).serve(|_, _, _| {});
        let mut listing = server.api.list(*resource, None);
        assert!(listing.next().await.unwrap().is_none());
        assert_eq!(listing.missing(), 0);
        assert_eq!(server.targets().len(), if *resource == Resource::Users { 3 } else { 1 });
    }
}

#[tokio::test(start_paused = true)]
async fn deletions_before_the_offset_hide_no_object() {
    for deleted in 1..=6 {
        let (server, world) = World::new(12, 4).serve(move |number, _, world| {
            if number == 2 {
                (0..deleted).for_each(|index| world.delete(&index.to_string()));
            }
        });
        let mut listing = server.api.list(Resource::Memberships, None);
        let seen: HashSet<_> = ids(&mut listing).await.into_iter().collect();
        let missed = world.lock().unwrap().objects.iter().filter(|(id, _)| !seen.contains(id)).count();
        assert_eq!(missed, 0, "{deleted} deletions");
        assert_eq!(seen.len(), 12, "7 were seen before the deletions, and the others were not deleted");
    }
}

#[tokio::test(start_paused = true)]
async fn goes_back_twice_as_far_each_time_until_it_finds_a_seen_object() {
    let (server, _) = World::new(20, 5).serve(|number, _, world| {
        if number == 3 {
            (4..13).for_each(|index| world.delete(&index.to_string()));
        }
    });
    let seen = ids(&mut server.api.list(Resource::Roles, None)).await;
    assert_eq!(seen, numbers(0..20));
    let offset = |target: &String| target.split("offset=").nth(1).unwrap().parse::<usize>().unwrap();
    let offsets: Vec<_> = server.targets().iter().map(offset).collect();
    // 13 objects were seen, of which 4 are left. The second pass follows because of the deletions.
    assert_eq!(offsets, [0, 4, 8, 12, 11, 9, 5, 0, 4, 8, 0, 4, 8]);
}

#[tokio::test(start_paused = true)]
async fn objects_that_are_created_during_the_listing_are_listed() {
    let (server, _) = World::new(5, 3).serve(|number, target, world| match (number, target) {
        (2, _) => world.create("a", 2_000),
        // After the last page.
        (4, "/users/count") => world.create("b", 2_000),
        _ => {}
    });
    let mut listing = server.api.list(Resource::Users, None);
    assert_eq!(ids(&mut listing).await, ["0", "1", "2", "3", "4", "a", "b"]);
    assert_eq!(listing.missing(), 0);
    let targets = server.targets();
    let after: Vec<_> = targets.iter().map(|target| target.split("starting_after=").nth(1)).collect();
    // Only one more page is needed, and no second pass.
    assert_eq!(after, [None, None, Some("2"), Some("a"), None, Some("a"), Some("b"), None]);

    let (server, _) = World::new(5, 3).serve(|number, _, world| {
        if number == 1 {
            world.create("a", 2_000);
        }
    });
    assert_eq!(ids(&mut server.api.list(Resource::Domains, None)).await, ["0", "1", "2", "3", "4", "a"]);
    assert_eq!(server.targets().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn continues_after_the_user_of_the_cursor_was_deleted() {
    for answer in [404, 400, 422, 410] {
        let mut world = World::new(9, 3);
        world.cursors = Cursors::Known(answer);
        // All users from 2 to 5 were created in the same millisecond.
        world.objects[2..6].iter_mut().for_each(|(_, created_at)| *created_at = 1_002);
        let (server, _) = world.serve(|number, _, world| {
            if number == 2 {
                world.delete("2");
            }
        });
        let seen = ids(&mut server.api.list(Resource::Users, None)).await;
        assert_eq!(seen, numbers(0..9), "{answer}");
        assert!(server.targets().iter().any(|target| target.ends_with("&created_at_after=1001")));
        assert!(!server.targets().iter().any(|target| target.contains("offset=")));
    }
}

#[tokio::test(start_paused = true)]
async fn lists_users_by_offset_if_the_server_does_not_know_the_cursor() {
    for (cursors, page) in [(Cursors::Ignored, 4), (Cursors::Rejected, 4), (Cursors::Rejected, 500)] {
        let mut world = World::new(14, page);
        world.cursors = cursors;
        // More users than a page were created in the same millisecond.
        world.objects[3..10].iter_mut().for_each(|(_, created_at)| *created_at = 1_003);
        let (server, _) = world.serve(|number, _, world| {
            if number == 5 {
                world.delete("1");
            }
        });
        let mut listing = server.api.list(Resource::Users, None);
        assert_eq!(ids(&mut listing).await, numbers(0..14), "{cursors:?}");
        assert_eq!(listing.missing(), 0);
        if page == 4 {
            assert!(
                server.targets().iter().any(|target| target.contains("&offset=")),
                "{:?}",
                server.targets()
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_resumed_listing_continues_after_its_cursor() {
    let (server, _) = World::new(9, 3).serve(|_, _, _| {});
    let cursor = serde_json::from_str(r#"{"id":"4","created_at":1004}"#).unwrap();
    let mut listing = server.api.list(Resource::Users, Some(cursor));
    assert_eq!(ids(&mut listing).await, numbers(5..9));
    assert_eq!(serde_json::to_string(&listing.cursor()).unwrap(), r#"{"id":"8","created_at":1008}"#);
    // It did not see the other users, and nothing follows from that.
    assert_eq!((listing.has_seen("4"), listing.missing()), (false, 0));

    // The user of the cursor was deleted, and then the server forgot the parameter.
    for cursors in [Cursors::Known(404), Cursors::Ignored, Cursors::Rejected] {
        let mut world = World::new(9, 3);
        world.cursors = cursors;
        world.delete("4");
        let (server, _) = world.serve(|_, _, _| {});
        let cursor = Cursor { id: "4".to_owned(), created_at: 1_004 };
        let mut listing = server.api.list(Resource::Users, Some(cursor));
        let seen = ids(&mut listing).await;
        assert!(numbers(5..9).iter().all(|id| seen.contains(id)), "{cursors:?}: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn lists_again_if_clerk_counts_a_different_number() {
    // An unstable order hides object 2 in the first two passes.
    for (resource, hidden_in, passes) in [
        (Resource::Users, 2, 3),
        (Resource::Roles, 2, 3),
        (Resource::Roles, 1, 2),
        (Resource::Roles, 9, 3),
        (Resource::Users, 9, 3),
    ] {
        let begins = |target: &str| target.ends_with("offset=0") || target.ends_with("order_by=created_at");
        let pass = std::sync::atomic::AtomicUsize::new(0);
        let all = World::new(5, 500);
        let server = Server::new(move |_, target| {
            if begins(target) {
                pass.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            let mut shown = all.clone();
            let is_hidden = pass.load(std::sync::atomic::Ordering::Relaxed) <= hidden_in;
            if is_hidden && !target.starts_with("/users/count") {
                shown.delete("2");
            }
            let mut reaction = shown.answer(target);
            if let Ok(response) = &mut reaction.result {
                let body = String::from_utf8(response.body().to_vec()).unwrap();
                *response.body_mut() = body.replace(r#""total_count":4"#, r#""total_count":5"#).into();
            }
            reaction
        });
        let mut listing = server.api.list(resource, None);
        let seen = ids(&mut listing).await;
        let is_found = hidden_in < 3;
        assert_eq!(seen, if is_found { vec!["0", "1", "3", "4", "2"] } else { vec!["0", "1", "3", "4"] });
        assert_eq!(listing.missing(), u64::from(!is_found));
        let begun = server.targets().iter().filter(|target| begins(target)).count();
        assert_eq!(begun, passes, "{resource} {hidden_in}");
    }
}

#[tokio::test(start_paused = true)]
async fn ends_with_an_error_if_the_server_repeats_pages_forever() {
    const PAGES: [&str; 3] = [
        r#"[{"id":"a","created_at":1},{"id":"b","created_at":2}]"#,
        r#"{"data":[{"id":"a"},{"id":"b"}],"total_count":700}"#,
        r#"{"data":[{"id":"a"},{"id":"b"}]}"#,
    ];
    for (resource, page) in [(Resource::Users, 0), (Resource::Roles, 1), (Resource::Roles, 2)] {
        let server = Server::new(move |_, target| match target {
            "/users/count" => ok(r#"{"total_count":700}"#),
            _ => ok(PAGES[page]),
        });
        let mut listing = server.api.list(resource, None);
        assert_eq!(listing.next().await.unwrap().unwrap().objects.len(), 2);
        let error = listing.next().await.unwrap_err();
        assert_eq!(error.kind(), Kind::UnusableResponse);
        let expected = "the server returns the same page again and again (GET /";
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(server.targets().len() < 100, "{}", server.targets().len());
    }
    // The first page again at offset 0, and unknown objects at every other offset.
    let server = Server::new(|number, target| match target.ends_with("offset=0") {
        true => ok(PAGES[2]),
        false => ok(format!(r#"{{"data":[{{"id":"{number}"}},{{"id":"x{number}"}}]}}"#)),
    });
    let mut listing = server.api.list(Resource::Roles, None);
    assert_eq!(listing.next().await.unwrap().unwrap().objects.len(), 2);
    assert_eq!(listing.next().await.unwrap_err().kind(), Kind::UnusableResponse);
}

#[tokio::test(start_paused = true)]
async fn reads_every_object_if_the_server_ignores_the_limit() {
    for resource in [Resource::Users, Resource::Invitations] {
        let (server, _) = World::new(47, 10).serve(|_, _, _| {});
        assert_eq!(ids(&mut server.api.list(resource, None)).await, numbers(0..47));
    }
}

#[tokio::test(start_paused = true)]
async fn skips_objects_without_an_id_and_reads_both_forms_of_a_list() {
    const ROWS: &str = r#"{"id":"a","created_at":7,"public_metadata":{"id":"b"}}, {"created_at":8},{"id":null},{"id":5},{"id":""},
                          7,null,{"id":"c","id":"d"},{"id":"e","created_at":"late"}"#;
    for (resource, body) in [
        (Resource::Users, format!(" [{ROWS}]")),
        (Resource::Users, format!(r#"{{"data":[{ROWS}],"total_count":9}}"#)),
        (Resource::Roles, format!("\n{{\"total_count\":9,\"data\":[{ROWS}],\"more\":{{}}}}")),
    ] {
        let server = Server::new(move |_, target| match target {
            "/users/count" => ok(r#"{"total_count":9}"#),
            _ if target.contains("starting_after") => ok("[]"),
            _ => ok(body.clone()),
        });
        let mut listing = server.api.list(resource, None);
        let page = listing.next().await.unwrap().unwrap();
        let read: Vec<_> = page.objects.iter().map(|object| (&*object.id, object.created_at)).collect();
        assert_eq!(read, [("a", 7), ("e", 0)]);
        assert_eq!(listing.missing(), if page.total.is_some() { 0 } else { listing.missing() });
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_repeats_the_request_of_a_dropped_future() {
    let (server, _) = World::new(7, 3).serve(|_, _, _| {});
    let mut listing = server.api.list(Resource::Roles, None);
    let mut seen = Vec::new();
    while let Some(page) = listing.next().await.unwrap() {
        seen.extend(page.objects.into_iter().map(|object| object.id));
        // The next request has to wait for its turn.
        if seen.len() < 7 {
            tokio::time::timeout(Duration::ZERO, listing.next()).await.unwrap_err();
        }
    }
    assert_eq!(seen, numbers(0..7));
}
