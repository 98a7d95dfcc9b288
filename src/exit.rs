//! The exit codes that the outside relies on.
//!
//! Numbers and names follow `sysexits.h`; see the page `sysexits(3)`.

use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// A clean stop, or a command that did what it was asked.
    Success,
    /// `budgetd status`: the daemon answers and is not ready.
    NotReady,
    /// The command line makes no sense (clap's code, and the shell's).
    Usage,
    /// `EX_UNAVAILABLE`: a required dependency was not up by its deadline.
    Unavailable,
    /// `EX_SOFTWARE`: a monitor or the supervisor keeps breaking.
    Internal,
    /// `EX_OSERR`: the operating system refused something.
    OperatingSystem,
    /// `EX_CONFIG`: the configuration is invalid, the database's schema needs a
    /// newer program, or the service manager's watchdog is too impatient.
    Configuration,
    /// Stopped at once by a second signal: 128 + its number, as shells say it.
    Signal(u8),
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::NotReady => 1,
            Self::Usage => 2,
            Self::Unavailable => 69,
            Self::Internal => 70,
            Self::OperatingSystem => 71,
            Self::Configuration => 78,
            Self::Signal(number) => 128_u8.saturating_add(number),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_signal_ends_as_shells_know_it() {
        assert_eq!(Exit::Signal(15).code(), 143);
        assert_eq!(Exit::Signal(2).code(), 130);
        assert_eq!(
            Exit::Signal(255).code(),
            255,
            "no number wraps round to success"
        );
    }
}
