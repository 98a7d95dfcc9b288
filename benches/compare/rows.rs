//! The sections, each of which answers one question.

use crate::Effort;
use crate::section::Section;

mod back;
mod bulk;
mod calm;
mod loss;
mod memory;
mod poll;
mod start;
mod stop;
mod summary;
mod watching;

/// In the order of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    Poll,
    Connect,
    Loss,
    Calm,
    Back,
    Start,
    Watching,
    Summary,
    Bulk,
    Stop,
    Memory,
}

impl Row {
    pub(crate) const ALL: [Self; 11] = [
        Self::Poll,
        Self::Connect,
        Self::Loss,
        Self::Calm,
        Self::Back,
        Self::Start,
        Self::Watching,
        Self::Summary,
        Self::Bulk,
        Self::Stop,
        Self::Memory,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Connect => "connect",
            Self::Loss => "loss",
            Self::Calm => "calm",
            Self::Back => "back",
            Self::Start => "start",
            Self::Watching => "watching",
            Self::Summary => "summary",
            Self::Bulk => "bulk",
            Self::Stop => "stop",
            Self::Memory => "memory",
        }
    }

    pub(crate) async fn measure(self, effort: Effort) -> Section {
        match self {
            Self::Poll => poll::kept_alive(effort).await,
            Self::Connect => poll::one_connection_each(effort).await,
            Self::Loss => loss::measure(effort).await,
            Self::Calm => calm::measure(effort).await,
            Self::Back => back::measure(effort).await,
            Self::Start => start::measure(effort).await,
            Self::Watching => watching::measure(effort).await,
            Self::Summary => summary::measure(effort).await,
            Self::Bulk => bulk::measure(effort).await,
            Self::Stop => stop::measure(effort).await,
            Self::Memory => memory::measure(effort).await,
        }
    }
}

/// The sections that were named, in the order of the document.
pub(crate) fn chosen(named: &[&str]) -> Result<Vec<Row>, String> {
    let known = Row::ALL.map(Row::name);
    if let Some(unknown) = named.iter().find(|name| !known.contains(name)) {
        let known = known.join(", ");
        return Err(format!("cannot measure {unknown}: there are {known}"));
    }
    let wanted = |row: &Row| {
        if named.is_empty() {
            *row != Row::Calm
        } else {
            named.contains(&row.name())
        }
    };
    Ok(Row::ALL.into_iter().filter(wanted).collect())
}
