//! The service manager's notification protocol, `sd_notify(3)`.
//!
//! What is to be said is decided elsewhere; here it is put into lines and sent.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;

/// One thing to tell the service manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Start-up, or a reload, is complete.
    Ready,
    /// A reload has begun.
    Reloading,
    /// Shutdown has begun; the manager's stop timeout starts to run.
    Stopping,
    /// A sentence for people.
    Status(String),
    /// The present start or stop may take this much longer, from now on.
    ExtendTimeout(Duration),
    /// The process works.
    Watchdog,
}

/// As lines of the protocol.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => NotifyState::Ready.fmt(f),
            Self::Reloading => {
                NotifyState::Reloading.fmt(f)?;
                // Without a time the manager cannot tell this reload from an
                // earlier one. Reading the clock cannot fail on Linux.
                NotifyState::monotonic_usec_now().map_or(Ok(()), |now| write!(f, "\n{now}"))
            }
            Self::Stopping => NotifyState::Stopping.fmt(f),
            // A line break would begin another message.
            Self::Status(text) => NotifyState::Status(&one_line(text)).fmt(f),
            // The crate's own has 32 bits, which is little more than an hour.
            Self::ExtendTimeout(by) => write!(f, "EXTEND_TIMEOUT_USEC={}", by.as_micros()),
            Self::Watchdog => NotifyState::Watchdog.fmt(f),
        }
    }
}

fn one_line(text: &str) -> String {
    let escaped = |c: char| -> String {
        if c.is_control() {
            c.escape_default().collect()
        } else {
            c.into()
        }
    };
    text.chars().map(escaped).collect()
}

/// Where the service manager listens.
#[derive(Debug, Clone)]
pub struct Socket(SocketAddr);

impl Socket {
    /// The one that `$NOTIFY_SOCKET` names; `None` when no manager listens.
    pub fn from_environment() -> io::Result<Option<Self>> {
        match std::env::var_os("NOTIFY_SOCKET") {
            Some(name) if !name.is_empty() => Self::named(&name).map(Some),
            _ => Ok(None),
        }
    }

    /// A path, or `@` and a name in the abstract namespace, `unix(7)`.
    fn named(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', abstract_name @ ..] => SocketAddr::from_abstract_name(abstract_name),
            [b'/', ..] => SocketAddr::from_pathname(name),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "$NOTIFY_SOCKET is neither an absolute path nor an abstract name (`@…`)",
            )),
        };
        address.map(Self)
    }

    /// Sends `messages` as one datagram; waits while the manager's queue is
    /// full.
    pub async fn tell(&self, messages: &[Message]) -> io::Result<()> {
        let lines: Vec<String> = messages.iter().map(ToString::to_string).collect();
        // Connected each time: a manager that was restarted may listen anew.
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&self.0)?;
        socket.set_nonblocking(true)?;
        let socket = tokio::net::UnixDatagram::from_std(socket)?;
        socket.send(lines.join("\n").as_bytes()).await.map(drop)
    }
}

/// How often, at least, the manager wants to hear [`Message::Watchdog`] from
/// this process, `sd_watchdog_enabled(3)`.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_lines_of_the_protocol() {
        let hour = Duration::from_hours(2);
        let cases = [
            (Message::Ready, "READY=1"),
            (Message::Stopping, "STOPPING=1"),
            (Message::Watchdog, "WATCHDOG=1"),
            (
                Message::ExtendTimeout(hour),
                "EXTEND_TIMEOUT_USEC=7200000000",
            ),
            (
                Message::Status("a\nREADY=1\r\u{1b}é".into()),
                "STATUS=a\\nREADY=1\\r\\u{1b}é",
            ),
        ];
        for (message, lines) in cases {
            assert_eq!(message.to_string(), lines);
        }
        let reloading = Message::Reloading.to_string();
        let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        assert!(time.unwrap().parse::<u64>().unwrap() > 0, "{reloading}");
    }

    #[tokio::test]
    async fn an_abstract_socket_is_reached_like_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("@budgetd-{}", uuid::Uuid::new_v4());
        let address = SocketAddr::from_abstract_name(&name[1..]).unwrap();
        for (manager, name) in [
            (UnixDatagram::bind(&path).unwrap(), path.as_os_str()),
            (UnixDatagram::bind_addr(&address).unwrap(), name.as_ref()),
        ] {
            let socket = Socket::named(name).unwrap();
            let messages = [Message::Ready, Message::Status("serving".into())];
            socket.tell(&messages).await.unwrap();
            let mut datagram = [0; 64];
            let length = manager.recv(&mut datagram).unwrap();
            assert_eq!(&datagram[..length], b"READY=1\nSTATUS=serving");
        }
    }

    #[test]
    fn other_kinds_of_socket_are_refused() {
        for name in ["vsock:2:1", "notify", "./notify"] {
            assert!(Socket::named(name.as_ref()).is_err(), "{name}");
        }
    }
}
