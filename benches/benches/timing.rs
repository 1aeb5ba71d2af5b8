//! Looks for a difference in time between a signature that is wrong in every byte and one that is wrong in its last
//! byte only, by the method of dudect (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", 2017).
//!
//! `cargo bench --bench timing -- [millions of samples, 2 unless given]`
//!
//! For every sample a coin decides which of the two is timed. Welch's t-test compares the mean times of both, over all
//! samples and over those below each of 100 percentiles, since a difference may hide in the noise of the slow ones. A
//! |t| above 4.5 means that the difference is there. The comparison that stops at the first difference has to be found
//! out, or the test sees nothing.

use std::env;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_webhook_benches::delivery;
use clerk_webhook_core::{MessageId, Timestamp, Verifier};
use fastrand::Rng;

/// The bound for |t| of the method's authors.
const BOUND: f64 = 4.5;

/// Samples that the percentiles are taken from; they do not count.
const FIRST: usize = 20_000;

const CROPS: i32 = 100;

type Mac = [u8; 32];

/// What is timed: it is given a delivery whose signature is wrong, and what the signature should be.
type Subject = fn(&Verifier, &Headers, &[u8], &Mac) -> bool;

/// In one place for all samples, so that both kinds of them have the same addresses.
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
            (true, true) => "ok, found out",
            (true, false) => "DIFFERS",
            (false, true) => "NOT FOUND OUT",
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

/// Verifies, so that it has as much noise, and then compares once more in the wrong way.
fn leaky(verifier: &Verifier, headers: &Headers, body: &[u8], right: &Mac) -> bool {
    let is_refused = verifier.verify(headers, body).is_err();
    let mut given = [0; 33];
    let length = STANDARD.decode_slice(&headers[2].1[3..], &mut given);
    let is_wrong = given.iter().zip(right).any(|(given, right)| black_box(given != right));
    is_refused && is_wrong && length.is_ok()
}

/// Returns the greatest |t|.
fn measure(subject: Subject, samples: usize) -> f64 {
    let mut source = Source::new();
    let mut first: Vec<_> = (0..FIRST).map(|_| source.sample(subject).1).collect();
    first.sort_unstable();
    // Close together where most samples are, as the authors do: 1 - 0.5^(10 k / 100).
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

/// Makes deliveries, each with an id and thus a MAC of its own.
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

    /// Times one delivery and returns whether its signature was wrong in the last byte only, and the nanoseconds.
    fn sample(&mut self, subject: Subject) -> (bool, u64) {
        let id: MessageId = format!("msg_{:016x}", self.random.u64(..)).parse().expect("it is an id");
        let signed = delivery::secret().sign(&id, Timestamp::now(), &self.body).to_pairs();
        let text = &signed[2].1;
        let right: Mac =
            STANDARD.decode(&text[3..]).ok().and_then(|mac| mac.try_into().ok()).expect("it is a MAC");

        // Both kinds are made by the same steps: what was done before shows in the time of what follows.
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

/// Welch's t-test over two kinds of samples.
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
        // Two samples have no variance worth the name.
        if far.count.min(near.count) < 100.0 {
            return 0.0;
        }
        let t = (far.mean - near.mean) / (far.variance_of_mean() + near.variance_of_mean()).sqrt();
        if t.is_nan() { 0.0 } else { t }
    }
}

/// The mean and the spread of samples, by Welford's method.
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
