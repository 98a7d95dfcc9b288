//! Stdout, where lines may get lost and never in silence.
//!
//! The log's own thread writes here and is the only one that waits for a slow
//! reader. A line that cannot be written, to a closed pipe or on a full disk,
//! is counted and given up; later ones are tried again. Lines that come one
//! right after the other are written together.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::time::Instant;
use tracing_appender::non_blocking::ErrorCounter;

/// What is written at once, in bytes: a pipe takes so much as a whole, so that
/// nothing of another writer comes between (`PIPE_BUF` in pipe(7)).
const TOGETHER: usize = 4_096;

/// How long lines gather while they come quicker than that: a thread that was
/// woken for each would take as much time as they do.
const GATHER: Duration = Duration::from_millis(1);

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

/// Takes a whole line with each call, and writes them when it is flushed.
#[derive(Debug)]
pub(super) struct Output {
    stdout: File,
    /// Lines that are not written yet.
    gathered: Vec<u8>,
    flushed: Instant,
    lost: LostLines,
    /// How many lost lines a line has told of.
    told: usize,
    /// Whether the last lines could be written.
    works: bool,
    /// Whether the last thing written is the beginning of a line.
    torn: bool,
}

impl Output {
    pub(super) fn new(stdout: &impl AsFd, lost: LostLines) -> io::Result<Self> {
        Ok(Self {
            stdout: stdout.as_fd().try_clone_to_owned()?.into(),
            gathered: Vec::with_capacity(TOGETHER),
            flushed: Instant::now(),
            lost,
            told: 0,
            works: true,
            torn: false,
        })
    }

    fn write_gathered(&mut self) {
        let lines = std::mem::take(&mut self.gathered);
        let unwritten = self.write_lines(&lines);
        self.works = unwritten.is_empty();
        if !self.works {
            let ends = unwritten.iter().filter(|byte| **byte == b'\n');
            self.lost.0.unwritten.fetch_add(ends.count(), Relaxed);
        }
        self.gathered = lines;
        self.gathered.clear();
        // One very long line should not take its room for ever.
        self.gathered.shrink_to(TOGETHER);
    }

    /// Returns what the operating system has refused.
    fn write_lines<'a>(&mut self, lines: &'a [u8]) -> &'a [u8] {
        if self.torn && !self.write_bytes(b"\n").is_empty() {
            return lines;
        }
        self.write_bytes(lines)
    }

    fn write_bytes<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while !bytes.is_empty() {
            match self.stdout.write(bytes) {
                Ok(0) => break,
                Ok(written) => {
                    self.torn = bytes[written - 1] != b'\n';
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Whoever started the daemon shares the pipe with it and has
                // told the kernel never to wait.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut room = [PollFd::new(&self.stdout, PollFlags::OUT)];
                    match poll(&mut room, None) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(_) => break,
                    }
                }
                Err(_) => break,
            }
        }
        bytes
    }

    /// Waits for more while lines come quickly.
    #[expect(
        clippy::disallowed_methods,
        reason = "the log's thread is not one that futures run on"
    )]
    fn gather(&mut self) {
        if self.flushed.elapsed() < 2 * GATHER {
            std::thread::sleep(GATHER);
        }
        self.flushed = Instant::now();
    }
}

impl Write for Output {
    /// It fails never: nobody could do anything about it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !self.gathered.is_empty() && self.gathered.len() + line.len() > TOGETHER {
            self.write_gathered();
        }
        self.gathered.extend_from_slice(line);
        Ok(line.len())
    }

    /// No line waits any more: the time to tell how many are missing. This
    /// line takes the way of all others.
    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        self.write_gathered();
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
        self.gather();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};
    use std::thread;

    use rustix::io::{ioctl_fionbio, ioctl_fionread};

    use super::*;

    #[test]
    fn what_nobody_can_read_is_counted() {
        let (reader, writer) = pipe().unwrap();
        let lost = LostLines::default();
        let mut output = Output::new(&writer, lost.clone()).unwrap();
        output.write_all(b"read\n").unwrap();
        output.flush().unwrap();
        assert_eq!(lost.count(), 0);
        drop(reader);
        output.write_all(b"unread\n").unwrap();
        output.write_all(b"unread\n").unwrap();
        output.flush().unwrap();
        assert_eq!(lost.count(), 2);
    }

    #[test]
    fn lines_are_written_together_as_far_as_a_pipe_takes_them_whole() {
        let (mut reader, writer) = pipe().unwrap();
        let mut output = Output::new(&writer, LostLines::default()).unwrap();
        let line = [vec![b'x'; TOGETHER / 2 - 1], vec![b'\n']].concat();
        output.write_all(&line).unwrap();
        output.write_all(&line).unwrap();
        assert_eq!(ioctl_fionread(&reader).unwrap(), 0, "both fit");
        output.write_all(b"one more\n").unwrap();
        let whole = u64::try_from(TOGETHER).unwrap();
        assert_eq!(ioctl_fionread(&reader).unwrap(), whole);
        output.flush().unwrap();
        drop((output, writer));
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(
            read.lines().map(str::len).collect::<Vec<_>>(),
            [2_047, 2_047, 8]
        );
    }

    #[test]
    fn a_full_disk_takes_nothing_and_every_line_is_counted() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let lost = LostLines::default();
        let mut output = Output::new(&full, lost.clone()).unwrap();
        for _ in 0..3 {
            output.write_all(b"a line\n").unwrap();
        }
        output.flush().unwrap();
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
        let writing = thread::spawn(move || {
            output.write_all(&line).unwrap();
            output.flush().unwrap();
        });
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        writing.join().unwrap();
        assert!(read == expected);
        assert_eq!(lost.count(), 0);
    }
}
