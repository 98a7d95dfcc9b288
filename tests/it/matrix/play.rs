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
    drain_delay: Duration,
    daemon: Option<Daemon>,
    pub(super) figures: Vec<Figure>,
    /// How often a living server failed a check because of the machine.
    pub(super) hiccups: usize,
}

mod moments;

impl<'a> Play<'a> {
    pub(super) async fn new(servers: &'a Servers, case: Case) -> Self {
        let effect = model::effect(case.dependency, case.fault).expect("the row makes sense");
        let drain_delay = match case.moment {
            Moment::Draining => bounds::drain_delay(effect),
            _ => Duration::ZERO,
        };
        Self {
            servers,
            case,
            effect,
            site: Site::new(servers, case.dependency, case.fault).await,
            drain_delay,
            daemon: None,
            figures: Vec::new(),
            hiccups: 0,
        }
    }

    /// What its daemon wrote, and the server, where it is the row's own.
    pub(super) fn log(&self) -> String {
        let daemon = self.daemon.as_ref().map(Daemon::everything);
        format!("{}\n{}", daemon.unwrap_or_default(), self.site.log())
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
        let mut options = DaemonOptions::default()
            .tokens()
            .config(config)
            .variable("SSL_CERT_FILE", &self.servers.root().display().to_string())
            .variable(
                "BUDGETD__LIFECYCLE__DRAIN_DELAY",
                &humantime::format_duration(self.drain_delay).to_string(),
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
    async fn goes_down(&mut self, nth: usize, since: Timestamp, phase: Phase) {
        let (case, bound) = (self.case, bounds::detection(self.effect));
        observe::transition(self.daemon(), case, (nth, "failing"), bound).await;
        observe::failing(self.daemon(), case, phase).await;
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
            is_certain: false,
        });
        self.site.heal().await;
        let case = self.case;
        observe::checked(self.daemon(), case, 5).await;
        self.see(Phase::Serving, UP).await;
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
        let code = self.daemon().exit_within(bound + bounds::allowance()).await;
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
