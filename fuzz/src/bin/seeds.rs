//! Writes the seeds for every target, made from the test vectors and fixtures, and prints which outcomes they
//! reach.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clerk_webhook_core::{EventType, SignatureHeader};
use clerk_webhook_fuzz::input::Flip;
use clerk_webhook_fuzz::script::{MANY, ScriptedDelivery, Step};
use clerk_webhook_fuzz::{event, frames, headers, layer, reference, secret};
use serde_json::Value;

fn main() {
    let (vectors, fixtures) = (vectors(), fixtures());
    secrets(&vectors);
    deliveries_with_headers(&vectors);
    events(&vectors, &fixtures);
    let scripted = scripted(&fixtures);
    for (target, check) in [("frames", frames::check as Check), ("layer", layer::check)] {
        let mut corpus = Corpus::new(target, check);
        for (name, delivery) in &scripted {
            let input = delivery.write();
            assert_eq!(ScriptedDelivery::read(&input), *delivery);
            corpus.add(name, &input);
        }
        corpus.finish(&["accepted", "body_too_large", "invalid_signature", "body_failed", "not_an_event"]);
    }
}

fn secrets(vectors: &[Value]) {
    let mut corpus = Corpus::new("secret", secret::check);
    let mut texts: Vec<_> = vectors.iter().flat_map(secret_texts).collect();
    texts.sort_unstable();
    texts.dedup();
    for (index, text) in texts.iter().enumerate() {
        corpus.add(&format!("vector_{index}"), &latin1(text));
    }
    corpus.add("list", latin1(&texts.join(",")).as_slice());
    corpus.add("pair", format!("{}\n {}", texts[texts.len() / 2], texts[texts.len() / 2 + 1]).as_bytes());
    corpus.dictionary(["whsec_", "whsk_", "whpk_", "sk_", "pk_", "==", "\n", ",", " "]);
    corpus.finish(&["accepted", "rejected"]);
}

fn deliveries_with_headers(vectors: &[Value]) {
    let mut corpus = Corpus::new("headers", headers::check);
    let mut add = |name: &str, delivery: &headers::HeaderCase| {
        let input = delivery.write();
        assert_eq!(headers::HeaderCase::read(&input), *delivery);
        corpus.add(name, &input)
    };
    // The models have the default tolerance unless the input says otherwise.
    for vector in vectors.iter().filter(|vector| vector["tolerance"] == 300) {
        let (name, expected) = (text(vector, "name"), vector["reason"].as_str().unwrap_or("ok"));
        let Some(keys) = keys(vector) else { continue };
        let fields = vector["headers"].as_array().into_iter().flatten();
        let delivery = headers::HeaderCase {
            now: number(vector, "now") * 1000 + number(vector, "now_milliseconds"),
            keys,
            fields: fields.map(|field| (latin1(as_text(&field[0])), latin1(as_text(&field[1])))).collect(),
            body: body(vector),
            ..Default::default()
        };
        assert_eq!(add(name, &delivery), expected, "{name}");
    }

    let keys = [&b"sixteen bytes or more"[..], &[7; 80], &[0xff; 24]].map(<[u8]>::to_vec);
    for family in ["svix", "webhook"] {
        for (key, seconds) in [(0, 0), (1, 300), (2, -300), (0, 301), (1, -301), (3, 0)] {
            let mut timestamp = vec![headers::TIMESTAMP];
            timestamp.extend(i16::to_le_bytes(seconds));
            let signatures = [&[headers::SIGNATURE, 9, b' '][..], &[headers::SIGNATURE, key]].concat();
            let field = |part: &str, value: Vec<u8>| (format!("{family}-{part}").into_bytes(), value);
            let plain = headers::HeaderCase {
                now: 1_700_000_000_999,
                keys: keys.to_vec(),
                fields: vec![
                    field("signature", signatures),
                    (b"content-type".to_vec(), b"application/json".to_vec()),
                    field("timestamp", timestamp),
                    field("id", b"msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa".to_vec()),
                ],
                body: br#"{"data":{},"type":"test"}"#.to_vec(),
                ..Default::default()
            };
            let name = format!("{family}_{key}_{seconds}");
            let expected = match (key, seconds) {
                (3, _) => "no_matching_signature",
                (_, 301) => "timestamp_too_new",
                (_, -301) => "timestamp_too_old",
                _ => "ok",
            };
            assert_eq!(add(&name, &plain), expected, "{name}");
            for part in 0..=4 {
                let flip = (part, Flip { place: 40, mask: 1 });
                add(&format!("{name}_flip_{part}"), &headers::HeaderCase { flip, ..plain.clone() });
            }
            for tolerance in 1..8 {
                let settings = headers::HeaderCase { tolerance, seconds: [150, 151], ..plain.clone() };
                add(&format!("{name}_tolerance_{tolerance}"), &settings);
            }
            for families in 1..4 {
                add(
                    &format!("{name}_families_{families}"),
                    &headers::HeaderCase { families, ..plain.clone() },
                );
            }
            for (what, place, repeated) in [("id", 3, b"i"), ("blanks", 0, b" "), ("long", 0, b"A")] {
                let mut delivery = plain.clone();
                // 256 characters or tokens, or 16,384 characters.
                let count = if what == "long" { 128 } else { 16 };
                delivery.fields[place].1.extend([headers::REPEAT, count, repeated[0], b'x']);
                add(&format!("{name}_{what}"), &delivery);
            }
        }
    }
    corpus
        .dictionary(SignatureHeader::ALL.iter().map(|header| header.as_str()).chain(["v1,", "v1a,", " v1,"]));
    corpus.finish(&[
        "ok",
        "missing_header",
        "duplicate_header",
        "invalid_header",
        "invalid_timestamp",
        "timestamp_too_old",
        "timestamp_too_new",
        "no_matching_signature",
    ]);
}

fn events(vectors: &[Value], fixtures: &[(String, Vec<u8>)]) {
    let mut corpus = Corpus::new("event", event::check);
    for (name, body) in fixtures {
        assert_eq!(corpus.add(name, body), "typed", "{name}");
        // Puts the type first, so that the parser cannot find it at the end.
        let event: Value = serde_json::from_slice(body).expect("a fixture is valid JSON");
        let reordered = format!(r#"{{"type":{},"data":{}}}"#, event["type"], event["data"]);
        corpus.add(&format!("{name}_reordered"), reordered.as_bytes());
        let flawed = format!(r#"{{"data":{{"id":7,"created_at":"soon"}},"type":{}}}"#, event["type"]);
        corpus.add(&format!("{name}_flawed"), flawed.as_bytes());
    }
    for vector in vectors {
        corpus.add(text(vector, "name"), &body(vector));
    }
    for (index, body) in [
        r#"{"data":{"a":1e999},"type":"x"}"#,
        r#"{"data":"\ud800","type":"user.created"}"#,
        r#"{"\ud800":1,"type":"user.created"}"#,
        r#"{"type":7,"type":"x"}"#,
        r#"{"timestamp":99999999999,"type":"user.created"}"#,
        r#"{"timestamp":100000000000,"type":"user.created"}"#,
        r#"{"instance_id":"ins_1","timestamp":1,"instance_id":"ins_2","timestamp":2,"type":"x","type":"y"}"#,
        r#"{"data":{"id":"user_1"},"subtype":"user.created"}"#,
        r#"{"data":{"id":"user_1"},"x\",\"type":"user.created"}"#,
        r#"{"data":{"id":"user_1"},"type":"user\u002ecreated"}"#,
        r#"{"data":1,"data":{"id":"user_1"},"instance_id":"ins_1","timestamp":1.7e9,"type":"user.created"}"#,
        r#"{"data":{"id":"user_1","created_at":"4242, expected mine"},"type":"user.created"}"#,
        r#"{"event_attributes":{"http_request":{"client_ip":"::1","user_agent":""}},"type":"\u0078"}"#,
    ]
    .iter()
    .enumerate()
    {
        corpus.add(&format!("odd_{index}"), body.as_bytes());
    }
    let members = ["data", "event_attributes", "http_request", "instance_id", "timestamp", "type"];
    let members = members.map(|name| format!("\"{name}\":"));
    let types = EventType::ALL.iter().map(EventType::as_str);
    corpus.dictionary(members.iter().map(String::as_str).chain(types).chain([
        ", expected ",
        "null",
        "\\u",
        "},",
        "\"}",
    ]));
    corpus.finish(&["typed", "undecodable", "unknown_type", "loose", "no_event", "rejected"]);
}

/// Returns deliveries that together contain every kind of step.
fn scripted(fixtures: &[(String, Vec<u8>)]) -> Vec<(String, ScriptedDelivery)> {
    const TRAILERS: u8 = Step::byte(Step::TRAILERS, 0);
    const WAIT: u8 = Step::byte(Step::WAIT, 0);
    const FAIL: u8 = Step::byte(Step::FAIL, 0);
    const END: u8 = Step::byte(Step::END, 0);
    let power = |exponent: u8| Step::byte(Step::POWERS + exponent - 5, 0);
    let empty_frames = Step::byte(Step::EMPTY_FRAMES + 3, 0);
    let mut deliveries = Vec::new();
    for (index, (name, body)) in fixtures.iter().enumerate() {
        let plain = ScriptedDelivery {
            switches: ScriptedDelivery::HAS_CLAIM,
            claim: body.len().to_string().into_bytes(),
            body: body.clone(),
            ..Default::default()
        };
        let cut = Step::byte(index as u8 % Step::POWERS, 0);
        let with_steps = |steps: &[u8]| ScriptedDelivery { steps: steps.to_vec(), ..plain.clone() };
        let variant = match index % 14 {
            0 => with_steps(&[]),
            1 => with_steps(&[cut, WAIT, cut + 1, 0, cut + 2, cut + 3, WAIT]),
            2 => with_steps(&[cut, TRAILERS, WAIT, power(5), TRAILERS]),
            3 => with_steps(&[cut, FAIL]),
            4 => with_steps(&[cut, FAIL + 1]),
            5 => with_steps(&[power(18), END]),
            6 => with_steps(&[empty_frames, TRAILERS, 0]),
            7 => with_steps(&[empty_frames + 3, power(18), END, WAIT]),
            8 => ScriptedDelivery { patience: 2, ..with_steps(&[WAIT, cut, WAIT, WAIT]) },
            9 => ScriptedDelivery { limit: -1, ..with_steps(&[cut]) },
            10 => ScriptedDelivery {
                switches: ScriptedDelivery::LATE_LIMIT,
                hint: 1,
                ..with_steps(&[cut, cut])
            },
            11 => ScriptedDelivery { flip: Flip { place: 99, mask: 4 }, ..with_steps(&[cut]) },
            12 => ScriptedDelivery { patience: 0x30, switches: 0, ..with_steps(&[WAIT, cut, WAIT, WAIT]) },
            _ => ScriptedDelivery { limit: i16::MIN, ..with_steps(&[cut, cut + 1, cut + 2, cut + 3, cut]) },
        };
        deliveries.push((name.clone(), variant));
    }
    let data = ScriptedDelivery {
        switches: ScriptedDelivery::IS_DATA,
        body: b"some data".to_vec(),
        ..Default::default()
    };
    let claims = ScriptedDelivery {
        switches: ScriptedDelivery::IS_DATA | ScriptedDelivery::HAS_CLAIM,
        ..data.clone()
    };
    let with_steps = |repeat, steps: &[u8]| ScriptedDelivery {
        repeat: MANY + repeat,
        steps: steps.to_vec(),
        ..data.clone()
    };
    for (name, delivery) in [
        ("some_segments", with_steps(20, &[power(14) + 3, power(13), power(15) + 1])),
        ("whole_segments", with_steps(31, &[power(16), power(16), 0])),
        ("odd_segments", with_steps(31, &[Step::byte(7, 0), power(16) + 2, power(15) + 3, power(15)])),
        ("more_than_a_segment", with_steps(31, &[power(17) + 2, 0, power(5)])),
        (
            "fails_behind",
            ScriptedDelivery {
                switches: ScriptedDelivery::IS_DATA | ScriptedDelivery::INNER_FAILS,
                ..data.clone()
            },
        ),
        ("unsigned", ScriptedDelivery { switches: ScriptedDelivery::UNSIGNED, ..data.clone() }),
        ("no_event", ScriptedDelivery { switches: 0, ..data.clone() }),
        ("empty", ScriptedDelivery { switches: 0, body: Vec::new(), ..data.clone() }),
        ("claims_too_much", ScriptedDelivery { claim: b"18446744073709551615".to_vec(), ..claims.clone() }),
        (
            "claims_twice",
            ScriptedDelivery {
                switches: claims.switches | ScriptedDelivery::HAS_SECOND_CLAIM,
                claim: b"+34".to_vec(),
                ..claims
            },
        ),
        ("data", data.clone()),
    ] {
        deliveries.push((name.to_owned(), delivery));
    }
    deliveries
}

type Check = fn(&[u8]) -> &'static str;

/// The folder with a target's inputs.
struct Corpus {
    target: &'static str,
    folder: PathBuf,
    check: Check,
    outcomes: BTreeMap<&'static str, usize>,
}

impl Corpus {
    fn new(target: &'static str, check: Check) -> Self {
        let folder = folder("corpus").join(target);
        fs::create_dir_all(&folder).expect("failed to create the folder of the corpus");
        Self { target, folder, check, outcomes: BTreeMap::new() }
    }

    /// Writes an input, runs the target with it, and returns the outcome.
    fn add(&mut self, name: &str, input: &[u8]) -> &'static str {
        fs::write(self.folder.join(format!("seed_{name}")), input).expect("failed to write the seed");
        let outcome = (self.check)(input);
        *self.outcomes.entry(outcome).or_default() += 1;
        outcome
    }

    /// Writes the dictionary: texts that the fuzzer may insert as a unit.
    fn dictionary<'t>(&self, texts: impl IntoIterator<Item = &'t str>) {
        let escaped = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        let lines: String = texts.into_iter().map(|text| format!("\"{}\"\n", escaped(text))).collect();
        fs::write(self.folder.with_extension("dict"), lines).expect("failed to write the dictionary");
    }

    /// Prints the seeds' outcomes. Panics if a required outcome is missing.
    fn finish(self, wanted: &[&str]) {
        println!("{}: {} seeds, {:?}", self.target, self.outcomes.values().sum::<usize>(), self.outcomes);
        for outcome in wanted {
            assert!(self.outcomes.contains_key(outcome), "{}: no seed reaches {outcome}", self.target);
        }
    }
}

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn vectors() -> Vec<Value> {
    let json = fs::read(folder("../vectors/vectors.json")).expect("failed to read the test vectors");
    let file: Value = serde_json::from_slice(&json).expect("the file of vectors is not valid");
    file["cases"].as_array().expect("the file of vectors has cases").clone()
}

fn fixtures() -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder("../crates/clerk-webhook-test/fixtures/events"))
        .expect("failed to read the folder of fixtures");
    let mut fixtures: Vec<_> = files
        .map(|file| file.expect("failed to read the folder of fixtures").path())
        .map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (name, fs::read(path).expect("failed to read a fixture"))
        })
        .collect();
    fixtures.sort_unstable();
    fixtures
}

fn text<'v>(vector: &'v Value, name: &str) -> &'v str {
    as_text(&vector[name])
}

fn as_text(value: &Value) -> &str {
    value.as_str().expect("the field must be a string")
}

fn number(vector: &Value, name: &str) -> i64 {
    vector[name].as_i64().unwrap_or(0)
}

fn body(vector: &Value) -> Vec<u8> {
    reference::decode_base64(text(vector, "body_base64").as_bytes()).expect("the body must be base64")
}

fn secret_texts(vector: &Value) -> impl Iterator<Item = &str> {
    vector["secrets"].as_array().into_iter().flatten().map(as_text)
}

/// Returns a vector's keys, or `None` if a secret is invalid.
fn keys(vector: &Value) -> Option<Vec<Vec<u8>>> {
    secret_texts(vector).map(|text| reference::parse_secret(text).ok()).collect()
}

/// Encodes as Latin-1: each character in a vector becomes one byte in the request.
fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).expect("the character must be in Latin-1"))
        .collect()
}
