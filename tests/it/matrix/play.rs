//! One row, played from the start of a daemon to its end.

use std::time::Duration;

use jiff::Timestamp;
use rustix::process::Signal;

use super::axes::{Dependency, Fault, Moment};
use super::bounds;
use super::case::Case;
use super::load::Load;
use super::model::{self, Effect, Phase};
use super::observe::{self, Figure, between, written};
use super::servers::{Servers, Stand};
use super::site::Site;
use crate::support::{Daemon, DaemonOptions, FaultProxy, Mode};

const UP: Effect = Effect::Up { note: None };

/// A row on stage.
pub(super) struct Play<'a> {
    servers: &'a Servers,
    case: Case,
    effect: Effect,
    site: Site,
    daemon: Option<Daemon>,
    pub(super) figures: Vec<Figure>,
    /// How often a living server failed a check because of the machine.
    pub(super) hiccups: usize,
}

impl<'a> Play<'a> {
    pub(super) async fn new(servers: &'a Servers, case: Case) -> Self {
        let effect = model::effect(case.dependency, case.fault);
        Self {
            servers,
            case,
            effect: effect.expect("the row makes sense"),
            site: Site::new(servers, case.dependency, case.fault).await,
            daemon: None,
            figures: Vec::new(),
            hiccups: 0,
        }
    }

    /// What its daemon wrote.
    pub(super) fn log(&self) -> String {
        self.daemon
            .as_ref()
            .map_or_else(String::new, Daemon::everything)
    }

    /// # Panics
    ///
    /// When something is not as the model says.
    pub(super) async fn perform(&mut self) {
        let exit = match self.case.moment {
            Moment::BeforeStart => self.before_start().await,
            Moment::BeforeGate => self.before_gate().await,
            Moment::Idle => self.idle().await,
            Moment::UnderLoad => self.under_load().await,
            Moment::Draining => self.draining().await,
            Moment::Reloading => self.reloading().await,
            Moment::ReloadedTo => self.reloaded_to().await,
        };
        let story = model::story(self.case.moment, self.case.policy, self.effect);
        let case = self.case;
        self.hiccups = observe::story(self.daemon(), case, &story, exit);
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("it was started")
    }

    async fn before_start(&mut self) -> i32 {
        self.site.strike().await;
        let holds = model::gates(self.case.policy) && matches!(self.effect, Effect::Down(_));
        let deadline = bounds::deadline(self.effect);
        let more = match holds {
            true => deadline_of(deadline),
            false => String::new(),
        };
        let config = self.config(&self.site, &more);
        let spawned = Timestamp::now();
        self.start(&config).await;
        let began = observe::event(
            self.daemon(),
            "application_startup_begin",
            bounds::at_once(),
        );
        let began = written(&began.await);
        if holds {
            self.goes_down(0, began).await;
            self.see(Phase::Starting, self.effect).await;
            let (code, ended) = self.exits(deadline + bounds::exit()).await;
            let took = between(spawned, ended);
            assert!(took >= deadline, "it gave up after {took:?}");
            self.note("exit 69", took, deadline + bounds::exit());
            let failed = self.daemon().lines_of("application_failed");
            let error = failed[0]["error"].as_str().unwrap_or_default();
            for word in [self.case.dependency.name(), "startup_deadline", "tried"] {
                assert!(error.contains(word), "no {word:?} in {error}");
            }
            return code;
        }
        let opened = self.opens().await;
        self.note("gate open", between(began, opened), bounds::at_once());
        match self.effect {
            Effect::Down(_) => {
                self.goes_down(0, began).await;
                self.see(Phase::Serving, self.effect).await;
                self.comes_back(2, "ready", Phase::Serving).await;
            }
            Effect::Up { .. } => self.stays_up(Phase::Serving).await,
            Effect::Flaps => self.flaps().await,
        }
        self.stop().await
    }

    async fn before_gate(&mut self) -> i32 {
        let latch = self.latch().await;
        let policy = "policy = \"required\"";
        let config = self.config(&self.site, &latch_table(&latch, policy));
        self.start(&config).await;
        self.is_ready(Phase::Starting).await;
        let struck = self.strike().await;
        match self.effect {
            Effect::Down(_) => {
                self.goes_down(1, struck).await;
                self.see(Phase::Starting, self.effect).await;
                latch.set(Mode::Pass).await;
                self.latch_is_up().await;
                if model::gates(self.case.policy) {
                    // Nothing but the dependency holds the gate now.
                    let case = self.case;
                    observe::checked(self.daemon(), case, 3).await;
                    self.see(Phase::Starting, self.effect).await;
                    self.comes_back(3, "recovered", Phase::Serving).await;
                } else {
                    self.opens().await;
                    self.see(Phase::Serving, self.effect).await;
                    self.comes_back(3, "recovered", Phase::Serving).await;
                }
            }
            Effect::Up { .. } => {
                self.stays_up(Phase::Starting).await;
                latch.set(Mode::Pass).await;
                self.opens().await;
                self.see(Phase::Serving, UP).await;
            }
            Effect::Flaps => {
                latch.set(Mode::Pass).await;
                self.opens().await;
                self.flaps().await;
            }
        }
        self.stop().await
    }

    async fn idle(&mut self) -> i32 {
        self.serve("").await;
        self.strikes_and_ends().await;
        self.stop().await
    }

    async fn under_load(&mut self) -> i32 {
        let budget = self.budget();
        self.serve(&budget).await;
        let path = self.servers.summary();
        let load = Load::start(self.daemon(), &path);
        self.work_goes_on(&load).await;
        let struck = self.strike().await;
        match self.effect {
            Effect::Down(_) => {
                self.goes_down(1, struck).await;
                self.see(Phase::Serving, self.effect).await;
                load.settle(true);
                self.work_goes_on(&load).await;
                load.settle(false);
                self.comes_back(3, "recovered", Phase::Serving).await;
            }
            Effect::Up { .. } => {
                self.stays_up(Phase::Serving).await;
                self.work_goes_on(&load).await;
            }
            Effect::Flaps => self.flaps().await,
        }
        self.work_goes_on(&load).await;
        let figure = load.finish(self.case, self.effect).await;
        self.figures.push(figure);
        self.stop().await
    }

    async fn draining(&mut self) -> i32 {
        let delay = bounds::drain_delay(self.effect);
        self.serve("").await;
        let told = Timestamp::now();
        self.daemon().signal(Signal::TERM);
        observe::event(self.daemon(), "drain_begin", bounds::at_once()).await;
        self.see(Phase::Draining, UP).await;
        let struck = self.strike().await;
        match self.effect {
            Effect::Down(_) => {
                self.goes_down(1, struck).await;
                self.see(Phase::Draining, self.effect).await;
            }
            Effect::Up { .. } => {
                let case = self.case;
                observe::checked(self.daemon(), case, 3).await;
                self.see(Phase::Draining, UP).await;
            }
            Effect::Flaps => {
                let patience = bounds::flapping() + bounds::ALLOWANCE;
                observe::event(self.daemon(), "dependency_flapping", patience).await;
            }
        }
        let (code, ended) = self.exits(delay + bounds::exit()).await;
        let took = between(told, ended);
        assert!(took >= delay, "it served for only {took:?}");
        self.note("exit 0", took, delay + bounds::exit());
        code
    }

    async fn reloading(&mut self) -> i32 {
        self.serve("").await;
        let latch = self.latch().await;
        let table = latch_table(&latch, "policy = \"optional\"\nstartup_deadline = \"5m\"");
        let config = self.config(&self.site, &table);
        self.reload(&config);
        observe::until(self.daemon(), "the reload", bounds::at_once(), async |_| {
            (latch.accepted() > 0).then_some(())
        })
        .await;
        let struck = self.strike().await;
        if let Effect::Down(_) = self.effect {
            self.goes_down(1, struck).await;
            self.see(Phase::Serving, self.effect).await;
            assert!(self.daemon().lines_of("config_reloaded").is_empty());
        }
        latch.set(Mode::Pass).await;
        self.reloaded().await;
        match self.effect {
            Effect::Down(_) => {
                self.see(Phase::Serving, self.effect).await;
                self.comes_back(3, "recovered", Phase::Serving).await;
            }
            Effect::Up { .. } => self.stays_up(Phase::Serving).await,
            Effect::Flaps => self.flaps().await,
        }
        self.stop().await
    }

    async fn reloaded_to(&mut self) -> i32 {
        let (dependency, fault) = (self.case.dependency, self.case.fault);
        let before = Site::unharmed(self.servers, dependency, fault).await;
        let config = self.config(&before, "");
        self.start(&config).await;
        self.is_ready(Phase::Serving).await;
        self.site.strike().await;
        let deadline = bounds::deadline(self.effect);
        let config = self.config(&self.site, &deadline_of(deadline));
        self.reload(&config);
        let asked = Timestamp::now();
        if let Effect::Down(_) = self.effect {
            let failed = self.never_dips("config_reload_failed", deadline).await;
            let took = between(asked, written(&failed));
            self.note("reload given up", took, deadline + bounds::at_once());
            let problems = failed["problems"].as_str().unwrap_or_default();
            let name = self.case.dependency.name();
            assert!(problems.contains(name), "no {name} in {problems}");
            self.see(Phase::Serving, UP).await;
            self.site.heal().await;
            self.daemon().signal(Signal::HUP);
        }
        match self.effect {
            Effect::Flaps => {
                // It is up now and then, and so the reload goes through.
                observe::event(self.daemon(), "config_reloaded", deadline).await;
                self.flaps().await;
            }
            effect => {
                self.never_dips("config_reloaded", deadline).await;
                let under = match effect {
                    Effect::Down(_) => UP,
                    other => other,
                };
                self.see(Phase::Serving, under).await;
            }
        }
        drop(before);
        self.stop().await
    }

    /// The whole configuration file: the dependency at a site, and more.
    fn config(&self, site: &Site, more: &str) -> String {
        let (name, kind) = (self.case.dependency.name(), self.case.dependency.kind());
        let (url, policy) = (site.url(), self.case.policy);
        let settings = bounds::settings(self.effect);
        format!(
            "{settings}\n[dependencies.{name}]\nkind = \"{kind}\"\nurl = \"{url}\"\n\
             policy = \"{policy}\"\n{more}\n"
        )
    }

    /// A database to work with, where the dependency is not one itself.
    fn budget(&self) -> String {
        if self.case.dependency.is_database() {
            return String::new();
        }
        let port = self.servers.port(Dependency::Postgres, Stand::Well);
        format!(
            "[dependencies.database]\nurl = \"postgres://postgres@localhost:{port}/postgres\"\n\
             policy = \"optional\"\ninterval = \"2s\"\ntimeout = \"10s\"\n"
        )
    }

    async fn start(&mut self, config: &str) {
        let delay = match self.case.moment {
            Moment::Draining => bounds::drain_delay(self.effect),
            _ => Duration::ZERO,
        };
        let mut options = DaemonOptions::default()
            .tokens()
            .config(config)
            .variable("SSL_CERT_FILE", &self.servers.root().display().to_string())
            .variable(
                "BUDGETD__LIFECYCLE__DRAIN_DELAY",
                &humantime::format_duration(delay).to_string(),
            );
        if config.contains("[dependencies.database]") {
            options = options.unset("DATABASE_URL").unset("DATABASE_REQUIRED");
        }
        if self.case.dependency == Dependency::Redis {
            options = options.unset("REDIS_ENABLED");
        }
        if let Some(hosts) = self.site.hosts() {
            options = options.names(hosts);
        }
        let daemon = self.daemon.insert(options.start());
        daemon.open().await;
    }

    /// Starts the daemon where all is well and waits until it says so.
    async fn serve(&mut self, more: &str) {
        let config = self.config(&self.site, more);
        self.start(&config).await;
        self.is_ready(Phase::Serving).await;
    }

    async fn is_ready(&mut self, phase: Phase) {
        let case = self.case;
        observe::transition(self.daemon(), case, (0, "ready"), bounds::at_once()).await;
        if phase == Phase::Serving {
            self.opens().await;
        }
        self.see(phase, UP).await;
    }

    async fn opens(&mut self) -> Timestamp {
        let event = "application_startup_complete";
        written(&observe::event(self.daemon(), event, bounds::at_once() * 2).await)
    }

    async fn strike(&mut self) -> Timestamp {
        let began = Timestamp::now();
        self.site.strike().await;
        // Whoever stops cleanly takes a while.
        if self.case.fault == Fault::Stopped {
            Timestamp::now().max(began)
        } else {
            began
        }
    }

    /// The nth transition and the one after it say that it goes down.
    async fn goes_down(&mut self, nth: usize, since: Timestamp) {
        let (case, bound) = (self.case, bounds::detection(self.effect));
        observe::transition(self.daemon(), case, (nth, "failing"), bound).await;
        let down = observe::transition(self.daemon(), case, (nth + 1, "down"), bound).await;
        self.note("down", between(since, written(&down)), bound);
    }

    async fn comes_back(&mut self, nth: usize, how: &str, phase: Phase) {
        let case = self.case;
        let bound = bounds::recovery(self.effect, case.dependency, case.fault);
        self.site.heal().await;
        let healed = Timestamp::now();
        let up = observe::transition(self.daemon(), case, (nth, how), bound).await;
        self.note("up again", between(healed, written(&up)), bound);
        self.opens().await;
        self.see(phase, UP).await;
    }

    /// The fault is there, and nothing comes of it.
    async fn stays_up(&mut self, phase: Phase) {
        let (case, effect) = (self.case, self.effect);
        observe::checked(self.daemon(), case, 5).await;
        self.see(phase, effect).await;
        self.site.heal().await;
        observe::checked(self.daemon(), case, 3).await;
        self.see(phase, UP).await;
    }

    async fn flaps(&mut self) {
        let policy = self.case.policy;
        let began = Timestamp::now();
        let told = observe::flapping(self.daemon(), policy).await;
        // Up is only counted when a check meets it, and a busy machine makes few.
        let (took, bound) = (between(began, written(&told)), bounds::flapping());
        self.figures.push(Figure {
            what: "flapping",
            took,
            bound,
        });
        self.site.heal().await;
        let case = self.case;
        observe::checked(self.daemon(), case, 5).await;
        self.see(Phase::Serving, UP).await;
    }

    async fn strikes_and_ends(&mut self) {
        let struck = self.strike().await;
        match self.effect {
            Effect::Down(_) => {
                self.goes_down(1, struck).await;
                self.see(Phase::Serving, self.effect).await;
                self.comes_back(3, "recovered", Phase::Serving).await;
            }
            Effect::Up { .. } => self.stays_up(Phase::Serving).await,
            Effect::Flaps => self.flaps().await,
        }
    }

    async fn see(&mut self, phase: Phase, effect: Effect) {
        let case = self.case;
        observe::sight(self.daemon(), case, phase, effect).await;
    }

    fn reload(&mut self, config: &str) {
        let daemon = self.daemon();
        daemon.rewrite_config(config);
        daemon.signal(Signal::HUP);
    }

    async fn reloaded(&mut self) {
        observe::event(self.daemon(), "config_reloaded", bounds::at_once() * 2).await;
    }

    /// Waits for an event; until then readiness is 200 whenever it is asked.
    async fn never_dips(&mut self, event: &'static str, bound: Duration) -> serde_json::Value {
        observe::until(self.daemon(), event, bound, async |daemon| {
            let ready = daemon.get("/health/ready").await.expect("an answer");
            assert_eq!(ready.code, 200, "{}", ready.body);
            daemon.lines_of(event).into_iter().next()
        })
        .await
    }

    /// So many more requests are answered.
    async fn work_goes_on(&mut self, load: &Load) {
        let goal = load.count() + 10;
        observe::until(
            self.daemon(),
            "requests end",
            bounds::request() * 5,
            async |_| (load.count() >= goal).then_some(()),
        )
        .await;
    }

    async fn stop(&mut self) -> i32 {
        let told = Timestamp::now();
        self.daemon().signal(Signal::TERM);
        let (code, ended) = self.exits(bounds::exit()).await;
        self.note("exit 0", between(told, ended), bounds::exit());
        code
    }

    async fn exits(&mut self, bound: Duration) -> (i32, Timestamp) {
        let code = self.daemon().exit_within(bound + bounds::ALLOWANCE).await;
        (code, Timestamp::now())
    }

    fn note(&mut self, what: &'static str, took: Duration, bound: Duration) {
        self.figures.push(Figure::new(what, took, bound));
    }

    /// Something that is not up before it is let pass.
    async fn latch(&self) -> FaultProxy {
        let server = self.servers.port(Dependency::Http, Stand::Well);
        let latch = FaultProxy::in_front_of(server).await;
        latch.set(Mode::Stall).await;
        latch
    }

    async fn latch_is_up(&mut self) {
        observe::until(
            self.daemon(),
            "the latch is up",
            bounds::TIMEOUT * 2,
            async |daemon| {
                let latch = daemon.status_of("latch").await;
                (latch["status"] == "ok").then_some(())
            },
        )
        .await;
    }
}

fn latch_table(latch: &FaultProxy, more: &str) -> String {
    let port = latch.port();
    format!("[dependencies.latch]\nkind = \"http\"\nurl = \"http://localhost:{port}/\"\n{more}\n")
}

fn deadline_of(deadline: Duration) -> String {
    format!(
        "startup_deadline = \"{}\"\n",
        humantime::format_duration(deadline)
    )
}
