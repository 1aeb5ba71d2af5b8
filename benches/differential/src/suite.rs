//! Compares the verdicts about many deliveries.

use std::cell::RefCell;
use std::env;
use std::str;
use std::time::{SystemTime, UNIX_EPOCH};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::case::{Case, Family};
use crate::judgement::Judgement;
use crate::library::{self, Library, Message};
use crate::recipe::Recipe;
use crate::report::Report;
use crate::rules::{RULES, Rule, Side};
use crate::strategy;
use crate::verdict::{LibraryVerdict, Part};

/// The default number of deliveries. The environment variables `CASES` and `SEED` override number and seed.
pub const CASES: u32 = 100_000;
const SEED: u64 = 1;

/// Compares one library, the candidate, with other libraries.
#[derive(Debug)]
pub struct Suite {
    /// The library that replaces this project in the comparison.
    pub candidate: Library,
    /// The libraries to compare it with.
    pub peers: Vec<Library>,
    /// The documented differences.
    pub rules: Vec<&'static Rule>,
}

impl Suite {
    /// Returns a suite that compares this project with all peers under all rules.
    #[must_use]
    pub fn of_this_project() -> Self {
        Self::of(Library::ClerkWebhook, Library::PEERS)
    }

    /// Returns a suite that compares a library with peers under all rules.
    #[must_use]
    pub fn of(candidate: Library, peers: &[Library]) -> Self {
        Self { candidate, peers: peers.to_vec(), rules: RULES.iter().collect() }
    }

    /// Removes the rules with a number.
    #[must_use]
    pub fn without_rule(mut self, number: &str) -> Self {
        self.rules.retain(|rule| rule.number != number);
        self
    }

    /// Compares the libraries over a number of random deliveries.
    ///
    /// # Errors
    ///
    /// Returns an error if no rule predicts a disagreement, or if a library accepts an unsigned message. The
    /// error describes the smallest such delivery.
    pub fn run(&self, cases: u32, seed: u64) -> Result<Report, String> {
        let report = RefCell::new(Report::new(self.candidate, &self.peers, &self.rules));
        let test = |recipe: Recipe| {
            let (case, judgements) = at_one_second(|now| {
                let (case, signed) = recipe.make(now);
                let judgements = self.judge_signed(&case, signed.as_ref());
                (case, judgements)
            });
            report.borrow_mut().add(&case, &judgements.map_err(TestCaseError::fail)?);
            Ok(())
        };
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let mut seed_bytes = [0; 32];
        seed_bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed_bytes);
        let outcome = TestRunner::new_with_rng(config, random).run(&strategy::recipes(), test);
        outcome.map_err(|error| match error {
            TestError::Fail(reason, _) => format!("SEED={seed}: {reason}"),
            TestError::Abort(reason) => reason.to_string(),
        })?;
        Ok(report.into_inner())
    }

    /// Compares the verdicts about a delivery, and checks them against the message that was signed.
    fn judge_signed(&self, case: &Case, signed: Option<&Message>) -> Result<Vec<Judgement>, String> {
        if self.candidate == Library::ClerkWebhook {
            library::assert_ways_agree(case);
            if library::clerk_webhook(case).is_ok_and(|message| Some(&message) != signed) {
                return Err(describe(
                    "clerk-webhook accepts a message other than the signed one",
                    case,
                    None,
                ));
            }
        }
        let libraries = self.peers.iter().chain([&self.candidate]);
        let mut forgers = Vec::new();
        for library in libraries.filter(|library| library.can_judge(case)) {
            if library.verdict(case).is_accepted() && !is_signed(case, signed) {
                forgers.push(*library);
                let reading = self.read_as_peer(case, *library);
                if !reading.rules.iter().any(|rule| rule.lets_in) {
                    let problem = format!("{library} accepts an unsigned message");
                    return Err(describe(&problem, case, None));
                }
            }
        }
        let mut judgements = self.judge(case)?;
        for judgement in &mut judgements {
            judgement.is_forged = forgers.contains(&judgement.peer);
        }
        Ok(judgements)
    }

    /// Compares the verdicts of the candidate and all peers that support the delivery's clock.
    ///
    /// # Errors
    ///
    /// Returns a description of a disagreement that no rule predicts.
    pub fn judge(&self, case: &Case) -> Result<Vec<Judgement>, String> {
        if !self.candidate.can_judge(case) {
            return Ok(Vec::new());
        }
        let of_system = Library::Svix.can_judge(case);
        if of_system && Library::Svix.verdict(case) != Library::SvixWithClock.verdict(case) {
            return Err(describe(
                "svix with the case's clock differs from svix with the system clock",
                case,
                None,
            ));
        }
        // With the system clock, `SvixWithClock` would repeat `Svix`.
        let peers = self.peers.iter().filter(|peer| peer.has_own_clock() == of_system);
        peers.map(|peer| self.judge_with(case, *peer)).collect()
    }

    fn judge_with(&self, case: &Case, peer: Library) -> Result<Judgement, String> {
        let candidate = self.candidate;
        let (ours, theirs) = (candidate.verdict(case), peer.verdict(case));
        let our_reading = self.read_as_candidate(case, peer);
        let their_reading = self.read_as_peer(case, peer);
        let mut rules = our_reading.rules.clone();
        rules.extend(their_reading.rules.iter().filter(|rule| !our_reading.has(rule)));

        for plain in [&our_reading.plain, &their_reading.plain] {
            let (ours, theirs) = (candidate.verdict(plain), peer.verdict(plain));
            if ours != theirs {
                let problem = format!(
                    "no rule predicts the verdicts `{ours}` of {candidate} and `{theirs}` of {peer}{}",
                    names(&rules)
                );
                return Err(describe(&problem, case, Some(plain)));
            }
        }
        for (library, actual, reading) in [(candidate, ours, our_reading), (peer, theirs, their_reading)] {
            let verdicts = reading.objections.into_iter().chain([library.verdict(&reading.plain)]);
            let expected = verdicts.min_by_key(|verdict| library.place(*verdict));
            if let Some(expected) = expected.filter(|expected| *expected != actual) {
                let problem = format!(
                    "the rules predict `{expected}` for {library}, but its verdict is `{actual}`{}",
                    names(&rules)
                );
                return Err(describe(&problem, case, Some(&reading.plain)));
            }
        }
        Ok(Judgement { peer, ours, theirs, rules, is_forged: false })
    }

    fn read_as_candidate(&self, case: &Case, peer: Library) -> Reading {
        self.read(case, peer, |rule| &rule.ours)
    }

    fn read_as_peer(&self, case: &Case, peer: Library) -> Reading {
        self.read(case, peer, |rule| &rule.peer)
    }

    fn read(&self, case: &Case, peer: Library, side: fn(&Rule) -> &Side) -> Reading {
        let mut reading = Reading { plain: case.clone(), objections: Vec::new(), rules: Vec::new() };
        for rule in self.rules.iter().copied().filter(|rule| rule.peers.contains(&peer)) {
            if rule.applies(&reading.plain) {
                side(rule).read(&mut reading.plain);
                reading.objections.extend(side(rule).objection);
                reading.rules.push(rule);
            }
        }
        reading
    }
}

/// How one side interprets a delivery.
struct Reading {
    plain: Case,
    objections: Vec<LibraryVerdict>,
    rules: Vec<&'static Rule>,
}

impl Reading {
    fn has(&self, rule: &Rule) -> bool {
        self.rules.iter().any(|other| other.is(rule))
    }
}

fn names(rules: &[&Rule]) -> String {
    let names: Vec<_> =
        rules.iter().map(|rule| format!("\n  rule {} {}: {}", rule.number, rule.name, rule.reason)).collect();
    if names.is_empty() { "\n  no rule applies".to_owned() } else { names.concat() }
}

fn describe(problem: &str, case: &Case, plain: Option<&Case>) -> String {
    let plain = plain.map(ToString::to_string).filter(|plain| *plain != case.to_string());
    let plain = plain.map(|plain| format!("interpreted as\n{plain}")).unwrap_or_default();
    format!("{problem}\n{case}{plain}")
}

/// Returns whether the delivery contains the signed message, with headers of any family.
fn is_signed(case: &Case, signed: Option<&Message>) -> bool {
    let Some(signed) = signed else { return false };
    let values =
        |part| [Family::Svix, Family::Webhook].into_iter().flat_map(move |family| case.values(family, part));
    let seconds = |text: &[u8]| str::from_utf8(text).ok()?.trim_ascii().parse().ok();
    case.body == signed.body
        && values(Part::Id).any(|id| id.trim_ascii() == signed.id.trim_ascii())
        && values(Part::Timestamp).any(|text| seconds(text) == Some(signed.seconds))
}

/// Runs a function within one second of the system clock. Runs it again if the clock reached the next second.
pub fn at_one_second<T>(run: impl Fn(i64) -> T) -> T {
    let now = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or_default()
    };
    loop {
        let before = now();
        let result = run(before);
        if now() == before {
            return result;
        }
    }
}

/// Returns the number of deliveries and the seed, from `CASES` and `SEED`.
///
/// # Panics
///
/// Panics if one of them is not a number.
#[must_use]
pub fn extent() -> (u32, u64) {
    let number = |name: &str| {
        env::var(name).ok().map(|text| text.parse::<u64>().expect("CASES and SEED must be numbers"))
    };
    let cases =
        number("CASES").map_or(CASES, |cases| u32::try_from(cases).expect("CASES must fit into 32 bits"));
    (cases, number("SEED").unwrap_or(SEED))
}
