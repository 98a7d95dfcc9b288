//! The seven moments: what happens before, under and after a fault in each.

use jiff::Timestamp;
use rustix::process::Signal;

use super::{Play, UP, deadline_of, latch_table};
use crate::matrix::bounds;
use crate::matrix::load::Load;
use crate::matrix::model::{self, Effect, Phase};
use crate::matrix::observe::{self, between, written};
use crate::matrix::site::Site;
use crate::support::Mode;

impl Play<'_> {
    pub(super) async fn before_start(&mut self) -> i32 {
        self.site.strike().await;
        let holds = model::gates(self.case.policy) && matches!(self.effect, Effect::Down(_));
        let deadline = bounds::deadline(self.effect);
        let more = if holds {
            deadline_of(deadline)
        } else {
            String::new()
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
            self.goes_down(0, began, Phase::Starting).await;
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
                self.goes_down(0, began, Phase::Serving).await;
                self.see(Phase::Serving, self.effect).await;
                self.comes_back(2, "ready", Phase::Serving).await;
            }
            Effect::Up { .. } => self.stays_up(Phase::Serving).await,
            Effect::Flaps => self.flaps().await,
        }
        self.stop().await
    }

    pub(super) async fn before_gate(&mut self) -> i32 {
        let latch = self.latch().await;
        let policy = "policy = \"required\"";
        let config = self.config(&self.site, &latch_table(&latch, policy));
        self.start(&config).await;
        self.is_ready(Phase::Starting).await;
        let struck = self.strike().await;
        match self.effect {
            Effect::Down(_) => {
                self.goes_down(1, struck, Phase::Starting).await;
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

    pub(super) async fn idle(&mut self) -> i32 {
        self.serve("").await;
        self.strikes_and_ends().await;
        self.stop().await
    }

    pub(super) async fn under_load(&mut self) -> i32 {
        let budget = self.budget();
        self.serve(&budget).await;
        let path = self.servers.summary();
        let load = Load::start(self.daemon(), &path);
        self.work_goes_on(&load).await;
        let struck = self.strike().await;
        match self.effect {
            Effect::Down(_) => {
                self.goes_down(1, struck, Phase::Serving).await;
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

    pub(super) async fn draining(&mut self) -> i32 {
        let delay = self.drain_delay;
        self.serve("").await;
        let told = Timestamp::now();
        self.daemon().signal(Signal::TERM);
        observe::event(self.daemon(), "drain_begin", bounds::at_once()).await;
        self.see(Phase::Draining, UP).await;
        let struck = self.strike().await;
        match self.effect {
            Effect::Down(_) => {
                self.goes_down(1, struck, Phase::Draining).await;
                self.see(Phase::Draining, self.effect).await;
            }
            Effect::Up { .. } => {
                let case = self.case;
                observe::checked(self.daemon(), case, 3).await;
                self.see(Phase::Draining, UP).await;
            }
            Effect::Flaps => {
                let patience = bounds::flapping() + bounds::allowance();
                observe::event(self.daemon(), "dependency_flapping", patience).await;
            }
        }
        let (code, ended) = self.exits(delay + bounds::exit()).await;
        let took = between(told, ended);
        assert!(took >= delay, "it served for only {took:?}");
        self.note("exit 0", took, delay + bounds::exit());
        code
    }

    pub(super) async fn reloading(&mut self) -> i32 {
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
            self.goes_down(1, struck, Phase::Serving).await;
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

    pub(super) async fn reloaded_to(&mut self) -> i32 {
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

    pub(super) async fn strikes_and_ends(&mut self) {
        let struck = self.strike().await;
        match self.effect {
            Effect::Down(_) => {
                self.goes_down(1, struck, Phase::Serving).await;
                self.see(Phase::Serving, self.effect).await;
                self.comes_back(3, "recovered", Phase::Serving).await;
            }
            Effect::Up { .. } => self.stays_up(Phase::Serving).await,
            Effect::Flaps => self.flaps().await,
        }
    }
}
