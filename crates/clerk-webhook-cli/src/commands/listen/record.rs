//! `--record`: each delivery as a file that `verify` and `replay` read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::delivery::Delivery;
use crate::capture::to_http_file;

/// How many characters of an event type and of a message id a name has.
const MAX_WORD: usize = 60;

/// How many deliveries may come in the same millisecond with the same id.
const MAX_SAME: usize = 1000;

/// Writes a delivery into a new file of this folder, whole or not at all, and returns its path.
///
/// Others on this machine cannot read it, since payloads are personal data.
pub(super) fn write(folder: &Path, delivery: &Delivery) -> io::Result<PathBuf> {
    let target = delivery.capture.target.as_deref().unwrap_or("/");
    let headers = delivery.capture.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    let bytes = to_http_file(target, headers, &delivery.capture.body);
    let name = name(delivery);
    let temporary = folder.join(format!(".{name}-{}.part", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&temporary).and_then(|mut file| file.write_all(&bytes));
    let placed = written.and_then(|()| place(folder, &name, &temporary));
    // Where it has its name there is nothing left to remove.
    let _ = fs::remove_file(&temporary);
    placed
}

/// Gives a file its name, or the next one that is free.
fn place(folder: &Path, name: &str, temporary: &Path) -> io::Result<PathBuf> {
    for attempt in 1..=MAX_SAME {
        let name = if attempt == 1 { format!("{name}.http") } else { format!("{name}-{attempt}.http") };
        let path = folder.join(name);
        match fs::hard_link(temporary, &path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // Some file systems have no second names; then nobody else may take this one in between.
            Err(_) if !path.try_exists()? => return fs::rename(temporary, &path).map(|()| path),
            Err(_) => {}
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "there are too many files of the same name"))
}

/// A name that sorts by time: `20261121T215126.123Z-user.created-msg_…`.
fn name(delivery: &Delivery) -> String {
    let moment = jiff::Timestamp::from_millisecond(delivery.received_at.as_millis()).unwrap_or_default();
    let moment = moment.strftime("%Y%m%dT%H%M%S.%3fZ");
    let event_type = delivery.event_type.as_deref().filter(|text| !text.is_empty()).unwrap_or("unknown");
    let id = delivery.id.as_deref().filter(|text| !text.is_empty()).unwrap_or("without-id");
    format!("{moment}-{}-{}", word(event_type), word(id))
}

/// Keeps what is harmless in the name of a file on every system.
fn word(text: &str) -> String {
    let harmless = |character: char| {
        let keep = character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
        if keep { character } else { '_' }
    };
    text.chars().take(MAX_WORD).map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use clerk_webhook_core::{SigningSecret, Timestamp};
    use clerk_webhook_test::{Delivery as Signed, SECRET, fixture};

    use super::super::verdict::{Judge, Origin};
    use super::*;
    use crate::capture::{self, Capture};

    #[test]
    fn what_is_written_is_read_and_verifies() {
        let folder = std::env::temp_dir().join(format!("clerk-webhook-record-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let judge = Judge::new(vec![SigningSecret::parse(SECRET).unwrap()], 1 << 20).unwrap();
        let signed = Signed::of(fixture::user_created()).id("msg_1");
        let mut headers: Vec<(String, Vec<u8>)> =
            signed.headers().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        headers.push(("x-odd".to_owned(), b"\xff:\t ".to_vec()));
        // Bodies that look like headers, and that end in line breaks, stay what they are.
        for body in [signed.body(), Bytes::from_static(b"\r\n\r\na: b\r\n"), Bytes::new()] {
            let target = Some("/hook?x=1".to_owned());
            let capture =
                Capture { place: String::new(), target, headers: headers.clone(), body: body.clone() };
            let verdict = judge.judge(&capture);
            let (origin, delivery) = (verdict.origin, Delivery::new(capture, Timestamp::now(), verdict));
            let path = write(&folder, &delivery).unwrap();
            let read = capture::read(&path).unwrap();
            assert_eq!(read.len(), 1);
            assert_eq!((&read[0].body, read[0].target.as_deref()), (&body, Some("/hook?x=1")));
            assert_eq!(judge.judge(&read[0]).origin, origin);
            assert_eq!(origin == Origin::Authentic, body == signed.body());
        }
        assert_eq!(capture::read(&folder).unwrap().len(), 3);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        assert_eq!(word("user.created"), "user.created");
        assert_eq!(word("../../etc/passwd"), ".._.._etc_passwd");
        assert_eq!(word("a\0b\\c:d\n é"), "a_b_c_d___");
        assert_eq!(word(&"x".repeat(500)).len(), MAX_WORD);
    }
}
