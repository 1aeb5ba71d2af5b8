//! The record that receivers write of their runs, and what must not be found in it.
//!
//! It is a file that all receivers append to, a line by a single write, so that its order is the order in which things
//! happened in all processes, and so that what was written is there when a process is killed.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use clerk_webhook_core::MessageId;

/// What happened to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Its handler has begun.
    Started,
    /// Its handler is about to return `Ok`.
    Completed,
    /// Its handler is about to return an error.
    Failed,
    /// Its handler was dropped before it returned.
    Dropped,
    /// It was acknowledged after it had completed.
    Settled,
    /// It could not be acknowledged although it had completed.
    Unsettled,
}

/// The words of the record.
const MARKS: [(Mark, &str); 6] = [
    (Mark::Started, "started"),
    (Mark::Completed, "completed"),
    (Mark::Failed, "failed"),
    (Mark::Dropped, "dropped"),
    (Mark::Settled, "settled"),
    (Mark::Unsettled, "unsettled"),
];

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        MARKS.iter().filter(|(mark, _)| mark == self).try_for_each(|(_, word)| f.write_str(word))
    }
}

impl FromStr for Mark {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = MARKS.iter().find(|(_, word)| *word == text);
        found.map(|(mark, _)| *mark).ok_or_else(|| format!("{text:?} is no mark"))
    }
}

/// The record, as receivers and those who kill them write it.
#[derive(Clone, Debug)]
pub struct Record(Arc<File>);

impl Record {
    /// Opens the record, and begins it if there is none.
    ///
    /// # Errors
    ///
    /// Whatever the file cannot be opened for.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self(Arc::new(File::options().append(true).create(true).open(path)?)))
    }

    /// Notes that a process was killed.
    ///
    /// # Panics
    ///
    /// Panics where that cannot be written.
    pub fn killed(&self, process: u32) {
        self.write(&format!("killed {process}\n"));
    }

    fn write(&self, line: &str) {
        (&*self.0).write_all(line.as_bytes()).expect("the record can be written");
    }
}

/// What a handler does with a message, from its beginning to the answer.
#[derive(Debug)]
pub struct Run {
    record: Record,
    message_id: MessageId,
    number: u32,
}

impl Run {
    /// Prepares a run; it is not in the record before it starts.
    #[must_use]
    pub fn of(message_id: MessageId, record: &Record) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        Self { record: record.clone(), message_id, number: NUMBER.fetch_add(1, Ordering::Relaxed) }
    }

    /// Notes what happened to it; the attempt is 0 where nobody knows.
    pub fn note(&self, mark: Mark, attempt: u32) {
        let (process, number) = (process::id(), self.number);
        self.record.write(&format!("{mark} {process} {number} {attempt} {}\n", self.message_id));
    }
}

/// A line about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What happened.
    pub mark: Mark,
    /// The process, and the number of the run in it.
    pub run: (u32, u32),
    /// How often the message had been claimed.
    pub attempt: u32,
}

/// The record, as tests read it.
#[derive(Debug)]
pub struct History {
    file: File,
    unread: String,
    messages: BTreeMap<String, MessageHistory>,
    violations: Vec<String>,
    settled: usize,
}

/// What the record says about a message.
#[derive(Debug, Default)]
struct MessageHistory {
    lines: Vec<Line>,
    running: Option<(u32, u32)>,
    /// The run that has completed, until it turns out that it cannot count.
    completed: Option<(u32, u32)>,
    settled: bool,
}

impl History {
    /// Begins to read a record.
    ///
    /// # Errors
    ///
    /// Whatever the file cannot be opened for.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            unread: String::new(),
            messages: BTreeMap::new(),
            violations: Vec::new(),
            settled: 0,
        })
    }

    /// Reads on.
    ///
    /// # Panics
    ///
    /// Panics where the record is not one.
    pub fn refresh(&mut self) -> &mut Self {
        self.file.read_to_string(&mut self.unread).expect("the record can be read");
        let unread = std::mem::take(&mut self.unread);
        let (whole, rest) = unread.split_at(unread.rfind('\n').map_or(0, |end| end + 1));
        self.unread = rest.to_owned();
        whole.lines().for_each(|line| self.read(line));
        self
    }

    fn read(&mut self, line: &str) {
        let fields: Vec<_> = line.split(' ').collect();
        let number = |text: &str| text.parse::<u32>().expect("it is a number");
        let (mark, run, attempt, id) = match fields[..] {
            ["killed", process] => return self.killed(number(process)),
            [mark, process, run, attempt, id] => {
                let mark = mark.parse::<Mark>().expect("it is a mark");
                (mark, (number(process), number(run)), number(attempt), id)
            }
            _ => panic!("{line:?} does not belong into a record"),
        };
        let message = self.messages.entry(id.to_owned()).or_default();
        message.lines.push(Line { mark, run, attempt });
        match mark {
            Mark::Started => {
                if let Some(other) = message.running.replace(run) {
                    self.violations.push(format!("{id}: {run:?} ran while {other:?} did"));
                }
                if let Some(before) = message.completed {
                    self.violations.push(format!("{id}: {run:?} ran although {before:?} had completed"));
                }
            }
            Mark::Completed | Mark::Failed | Mark::Dropped => {
                if message.running == Some(run) {
                    message.running = None;
                }
                if mark == Mark::Completed {
                    message.completed = Some(run);
                }
            }
            Mark::Settled => {
                self.settled += 1;
                if message.completed != Some(run) || std::mem::replace(&mut message.settled, true) {
                    self.violations.push(format!("{id}: {run:?} was settled out of turn"));
                }
            }
            Mark::Unsettled => {
                if message.completed == Some(run) {
                    message.completed = None;
                }
            }
        }
    }

    /// Nothing runs any more in a killed process, and what it had not settled may run again.
    fn killed(&mut self, process: u32) {
        let of_process = |run: &mut (u32, u32)| run.0 == process;
        for message in self.messages.values_mut() {
            message.running.take_if(of_process);
            if !message.settled {
                message.completed.take_if(of_process);
            }
        }
    }

    /// Returns the runs that must not have been: two of a message at the same time, or one after one that counts.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Returns how many runs were acknowledged, as far as anybody was there to hear it.
    #[must_use]
    pub fn settled(&self) -> usize {
        self.settled
    }

    /// Returns whether a message was handled to its end.
    #[must_use]
    pub fn has_completed(&self, id: &MessageId) -> bool {
        self.lines(id).iter().any(|line| line.mark == Mark::Completed)
    }

    /// Returns whether a process is handling something.
    #[must_use]
    pub fn is_running_in(&self, process: u32) -> bool {
        self.messages.values().any(|message| message.running.is_some_and(|run| run.0 == process))
    }

    /// Returns to how many runs something has happened.
    #[must_use]
    pub fn count(&self, mark: Mark) -> usize {
        self.messages.values().flat_map(|message| &message.lines).filter(|line| line.mark == mark).count()
    }

    /// Returns all about a message.
    #[must_use]
    pub fn lines(&self, id: &MessageId) -> &[Line] {
        self.messages.get(id.as_str()).map_or(&[], |message| &message.lines)
    }

    /// Returns what happened to a message, in order.
    #[must_use]
    pub fn marks(&self, id: &MessageId) -> Vec<Mark> {
        self.lines(id).iter().map(|line| line.mark).collect()
    }
}
