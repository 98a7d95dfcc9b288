//! SIGHUP: the configuration is read again, and taken over only when it holds
//! and what it names is up.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::plan_aside;
use super::schema::Coming;
use crate::config::{Config, HiddenChange, Loaded, Sources, hidden_changes};
use crate::supervisor::{Applied, Handle, Refused};
use crate::telemetry::Telemetry;

/// Reloads, one at a time.
#[derive(Debug)]
pub(super) struct Reloads<'a> {
    sources: Sources,
    /// What the process started with, for the keys that only a restart brings
    /// into force.
    started: Arc<Config>,
    /// What the last reload brought.
    loaded: Loaded,
    coming: Coming,
    telemetry: &'a Telemetry,
    /// Someone asked since the last one began.
    asked: bool,
    running: JoinSet<Outcome>,
}

/// How a reload ended: what was loaded and what it changed, or every problem.
pub(super) type Outcome = Result<(Loaded, Applied), Vec<String>>;

impl<'a> Reloads<'a> {
    pub(super) fn new(
        sources: Sources,
        started: Arc<Config>,
        loaded: Loaded,
        coming: Coming,
        telemetry: &'a Telemetry,
    ) -> Self {
        Self {
            sources,
            started,
            loaded,
            coming,
            telemetry,
            asked: false,
            running: JoinSet::new(),
        }
    }

    /// Asks for a reload; several that wait are one.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// Begins the reload that was asked for, unless one runs; answers whether
    /// one has begun.
    pub(super) fn begin(&mut self, supervisor: &Handle) -> bool {
        if !self.asked || !self.running.is_empty() {
            return false;
        }
        self.asked = false;
        let (sources, supervisor) = (self.sources.clone(), supervisor.clone());
        let coming = self.coming.clone();
        self.running.spawn(async move {
            let (loaded, graph) = plan_aside(sources).await?;
            let dependencies = loaded.config.dependencies.clone();
            coming.store(Some(Arc::new(loaded.config.clone())));
            let applied = supervisor.reload(dependencies, graph).await;
            match applied {
                Ok(applied) => Ok((loaded, applied)),
                Err(Refused(problems)) => Err(problems),
            }
        });
        true
    }

    /// The end of the one that runs; pending while none does.
    pub(super) async fn ended(&mut self) -> Option<Outcome> {
        match self.running.join_next().await {
            Some(Ok(outcome)) => Some(outcome),
            Some(Err(error)) => Some(Err(vec![format!("cannot reload: it broke: {error}")])),
            None => std::future::pending().await,
        }
    }

    /// Takes over what was loaded, tells of it, and answers with the new
    /// configuration.
    pub(super) fn finish(&mut self, outcome: Outcome) -> Option<Config> {
        self.coming.store(None);
        let (loaded, applied) = match outcome {
            Ok(reloaded) => reloaded,
            Err(problems) => {
                failed(&problems);
                return None;
            }
        };
        if let Err(error) = self.telemetry.set_level(&loaded.config.log.level) {
            tracing::warn!(event = "config_warning", "{error}");
        }
        let restart = needs_restart(&self.started, &loaded.config);
        let hidden = hidden_changes(&self.loaded, &loaded);
        reloaded(&applied, &restart, &hidden);
        for warning in &loaded.warnings {
            tracing::warn!(event = "config_warning", "{warning}");
        }
        let config = loaded.config.clone();
        self.loaded = loaded;
        Some(config)
    }
}

/// The keys that wait for a restart to come into force.
fn needs_restart(started: &Config, new: &Config) -> Vec<&'static str> {
    let keys = [
        ("api.listen", started.api.listen != new.api.listen),
        ("admin.listen", started.admin.listen != new.admin.listen),
        ("log.format", started.log.format != new.log.format),
        ("environment", started.environment != new.environment),
    ];
    keys.into_iter()
        .filter(|(_, changed)| *changed)
        .map(|(key, _)| key)
        .collect()
}

fn reloaded(applied: &Applied, restart: &[&str], hidden: &[HiddenChange]) {
    let list = |names: &[crate::dependency::Name]| {
        let names: Vec<&str> = names.iter().map(crate::dependency::Name::as_str).collect();
        Some(names.join(", ")).filter(|names| !names.is_empty())
    };
    let hidden: Vec<String> = hidden.iter().map(ToString::to_string).collect();
    let joined = |parts: String| Some(parts).filter(|parts| !parts.is_empty());
    tracing::info!(
        event = "config_reloaded",
        added = list(&applied.added),
        changed = list(&applied.changed),
        removed = list(&applied.removed),
        needs_restart = joined(restart.join(", ")),
        hidden = joined(hidden.join("; ")),
        "the new configuration is in force{}",
        if restart.is_empty() {
            String::new()
        } else {
            format!(", but {} needs a restart", restart.join(", "))
        }
    );
}

fn failed(problems: &[String]) {
    tracing::error!(
        event = "config_reload_failed",
        problems = problems.join("; "),
        "cannot reload the configuration, the old one stays in force: {}",
        problems.join("; ")
    );
}
