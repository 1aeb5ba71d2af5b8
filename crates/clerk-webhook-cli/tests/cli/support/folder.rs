//! Temporary files and folders.

use std::fs;
use std::path::PathBuf;

/// A folder that is removed on drop.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Creates an empty folder.
    pub(crate) fn new(name: &str) -> Self {
        let folder = Self::missing(name);
        fs::create_dir(&folder.0).unwrap();
        folder
    }

    /// Returns a folder that does not exist yet.
    pub(crate) fn missing(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file into the folder, and returns its path.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.join(name);
        fs::write(&path, bytes).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// Returns the sorted names of the files.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file that is removed on drop.
#[derive(Debug)]
pub(crate) struct File {
    path: String,
    _folder: Folder,
}

impl File {
    pub(crate) fn new(name: &str, bytes: &[u8]) -> Self {
        let folder = Folder::new(&format!("folder of {name}"));
        Self { path: folder.write(name, bytes), _folder: folder }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}
