//! A unix socket for the admin listener.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::ListenError;

/// Owner and group may connect.
const MODE: u32 = 0o660;

/// The file of a listening socket; dropping it unlinks the file, unless
/// another process has put its own there.
#[derive(Debug)]
pub(in crate::http) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // Nobody is left to tell; the next start removes a stale file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

pub(super) fn listen(path: &Path, backlog: i32) -> Result<(UnixListener, SocketFile), ListenError> {
    remove_stale(path)?;
    let failed = |error| cannot("listen on", path, error);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    let address = SockAddr::unix(path).map_err(failed)?;
    socket.bind(&address).map_err(failed)?;
    // The file is there from now on, whatever fails next.
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(path).map_err(failed)?,
    };
    // Before listening, so that nobody connects under the umask's mode.
    fs::set_permissions(path, fs::Permissions::from_mode(MODE)).map_err(failed)?;
    socket.listen(backlog).map_err(failed)?;
    let listener = UnixListener::from_std(socket.into()).map_err(failed)?;
    Ok((listener, file))
}

/// A process that was killed leaves its file behind, and `bind` would refuse
/// it: a file that nobody answers on is removed, anything else is left alone.
fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let failed = |error| cannot("listen on", path, error);
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    match connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| cannot("remove the stale socket", path, error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A full backlog (EAGAIN) is a sign of life, too.
        Ok(()) => Err(failed(io::ErrorKind::AddrInUse.into())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(failed(io::ErrorKind::AddrInUse.into()))
        }
        Err(error) => Err(failed(error)),
    }
}

fn connect(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

fn cannot(verb: &'static str, path: &Path, source: io::Error) -> ListenError {
    let folder = path.parent().unwrap_or(path).display();
    let (reason, advice) = match source.kind() {
        io::ErrorKind::AddrInUse => (
            "another process listens there".to_owned(),
            "stop it, or change `admin.listen`".to_owned(),
        ),
        io::ErrorKind::AlreadyExists => (
            "a file that is no socket is there".to_owned(),
            "remove it, or change `admin.listen`".to_owned(),
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
            source.to_string(),
            format!("make {folder} writable for this user, or change `admin.listen`"),
        ),
        io::ErrorKind::NotFound => (
            format!("{folder} does not exist"),
            "create it (systemd: `RuntimeDirectory=`), or change `admin.listen`".to_owned(),
        ),
        io::ErrorKind::InvalidInput => (
            "the path is too long for a socket (107 bytes)".to_owned(),
            "shorten `admin.listen`".to_owned(),
        ),
        _ => (source.to_string(), "correct `admin.listen`".to_owned()),
    };
    ListenError {
        verb,
        address: format!("unix:{}", path.display()),
        reason,
        advice,
        source,
    }
}
