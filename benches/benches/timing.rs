//! Tests whether the duration of a verification depends on the position of the first wrong byte of a
//! signature, with dudect's method (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", 2017).
//!
//! `cargo bench --bench timing -- [millions of samples, 2 by default]`
//!
//! Each sample is, at random, a signature that is wrong in every byte or one that is wrong only in its last
//! byte. Welch's t-test compares the mean times of both kinds, over all samples and over the samples below
//! each of 100 percentiles, because noise in slow samples can hide a difference. |t| above 4.5 means that the
//! times differ. As a control, the test must detect a comparison that stops at the first difference.

use std::env;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_webhook_benches::delivery;
use clerk_webhook_core::{MessageId, Timestamp, Verifier};
use fastrand::Rng;

/// The bound for |t| that dudect's authors recommend.
const BOUND: f64 = 4.5;

/// The number of samples that determine the percentiles. They are not part of the result.
const FIRST: usize = 20_000;

const CROPS: i32 = 100;

type Mac = [u8; 32];

/// The function under test. It receives a delivery with a wrong signature, and the correct MAC.
type Subject = fn(&Verifier, &Headers, &[u8], &Mac) -> bool;

/// The headers of the current sample. All samples reuse this memory, so that both kinds have the same
/// addresses.
type Headers = [(&'static str, String); 3];

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let wanted = env::args().skip(1).find_map(|argument| argument.parse().ok());
    let samples = 1_000_000 * wanted.unwrap_or(2);
    let subjects: [(&str, Subject, bool); 3] = [
        ("Verifier::verify", whole, false),
        ("Verifier::begin, update, finish", in_frames, false),
        ("control: stops at the first difference", leaky, true),
    ];
    println!("{:<42}{:>12}{:>12}", "", "samples", "max |t|");
    let mut is_expected = true;
    for (name, subject, leaks) in subjects {
        let t = measure(subject, samples);
        let verdict = match (t > BOUND, leaks) {
            (false, false) => "ok, no difference",
            (true, true) => "ok, detected",
            (true, false) => "DIFFERS",
            (false, true) => "NOT DETECTED",
        };
        println!("{name:<42}{samples:>12}{t:>12.2}  {verdict}");
        is_expected &= (t > BOUND) == leaks;
    }
    ExitCode::from(u8::from(!is_expected))
}

fn whole(verifier: &Verifier, headers: &Headers, body: &[u8], _right: &Mac) -> bool {
    verifier.verify(headers, body).is_err()
}

fn in_frames(verifier: &Verifier, headers: &Headers, body: &[u8], _right: &Mac) -> bool {
    let Ok(mut verification) = verifier.begin_verify(headers) else { return false };
    verification.update(body);
    verification.finish().is_err()
}

/// Verifies, so that the noise is the same, and then compares again with an early exit.
fn leaky(verifier: &Verifier, headers: &Headers, body: &[u8], right: &Mac) -> bool {
    let is_refused = verifier.verify(headers, body).is_err();
    let mut given = [0; 33];
    let length = STANDARD.decode_slice(&headers[2].1[3..], &mut given);
    let is_wrong = given.iter().zip(right).any(|(given, right)| black_box(given != right));
    is_refused && is_wrong && length.is_ok()
}

/// Returns the maximum of |t|.
fn measure(subject: Subject, samples: usize) -> f64 {
    let mut source = Source::new();
    let mut first: Vec<_> = (0..FIRST).map(|_| source.sample(subject).1).collect();
    first.sort_unstable();
    // dudect's percentiles, dense where most samples are: 1 - 0.5^(10 k / 100).
    let crops = (1..=CROPS).map(|crop| {
        let share = 1.0 - 0.5_f64.powf(f64::from(10 * crop) / f64::from(CROPS));
        first[(share * (FIRST - 1) as f64) as usize]
    });
    let mut tests: Vec<_> = crops.chain([u64::MAX]).map(|limit| (limit, Test::default())).collect();
    for _ in 0..samples {
        let (is_near, time) = source.sample(subject);
        for (_, test) in tests.iter_mut().filter(|(limit, _)| time <= *limit) {
            test.of(is_near).add(time as f64);
        }
    }
    tests.iter().map(|(_, test)| test.t().abs()).fold(0.0, f64::max)
}

/// Creates deliveries with different message ids, and therefore different MACs.
struct Source {
    random: Rng,
    verifier: Verifier,
    body: Vec<u8>,
    headers: Headers,
}

impl Source {
    fn new() -> Self {
        let headers = [
            ("svix-id", String::new()),
            ("svix-timestamp", String::new()),
            ("svix-signature", String::new()),
        ];
        Self {
            random: Rng::with_seed(7),
            verifier: delivery::verifier(),
            body: br#"{"type":"test"}"#.to_vec(),
            headers,
        }
    }

    /// Times one delivery. Returns whether only the last byte of its signature was wrong, and the
    /// nanoseconds.
    fn sample(&mut self, subject: Subject) -> (bool, u64) {
        let id: MessageId =
            format!("msg_{:016x}", self.random.u64(..)).parse().expect("the text is a valid message id");
        let signed = delivery::secret().sign(&id, Timestamp::now(), &self.body).to_pairs();
        let text = &signed[2].1;
        let right: Mac = STANDARD
            .decode(&text[3..])
            .ok()
            .and_then(|mac| mac.try_into().ok())
            .expect("the signature has 32 bytes");

        // The same steps create both kinds, because earlier work influences the time of later work.
        let is_near = self.random.bool();
        let unless_near = u8::from(is_near).wrapping_sub(1);
        let mut wrong = right;
        wrong[..31].iter_mut().for_each(|byte| *byte ^= self.random.u8(1..) & unless_near);
        wrong[31] ^= self.random.u8(1..);
        for ((_, value), (_, signed)) in self.headers.iter_mut().zip(&signed) {
            value.clone_from(signed);
        }
        let signature = &mut self.headers[2].1;
        signature.truncate(3);
        STANDARD.encode_string(wrong, signature);

        let begin = Instant::now();
        let is_refused =
            subject(&self.verifier, black_box(&self.headers), black_box(&self.body), black_box(&right));
        let time = begin.elapsed();
        assert!(is_refused, "a wrong signature was accepted");
        (is_near, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// Welch's t-test for two kinds of samples.
#[derive(Default)]
struct Test {
    far: Samples,
    near: Samples,
}

impl Test {
    fn of(&mut self, is_near: bool) -> &mut Samples {
        if is_near { &mut self.near } else { &mut self.far }
    }

    fn t(&self) -> f64 {
        let (far, near) = (&self.far, &self.near);
        // Few samples give no useful variance.
        if far.count.min(near.count) < 100.0 {
            return 0.0;
        }
        let t = (far.mean - near.mean) / (far.variance_of_mean() + near.variance_of_mean()).sqrt();
        if t.is_nan() { 0.0 } else { t }
    }
}

/// Mean and variance of samples, computed with Welford's method.
#[derive(Default)]
struct Samples {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Samples {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let difference = value - self.mean;
        self.mean += difference / self.count;
        self.squares += difference * (value - self.mean);
    }

    fn variance_of_mean(&self) -> f64 {
        self.squares / (self.count - 1.0) / self.count
    }
}
