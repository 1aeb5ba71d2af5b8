//! Checks the folder of a SQLite file.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// File systems on other machines. SQLite needs locks and shared memory, which they do not provide reliably.
const NETWORK: [&str; 14] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afs",
    "ceph",
    "glusterfs",
    "fuse.glusterfs",
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.rclone",
    "lustre",
    "gpfs",
];

/// Checks that a SQLite file can be opened or created.
pub(super) fn check(file: &Path) -> Result<(), Failure> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if file.is_dir() {
        return Err(Failure::usage(format_args!(
            "{} is a folder. Use the path of the SQLite file.",
            file.display()
        )));
    }
    let folder = folder.canonicalize().map_err(|error| {
        Failure::usage(format_args!(
            "{} cannot be used: {error}. Create the folder, or use another path.",
            folder.display()
        ))
    })?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if let Some(kind) = file_system(&mounts, &folder).filter(|kind| NETWORK.contains(kind)) {
        return Err(Failure::usage(format_args!(
            "{} is on a network file system ({kind}). Use a local disk, or Postgres.",
            folder.display()
        )));
    }
    let place = if file.exists() { file } else { &*folder };
    if !is_writable(file, &folder) {
        return Err(Failure::network(format_args!(
            "{} is not writable by {}. Change its owner, or use a named volume.",
            place.display(),
            user()
        )));
    }
    Ok(())
}

/// Returns whether the file, and the files that SQLite creates beside it, can be written.
fn is_writable(file: &Path, folder: &Path) -> bool {
    if file.exists() && OpenOptions::new().append(true).open(file).is_err() {
        return false;
    }
    let probe = folder.join(format!(".clerk-webhook-{}", std::process::id()));
    let created = OpenOptions::new().write(true).create_new(true).open(&probe).is_ok();
    // A file that cannot be removed is empty.
    let _ = fs::remove_file(&probe);
    created
}

/// Returns the effective user.
fn user() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
    uid.map_or_else(|| "this user".to_owned(), |uid| format!("uid {uid}"))
}

/// Returns the type of the file system of a folder, from the content of `/proc/self/mountinfo`.
fn file_system<'m>(mounts: &'m str, folder: &Path) -> Option<&'m str> {
    let mounted = mounts.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let place = PathBuf::from(unescaped(place.split(' ').nth(4)?));
        folder.starts_with(&place).then_some((place.components().count(), kind.split(' ').next()?))
    });
    // Of two mounts on one place, the later one hides the other.
    mounted.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

/// Replaces the escapes that the kernel uses for white space.
fn unescaped(place: &str) -> String {
    place.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_file_system_of_a_folder() {
        let mounts = "\
            22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
            40 22 0:40 / /data rw,relatime shared:5 - nfs4 server:/export rw,addr=10.0.0.9\n\
            41 40 0:41 / /data/local\\040disk rw - xfs /dev/vdb rw\n\
            42 22 0:42 / /over rw - nfs a rw\n\
            43 22 0:43 / /over rw - tmpfs b rw\n";
        for (folder, expected) in [
            ("/", "ext4"),
            ("/var/lib", "ext4"),
            ("/data", "nfs4"),
            ("/data/app", "nfs4"),
            ("/data2", "ext4"),
            ("/data/local disk/app", "xfs"),
            ("/over", "tmpfs"),
        ] {
            assert_eq!(file_system(mounts, Path::new(folder)), Some(expected), "{folder}");
        }
        assert_eq!(file_system("", Path::new("/")), None);
    }
}
