//! Commands and their answers, one after the other, without the client
//! library: it keeps buffers of 16 KiB for each connection, and what is said
//! here fits into a line.

use redis::{Cmd, RedisResult, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::classify;
use crate::dependency::{ErrorKind, Failure};
use crate::net::{self, Stream};

/// The longest answer that is listened to, in bytes. All of them are one line.
const MAX_ANSWER: usize = 4 * 1024;

/// A connection over which one thing is asked after the other.
#[derive(Debug)]
pub(super) struct Dialogue {
    stream: Stream,
    heard: Vec<u8>,
}

impl Dialogue {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            heard: Vec::new(),
        }
    }

    /// Leaves the connection to someone who speaks otherwise.
    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    /// Asks one command: the answer, or the server's refusal. When this is
    /// dropped half-way, nothing more can be asked.
    pub(super) async fn ask(&mut self, command: &Cmd) -> Result<RedisResult<Value>, Failure> {
        // What was said unasked is no answer.
        self.heard.clear();
        // A server that turns us away says why and closes, so that writing
        // fails while the reason waits to be read: what is read decides.
        let sent = self.send(&command.get_packed_command()).await;
        let answer = match (self.hear().await, sent) {
            (Ok(answer), _) => answer,
            (Err(heard), Err(error)) if heard.kind == ErrorKind::Closed => {
                return Err(net::failure(&error));
            }
            (Err(heard), _) => return Err(heard),
        };
        let value = redis::parse_redis_value(&answer).map_err(|error| classify::failure(&error))?;
        Ok(value.extract_error())
    }

    /// Resolves when the server has closed the connection.
    pub(super) async fn ended(&mut self) {
        // Beyond a bound nothing more is taken, and the end goes unnoticed.
        while self.heard.len() <= MAX_ANSWER {
            match self.stream.read_buf(&mut self.heard).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending::<()>().await;
    }

    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Takes one answer, or as much of something else as it takes to know it.
    async fn hear(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            if let Some(length) = length(&self.heard)? {
                return Ok(self.heard.drain(..length).collect());
            }
            let read = self.stream.read_buf(&mut self.heard).await;
            if read.map_err(|error| net::failure(&error))? == 0 {
                return Err(net::closed());
            }
        }
    }
}

/// The length of the first answer in `heard`, once all of it is there.
fn length(heard: &[u8]) -> Result<Option<usize>, Failure> {
    let other = || {
        Failure::new(
            ErrorKind::Protocol,
            "the peer does not speak the Redis protocol",
        )
    };
    let begins = matches!(heard.first(), None | Some(b'+' | b'-' | b':' | b'$' | b'_'));
    if !begins {
        return Err(other());
    }
    let end = heard.iter().position(|byte| *byte == b'\n');
    if end.is_some_and(|at| !heard[..at].ends_with(b"\r")) {
        return Err(other());
    }
    let mut length = end.map(|at| at + 1);
    if let Some(line) = length
        && heard[0] == b'$'
    {
        let digits = std::str::from_utf8(&heard[1..line]).map_err(|_| other())?;
        let bytes: i64 = digits.trim_end().parse().map_err(|_| other())?;
        // One of less than nothing is no text at all.
        if let Ok(bytes) = usize::try_from(bytes) {
            length = Some(line.saturating_add(bytes).saturating_add(2));
        }
    }
    if length.unwrap_or(heard.len()) > MAX_ANSWER {
        return Err(other());
    }
    Ok(length.filter(|length| *length <= heard.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_it_says() {
        for (heard, expected) in [
            ("", None),
            ("+PON", None),
            ("+PONG\r\n", Some(7)),
            ("+PONG\r\n+OK", Some(7)),
            ("-ERR no\r\n", Some(9)),
            ("$4\r", None),
            ("$4\r\nPONG\r", None),
            ("$4\r\nPONG\r\n", Some(10)),
            ("$-1\r\n", Some(5)),
        ] {
            assert_eq!(length(heard.as_bytes()).unwrap(), expected, "{heard:?}");
        }
    }

    #[test]
    fn what_is_no_answer_is_known_early() {
        let endless = format!("+{}", "x".repeat(MAX_ANSWER));
        for heard in [
            "HTTP/1.1 400",
            "\r\n",
            "+PONG\n",
            "$x\r\n",
            "$99999\r\n",
            "$9223372036854775807\r\n",
            endless.as_str(),
        ] {
            let failure = length(heard.as_bytes()).unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Protocol, "{heard:?}");
        }
    }
}
