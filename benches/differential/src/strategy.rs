//! The distribution of recipes. Most parts of most deliveries are valid, so that each deviation also occurs
//! alone.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::case::Family;
use crate::recipe::{Body, Change, Recipe, Secret, SecretText, Time, Token, Value};
use crate::verdict::Part;

/// Returns the strategy for recipes.
pub fn recipes() -> impl Strategy<Value = Recipe> {
    let signatures = (
        vec(prop_oneof![7 => Just(Token::Genuine), 4 => token()], 1..4),
        prop_oneof![12 => Just(" "), 1 => select(vec!["  ", "   ", ",", ", ", "\t", "\t "])],
    );
    let times = (clock(), 0..1000_i64);
    (
        secret(),
        select(vec![Family::Svix, Family::Webhook]),
        id(),
        time(),
        body(),
        signatures,
        changes(),
        times,
    )
        .prop_map(
            |(secret, family, id, time, body, (tokens, separator), changes, (clock, milliseconds))| Recipe {
                secret,
                family,
                id,
                time,
                body,
                tokens,
                separator,
                changes,
                clock,
                milliseconds,
            },
        )
}

fn secret() -> impl Strategy<Value = Secret> {
    let key = prop_oneof![
        6 => vec(any::<u8>(), 24..=24),
        4 => vec(any::<u8>(), 16..=80),
        1 => vec(any::<u8>(), 0..=17),
    ];
    let blanks = vec!["", " ", "\n", "\r\n", "\t", "\u{c}", "\u{b}", "\u{a0}", "\"", "'"];
    let text = prop_oneof![
        22 => Just(SecretText::Plain),
        2 => Just(SecretText::Bare),
        1 => select(vec!["whsk_", "whpk_", "sk_", "pk_", "sk_live_", "WHSEC_", "whsec", "whsec_whsec_", "v1,"])
            .prop_map(SecretText::Prefixed),
        2 => (select(blanks.clone()), select(blanks))
            .prop_map(|(before, after)| SecretText::Within(before, after)),
        1 => (any::<usize>(), select(vec![" ", "\n", "=", "A", "-", "_", ".", "é", "\0"]))
            .prop_map(|(place, inserted)| SecretText::With(place, inserted)),
        2 => (1..=2_usize).prop_map(SecretText::Unpadded),
        1 => Just(SecretText::TrailingBits),
        1 => Just(SecretText::UrlSafe),
        1 => "(whsec_)?[A-Za-z0-9+/]{0,44}={0,3}|\\PC{0,40}".prop_map(SecretText::Text),
    ];
    (key, text).prop_map(|(key, text)| Secret { key, text })
}

fn id() -> impl Strategy<Value = Vec<u8>> {
    let text = |pattern: &'static str| pattern.prop_map(String::into_bytes);
    prop_oneof![
        24 => text("msg_[0-9A-Za-z]{1,27}"),
        8 => text("[!-\\-/-~]{1,12}"),
        1 => text("[!-~]{0,8}\\.[!-~]{0,8}"),
        1 => text("[ !-~\t]{0,12}"),
        1 => (254..260_usize).prop_map(|length| vec![b'x'; length]),
        1 => vec(header_byte(), 0..12),
    ]
}

fn time() -> impl Strategy<Value = Time> {
    let before = vec!["+", "-", "0", "00000000000000000000", "+0", "-0", "0x", "~", " ", "\t", "  "];
    let after = vec!["", "", "", ".0", ".5", "e0", "_0", "000", "Z", " ", "\t", ", 1"];
    let texts = vec![
        "",
        " ",
        "\t",
        "+",
        "-",
        "-0",
        "+0",
        "00",
        "nan",
        "inf",
        "1e9",
        "1.7e9",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "99999999999999999999",
        "1970-01-01T00:00:00Z",
    ];
    prop_oneof![
        24 => near().prop_map(Time::Near),
        4 => (select(before), near()).prop_map(|(before, later)| Time::Within(before, later, "")),
        1 => (near(), select(after)).prop_map(|(later, after)| Time::Within("", later, after)),
        1 => select(vec![0, 1, -1, 300, 301, i64::MAX, i64::MAX - 300, i64::MIN, i64::MIN + 1]).prop_map(Time::Number),
        1 => any::<i64>().prop_map(Time::Number),
        1 => (-2..=2_i64).prop_map(Time::Least),
        1 => select(texts).prop_map(|text| Time::Text(text.into())),
        1 => vec(header_byte(), 0..12).prop_map(Time::Text),
    ]
}

/// The difference between the timestamp and the receiver's clock, in seconds.
fn near() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => Just(0),
        4 => -298..=298_i64,
        3 => select(vec![-302, -301, -300, -299, 299, 300, 301, 302]),
        1 => -100_000..=100_000_i64,
    ]
}

fn body() -> impl Strategy<Value = Body> {
    let json = r#"{"data":{"deleted":true,"id":"user_1","object":"user"},"type":"user.deleted"}"#;
    let text = |pattern: &'static str| pattern.prop_map(|text| Body::Bytes(text.into_bytes()));
    prop_oneof![
        8 => Just(Body::Bytes(json.into())),
        2 => Just(Body::Bytes(Vec::new())),
        4 => text("\\PC{0,40}"),
        1 => text("\u{feff}\\PC{0,10}"),
        1 => text("[0-9]{1,10}\\.[a-z.]{0,10}"),
        1 => text("[\\x00-\\x1f\r\n\t ]{0,10}"),
        1 => vec(any::<u8>(), 0..40).prop_map(Body::Bytes),
        1 => vec(any::<u8>(), 0..4096).prop_map(Body::Bytes),
        1 => "\\PC{0,20}".prop_map(Body::CutElsewhere),
    ]
}

fn token() -> impl Strategy<Value = Token> {
    let labels =
        vec!["v1a,", "v2,", "V1,", "v0,", "v10,", ",", "v1", "", "v1,,", "v1, ", " v1,", "v1 ,", "1,", "v1;"];
    let more = vec![",", ",x", "=", "==", "A", "x", ",v1", ", ", "\t", "\u{e9}"];
    let bytes = |pattern: &'static str| pattern.prop_map(|text| Token::Bytes(text.into_bytes()));
    prop_oneof![
        3 => (0..44_usize).prop_map(Token::Beginning),
        1 => Just(Token::Beginning(0)),
        3 => Just(Token::OfOtherKey),
        3 => select(labels).prop_map(Token::Labelled),
        2 => select(more).prop_map(Token::Extended),
        1 => Just(Token::TrailingBits),
        2 => (0..44_usize).prop_map(Token::Mistyped),
        1 => Just(Token::UrlSafe),
        1 => Just(Token::Hexadecimal),
        1 => bytes("[!-~]{0,20}"),
        1 => bytes("v1,[A-Za-z0-9+/]{43}="),
        1 => bytes("[A-Za-z0-9+/]{43}="),
        1 => vec(header_byte(), 0..12).prop_map(Token::Bytes),
    ]
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop_oneof![6 => vec(change(), 0..=1), 1 => vec(change(), 0..=4)]
}

fn change() -> impl Strategy<Value = Change> {
    let part = || select(Part::ALL.to_vec());
    let blanks = || select(vec!["", " ", "\t", "  ", " \t"]);
    let marks = || select(vec![&b""[..], b"\xef\xbb\xbf", b"\n", b"\xff", b" ", b"1."]);
    let sign = || prop_oneof![Just(-1), Just(0), Just(1), Just(40)];
    prop_oneof![
        2 => part().prop_map(Change::Remove),
        1 => part().prop_map(Change::Only),
        3 => part().prop_map(Change::Rename),
        1 => part().prop_map(Change::Capitals),
        4 => (part(), value(), any::<bool>())
            .prop_map(|(part, value, first)| Change::Repeat(part, value, first)),
        4 => (part(), value()).prop_map(|(part, value)| Change::Stray(part, value)),
        2 => Just(Change::BothFamilies),
        2 => (part(), value()).prop_map(|(part, value)| Change::Set(part, value)),
        3 => (part(), blanks(), blanks()).prop_map(|(part, before, after)| Change::Wrap(part, before, after)),
        1 => part().prop_map(|part| Change::Wrap(part, "", ", x")),
        2 => (part(), any::<usize>(), header_byte())
            .prop_map(|(part, place, byte)| Change::Insert(part, place, byte)),
        1 => (-2..=2_i64).prop_map(Change::Later),
        2 => any::<usize>().prop_map(Change::Flip),
        2 => (marks(), marks()).prop_map(|(before, after)| Change::WrapBody(before, after)),
        1 => (1..=4_usize).prop_map(Change::CutBody),
        1 => Just(Change::Lossy),
        1 => Just(Change::OtherSecret),
        1 => sign().prop_map(Change::Tokens),
        1 => sign().prop_map(Change::LongToken),
        1 => Just(Change::Reverse),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => Just(Value::Same),
        1 => Just(Value::Other(Vec::new())),
        1 => select(vec!["msg_other", "1700000000", "v1,", " ", "0"]).prop_map(|text| Value::Other(text.into())),
        1 => vec(header_byte(), 0..20).prop_map(Value::Other),
    ]
}

/// Bytes that `http` accepts in a header value.
fn header_byte() -> impl Strategy<Value = u8> {
    prop_oneof![4 => b' '..=b'~', 1 => Just(b'\t'), 1 => 0x80..=0xff_u8]
}

/// Clocks from 1970 to the maximum of 64-bit milliseconds. svix does not support earlier times.
fn clock() -> impl Strategy<Value = Option<i64>> {
    let given = prop_oneof![
        2 => 1_600_000_000..2_500_000_000_i64,
        1 => 0..=1000_i64,
        1 => select(vec![i64::from(i32::MAX), i64::from(u32::MAX), 9_999_999_999]),
        1 => 0..i64::MAX / 1000 - 1_000_000,
    ];
    prop_oneof![5 => Just(None), 1 => given.prop_map(Some)]
}
