//! Bounds the work of a diagnosis. `tests/cli/causes.rs` tests the causes.

use bytes::Bytes;
use clerk_webhook_test::{Delivery, SECRET};
use proptest::prelude::*;

use super::*;

fn search(headers: Vec<(String, Vec<u8>)>, body: Bytes) -> (usize, Diagnosis) {
    let capture = Capture { headers, body, ..Capture::default() };
    let bodies = changes::undone(&capture);
    assert!(bodies.iter().skip(1).all(|candidate| candidate.bytes.len() <= MAX_BODY));
    let secrets = [SECRET, "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC"];
    let (headers, secrets) =
        (headers::read(&capture), secrets.map(|text| SigningSecret::parse(text).unwrap()));
    let mut search = Search::new(&headers.attempts, &secrets);
    assert!(search.run(&bodies).is_none());
    match diagnose(&capture, &secrets, Timestamp::from_secs(1_716_883_200)) {
        CaptureVerdict::Refused(diagnosis) => (search.macs, diagnosis),
        CaptureVerdict::Authentic(_) => panic!("authentic"),
    }
}

#[test]
fn bounds_the_work_for_large_and_hostile_requests() {
    let headers = Delivery::of_body("{}").headers().into_iter();
    let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).collect();
    headers.extend((0..9).map(|number| ("svix-id".to_owned(), format!("msg_{number},b,c,d").into_bytes())));
    let nested = "[".repeat(120) + &"1,".repeat(MAX_BODY / 3) + "1" + &"]".repeat(120);
    let members: String = (0..8).map(|number| format!(r#""{number}":"{{\"a\":1}}\r\n","#)).collect();
    let mut most = 0;
    for body in [format!("{{{members}\"b\":1}}\r\n"), nested, "{\"a\":1}\r\n ".repeat(9000)] {
        let (macs, diagnosis) = search(headers.clone(), body.into());
        most = most.max(macs);
        assert!(diagnosis.notes.iter().any(|note| note.starts_with("The search ended")) || macs < MAX_MACS);
    }
    assert_eq!(most, MAX_MACS);
    let (macs, diagnosis) = search(headers, vec![b' '; MAX_BODY + 1].into());
    assert!(macs <= 32 && diagnosis.notes.iter().any(|note| note.contains("larger than 262144 bytes")));
}

#[test]
fn bounds_the_interpretations_of_hostile_headers() {
    let hostile = |id: String, timestamp: String| {
        let mut headers = vec![("svix-id", id), ("svix-timestamp", timestamp)];
        headers.extend(["v1,a", "v1,b", "v1,c", "v1,d"].map(|list| ("svix-signature", list.to_owned())));
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes()));
        Capture { headers: headers.collect(), ..Capture::default() }
    };
    let read = |capture: Capture| headers::read(&capture);
    assert_eq!(read(hostile("a,b,c,d".to_owned(), "1,".repeat(500) + "1")).attempts.len(), 16);
    let long = read(hostile("a.".repeat(15_000), "1,".repeat(15_000)));
    assert!(long.attempts.is_empty());
    let facts: Vec<_> = long.findings.iter().map(|finding| finding.fact.as_str()).collect();
    assert_eq!(facts, ["svix-id has more than 1024 bytes", "svix-timestamp has more than 1024 bytes"]);
    assert_eq!(timestamps::read("svix-timestamp", "1,".repeat(500).as_bytes()).len(), 5);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn does_not_panic_on_arbitrary_input(
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 3),
        body in proptest::collection::vec(any::<u8>(), 0..400),
        start in "(\\{\"|\\[1,|\"|payload=|b'|\x1f|\\{\"0\":|)",
    ) {
        let names = ["svix-id", "svix-timestamp", "svix-signature"].map(str::to_owned);
        search(names.into_iter().zip(values).collect(), [start.as_bytes(), &body].concat().into());
    }
}

#[test]
fn the_table_in_json_md_lists_every_cause() {
    let rows =
        include_str!("../../JSON.md").lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let rows = rows.map(|(code, _)| code).skip_while(|code| *code != Cause::ALL[0].code());
    let codes: Vec<_> = Cause::ALL.iter().map(|cause| cause.code()).collect();
    assert_eq!(rows.take(codes.len()).collect::<Vec<_>>(), codes);
}
