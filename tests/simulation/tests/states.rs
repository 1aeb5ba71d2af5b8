//! Explores every state of a store that two processes can reach with two messages, three attempts and one crash.

use std::collections::{BTreeSet, HashSet, VecDeque};

use clerk_webhook_tests_simulation::history::{Did, Key, Millis, Op};
use clerk_webhook_tests_simulation::picture;
use clerk_webhook_tests_simulation::receiver::leased::{Memory, Model, State};

const LEASE: Millis = 60_000;
const ATTEMPTS: u32 = 3;

/// The transitions in the documentation of `DeliveryStore`, and the calls that change nothing. A call with the lease
/// of another claim changes nothing.
const DOCUMENTED: [&str; 36] = [
    "absent, claim: in progress",
    "absent, complete: absent",
    "absent, forget: absent",
    "absent, purge: absent",
    "absent, release: absent",
    "absent, renew: absent",
    "completed, claim: completed",
    "completed, complete: completed",
    "completed, forget: absent",
    "completed, purge: absent",
    "completed, release: completed",
    "completed, renew: completed",
    "expired, claim: in progress",
    "expired, complete: completed",
    "expired, complete: expired",
    "expired, forget: absent",
    "expired, purge: absent",
    "expired, release: expired",
    "expired, release: released",
    "expired, renew: expired",
    "expired, renew: in progress",
    "in progress, claim: in progress",
    "in progress, complete: completed",
    "in progress, complete: in progress",
    "in progress, expire: expired",
    "in progress, forget: absent",
    "in progress, purge: in progress",
    "in progress, release: in progress",
    "in progress, release: released",
    "in progress, renew: in progress",
    "released, claim: in progress",
    "released, complete: released",
    "released, forget: absent",
    "released, purge: absent",
    "released, release: released",
    "released, renew: released",
];

#[derive(Clone, Copy, Debug)]
enum Action {
    Claim(usize, u8),
    Renew(usize, u8),
    Complete(usize, u8),
    Release(usize, u8),
    Forget(u8),
    /// Every lease expires.
    Expire,
    /// Every delivery without a live lease is purged.
    Purge,
    /// A process loses its leases.
    Crash(usize),
}

/// The real store, and the documented one.
struct World<'a> {
    store: &'a mut Memory,
    model: Model,
    now: Millis,
    leases: [[Option<u128>; 2]; 2],
    crashed: bool,
}

/// A delivery as the documentation names its state: its name, the attempt, and whose lease is the latest.
type Name = (&'static str, u32, Option<usize>);
/// A state, without the numbers of the owners and the time. Also says which process has a lease that was lost.
type Seen = ([Name; 2], [[bool; 2]; 2], bool);

fn key(message: u8) -> Key {
    Key { scope: 0, message }
}

impl World<'_> {
    fn name(&self, message: u8) -> Name {
        let Some(entry) = self.model.get(key(message)) else { return ("absent", 0, None) };
        let name = match entry.state {
            State::InProgress if entry.until > self.now => "in progress",
            State::InProgress => "expired",
            State::Completed => "completed",
            State::Released => "released",
        };
        let holder = self.leases.iter().position(|leases| leases[usize::from(message)] == Some(entry.owner));
        (name, entry.attempt, holder)
    }

    /// Returns the state. It is the same if the processes or the messages are exchanged.
    fn seen(&self) -> Seen {
        let all = [[0, 1], [1, 0]].map(|processes| {
            [[0, 1], [1, 0]].map(|messages| self.seen_as(processes, messages)).into_iter().min()
        });
        all.into_iter().flatten().min().expect("a state")
    }

    fn seen_as(&self, processes: [usize; 2], messages: [u8; 2]) -> Seen {
        let names = messages.map(|message| {
            let (name, attempt, holder) = self.name(message);
            (name, attempt, holder.map(|holder| processes[holder]))
        });
        let stale = processes.map(|process| {
            messages.map(|message| {
                self.leases[process][usize::from(message)].is_some() && self.name(message).2 != Some(process)
            })
        });
        (names, stale, self.crashed)
    }

    fn actions(&self) -> Vec<Action> {
        let mut actions = vec![Action::Expire, Action::Purge];
        for process in 0..2 {
            if !self.crashed {
                actions.push(Action::Crash(process));
            }
            for message in 0..2 {
                if self.name(message).1 < ATTEMPTS {
                    actions.push(Action::Claim(process, message));
                }
                if self.leases[process][usize::from(message)].is_some() {
                    actions.push(Action::Renew(process, message));
                    actions.push(Action::Complete(process, message));
                    actions.push(Action::Release(process, message));
                }
            }
        }
        actions.extend([Action::Forget(0), Action::Forget(1)]);
        actions
    }

    /// Takes an action. Returns its name and the messages that it is about.
    fn take(&mut self, action: Action) -> (&'static str, Vec<u8>) {
        let lease = |world: &Self, process: usize, message: u8| {
            world.leases[process][usize::from(message)].expect("a lease")
        };
        let (name, op, messages) = match action {
            Action::Claim(_, message) => ("claim", Op::Claim(key(message), LEASE), vec![message]),
            Action::Renew(process, message) => {
                ("renew", Op::Renew(key(message), lease(self, process, message), LEASE), vec![message])
            }
            Action::Complete(process, message) => {
                ("complete", Op::Complete(key(message), lease(self, process, message)), vec![message])
            }
            Action::Release(process, message) => {
                ("release", Op::Release(key(message), lease(self, process, message)), vec![message])
            }
            Action::Forget(message) => ("forget", Op::Forget(key(message)), vec![message]),
            Action::Purge => ("purge", Op::Purge(0), vec![0, 1]),
            Action::Expire => {
                self.now += LEASE;
                return ("expire", vec![0, 1]);
            }
            Action::Crash(process) => {
                (self.leases[process], self.crashed) = ([None; 2], true);
                return ("crash", vec![]);
            }
        };
        let did = self.store.execute(&op, self.now);
        let owner = if let Did::Acquired { owner, .. } = did { owner } else { 0 };
        assert_eq!(did, self.model.expect(&op, self.now, owner), "{op}");
        if let (Action::Claim(process, message), Did::Acquired { owner, .. }) = (action, did) {
            self.leases[process][usize::from(message)] = Some(owner);
        }
        (name, messages)
    }
}

#[test]
fn a_memory_store_has_the_documented_transitions_and_no_others() {
    let (mut store, mut now) = (Memory::new(), 0);
    let mut reached = BTreeSet::new();
    let mut queue = VecDeque::from([Vec::new()]);
    let mut visited = HashSet::new();
    while let Some(path) = queue.pop_front() {
        let mut next = None;
        for number in 0.. {
            for message in 0..2 {
                store.execute(&Op::Forget(key(message)), now);
            }
            let mut world = World {
                store: &mut store,
                model: Model::default(),
                now,
                leases: [[None; 2]; 2],
                crashed: false,
            };
            for action in &path {
                world.take(*action);
            }
            let actions = next.get_or_insert_with(|| world.actions());
            now = world.now;
            let Some(action) = actions.get(number).copied() else { break };
            let before = [world.name(0).0, world.name(1).0];
            let (name, messages) = world.take(action);
            let seen = world.seen();
            for message in messages {
                let (from, to) = (before[usize::from(message)], world.name(message).0);
                if name != "expire" || from != to {
                    reached.insert(format!("{from}, {name}: {to}"));
                }
            }
            now = world.now;
            if visited.insert(seen) {
                let path: Vec<_> = path.iter().copied().chain([action]).collect();
                queue.push_back(path);
            }
        }
    }
    assert!(visited.len() > 1000, "{} states", visited.len());
    let documented: BTreeSet<_> = DOCUMENTED.iter().map(|text| (*text).to_owned()).collect();
    assert_eq!(reached, documented);
}

/// The pictures of the states in the documentation of `DeliveryStore` and in the guide.
const PICTURES: [&str; 2] = [
    include_str!("../../../crates/clerk-webhook-store/src/store/delivery_store.rs"),
    include_str!("../../../crates/clerk-webhook/src/guide/extending.md"),
];

/// Reads the arrows of a picture, such as `in progress ──complete (owner)──▶ completed`.
fn arrows(text: &str) -> BTreeSet<String> {
    let mut arrows = BTreeSet::new();
    for [from, call, to] in picture::arrows(text) {
        let (name, to) = (call.trim_end_matches(" (owner)"), to.split(" (").next().unwrap_or_default());
        let from_states: &[&str] = match from {
            "any" => &["absent", "completed", "expired", "in progress", "released"],
            "any without a live lease" => &["absent", "completed", "expired", "released"],
            "in progress, lease expired" => &["expired"],
            // The owner has the lease until another caller claims the delivery, even if it has expired.
            "in progress" if call != name => &["expired", "in progress"],
            other => &[other],
        };
        arrows.extend(from_states.iter().map(|from| format!("{from}, {name}: {to}")));
    }
    arrows
}

#[test]
fn the_pictures_show_the_documented_transitions_and_no_others() {
    let documented: BTreeSet<_> = DOCUMENTED.iter().map(|text| (*text).to_owned()).collect();
    let changes = |text: &&String| {
        let (from, end) = text.split_once(", ").expect("a state and a call");
        let (call, to) = end.split_once(": ").expect("a call and a state");
        from != to && call != "expire"
    };
    for picture in PICTURES {
        let arrows = arrows(picture);
        let missing: Vec<_> =
            documented.iter().filter(changes).filter(|text| !arrows.contains(*text)).collect();
        assert!(missing.is_empty(), "missing: {missing:?}");
        let wrong: Vec<_> = arrows.difference(&documented).collect();
        assert!(wrong.is_empty(), "wrong: {wrong:?}");
    }
}
