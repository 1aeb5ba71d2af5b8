//! Explores every state of a queue that two workers can reach with two messages, three attempts and one crash, and
//! compares each different transition with the one of a `SqliteQueue`.

mod sqlite;

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet, VecDeque};

use clerk_webhook_tests_simulation::history::{Did, Key, Millis, Op};
use clerk_webhook_tests_simulation::picture;
use clerk_webhook_tests_simulation::receiver::jobs::{Job, Jobs, State};

use self::sqlite::Real;

const LEASE: Millis = 10 * 24 * 60 * 60_000;
/// The time between two calls. `SqliteQueue` uses the machine's clock, so the times in its table are only about right.
const STEP: Millis = 10 * 60_000;
const ATTEMPTS: u32 = 3;

/// The transitions in the documentation of `JobQueue`. In every other state, a call changes nothing, and neither does a
/// call with the lease of another attempt. `delayed` is ready after a delay, and `expired` is running with an expired lease.
const DOCUMENTED: [&str; 17] = [
    "absent, enqueue: ready",
    "dead, discard: done",
    "dead, retry_dead: ready",
    "done, purge: absent",
    "expired, bury: dead",
    "expired, complete: done",
    "expired, give_back: ready",
    "expired, renew: running",
    "expired, retry: delayed",
    "expired, take: dead",
    "expired, take: running",
    "ready, take: dead",
    "ready, take: running",
    "running, bury: dead",
    "running, complete: done",
    "running, give_back: ready",
    "running, retry: delayed",
];

/// What happens next: a call, or the passage of time, or a crash.
#[derive(Clone, Debug)]
enum Action {
    /// With the worker that calls, if it takes a job.
    Call(Op, usize),
    /// Every lease and every delay ends.
    Expire,
    /// A worker loses its leases.
    Crash(usize),
}

#[derive(Clone)]
struct World {
    keys: [Key; 2],
    jobs: Jobs,
    now: Millis,
    leases: [[Option<u128>; 2]; 2],
    crashed: bool,
}

/// A job as the documentation names its state: its name, the number of attempts, and whose lease is the latest, if any.
type Name = (&'static str, u32, Option<Option<usize>>);
/// A state, without the numbers of the owners and the time. Also says which worker has a lease that was lost, and the
/// order of the jobs.
type Seen = ([Name; 2], [[bool; 2]; 2], [Ordering; 2], bool);

/// A call, and for each job its state, what the call reads of it, and whether the caller owns it.
type Transition = (&'static str, [(&'static str, Option<(u32, bool)>, bool); 2], Option<[Ordering; 2]>);

impl World {
    fn name(&self, message: usize) -> Name {
        let Some(job) = self.jobs.get(self.keys[message]) else { return ("absent", 0, None) };
        let name = match job.state {
            State::Ready if job.available > self.now => "delayed",
            State::Ready => "ready",
            State::Running if job.until > Some(self.now) => "running",
            State::Running => "expired",
            State::Done => "done",
            State::Dead => "dead",
        };
        let holder = |owner| self.leases.iter().position(|leases| leases[message] == Some(owner));
        (name, job.attempts, job.owner.map(holder))
    }

    /// Returns the state. It is the same if the workers or the messages are exchanged.
    fn seen(&self) -> Seen {
        let names = [self.name(0), self.name(1)];
        let all = [[0, 1], [1, 0]].map(|workers| {
            let [one, other] = [[0, 1], [1, 0]].map(|messages| {
                let jobs = messages.map(|message| {
                    let (name, attempts, holder) = names[message];
                    (name, attempts, holder.map(|holder| holder.map(|holder| workers[holder])))
                });
                let stale = workers.map(|worker| {
                    messages.map(|message| {
                        self.leases[worker][message].is_some() && names[message].2 != Some(Some(worker))
                    })
                });
                (jobs, stale, self.order(messages), self.crashed)
            });
            one.min(other)
        });
        let [one, other] = all;
        one.min(other)
    }

    /// Returns which job can be taken first, and whose lease expires first.
    fn order(&self, messages: [usize; 2]) -> [Ordering; 2] {
        let open = |job: &Job| matches!(job.state, State::Ready | State::Running);
        let [one, other] = messages.map(|message| self.jobs.get(self.keys[message]).filter(open));
        let available = |job: Option<Job>| job.map(|job| job.available);
        let until = |job: Option<Job>| job.and_then(|job| job.until);
        [available(one).cmp(&available(other)), until(one).cmp(&until(other))]
    }

    fn actions(&self) -> Vec<Action> {
        let mut actions = vec![Action::Expire, Action::Call(Op::Purge(0), 0)];
        for worker in 0..2 {
            if !self.crashed {
                actions.push(Action::Crash(worker));
            }
            actions.push(Action::Call(Op::Take(LEASE, ATTEMPTS), worker));
        }
        for message in 0..2 {
            let key = self.keys[message];
            let owners: BTreeSet<_> = self.leases.iter().filter_map(|leases| leases[message]).collect();
            let calls = owners.into_iter().flat_map(|owner| {
                [
                    Op::Renew(key, owner, LEASE),
                    Op::Complete(key, owner),
                    Op::Retry(key, owner, LEASE),
                    Op::GiveBack(key, owner),
                    Op::Bury(key, owner),
                ]
            });
            let calls = calls.chain([Op::Enqueue(key), Op::RetryDead(key), Op::Discard(key)]);
            actions.extend(calls.map(|op| Action::Call(op, 0)));
        }
        actions
    }

    fn take(&mut self, action: &Action) {
        match action {
            Action::Call(op, worker) => {
                if let Did::Taken { key, owner, .. } = self.jobs.execute(op, self.now) {
                    self.leases[*worker][usize::from(key == self.keys[1])] = Some(owner);
                }
            }
            Action::Expire => self.now += LEASE,
            Action::Crash(worker) => (self.leases[*worker], self.crashed) = ([None; 2], true),
        }
        // Two events can arrive at the same time.
        if !matches!(action, Action::Call(Op::Enqueue(_), _)) {
            self.now += STEP;
        }
    }

    /// Returns a name that is the same for two calls if the queue has no reason to distinguish them: a call for one
    /// message depends at most on the state of the other one.
    fn transition(&self, op: &Op) -> Transition {
        let is_take = matches!(op, Op::Take(..));
        let jobs = [0, 1].map(|message| {
            let (name, attempts, holder) = self.name(message);
            let is_called = op.key() == Some(self.keys[message]);
            let owner = self.jobs.get(self.keys[message]).and_then(|job| job.owner);
            let called = (is_take || is_called).then_some((attempts, holder.is_some()));
            (name, called, is_called && op.owner() == owner)
        });
        let [one, other] = [[0, 1], [1, 0]].map(|messages| {
            (call(op), messages.map(|message| jobs[message]), is_take.then(|| self.order(messages)))
        });
        one.min(other)
    }
}

fn call(op: &Op) -> &'static str {
    match op {
        Op::Enqueue(_) => "enqueue",
        Op::Take(..) => "take",
        Op::Renew(..) => "renew",
        Op::Complete(..) => "complete",
        Op::Retry(..) => "retry",
        Op::GiveBack(..) => "give_back",
        Op::Bury(..) => "bury",
        Op::RetryDead(_) => "retry_dead",
        Op::Discard(_) => "discard",
        _ => "purge",
    }
}

#[test]
fn a_queue_has_the_documented_transitions_and_no_others() {
    let real = Real::new();
    let (mut reached, mut compared) = (BTreeSet::new(), HashSet::new());
    let mut states = 0;
    // Two objects, and then one.
    for other in [1, 2] {
        let keys = [0, other].map(|message| Key { scope: 0, message });
        let world = World { keys, jobs: Jobs::default(), now: 0, leases: [[None; 2]; 2], crashed: false };
        let (mut visited, mut queue) = (HashSet::new(), VecDeque::from([world]));
        while let Some(world) = queue.pop_front() {
            for action in world.actions() {
                let mut next = world.clone();
                next.take(&action);
                if let Action::Call(op, _) = &action {
                    if compared.insert((other, world.transition(op))) {
                        real.check(keys, &world.jobs, op, world.now);
                    }
                    for message in (0..2).filter(|message| op.key().is_none_or(|key| key == keys[*message])) {
                        let (from, to) = (world.name(message).0, next.name(message).0);
                        reached.insert((call(op), from, to));
                    }
                }
                if visited.insert(next.seen()) {
                    queue.push_back(next);
                }
            }
        }
        states += visited.len();
    }
    assert!(states > 10_000 && compared.len() > 3000, "{states} states, {} transitions", compared.len());
    let changes: BTreeSet<_> = reached.iter().filter(|(_, from, to)| from != to).map(text).collect();
    assert_eq!(changes, documented());
    // The other calls can also change nothing.
    let always: BTreeSet<_> = reached
        .iter()
        .filter(|(call, from, to)| from != to && !reached.contains(&(*call, *from, *from)))
        .map(|(call, from, _)| format!("{from}, {call}"))
        .collect();
    let expected = ["absent, enqueue", "dead, discard", "dead, retry_dead", "done, purge"];
    assert_eq!(always, expected.map(str::to_owned).into());
}

fn text((call, from, to): &(&str, &str, &str)) -> String {
    format!("{from}, {call}: {to}")
}

fn documented() -> BTreeSet<String> {
    DOCUMENTED.map(str::to_owned).into()
}

/// Reads the arrows of the picture in the documentation, such as `running ──complete (owner)──▶ done`.
fn arrows(text: &str) -> BTreeSet<String> {
    let mut arrows = BTreeSet::new();
    for [from, call, to] in picture::arrows(text) {
        let from_states: &[&str] = match from {
            // The owner has the lease until another worker takes the job, even if it has expired.
            "running" => &["running", "expired"],
            "running, lease expired" => &["expired"],
            "ready, or running with an expired lease, after the last attempt" => &["ready", "expired"],
            other => &[other],
        };
        let to = match to {
            "ready, after a delay" => "delayed",
            other => other.split([' ', ',']).next().unwrap_or_default(),
        };
        let call = call.trim_end_matches(" (owner)");
        arrows.extend(from_states.iter().map(|from| format!("{from}, {call}: {to}")));
    }
    arrows
}

#[test]
fn the_picture_shows_the_documented_transitions_and_no_others() {
    let mut arrows = arrows(include_str!("../../../../crates/clerk-webhook-queue/src/queue/job_queue.rs"));
    // The only arrow that leads to its own beginning.
    assert!(arrows.remove("running, renew: running"));
    assert_eq!(arrows, documented());
}
