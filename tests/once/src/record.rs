//! The record of all runs, and the checks for violations.
//!
//! The record is a file to which all receivers append. Each line is a single write, so the lines from all
//! processes are in chronological order, and no line is lost when a process is killed.

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

/// A step of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The handler started.
    Started,
    /// The handler is about to return `Ok`.
    Completed,
    /// The handler is about to return an error.
    Failed,
    /// The handler was dropped before it returned.
    Dropped,
    /// The run completed, and the delivery was acknowledged.
    Settled,
    /// The run completed, but the delivery could not be acknowledged.
    Unsettled,
}

/// The words for the marks in the record.
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
        found.map(|(mark, _)| *mark).ok_or_else(|| format!("{text:?} is not a mark"))
    }
}

/// The writing side of the record, for receivers and for tests that kill them.
#[derive(Clone, Debug)]
pub struct Record(Arc<File>);

impl Record {
    /// Opens the record, and creates the file if it is missing.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self(Arc::new(File::options().append(true).create(true).open(path)?)))
    }

    /// Writes that a process was killed.
    ///
    /// # Panics
    ///
    /// Panics if the file cannot be written.
    pub fn killed(&self, process: u32) {
        self.write(&format!("killed {process}\n"));
    }

    fn write(&self, line: &str) {
        (&*self.0).write_all(line.as_bytes()).expect("the record could not be written");
    }
}

/// A handler's run, from its start to the response.
#[derive(Debug)]
pub struct Run {
    record: Record,
    message_id: MessageId,
    number: u32,
}

impl Run {
    /// Creates a run, without writing to the record.
    #[must_use]
    pub fn of(message_id: MessageId, record: &Record) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        Self { record: record.clone(), message_id, number: NUMBER.fetch_add(1, Ordering::Relaxed) }
    }

    /// Writes a step of the run. The attempt is 0 if it is unknown.
    pub fn note(&self, mark: Mark, attempt: u32) {
        let (process, number) = (process::id(), self.number);
        self.record.write(&format!("{mark} {process} {number} {attempt} {}\n", self.message_id));
    }
}

/// A line of the record about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The step.
    pub mark: Mark,
    /// The process id, and the number of the run in this process.
    pub run: (u32, u32),
    /// The attempt number, or 0 if it is unknown.
    pub attempt: u32,
}

/// The reading side of the record, for tests.
#[derive(Debug)]
pub struct History {
    file: File,
    unread: String,
    messages: BTreeMap<String, MessageHistory>,
    violations: Vec<String>,
    settled: usize,
}

/// The lines of the record about one message.
#[derive(Debug, Default)]
struct MessageHistory {
    lines: Vec<Line>,
    running: Option<(u32, u32)>,
    /// The completed run, unless it could not be acknowledged or was in a killed process.
    completed: Option<(u32, u32)>,
    settled: bool,
}

impl History {
    /// Opens a record for reading.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            unread: String::new(),
            messages: BTreeMap::new(),
            violations: Vec::new(),
            settled: 0,
        })
    }

    /// Reads the lines that were written since the last call.
    ///
    /// # Panics
    ///
    /// Panics if the file cannot be read or contains an invalid line.
    pub fn refresh(&mut self) -> &mut Self {
        self.file.read_to_string(&mut self.unread).expect("the record could not be read");
        let unread = std::mem::take(&mut self.unread);
        let (whole, rest) = unread.split_at(unread.rfind('\n').map_or(0, |end| end + 1));
        self.unread = rest.to_owned();
        whole.lines().for_each(|line| self.read(line));
        self
    }

    fn read(&mut self, line: &str) {
        let fields: Vec<_> = line.split(' ').collect();
        let number = |text: &str| text.parse::<u32>().expect("a field of the record is not a number");
        let (mark, run, attempt, id) = match fields[..] {
            ["killed", process] => return self.killed(number(process)),
            [mark, process, run, attempt, id] => {
                let mark = mark.parse::<Mark>().expect("the record contains an unknown mark");
                (mark, (number(process), number(run)), number(attempt), id)
            }
            _ => panic!("the record contains the invalid line {line:?}"),
        };
        let message = self.messages.entry(id.to_owned()).or_default();
        message.lines.push(Line { mark, run, attempt });
        match mark {
            Mark::Started => {
                if let Some(other) = message.running.replace(run) {
                    self.violations.push(format!("{id}: {run:?} ran at the same time as {other:?}"));
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
                    self.violations
                        .push(format!("{id}: {run:?} was acknowledged, but is not the completed run"));
                }
            }
            // A process has at most one run of a message at a time.
            Mark::Unsettled => drop(message.completed.take_if(|completed| completed.0 == run.0)),
        }
    }

    /// Ends the runs of a killed process. Messages that the process had not acknowledged may run again.
    fn killed(&mut self, process: u32) {
        let of_process = |run: &mut (u32, u32)| run.0 == process;
        for message in self.messages.values_mut() {
            message.running.take_if(of_process);
            if !message.settled {
                message.completed.take_if(of_process);
            }
        }
    }

    /// Returns the violations: two concurrent runs for one message, or a run after a completed one.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Returns the number of acknowledged runs.
    #[must_use]
    pub fn settled(&self) -> usize {
        self.settled
    }

    /// Returns whether a run for the message completed.
    #[must_use]
    pub fn has_completed(&self, id: &MessageId) -> bool {
        self.lines(id).iter().any(|line| line.mark == Mark::Completed)
    }

    /// Returns whether a handler is running in a process.
    #[must_use]
    pub fn is_running_in(&self, process: u32) -> bool {
        self.messages.values().any(|message| message.running.is_some_and(|run| run.0 == process))
    }

    /// Returns the number of lines with a mark.
    #[must_use]
    pub fn count(&self, mark: Mark) -> usize {
        self.messages.values().flat_map(|message| &message.lines).filter(|line| line.mark == mark).count()
    }

    /// Returns the lines about a message.
    #[must_use]
    pub fn lines(&self, id: &MessageId) -> &[Line] {
        self.messages.get(id.as_str()).map_or(&[], |message| &message.lines)
    }

    /// Returns the marks of a message, in order.
    #[must_use]
    pub fn marks(&self, id: &MessageId) -> Vec<Mark> {
        self.lines(id).iter().map(|line| line.mark).collect()
    }
}
