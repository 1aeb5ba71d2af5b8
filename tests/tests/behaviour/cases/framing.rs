//! Framing: chunks, packets, `Expect`, and lengths.

use clerk_webhook_core::Outcome;
use clerk_webhook_tests::fixture;

use super::super::case::{Case, Step};
use super::super::seen::Seen;
use super::super::stacks::Setup::Standard;
use super::super::wire_request::{BODY, WireRequest};

pub fn cases() -> Vec<Case> {
    [chunks(), packets(), expectations(), lengths()].into_iter().flatten().collect()
}

fn chunks() -> Vec<Case> {
    let user = WireRequest::of(fixture("user.created"));
    let mut cases = Vec::new();
    for size in [1, 7, 500, user.body.len()] {
        cases.push(
            Case::new(Standard, format!("chunks of {size} bytes")).accepts_as(user.chunked(size), &user),
        );
        let forged = WireRequest::of("{}").with_body(user.body.clone());
        cases.push(
            Case::new(Standard, format!("forged chunks of {size} bytes"))
                .rejects_as(forged.chunked(size), Outcome::InvalidSignature),
        );
    }
    let with_trailers = |name: &str, trailers: &str| {
        Case::new(Standard, name).accepts_as(user.chunked_and(500, trailers), &user)
    };
    cases.extend([
        with_trailers("a trailer", "X-Checksum: 1\r\n"),
        with_trailers("a trailer named Svix-Id", "Svix-Id: msg_other\r\n"),
        Case::new(Standard, "signature headers only as trailers").rejects_as(
            WireRequest::unsigned(BODY).chunked_and(500, &signature_lines(&WireRequest::of(BODY))),
            Outcome::MissingHeader,
        ),
        Case::new(Standard, "chunks with an extension").accepts_as(extended(&user), &user),
    ]);
    cases
}

fn signature_lines(delivery: &WireRequest) -> String {
    let names = ["svix-id", "svix-timestamp", "svix-signature"];
    names.map(|name| format!("{name}: {}\r\n", delivery.value(name))).concat()
}

fn extended(delivery: &WireRequest) -> Vec<u8> {
    let mut request = delivery.head("Transfer-Encoding: chunked");
    request.extend(format!("{:X};name=value\r\n", delivery.body.len()).bytes());
    request.extend(&delivery.body);
    request.extend(b"\r\n0\r\n\r\n");
    request
}

fn packets() -> Vec<Case> {
    let delivery = WireRequest::of(BODY);
    let slowly = |name: &str, request: Vec<u8>| {
        Case::new(Standard, name).step(Step::WriteSlowly(request.into())).accepted(&delivery)
    };
    vec![
        slowly("one byte at a time", delivery.with_length()),
        slowly("one byte at a time in chunks", delivery.chunked(7)),
        Case::new(Standard, "the head alone, then the body")
            .write(delivery.head(&format!("Content-Length: {}", BODY.len())))
            .write(BODY)
            .accepted(&delivery),
    ]
}

/// A client with `Expect: 100-continue` waits before it sends the body.
fn expectations() -> Vec<Case> {
    const REJECTED: &str = "Expect: 100-continue, rejected because of its headers";
    let expecting = |delivery: WireRequest| {
        delivery.header("Expect", "100-continue").head(&format!("Content-Length: {}", BODY.len()))
    };
    let delivery = WireRequest::of(BODY);
    vec![
        Case::new(Standard, "Expect: 100-continue")
            .write(expecting(delivery.clone()))
            .sees(Seen::Continue)
            .write(BODY)
            .accepted(&delivery),
        Case::new(Standard, "Expect: 100-continue, then a body other than the signed one")
            .write(expecting(delivery.clone()))
            .sees(Seen::Continue)
            .write(BODY.replace("user_1", "user_2"))
            .rejected(Outcome::InvalidSignature),
        Case::new(Standard, "Expect: 100-continue without a signature")
            .kind(REJECTED)
            .rejects_as(expecting(WireRequest::unsigned(BODY)), Outcome::MissingHeader),
        Case::new(Standard, "Expect: 100-continue with a body that is too large").kind(REJECTED).rejects_as(
            delivery.header("Expect", "100-continue").head("Content-Length: 2097153"),
            Outcome::BodyTooLarge,
        ),
    ]
}

/// Lengths that differ from the length of the body. In no case may unsigned bytes reach the handler.
fn lengths() -> Vec<Case> {
    let body = format!("{BODY}\r\nthis is not a request\r\n\r\n");
    let delivery = WireRequest::of(BODY);
    let longer = WireRequest::of(body.clone());
    let cut = |framing: &str| [longer.head(framing), body.clone().into_bytes()].concat();
    let length = format!("Content-Length: {}", BODY.len());
    let both = delivery.clone().header("Content-Length", BODY.len().to_string());
    let bad =
        |name: &str, framing: &str| Case::new(Standard, name).write(cut(framing)).sees(Seen::Plain(400));
    let more = [delivery.head(&length), body.clone().into_bytes()].concat();
    vec![
        Case::new(Standard, "more bytes than Content-Length")
            .accepts_as(more, &delivery)
            .sees(Seen::Plain(400)),
        Case::new(Standard, "a Content-Length shorter than the signed body")
            .rejects_as(cut(&length), Outcome::InvalidSignature)
            .sees(Seen::Plain(400)),
        bad("a Content-Length that is not a number", "Content-Length: many"),
        bad("a negative Content-Length", "Content-Length: -1"),
        bad("a Content-Length with a plus sign", "Content-Length: +77"),
        bad("two different Content-Length headers", &format!("{length}\r\nContent-Length: {}", body.len())),
        bad("an unknown Transfer-Encoding", "Transfer-Encoding: rot13"),
        Case::new(Standard, "invalid chunks")
            .rejects_as(cut("Transfer-Encoding: chunked"), Outcome::BodyFailed),
        Case::new(Standard, "Content-Length and chunked encoding").accepts_as(both.chunked(7), &both),
        Case::new(Standard, "HTTP/1.0").accepts(&WireRequest { version: "HTTP/1.0", ..delivery }),
    ]
}
