//! How requests are sent: their pace, their retries and their headers.

use std::error::Error as _;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::answer::Object;
use super::super::error::BackendApiErrorKind as Kind;
use super::super::event::{ApiEvent, WaitReason};
use super::super::listing::Listing;
use super::super::look::Absent;
use super::super::resource::Resource;
use super::super::transport::{MAX_RESPONSE_BYTES, ResponseTooLarge};
use super::server::{KEY, React, Server, failure, ok, refusal, status};
use super::world::World;
use crate::ImportError;

const INSTANCE: &str =
    r#"{"object":"instance","id":"ins_1","environment_type":"development","allowed_origins":null}"#;
/// The maximum of the random part of a delay, in milliseconds.
const JITTER: u128 = 500;

async fn all(listing: &mut Listing) -> Vec<Object> {
    let mut objects = Vec::new();
    while let Some(page) = listing.next().await.unwrap() {
        objects.extend(page.objects);
    }
    objects
}

#[tokio::test(start_paused = true)]
async fn each_request_takes_its_turn() {
    for (key, share, interval) in [
        ("sk_test_3kXp0wTq", None, 200),
        ("sk_live_3kXp0wTq", None, 20),
        ("sk_test_3kXp0wTq", Some(1.0), 100),
        ("sk_live_3kXp0wTq", Some(0.1), 100),
    ] {
        let server = Server::with_key(key, |_, _| ok(INSTANCE));
        let api = server.api.clone();
        let api = share.map_or(api.clone(), |share| api.share(share).unwrap());
        // A clone shares the pace, also with requests at the same time.
        let other = api.clone();
        let (first, second) = tokio::join!(api.instance(), other.instance());
        first.and(second).unwrap();
        api.instance().await.unwrap();
        assert_eq!(server.times(), [0, interval, 2 * interval], "{key} {share:?}");
        let delay = Duration::from_millis(interval as u64);
        let waits = server.events().into_iter().filter(|event| matches!(event, ApiEvent::Waiting { .. }));
        assert_eq!(
            waits.collect::<Vec<_>>(),
            [
                ApiEvent::Waiting { delay, reason: WaitReason::Share },
                ApiEvent::Waiting { delay, reason: WaitReason::Share }
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn slow_answers_do_not_add_to_the_pace() {
    let server = Server::new(|_, _| ok(INSTANCE).after(Duration::from_millis(150)));
    for _ in 0..3 {
        server.api.instance().await.unwrap();
    }
    assert_eq!(server.times(), [0, 200, 400]);
}

#[test]
fn rejects_a_share_that_is_no_part_of_the_limit() {
    let api = Server::new(|_, _| ok(INSTANCE)).api;
    for share in [0.001, 0.5, 1.0] {
        assert!(api.clone().share(share).is_ok(), "{share}");
    }
    for share in [0.0, 0.000_9, 1.001, -1.0, f64::NAN, f64::INFINITY] {
        let error = api.clone().share(share).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the share of Clerk's rate limit is invalid. Use a number from 0.001 to 1."
        );
    }
}

/// One failure, and then a success.
struct Case {
    name: &'static str,
    failure: React,
    reason: WaitReason,
    /// The time of the failure, and the delay until the retry without its random part.
    delay: (u64, u64),
}

#[tokio::test(start_paused = true)]
async fn retries_temporary_failures() {
    let too_many = || refusal(429, "too_many_requests");
    let cases = [
        Case { name: "429", failure: too_many, reason: WaitReason::RateLimit, delay: (0, 1_000) },
        Case {
            name: "429 with Retry-After",
            failure: || refusal(429, "rate_limit_exceeded").header("retry-after", "7"),
            reason: WaitReason::RateLimit,
            delay: (0, 7_000),
        },
        Case {
            name: "429 with a long Retry-After",
            failure: || status(429, "").header("retry-after", "3600"),
            reason: WaitReason::RateLimit,
            delay: (0, 30_000),
        },
        Case {
            name: "429 with a date in Retry-After",
            failure: || status(429, "").header("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"),
            reason: WaitReason::RateLimit,
            delay: (0, 1_000),
        },
        Case {
            name: "500",
            failure: || status(500, "oops"),
            reason: WaitReason::Status(500),
            delay: (0, 1_000),
        },
        Case { name: "502", failure: || status(502, ""), reason: WaitReason::Status(502), delay: (0, 1_000) },
        Case {
            name: "503 with Retry-After",
            failure: || status(503, "<html>").header("retry-after", " 2 "),
            reason: WaitReason::Status(503),
            delay: (0, 2_000),
        },
        Case { name: "504", failure: || status(504, ""), reason: WaitReason::Status(504), delay: (0, 1_000) },
        Case {
            name: "connection",
            failure: || failure(io::Error::from(io::ErrorKind::ConnectionReset)),
            reason: WaitReason::NoResponse,
            delay: (0, 1_000),
        },
        Case {
            name: "time-out",
            failure: || ok(INSTANCE).after(Duration::from_secs(31)),
            reason: WaitReason::NoResponse,
            delay: (30_000, 1_000),
        },
        Case {
            name: "cut",
            failure: || ok(&INSTANCE[..40]),
            reason: WaitReason::NoResponse,
            delay: (0, 1_000),
        },
        Case { name: "empty", failure: || ok(""), reason: WaitReason::NoResponse, delay: (0, 1_000) },
    ];
    for Case { name, failure, reason, delay: (failed, delay) } in cases {
        let server = Server::new(move |number, _| if number == 0 { failure() } else { ok(INSTANCE) });
        let instance = server.api.instance().await.unwrap();
        assert_eq!(instance.id, "ins_1");
        let times = server.times();
        let earliest = u128::from(failed + delay);
        assert!(times.len() == 2 && (earliest..=earliest + JITTER).contains(&times[1]), "{name}: {times:?}");
        assert!(delay < 7_000 || times[1] == earliest, "{name}: {times:?}");
        let is_wait = |event: &ApiEvent| {
            matches!(event, ApiEvent::Waiting { reason: found, delay: waits, .. }
                if *found == reason && waits.as_millis() + u128::from(failed) == times[1])
        };
        assert_eq!(server.events().iter().filter(|event| is_wait(event)).count(), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn gives_up_after_five_retries() {
    let failures: [(React, Kind, &str); 4] = [
        (
            || refusal(429, "too_many_requests"),
            Kind::RateLimited,
            "in 6 attempts (429 too_many_requests, trace id t1",
        ),
        (|| status(503, ""), Kind::Unavailable, "server error in 6 attempts (503 for /instance)"),
        (
            || failure("reset"),
            Kind::Unavailable,
            "no complete response arrived in 6 attempts (GET /instance)",
        ),
        (|| ok("{"), Kind::Unavailable, "no complete response arrived in 6 attempts (GET /instance)"),
    ];
    let mut sources = Vec::new();
    for (react, kind, text) in failures {
        let server = Server::new(move |_, _| react());
        let error = server.api.instance().await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(text), "{error}");
        let source = error.source().map(ToString::to_string);
        // The error of an import has the same source.
        assert_eq!(ImportError::from(error).source().map(ToString::to_string), source);
        sources.push(source);
        let times = server.times();
        let delays: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(delays.len(), 5);
        for (delay, shortest) in delays.into_iter().zip([1_000, 2_000, 4_000, 8_000, 16_000]) {
            assert!((shortest..=shortest + JITTER).contains(&delay), "{times:?}");
        }
    }
    assert_eq!(sources, [None, None, Some("reset".to_owned()), None]);
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_can_be_set_and_counts_per_attempt() {
    let server = Server::new(|_, _| ok(INSTANCE).after(Duration::from_secs(3)));
    let error = server.api.clone().request_timeout(Duration::from_secs(2)).instance().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Clerk did not answer within 2s in 6 attempts (GET /instance). Check the network, or try again later"
    );
    assert_eq!(error.status(), None);
    server.api.clone().request_timeout(Duration::from_secs(4)).instance().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn does_not_retry_other_failures() {
    let failures: [React; 8] = [
        || refusal(400, "form_param_invalid"),
        || refusal(401, "authentication_invalid"),
        || refusal(403, "forbidden"),
        || refusal(404, "resource_not_found"),
        || refusal(422, "form_param_invalid"),
        || status(302, "").header("location", "https://elsewhere.example/"),
        || ok("<!doctype html>"),
        || ok(r#"{"id":7}"#),
    ];
    for react in failures {
        let server = Server::new(move |_, _| react());
        let error = server.api.instance().await.unwrap_err();
        assert_eq!(server.times(), [0], "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_stops_the_other_requests_of_the_client() {
    let server = Server::new(|number, _| match number {
        0 => status(429, "").header("retry-after", "5"),
        _ => ok(INSTANCE),
    });
    let other = server.api.clone();
    let later = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        other.instance().await
    };
    let (first, second) = tokio::join!(server.api.instance(), later);
    first.and(second).unwrap();
    assert_eq!(server.times(), [0, 5_000, 5_200]);
}

#[tokio::test(start_paused = true)]
async fn a_request_has_the_key_and_the_version_in_headers() {
    let server = Server::new(|_, _| ok(INSTANCE));
    server.api.instance().await.unwrap();
    server.api.clone().base_url("http://127.0.0.1:4011/v1/").unwrap().instance().await.unwrap();
    let requests = server.requests();
    assert_eq!(requests[0].uri(), "https://api.clerk.com/v1/instance");
    assert_eq!(requests[1].uri(), "http://127.0.0.1:4011/v1/instance");
    let header = |name| requests[0].headers().get(name).unwrap().to_str().unwrap();
    assert_eq!(requests[0].method(), "GET");
    assert_eq!(header("authorization"), format!("Bearer {KEY}"));
    assert_eq!(header("clerk-api-version"), "2026-05-12");
    assert_eq!(header("accept"), "application/json");
    assert_eq!(header("user-agent"), concat!("clerk-webhook/", env!("CARGO_PKG_VERSION")));
    for shown in [format!("{:?}", requests[0]), format!("{:?}", server.api), format!("{:?}", server.events())]
    {
        assert!(!shown.contains("3kXp"), "{shown}");
    }
}

#[test]
fn the_futures_can_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let api = Server::new(|_, _| ok(INSTANCE)).api;
    let row = Absent { id: "id_1", organization_id: None, user_id: None };
    is_send(api.instance());
    is_send(api.look(Resource::Users, row));
    is_send(api.existing(Resource::Users, &["id_1"]));
    is_send(api.list(Resource::Users, None).next());
}

#[tokio::test(start_paused = true)]
async fn halves_the_limit_until_a_page_is_small_enough() {
    let limit = |target: &str| {
        let limit = target.split("limit=").nth(1).unwrap().split('&').next().unwrap();
        limit.parse::<usize>().unwrap()
    };
    let world = World::new(9, 500);
    let server = Server::new(move |_, target| match target {
        "/users/count" => world.answer(target),
        // A transport that stops reading, and a transport that does not.
        _ if limit(target) > 60 => failure(io::Error::other(ResponseTooLarge)),
        _ if limit(target) > 4 => ok(vec![b'['; MAX_RESPONSE_BYTES + 1]),
        _ => world.answer(target),
    });
    let objects = all(&mut server.api.list(Resource::Users, None)).await;
    assert_eq!(objects.len(), 9);
    let targets = server.targets();
    let limits: Vec<_> =
        targets.iter().filter(|target| target.contains("limit=")).map(|t| limit(t)).collect();
    assert_eq!(limits, [500, 250, 125, 62, 31, 15, 7, 3, 3, 3, 3]);

    let server = Server::new(|_, _| failure(ResponseTooLarge));
    let error = server.api.list(Resource::Roles, None).next().await.unwrap_err();
    assert_eq!(error.kind(), Kind::UnusableResponse);
    assert!(
        error.to_string().starts_with("a response of the server exceeds 32 MiB (GET /organization_roles)")
    );
    assert!(server.targets().last().unwrap().contains("limit=2&"), "{:?}", server.targets());
}

#[tokio::test(start_paused = true)]
async fn the_time_of_reading_comes_from_the_date_header_or_the_local_clock() {
    let page = || ok(r#"{"data":[{"id":"a"}],"total_count":1}"#).after(Duration::from_millis(1_250));
    let server = Server::new(move |_, _| page().header("date", "Wed, 21 Oct 2015 07:28:00 GMT"));
    let mut listing = server.api.list(Resource::Roles, None);
    assert_eq!(listing.started_at(), 0);
    let page_of_date = listing.next().await.unwrap().unwrap();
    assert_eq!(page_of_date.read_at, 1_445_412_480_000 - 1_250);
    assert_eq!(listing.started_at(), page_of_date.read_at);
    assert_eq!(listing.ended_at(), Some(1_445_412_480_999));

    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    for date in [None, Some("yesterday")] {
        let server = Server::new(move |_, _| match date {
            Some(date) => page().header("date", date),
            None => page(),
        });
        let before = now();
        let mut listing = server.api.list(Resource::Roles, None);
        let read_at = listing.next().await.unwrap().unwrap().read_at;
        assert!((before - 5_000..=now() - 5_000).contains(&read_at));
        // The paused clock has not moved the system's clock.
        assert_eq!(listing.ended_at(), Some(read_at + 5_000 + 1_250 + 5_000));
    }
}
