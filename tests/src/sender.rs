//! A sender that signs, times out and retries as Svix does, but faster.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clerk_webhook_core::{Answer as Webhook, MessageId, Timestamp};

use crate::random::Random;
use crate::response::ResponseHead;
use crate::secret;

/// A message to deliver.
#[derive(Clone, Debug)]
pub struct Message {
    /// The message id, the same for every attempt.
    pub id: MessageId,
    /// The event.
    pub body: Vec<u8>,
}

/// A receiver's response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The `Retry-After` header, in seconds.
    pub retry_after: Option<u64>,
    /// The `webhook-delivery` header.
    pub control: Option<String>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// Returns whether the sender treats the message as delivered.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns the outcome in the body, or the status if the body has no outcome.
    #[must_use]
    pub fn outcome(&self) -> String {
        let body = self.body.strip_prefix(r#"{"outcome":""#).and_then(|rest| rest.strip_suffix(r#""}"#));
        body.map_or_else(|| self.status.to_string(), str::to_owned)
    }
}

/// The concurrency, the timeout and the retry schedule of a sender.
#[derive(Clone, Debug)]
pub struct Pace {
    /// How many attempts run at the same time.
    pub connections: usize,
    /// How long the sender waits for a response.
    pub time_limit: Duration,
    /// The delay before each retry. After the last retry, the sender gives up.
    pub schedule: Vec<Duration>,
}

impl Default for Pace {
    /// Eight attempts like Svix: within 8 s instead of 28 h, and with a timeout of 2 s instead of 15 s.
    fn default() -> Self {
        let schedule = [80, 160, 320, 640, 1280, 2560, 2560].map(Duration::from_millis).to_vec();
        Self { connections: 8, time_limit: Duration::from_secs(2), schedule }
    }
}

/// A sender of many messages to one endpoint, which one or more receivers serve.
#[derive(Debug)]
pub struct Sender {
    pace: Pace,
    random: Mutex<Random>,
    /// Each attempt goes to a random receiver, as with a load balancer without health checks.
    urls: Vec<Mutex<String>>,
    answered: Mutex<BTreeMap<String, usize>>,
}

impl Sender {
    /// Creates a sender. The seed determines the receiver of each attempt, the jitter and the order.
    #[must_use]
    pub fn new<'a>(urls: impl IntoIterator<Item = &'a str>, pace: Pace, seed: u64) -> Self {
        let urls = urls.into_iter().map(|url| Mutex::new(url.to_owned())).collect();
        Self { pace, random: Mutex::new(Random::new(seed)), urls, answered: Mutex::default() }
    }

    /// Sets the new URL of a receiver that was restarted.
    pub fn redirect(&self, receiver: usize, url: &str) {
        url.clone_into(&mut lock(&self.urls[receiver]));
    }

    /// Returns how many responses had this outcome.
    #[must_use]
    pub fn answered(&self, outcome: &str) -> usize {
        lock(&self.answered).get(outcome).copied().unwrap_or(0)
    }

    /// Delivers the messages in random order, and retries each until it is delivered or has no attempts left.
    #[must_use]
    pub fn deliver(&self, messages: Vec<Message>) -> Report {
        let mut order: Vec<usize> = (0..messages.len()).collect();
        lock(&self.random).shuffle(&mut order);
        let begin = Instant::now();
        let waiting = order.into_iter().enumerate();
        let waiting = waiting.map(|(place, index)| Reverse((begin, place, index))).collect();
        let deliveries = messages.into_iter().map(SentDelivery::new).collect::<Vec<_>>();
        let queue = Queue {
            state: Mutex::new(State { waiting, undecided: deliveries.len(), deliveries }),
            changed: Condvar::new(),
        };
        thread::scope(|scope| {
            for _ in 0..self.pace.connections {
                scope.spawn(|| self.work(&queue));
            }
        });
        let state = queue.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        Report { deliveries: state.deliveries }
    }

    fn work(&self, queue: &Queue) {
        while let Some((index, message)) = queue.next() {
            let url = {
                let receiver = lock(&self.random).index(self.urls.len());
                lock(&self.urls[receiver]).clone()
            };
            let result = attempt(&url, &message, self.pace.time_limit);
            if let Ok(answer) = &result {
                *lock(&self.answered).entry(answer.outcome()).or_default() += 1;
            }
            queue.note(index, result, |number, answer| self.delay(number, answer));
        }
    }

    /// Returns the delay after a failed attempt, or `None` after the last one. Attempts are counted from 1.
    fn delay(&self, number: usize, answer: Option<&Answer>) -> Option<Duration> {
        let base = *self.pace.schedule.get(number - 1)?;
        let requested = answer.and_then(|answer| answer.retry_after).map_or(base, Duration::from_secs);
        // Svix adds or subtracts up to 20%.
        let jitter = 80 + u32::try_from(lock(&self.random).below(41)).unwrap_or_default();
        Some(requested.clamp(base, base * 2) * jitter / 100)
    }
}

/// The attempts to deliver a message.
#[derive(Clone, Debug)]
pub struct SentDelivery {
    /// The message.
    pub message: Message,
    /// The result of each attempt.
    pub attempts: Vec<Result<Answer, io::ErrorKind>>,
    /// The final state.
    pub end: End,
}

/// The state of a message after its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// More attempts follow.
    Undecided,
    /// The receiver answered with 2xx.
    Delivered,
    /// The receiver asked the sender to stop retrying.
    Aborted,
    /// The last attempt failed.
    GivenUp,
}

impl SentDelivery {
    fn new(message: Message) -> Self {
        Self { message, attempts: Vec::new(), end: End::Undecided }
    }
}

/// The results of all messages.
#[derive(Debug)]
pub struct Report {
    /// One entry for each message, in the order of the input.
    pub deliveries: Vec<SentDelivery>,
}

impl Report {
    /// Returns the number of responses for each outcome. An attempt without a response is counted under its
    /// error.
    #[must_use]
    pub fn outcomes(&self) -> BTreeMap<String, usize> {
        let mut outcomes = BTreeMap::new();
        for attempt in self.deliveries.iter().flat_map(|delivery| &delivery.attempts) {
            let outcome = match attempt {
                Ok(answer) => answer.outcome(),
                Err(error) => format!("({error})"),
            };
            *outcomes.entry(outcome).or_default() += 1;
        }
        outcomes
    }

    /// Returns the total number of attempts.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.deliveries.iter().map(|delivery| delivery.attempts.len()).sum()
    }

    /// Returns the messages that were not delivered.
    #[must_use]
    pub fn undelivered(&self) -> Vec<&SentDelivery> {
        self.deliveries.iter().filter(|delivery| delivery.end != End::Delivered).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} deliveries, {} attempts:", self.deliveries.len(), self.attempts())?;
        self.outcomes().iter().try_for_each(|(outcome, count)| write!(f, " {outcome} {count}"))
    }
}

/// The attempts that are due later, ordered by time.
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    waiting: BinaryHeap<Reverse<(Instant, usize, usize)>>,
    undecided: usize,
    deliveries: Vec<SentDelivery>,
}

impl Queue {
    /// Waits for the next attempt that is due. Returns `None` when every message has reached its final state.
    fn next(&self) -> Option<(usize, Message)> {
        let mut state = lock(&self.state);
        loop {
            if state.undecided == 0 {
                return None;
            }
            let now = Instant::now();
            state = match state.waiting.peek() {
                Some(&Reverse((due, _, index))) if due <= now => {
                    state.waiting.pop();
                    return Some((index, state.deliveries[index].message.clone()));
                }
                Some(&Reverse((due, ..))) => {
                    let waited = self.changed.wait_timeout(state, due - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn note(
        &self,
        index: usize,
        result: io::Result<Answer>,
        delay: impl FnOnce(usize, Option<&Answer>) -> Option<Duration>,
    ) {
        let mut state = lock(&self.state);
        let delivery = &mut state.deliveries[index];
        let result = result.map_err(|error| error.kind());
        delivery.attempts.push(result.clone());
        let answer = result.as_ref().ok();
        delivery.end = if answer.is_some_and(Answer::is_success) {
            End::Delivered
        } else if answer.is_some_and(|answer| answer.control.as_deref() == Some("abort-message")) {
            End::Aborted
        } else if let Some(delay) = delay(delivery.attempts.len(), answer) {
            let due = Instant::now() + delay;
            state.waiting.push(Reverse((due, 0, index)));
            self.changed.notify_one();
            return;
        } else {
            End::GivenUp
        };
        state.undecided -= 1;
        if state.undecided == 0 {
            self.changed.notify_all();
        }
    }
}

/// Makes one attempt, signed with the current time, and waits for the response until the time limit.
///
/// # Errors
///
/// Returns the connection error, including an end before the response is complete.
///
/// # Panics
///
/// Panics if the URL does not consist of an IP address, a port and a path.
pub fn attempt(url: &str, message: &Message, time_limit: Duration) -> io::Result<Answer> {
    let signed = secret().sign(&message.id, Timestamp::now(), &message.body);
    request("POST", url, signed.to_pairs(), &message.body, time_limit)
}

/// Sends a request unchanged, and waits for the response until the time limit.
///
/// # Errors
///
/// Returns the connection error, including an end before the response is complete.
///
/// # Panics
///
/// Panics if the URL does not consist of an IP address, a port and a path.
pub fn request(
    method: &str,
    url: &str,
    headers: impl IntoIterator<Item = (impl fmt::Display, impl fmt::Display)>,
    body: &[u8],
    time_limit: Duration,
) -> io::Result<Answer> {
    let end = Instant::now() + time_limit;
    let (address, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.find('/').map(|slash| rest.split_at(slash)))
        .expect("the URL has an address and a path");
    let address: SocketAddr = address.parse().expect("the URL has an IP address and a port");

    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("Content-Length: {}\r\n\r\n", body.len());
    let mut stream = TcpStream::connect_timeout(&address, time_limit)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(time_limit))?;
    stream.write_all(&[request.as_bytes(), body].concat())?;

    let mut received = Vec::new();
    loop {
        if let Some(answer) = parse(&received)? {
            return Ok(answer);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => received.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Operating systems return different errors for a read timeout.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
}

/// Returns the response, or `None` if it is incomplete.
fn parse(received: &[u8]) -> io::Result<Option<Answer>> {
    let Some(head) = ResponseHead::parse(received)? else { return Ok(None) };
    let Some(body) = received[head.body_start..].get(..head.content_length) else { return Ok(None) };
    Ok(Some(Answer {
        status: head.status,
        retry_after: head.field("retry-after").and_then(|seconds| seconds.parse().ok()),
        control: head.field(Webhook::DELIVERY_CONTROL).map(str::to_owned),
        body: String::from_utf8_lossy(body).into_owned(),
    }))
}

/// Ignores poisoning, because a panic leaves none of these values half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(schedule: &[u64]) -> Sender {
        let schedule = schedule.iter().map(|seconds| Duration::from_secs(*seconds)).collect();
        Sender::new([], Pace { schedule, ..Pace::default() }, 1)
    }

    fn answer(head: &str) -> Option<Answer> {
        parse(format!("HTTP/1.1 {head}\r\n\r\n{{\"outcome\":\"failed\"}}").as_bytes()).unwrap()
    }

    #[test]
    fn limits_retry_after_to_between_one_and_two_times_the_schedule() {
        let sender = sender(&[5, 300]);
        for (retry_after, number, expected) in
            [(None, 1, 5), (Some(1), 1, 5), (Some(7), 1, 7), (Some(3600), 1, 10), (Some(3600), 2, 600)]
        {
            let answer = Answer { status: 500, retry_after, control: None, body: String::new() };
            let delay = sender.delay(number, Some(&answer)).unwrap().as_millis();
            let expected = expected * 1000;
            assert!((expected * 8 / 10..=expected * 12 / 10).contains(&delay), "{retry_after:?} {delay}");
        }
        assert_eq!(sender.delay(3, None), None);
    }

    #[test]
    fn parses_an_answer_only_after_it_is_complete() {
        assert_eq!(answer("500 Oops\r\ncontent-length: 21"), None);
        let answer =
            answer("422 No\r\nContent-Length: 20\r\nRetry-After: 3\r\nwebhook-delivery: abort-message");
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.retry_after), (422, Some(3)));
        assert_eq!((answer.outcome().as_str(), answer.control.as_deref()), ("failed", Some("abort-message")));
    }
}
