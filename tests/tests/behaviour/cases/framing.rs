//! How a request may be cut into lines, chunks and packets.

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
                .refuses_as(forged.chunked(size), Outcome::InvalidSignature),
        );
    }
    let with_trailers = |name: &str, trailers: &str| {
        Case::new(Standard, name).accepts_as(user.chunked_and(500, trailers), &user)
    };
    cases.extend([
        with_trailers("a trailer", "X-Checksum: 1\r\n"),
        with_trailers("a trailer that is named as the id", "Svix-Id: msg_other\r\n"),
        Case::new(Standard, "signature headers as trailers only").refuses_as(
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
        slowly("one byte after the other", delivery.with_length()),
        slowly("one byte after the other in chunks", delivery.chunked(7)),
        Case::new(Standard, "the head alone, then the body")
            .write(delivery.head(&format!("Content-Length: {}", BODY.len())))
            .write(BODY)
            .accepted(&delivery),
    ]
}

/// Whoever announces a body wants to be told first whether anybody wants it.
fn expectations() -> Vec<Case> {
    const REFUSED: &str = "Expect: 100-continue, refused by the headers";
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
        Case::new(Standard, "Expect: 100-continue, and then another body")
            .write(expecting(delivery.clone()))
            .sees(Seen::Continue)
            .write(BODY.replace("user_1", "user_2"))
            .refused(Outcome::InvalidSignature),
        Case::new(Standard, "Expect: 100-continue without a signature")
            .kind(REFUSED)
            .refuses_as(expecting(WireRequest::unsigned(BODY)), Outcome::MissingHeader),
        Case::new(Standard, "Expect: 100-continue with a body that is too large").kind(REFUSED).refuses_as(
            delivery.header("Expect", "100-continue").head("Content-Length: 2097153"),
            Outcome::BodyTooLarge,
        ),
    ]
}

/// Lengths that are not those of the body: whatever comes of it, nothing that was not signed gets through.
fn lengths() -> Vec<Case> {
    let body = format!("{BODY}\r\nthis is no request\r\n\r\n");
    let delivery = WireRequest::of(BODY);
    let longer = WireRequest::of(body.clone());
    let cut = |framing: &str| [longer.head(framing), body.clone().into_bytes()].concat();
    let length = format!("Content-Length: {}", BODY.len());
    let both = delivery.clone().header("Content-Length", BODY.len().to_string());
    let bad =
        |name: &str, framing: &str| Case::new(Standard, name).write(cut(framing)).sees(Seen::Plain(400));
    let more = [delivery.head(&length), body.clone().into_bytes()].concat();
    vec![
        Case::new(Standard, "more bytes than the length says")
            .accepts_as(more, &delivery)
            .sees(Seen::Plain(400)),
        Case::new(Standard, "a length that cuts the signed body")
            .refuses_as(cut(&length), Outcome::InvalidSignature)
            .sees(Seen::Plain(400)),
        bad("a length that is no number", "Content-Length: many"),
        bad("a negative length", "Content-Length: -1"),
        bad("a length with a sign", "Content-Length: +77"),
        bad("two different lengths", &format!("{length}\r\nContent-Length: {}", body.len())),
        bad("a transfer encoding that nobody knows", "Transfer-Encoding: rot13"),
        Case::new(Standard, "chunks that are none")
            .refuses_as(cut("Transfer-Encoding: chunked"), Outcome::BodyFailed),
        Case::new(Standard, "a length beside chunks").accepts_as(both.chunked(7), &both),
        Case::new(Standard, "HTTP/1.0").accepts(&WireRequest { version: "HTTP/1.0", ..delivery }),
    ]
}
