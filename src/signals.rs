//! The signals that the daemon understands.

use std::collections::VecDeque;
use std::io;

use futures_util::StreamExt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Stop gracefully, after the drain delay.
    Terminate,
    /// Stop gracefully, without the drain delay.
    Interrupt,
    /// Read the configuration files again.
    Hangup,
    /// Check everything now and log the state.
    User1,
}

impl Signal {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::Hangup => "SIGHUP",
            Self::User1 => "SIGUSR1",
        }
    }

    /// The number that a shell adds to 128, of a signal that stops.
    pub fn number(self) -> u8 {
        match self {
            Self::Hangup => 1,
            Self::Interrupt => 2,
            Self::User1 => 10,
            Self::Terminate => 15,
        }
    }

    pub fn stops(self) -> bool {
        matches!(self, Self::Terminate | Self::Interrupt)
    }
}

/// The signals that arrive, in order.
#[derive(Debug)]
pub struct Signals {
    arriving: mpsc::UnboundedReceiver<Signal>,
    /// Those that arrived while only a stop was waited for.
    kept: VecDeque<Signal>,
    /// The task that passes them on; it ends with this.
    _passing_on: JoinSet<()>,
}

impl Signals {
    /// Installs the handlers. From here on no signal ends the process by
    /// itself.
    ///
    /// Equal signals merge while their reader is busy, so the task that reads
    /// them does nothing but pass them on.
    pub fn install() -> io::Result<Self> {
        let mut raised = signal_hook_tokio::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
        let (sender, arriving) = mpsc::unbounded_channel();
        let mut passing_on = JoinSet::new();
        passing_on.spawn(async move {
            while let Some(number) = raised.next().await {
                let signal = match number {
                    SIGTERM => Signal::Terminate,
                    SIGINT => Signal::Interrupt,
                    SIGHUP => Signal::Hangup,
                    _ => Signal::User1,
                };
                if sender.send(signal).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            arriving,
            kept: VecDeque::new(),
            _passing_on: passing_on,
        })
    }

    /// The next signal that asks to stop, while nothing else can be honoured
    /// yet: the others are kept for [`Signals::next`].
    pub async fn next_stop(&mut self) -> Signal {
        loop {
            let signal = self.arrival().await;
            if signal.stops() {
                return signal;
            }
            self.kept.push_back(signal);
        }
    }

    /// The next signal; never resolves once the handlers are gone.
    pub async fn next(&mut self) -> Signal {
        match self.kept.pop_front() {
            Some(signal) => signal,
            None => self.arrival().await,
        }
    }

    async fn arrival(&mut self) -> Signal {
        match self.arriving.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_those_of_the_operating_system() {
        for (signal, name, number) in [
            (Signal::Hangup, "SIGHUP", rustix::process::Signal::HUP),
            (Signal::Interrupt, "SIGINT", rustix::process::Signal::INT),
            (Signal::User1, "SIGUSR1", rustix::process::Signal::USR1),
            (Signal::Terminate, "SIGTERM", rustix::process::Signal::TERM),
        ] {
            assert_eq!(signal.as_str(), name);
            assert_eq!(i32::from(signal.number()), number.as_raw());
        }
    }
}
