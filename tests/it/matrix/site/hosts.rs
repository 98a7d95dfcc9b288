//! What the resolver of one daemon says.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// The name that only a private hosts file knows.
pub(super) const NAME: &str = "subject.test";

/// A hosts file that changes between two looks and never in the middle of one.
pub(super) struct Hosts {
    pub(super) path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Hosts {
    pub(super) fn new(addresses: [&str; 2]) -> Self {
        let folder = tempfile::tempdir().expect("there is a place for files");
        let path = folder.path().join("hosts");
        std::fs::write(&path, Self::text(addresses)).expect("the folder is writable");
        Self {
            path,
            _folder: folder,
        }
    }

    pub(super) fn say(&self, addresses: [&str; 2]) {
        // The same length in one write: whoever reads sees the one or the other.
        let file = File::options().write(true).open(&self.path);
        let text = Self::text(addresses);
        file.and_then(|file| file.write_all_at(text.as_bytes(), 0))
            .expect("the file is writable");
    }

    fn text(addresses: [&str; 2]) -> String {
        let line = |address: &str| match address {
            "" => format!("# {:40}\n", "nobody"),
            address => format!("{:42}\n", format!("{address} {NAME}")),
        };
        let all: Vec<String> = addresses.into_iter().map(line).collect();
        format!("{:42}\n{}", "127.0.0.1 localhost", all.concat())
    }
}
