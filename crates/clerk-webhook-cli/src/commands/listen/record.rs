//! `--record`: writes each delivery to a file for `verify` and `replay`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::delivery::ReceivedDelivery;
use super::verdict::Origin;
use crate::capture::{Recorded, to_http_file};

/// The maximum length of an event type and of a message id in a file name, in characters.
const MAX_WORD: usize = 60;

/// The maximum number of files with the same millisecond, event type, and message id.
const MAX_SAME: usize = 1000;

/// The maximum number of bytes that one run writes.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The maximum number of bytes of rejected deliveries, so that forgeries leave room for authentic deliveries.
const MAX_REFUSED: u64 = 64 * 1024 * 1024;

/// The minimum space that a file takes up on a disk, in bytes.
const BLOCK: u64 = 4096;

/// The folder for recordings, with the remaining budgets.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    left: ByteBudget,
    left_for_refused: ByteBudget,
}

/// The number of remaining bytes, or `None` after a file did not fit.
#[derive(Debug)]
struct ByteBudget(Mutex<Option<u64>>);

/// Why a delivery was not recorded.
#[derive(Debug)]
pub(super) enum NotRecorded {
    Failed(io::Error),
    /// The budget is exhausted, and this is the first delivery that is not recorded.
    Full(&'static str),
    /// The budget is exhausted, and an earlier delivery was the first that was not recorded.
    StillFull,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, left: ByteBudget::new(MAX_BYTES), left_for_refused: ByteBudget::new(MAX_REFUSED) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a delivery to a new file, within the budgets.
    pub(super) fn write(&self, delivery: &ReceivedDelivery) -> Result<PathBuf, NotRecorded> {
        let headers = delivery.capture.headers.iter().map(|(name, value)| name.len() + value.len() + 4);
        let bytes = delivery.capture.body.len() + headers.sum::<usize>();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).max(BLOCK);
        if delivery.origin == Origin::Refused {
            let full = "the limit of 64 MiB is reached: this run records no more rejected deliveries";
            self.left_for_refused.take(bytes, full)?;
        }
        self.left.take(bytes, "the limit of 256 MiB is reached: this run records no more deliveries")?;
        write(&self.path, delivery).map_err(NotRecorded::Failed)
    }
}

impl ByteBudget {
    fn new(bytes: u64) -> Self {
        Self(Mutex::new(Some(bytes)))
    }

    /// Takes bytes from the budget. If too few are left, the budget is exhausted for the rest of the run.
    fn take(&self, bytes: u64, full: &'static str) -> Result<(), NotRecorded> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = left.ok_or(NotRecorded::StillFull)?;
        *left = before.checked_sub(bytes);
        if left.is_some() { Ok(()) } else { Err(NotRecorded::Full(full)) }
    }
}

/// Writes a delivery atomically to a new file in this folder, and returns its path.
///
/// On Unix, only the owner can read the file, because payloads contain personal data.
fn write(folder: &Path, delivery: &ReceivedDelivery) -> io::Result<PathBuf> {
    let target = delivery.capture.target.as_deref().unwrap_or("/");
    let headers = delivery.capture.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    let request = to_http_file(target, headers, &delivery.capture.body);
    let bytes = [recorded(delivery).to_comments().into_bytes(), request].concat();
    let name = name(delivery);
    let temporary = folder.join(format!(".{name}-{}.part", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&temporary).and_then(|mut file| file.write_all(&bytes));
    let placed = written.and_then(|()| place(folder, &name, &temporary));
    // After a rename, the removal fails, because the temporary file no longer exists.
    let _ = fs::remove_file(&temporary);
    placed
}

fn recorded(delivery: &ReceivedDelivery) -> Recorded {
    let verdict = match delivery.origin {
        Origin::Refused => format!("{}, {}", delivery.origin.as_str(), delivery.outcome),
        origin => origin.as_str().to_owned(),
    };
    Recorded { received_at: Some(delivery.received_at), verdict: Some(verdict) }
}

/// Gives the temporary file this name or, if it is taken, this name with the next free number.
fn place(folder: &Path, name: &str, temporary: &Path) -> io::Result<PathBuf> {
    for attempt in 1..=MAX_SAME {
        let name = if attempt == 1 { format!("{name}.http") } else { format!("{name}-{attempt}.http") };
        let path = folder.join(name);
        match fs::hard_link(temporary, &path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // For file systems without hard links. The rename is atomic, but can race with another process.
            Err(_) if !path.try_exists()? => return fs::rename(temporary, &path).map(|()| path),
            Err(_) => {}
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files with the same name"))
}

/// Returns a name that sorts by time: `20261121T215126.123Z-user.created-msg_…`.
fn name(delivery: &ReceivedDelivery) -> String {
    let moment = jiff::Timestamp::from_millisecond(delivery.received_at.as_millis()).unwrap_or_default();
    let moment = moment.strftime("%Y%m%dT%H%M%S.%3fZ");
    let event_type = delivery.event_type.as_deref().filter(|text| !text.is_empty()).unwrap_or("unknown");
    let id = delivery.id.as_deref().filter(|text| !text.is_empty()).unwrap_or("without-id");
    format!("{moment}-{}-{}", word(event_type), word(id))
}

/// Replaces all characters that are not safe in file names on every system.
fn word(text: &str) -> String {
    let harmless = |character: char| {
        let keep = character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
        if keep { character } else { '_' }
    };
    text.chars().take(MAX_WORD).map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use clerk_webhook_core::{SigningSecret, Timestamp};
    use clerk_webhook_test::{Delivery as Signed, SECRET, fixture};

    use super::super::verdict::Judge;
    use super::*;
    use crate::capture::Capture;

    #[test]
    fn stops_recording_at_the_limits() {
        let path = std::env::temp_dir().join(format!("clerk-webhook-record-full-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let folder = Folder {
            path: path.clone(),
            left: ByteBudget::new(4 * BLOCK),
            left_for_refused: ByteBudget::new(2 * BLOCK + 1),
        };
        let judge = Judge::new(vec![SigningSecret::parse(SECRET).unwrap()], 1 << 20).unwrap();
        let write = |signed: Signed| {
            let headers = signed.headers().into_iter().map(|(name, value)| (name.to_owned(), value.into()));
            let capture = Capture { headers: headers.collect(), body: signed.body(), ..Capture::default() };
            let verdict = judge.judge(&capture);
            match folder.write(&ReceivedDelivery::new(capture, Timestamp::now(), verdict)) {
                Ok(_) => "written",
                Err(NotRecorded::Failed(_)) => "failed",
                Err(NotRecorded::Full(_)) => "full",
                Err(NotRecorded::StillFull) => "still full",
            }
        };
        let right = Signed::of(fixture::user_created());
        let forged = [(); 4].map(|()| write(right.clone().altered()));
        assert_eq!(forged, ["written", "written", "full", "still full"]);
        // Forged deliveries do not use up the budget of authentic ones.
        let authentic = [(); 4].map(|()| write(right.clone()));
        assert_eq!(authentic, ["written", "written", "full", "still full"]);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 4);
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn names_do_not_leave_the_folder() {
        assert_eq!(word("user.created"), "user.created");
        assert_eq!(word("../../etc/passwd"), ".._.._etc_passwd");
        assert_eq!(word("a\0b\\c:d\n é"), "a_b_c_d___");
        assert_eq!(word(&"x".repeat(500)).len(), MAX_WORD);
    }
}
