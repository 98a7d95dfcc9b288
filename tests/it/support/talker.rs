//! A peer that conversations without listening.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Port;

/// When it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// At once, then it reads whatever comes.
    First,
    /// At once, then it leaves.
    FirstAndLast,
    /// Each time that something was said to it.
    Answering,
}

/// Says the same to everyone who connects.
#[derive(Debug)]
pub(crate) struct Talker {
    port: u16,
    _tasks: JoinSet<()>,
}

impl Talker {
    /// Says `words` at once, then reads whatever comes until the client leaves.
    pub(crate) async fn says(words: &[u8]) -> Self {
        Self::start(words, Manner::First).await
    }

    /// Says `words` at once and closes.
    pub(crate) async fn says_and_leaves(words: &[u8]) -> Self {
        Self::start(words, Manner::FirstAndLast).await
    }

    /// Says `words` to whatever it hears.
    pub(crate) async fn answers(words: &[u8]) -> Self {
        Self::start(words, Manner::Answering).await
    }

    async fn start(words: &[u8], manner: Manner) -> Self {
        let port = Port::reserve();
        let number = port.number();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number))
            .await
            .expect("the port is ours");
        let words = words.to_owned();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let _port = port;
            let mut conversations = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let words = words.clone();
                conversations.spawn(async move {
                    let mut heard = [0; 1024];
                    let answers = manner == Manner::Answering;
                    let mut goes_on = answers || stream.write_all(&words).await.is_ok();
                    while goes_on && manner != Manner::FirstAndLast {
                        goes_on = stream.read(&mut heard).await.is_ok_and(|count| count > 0)
                            && (!answers || stream.write_all(&words).await.is_ok());
                    }
                });
            }
        });
        Self {
            port: number,
            _tasks: tasks,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}
