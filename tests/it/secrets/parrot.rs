//! A peer that says what it heard, in the tongue of a protocol.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::MARK;
use crate::support::Port;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    /// The very bytes.
    Echo,
    /// An HTTP answer that repeats the request in reason, headers and body.
    Http,
    /// A redirect to what was asked.
    HttpRedirect,
    /// An error reply of Redis with all words in it.
    RedisError,
    /// One whose code is the secret.
    RedisCode,
    /// A Redis in working order, except that INFO is refused with all that the
    /// client has said.
    RedisInfoError,
    /// The same, but INFO tells it as the version.
    RedisInfo,
    /// Asks for the password of Postgres in the clear, repeats it in a notice
    /// and in an error.
    PostgresError,
}

impl Tongue {
    /// Those that are no good as what they are taken for.
    pub(super) const BROKEN: [Self; 6] = [
        Self::Echo,
        Self::Http,
        Self::HttpRedirect,
        Self::RedisError,
        Self::RedisCode,
        Self::PostgresError,
    ];

    /// The answer to what was `heard` now, `before` which there was more.
    fn says(self, heard: &[u8], before: &[u8]) -> Vec<u8> {
        let words = one_line(heard);
        match self {
            Self::Echo => heard.to_owned(),
            Self::Http => format!(
                "HTTP/1.1 500 {words}\r\nx-heard: {words}\r\ncontent-length: {}\r\n\r\n{words}",
                words.len()
            )
            .into(),
            Self::HttpRedirect => format!(
                "HTTP/1.1 302 Found\r\nlocation: http://localhost/{words}\r\ncontent-length: 0\r\n\r\n"
            )
            .into(),
            Self::RedisError => format!("-WRONGPASS not with {words}\r\n").into(),
            Self::RedisCode => {
                let code = words.split(' ').find(|word| word.contains(MARK));
                format!("-{} is no good\r\n", code.unwrap_or("ERR")).into()
            }
            Self::RedisInfoError | Self::RedisInfo => {
                let commands = words.split(' ').filter_map(|word| match word {
                    "AUTH" | "CLIENT" => Some("+OK\r\n".to_owned()),
                    "PING" => Some("+PONG\r\n".to_owned()),
                    "DBSIZE" => Some(":0\r\n".to_owned()),
                    "INFO" => Some(self.info(&one_line(before))),
                    _ => None,
                });
                commands.collect::<String>().into()
            }
            // No TLS here.
            Self::PostgresError if heard == SSL_REQUEST => b"N".to_vec(),
            Self::PostgresError if heard.first() != Some(&b'p') => {
                // AuthenticationCleartextPassword.
                b"R\0\0\0\x08\0\0\0\x03".to_vec()
            }
            Self::PostgresError => {
                let mut said = message(b'N', "NOTICE", "00000", &words);
                said.extend(message(b'E', "FATAL", "28P01", &words));
                said
            }
        }
    }

    fn info(self, heard: &str) -> String {
        if self == Self::RedisInfoError {
            return format!("-ERR not after {heard}\r\n");
        }
        let info = format!("redis_version:7 after {heard}\r\n");
        format!("${}\r\n{info}\r\n", info.len())
    }
}

fn one_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace(['\r', '\n', '\0'], " ")
}

/// `SSLRequest`.
const SSL_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";

/// A `NoticeResponse` or an `ErrorResponse`.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
fn message(tag: u8, severity: &str, code: &str, words: &str) -> Vec<u8> {
    let fields = format!("S{severity}\0V{severity}\0C{code}\0M{words}\0D{words}\0H{words}\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
    [&[tag], &length[..], fields.as_bytes()].concat()
}

#[derive(Debug)]
pub(super) struct Parrot {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
    _tasks: JoinSet<()>,
}

impl Parrot {
    pub(super) async fn start(tongue: Tongue) -> Self {
        let port = Port::reserve();
        let number = port.number();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number))
            .await
            .unwrap();
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let listening = heard.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let _port = port;
            let mut conversations = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                conversations.spawn(converse(stream, tongue, listening.clone()));
            }
        });
        Self {
            port: number,
            heard,
            _tasks: tasks,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Everything that anyone said to it, URLs decoded.
    pub(super) fn heard(&self) -> String {
        let heard = self.heard.lock().unwrap();
        percent_encoding::percent_decode(&heard)
            .decode_utf8_lossy()
            .into_owned()
    }
}

async fn converse(mut stream: TcpStream, tongue: Tongue, heard: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = vec![0; 16 * 1024];
    let mut before = Vec::new();
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let said = &buffer[..count];
        heard.lock().unwrap().extend_from_slice(said);
        if stream.write_all(&tongue.says(said, &before)).await.is_err() {
            return;
        }
        before.extend_from_slice(said);
    }
}
