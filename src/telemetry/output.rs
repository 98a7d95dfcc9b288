//! Stdout, where lines may get lost and never in silence.
//!
//! The log's own thread writes here and is the only one that waits for a slow
//! reader. A line that cannot be written, to a closed pipe or on a full disk,
//! is counted and given up; the next one is tried again.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use rustix::event::{PollFd, PollFlags, poll};
use tracing_appender::non_blocking::ErrorCounter;

/// Counts the lines that were lost, for whatever reason.
#[derive(Debug, Clone, Default)]
pub struct LostLines(Arc<Losses>);

#[derive(Debug, Default)]
struct Losses {
    /// Nobody took them, and the queue was full.
    unread: OnceLock<ErrorCounter>,
    /// The operating system refused them.
    unwritten: AtomicUsize,
}

impl LostLines {
    /// Counts those that did not fit into the queue, too.
    pub(super) fn watch(&self, queue: ErrorCounter) {
        // There is one queue, so it is the first.
        let _ = self.0.unread.set(queue);
    }

    pub fn count(&self) -> usize {
        let unread = self.0.unread.get().map_or(0, ErrorCounter::dropped_lines);
        self.0.unwritten.load(Relaxed) + unread
    }
}

/// Takes a whole line with each call.
#[derive(Debug)]
pub(super) struct Output {
    /// Without a buffer, which would keep what could not be written.
    stdout: File,
    lost: LostLines,
    /// How many lost lines a line has told of.
    told: usize,
    /// Whether the last line could be written.
    works: bool,
    /// Whether the last thing written is the beginning of a line.
    torn: bool,
}

impl Output {
    pub(super) fn new(stdout: &impl AsFd, lost: LostLines) -> io::Result<Self> {
        Ok(Self {
            stdout: stdout.as_fd().try_clone_to_owned()?.into(),
            lost,
            told: 0,
            works: true,
            torn: false,
        })
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.write_bytes(b"\n")?;
        }
        self.write_bytes(line)
    }

    fn write_bytes(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stdout.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.torn = bytes[written - 1] != b'\n';
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Whoever started the daemon shares the pipe with it and has
                // told the kernel never to wait.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut room = [PollFd::new(&self.stdout, PollFlags::OUT)];
                    poll(&mut room, None)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Write for Output {
    /// It fails never: nobody could do anything about it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.works = self.write_line(line).is_ok();
        if !self.works {
            self.lost.0.unwritten.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }

    /// No line waits any more: the time to tell how many are missing. This
    /// line takes the way of all others.
    fn flush(&mut self) -> io::Result<()> {
        let total = self.lost.count();
        if self.works && total > self.told {
            let lines = total - self.told;
            self.told = total;
            tracing::warn!(
                event = "log_lines_lost",
                lines,
                total,
                "{lines} lines of the log could not be written and are lost"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};
    use std::thread;

    use rustix::io::ioctl_fionbio;

    use super::*;

    #[test]
    fn what_nobody_can_read_is_counted() {
        let (reader, writer) = pipe().unwrap();
        let lost = LostLines::default();
        let mut output = Output::new(&writer, lost.clone()).unwrap();
        output.write_all(b"read\n").unwrap();
        assert_eq!(lost.count(), 0);
        drop(reader);
        output.write_all(b"unread\n").unwrap();
        output.write_all(b"unread\n").unwrap();
        assert_eq!(lost.count(), 2);
    }

    #[test]
    fn a_full_disk_takes_nothing_and_every_line_is_counted() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let lost = LostLines::default();
        let mut output = Output::new(&full, lost.clone()).unwrap();
        for _ in 0..3 {
            output.write_all(b"a line\n").unwrap();
        }
        assert_eq!(lost.count(), 3);
    }

    #[test]
    fn a_pipe_that_does_not_wait_is_waited_for() {
        let (mut reader, writer) = pipe().unwrap();
        ioctl_fionbio(&writer, true).unwrap();
        let lost = LostLines::default();
        let mut output = Output::new(&writer, lost.clone()).unwrap();
        drop(writer);
        // Much more than a pipe holds.
        let line = [vec![b'x'; 1 << 20], vec![b'\n']].concat();
        let expected = line.clone();
        let writing = thread::spawn(move || output.write_all(&line).unwrap());
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        writing.join().unwrap();
        assert!(read == expected);
        assert_eq!(lost.count(), 0);
    }
}
