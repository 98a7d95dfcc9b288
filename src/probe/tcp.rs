//! Any TCP server: it accepts.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, ReadBuf};

use super::habit::Habit;
use super::{Probe, Session};
use crate::config::Address;
use crate::dependency::{Failure, Observation};
use crate::net::{self, Stream};

/// Checks that something accepts connections.
#[derive(Debug)]
pub struct TcpProbe {
    address: Address,
    habit: Arc<Habit>,
}

impl TcpProbe {
    pub fn new(address: Address) -> Self {
        Self {
            address,
            habit: Arc::default(),
        }
    }
}

impl Probe for TcpProbe {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Session>, Failure>> {
        async move {
            let stream = net::connect(&self.address).await?;
            Ok(Box::new(TcpSession {
                address: self.address.clone(),
                habit: self.habit.clone(),
                held: Held::Unchecked(stream),
            }) as Box<dyn Session>)
        }
        .boxed()
    }
}

#[derive(Debug)]
struct TcpSession {
    address: Address,
    habit: Arc<Habit>,
    held: Held,
}

/// The last connection, kept to notice its end.
#[derive(Debug)]
enum Held {
    /// It was opened with the session: the first check need not open another.
    Unchecked(Stream),
    Checked(Stream),
    /// It has ended, which was no news.
    Nothing,
    /// It has ended, which was news.
    Lost,
}

impl Session for TcpSession {
    fn check(&mut self) -> BoxFuture<'_, Result<Observation, Failure>> {
        async move {
            match std::mem::replace(&mut self.held, Held::Nothing) {
                Held::Unchecked(stream) => self.held = Held::Checked(stream),
                Held::Checked(mut earlier) => {
                    if drain(&mut earlier).now_or_never().is_none() {
                        self.habit.kept();
                    }
                    self.held = Held::Checked(net::connect(&self.address).await?);
                }
                Held::Nothing | Held::Lost => {
                    self.held = Held::Checked(net::connect(&self.address).await?);
                }
            }
            Ok(Observation::default())
        }
        .boxed()
    }

    fn lost(&mut self) -> BoxFuture<'_, ()> {
        async move {
            if let Held::Unchecked(stream) | Held::Checked(stream) = &mut self.held {
                drain(stream).await;
                self.held = if self.habit.ended() {
                    Held::Lost
                } else {
                    Held::Nothing
                };
            }
            if !matches!(self.held, Held::Lost) {
                std::future::pending::<()>().await;
            }
        }
        .boxed()
    }
}

/// Reads what the server says unasked, a banner perhaps, until the connection
/// ends. A server that never stops talking is left talking: past a bound
/// nothing more is read, and the end of the connection goes unnoticed.
async fn drain(stream: &mut Stream) {
    const BOUND: usize = 64 * 1024;
    let mut taken = 0;
    poll_fn(|cx| {
        // Here it takes no memory while nothing comes.
        let mut bytes = [0; 512];
        while taken < BOUND {
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer));
            match (read, buffer.filled().len()) {
                (Err(_), _) | (_, 0) => return Poll::Ready(()),
                (Ok(()), count) => taken += count,
            }
        }
        Poll::Pending
    })
    .await;
}
