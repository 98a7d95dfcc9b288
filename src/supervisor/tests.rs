//! The supervisor and its monitors, on paused time, against scripted probes.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::config::{Address, Checks};
use crate::dependency::{ErrorKind, Failure, Kind, Name, Observation, Policy};
use crate::health::{DependencyHealth, Published, Reader, Status};
use crate::probe::Session;

/// How a scripted server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Up,
    Fails(ErrorKind),
    Hangs,
    Panics,
    /// Open sessions answer, new ones are not let in.
    Full,
}

/// A server that a probe reaches by its port.
#[derive(Debug)]
struct Server {
    mode: Mutex<Mode>,
    lost: Notify,
    connects: AtomicU64,
    checks: AtomicU64,
}

#[derive(Debug, Default, Clone)]
struct Servers(Arc<Mutex<HashMap<u16, Arc<Server>>>>);

impl Servers {
    fn at(&self, port: u16) -> Arc<Server> {
        let mut servers = self.0.lock().unwrap();
        let server = || {
            Arc::new(Server {
                mode: Mutex::new(Mode::Up),
                lost: Notify::new(),
                connects: AtomicU64::new(0),
                checks: AtomicU64::new(0),
            })
        };
        servers.entry(port).or_insert_with(server).clone()
    }

    fn factory(&self) -> ProbeFactory {
        let servers = self.clone();
        Arc::new(move |_, target| match target {
            Target::Tcp(Address::Tcp { port, .. }) => Arc::new(Scripted(servers.at(*port))),
            other => panic!("{other} has no script"),
        })
    }
}

impl Server {
    fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// What a killed server does to its sessions.
    fn kill(&self) {
        self.set(Mode::Fails(ErrorKind::Refused));
        self.lost.notify_waiters();
    }

    fn checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }

    fn connects(&self) -> u64 {
        self.connects.load(Ordering::Relaxed)
    }

    async fn answer(&self) -> Result<(), Failure> {
        let mode = *self.mode.lock().unwrap();
        match mode {
            Mode::Up | Mode::Full => Ok(()),
            Mode::Fails(kind) => Err(Failure::new(kind, kind.as_str())),
            Mode::Hangs => std::future::pending().await,
            Mode::Panics => panic!("scripted"),
        }
    }
}

#[derive(Debug)]
struct Scripted(Arc<Server>);

struct ScriptedSession(Arc<Server>);

impl Probe for Scripted {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Session>, Failure>> {
        Box::pin(async {
            self.0.connects.fetch_add(1, Ordering::Relaxed);
            if *self.0.mode.lock().unwrap() == Mode::Full {
                return Err(Failure::new(ErrorKind::NotReady, "too many clients"));
            }
            self.0.answer().await?;
            let session: Box<dyn Session> = Box::new(ScriptedSession(self.0.clone()));
            Ok(session)
        })
    }
}

impl Session for ScriptedSession {
    fn check(&mut self) -> BoxFuture<'_, Result<Observation, Failure>> {
        Box::pin(async {
            self.0.checks.fetch_add(1, Ordering::Relaxed);
            self.0.answer().await?;
            Ok(Observation::default())
        })
    }

    fn lost(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.lost.notified())
    }
}

fn dependency(name: &str, port: u16, policy: Policy, needs: &[&str]) -> Dependency {
    Dependency {
        name: name.parse().unwrap(),
        kind: Kind::Tcp,
        policy,
        needs: needs.iter().map(|need| need.parse().unwrap()).collect(),
        target: Some(Target::Tcp(Address::Tcp {
            host: "scripted".into(),
            port,
        })),
        checks: Checks::default(),
    }
}

struct Rig {
    servers: Servers,
    handle: Handle,
    health: Reader,
    stop: CancellationToken,
    running: JoinHandle<Result<(), Fatal>>,
}

/// Starts a supervisor over `dependencies`; `prepare` sets the scene first.
fn start(dependencies: Vec<Dependency>, prepare: impl FnOnce(&Servers)) -> Rig {
    let servers = Servers::default();
    prepare(&servers);
    let graph = Graph::build(&dependencies).unwrap();
    let (supervisor, handle, health) =
        Supervisor::new(dependencies, &graph, servers.factory(), |_| Bytes::new());
    let stop = CancellationToken::new();
    // The test is the task set here: it ends with the runtime.
    #[allow(clippy::disallowed_methods)]
    let running = tokio::spawn(supervisor.run(stop.clone()));
    Rig {
        servers,
        handle,
        health,
        stop,
        running,
    }
}

impl Rig {
    async fn until(&mut self, name: &str, status: Status) -> Arc<DependencyHealth> {
        let wanted = |published: &health::Published| {
            let found = published.snapshot.dependencies.get(name);
            found.is_some_and(|health| health.status == status)
        };
        let waiting = self.health.wait_for(wanted);
        let published = timeout(Duration::from_mins(10), waiting).await;
        let published = published.unwrap_or_else(|_| panic!("{name} is never {status}"));
        published
            .unwrap()
            .snapshot
            .dependencies
            .get(name)
            .unwrap()
            .clone()
    }

    fn status(&self, name: &str) -> Status {
        self.health
            .current()
            .snapshot
            .dependencies
            .get(name)
            .unwrap()
            .status
    }

    fn reload(
        &self,
        dependencies: Vec<Dependency>,
    ) -> impl Future<Output = Result<Applied, Refused>> + use<> {
        let graph = Graph::build(&dependencies).unwrap();
        let handle = self.handle.clone();
        async move { handle.reload(dependencies, graph).await }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_sleeps_before_its_first_check() {
    let began = Instant::now();
    let names: Vec<String> = (0..50).map(|n| format!("d{n}")).collect();
    let dependencies = names
        .iter()
        .map(|name| dependency(name, 1, Policy::Required, &[]));
    let mut rig = start(dependencies.collect(), |_| {});
    rig.health
        .wait_for(|published| published.verdict.all_up)
        .await
        .unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn very_many_first_checks_are_spread() {
    let began = Instant::now();
    let names: Vec<String> = (0..1_100).map(|n| format!("d{n}")).collect();
    let dependencies = names
        .iter()
        .map(|name| dependency(name, 1, Policy::Optional, &[]));
    let mut rig = start(dependencies.collect(), |_| {});
    rig.until("d99", Status::Ok).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    rig.until("d1099", Status::Ok).await;
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_one_is_tried_fast_for_as_long_as_it_takes() {
    let mut rig = start(vec![dependency("a", 1, Policy::Optional, &[])], |servers| {
        servers.at(1).set(Mode::Fails(ErrorKind::Refused));
    });
    let down = rig.until("a", Status::Error).await;
    assert_eq!((down.failures, down.initialized), (3, false));

    tokio::time::advance(Duration::from_mins(5)).await;
    let before = rig.servers.at(1).connects();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) {
        rig.health.changed().await.unwrap();
    }
    let tries = rig.servers.at(1).connects() - before;
    assert!((90..=112).contains(&tries), "{tries} tries in 10 s");

    rig.servers.at(1).set(Mode::Up);
    let returned = Instant::now();
    rig.until("a", Status::Ok).await;
    assert!(
        returned.elapsed() <= Duration::from_millis(110),
        "one pass is enough at first"
    );
}

#[tokio::test(start_paused = true)]
async fn a_killed_server_is_down_after_three_looks() {
    let mut rig = start(vec![dependency("a", 1, Policy::Required, &[])], |_| {});
    rig.until("a", Status::Ok).await;
    tokio::time::advance(Duration::from_secs(2)).await;
    let began = Instant::now();
    rig.servers.at(1).kill();
    rig.until("a", Status::Failing).await;
    assert_eq!(
        began.elapsed(),
        Duration::ZERO,
        "the loss itself is the alarm"
    );
    let down = rig.until("a", Status::Error).await;
    assert!(
        began.elapsed() <= Duration::from_millis(230),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(down.failure.as_ref().unwrap().kind, ErrorKind::Refused);

    rig.servers.at(1).set(Mode::Up);
    let began = Instant::now();
    rig.until("a", Status::Ok).await;
    assert!(
        began.elapsed() <= Duration::from_millis(230),
        "two passes: {:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_closed_session_is_no_failure_when_a_new_one_answers() {
    let mut rig = start(vec![dependency("a", 1, Policy::Required, &[])], |_| {});
    rig.until("a", Status::Ok).await;
    let mut seen = rig.health.clone();
    rig.servers.at(1).lost.notify_waiters();
    let published = seen.changed().await.unwrap();
    let health = published.snapshot.dependencies.get("a").unwrap();
    assert_eq!(
        (health.status, health.failures, health.attempts),
        (Status::Ok, 0, 2)
    );
    assert_eq!(rig.servers.at(1).connects(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_server_is_down_within_the_documented_bound() {
    let mut rig = start(vec![dependency("a", 1, Policy::Required, &[])], |_| {});
    rig.until("a", Status::Ok).await;
    let checks = Checks::default();
    let began = Instant::now();
    rig.servers.at(1).set(Mode::Hangs);
    let down = rig.until("a", Status::Error).await;
    let bound = checks.interval + checks.fall * (checks.timeout + checks.fast_interval);
    assert!(began.elapsed() <= bound, "{:?}", began.elapsed());
    assert_eq!(down.failure.as_ref().unwrap().kind, ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_checked_while_it_lacks_something() {
    let chain = vec![
        dependency("c", 3, Policy::Optional, &["b"]),
        dependency("b", 2, Policy::Optional, &["a"]),
        dependency("a", 1, Policy::Optional, &[]),
    ];
    let mut rig = start(chain, |servers| {
        servers.at(1).set(Mode::Fails(ErrorKind::Refused));
    });
    rig.until("a", Status::Error).await;
    assert_eq!(rig.status("b"), Status::Blocked);
    let c = rig.until("c", Status::Blocked).await;
    assert_eq!(c.blocked_by.as_ref().unwrap().as_str(), "b");
    assert_eq!(
        rig.servers.at(2).connects() + rig.servers.at(3).connects(),
        0
    );

    rig.servers.at(1).set(Mode::Up);
    rig.until("a", Status::Ok).await;
    let began = Instant::now();
    rig.until("c", Status::Ok).await;
    assert_eq!(
        began.elapsed(),
        Duration::ZERO,
        "checked at once, and one pass is enough"
    );

    rig.servers.at(1).kill();
    rig.until("a", Status::Error).await;
    rig.until("c", Status::Blocked).await;
    let before = rig.servers.at(3).checks();
    tokio::time::advance(Duration::from_mins(1)).await;
    rig.handle.check_now(None);
    rig.health.changed().await.unwrap();
    assert_eq!(rig.servers.at(3).checks(), before);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_from_before_delays_no_return() {
    let mut patient = dependency("b", 2, Policy::Optional, &["a"]);
    patient.checks.timeout = Duration::from_hours(1);
    let base = dependency("a", 1, Policy::Optional, &[]);
    let mut rig = start(vec![base, patient], |_| {});
    rig.until("b", Status::Ok).await;
    rig.servers.at(2).set(Mode::Hangs);
    rig.servers.at(1).kill();
    rig.handle.check_now(None);
    rig.until("b", Status::Blocked).await;

    for port in [1, 2] {
        rig.servers.at(port).set(Mode::Up);
    }
    rig.until("a", Status::Ok).await;
    let began = Instant::now();
    rig.until("b", Status::Ok).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_start_deadline_ends_everything_with_the_last_error() {
    let began = Instant::now();
    let chain = vec![
        dependency("a", 1, Policy::Required, &[]),
        dependency("b", 2, Policy::Required, &["a"]),
        dependency("c", 3, Policy::Optional, &[]),
    ];
    let rig = start(chain, |servers| {
        servers.at(1).set(Mode::Fails(ErrorKind::Auth));
        servers.at(3).set(Mode::Fails(ErrorKind::Refused));
    });
    let fatal = rig.running.await.unwrap().unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(30));
    let text = fatal.to_string();
    assert!(
        text.starts_with(
            "cannot start: a was not up within its startup_deadline of 30s: auth (tried "
        ),
        "{text}"
    );
    assert!(text.ends_with(ErrorKind::Auth.hint(Kind::Tcp)), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_before_the_first_turn_spends_no_deadline() {
    let only = vec![dependency("a", 1, Policy::Required, &[])];
    let mut rig = start(only, |_| {});
    // The task of the supervisor has not run yet.
    tokio::time::advance(Duration::from_mins(10)).await;
    rig.until("a", Status::Ok).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_deadline_pauses_while_blocked_and_ends_with_the_gate() {
    let chain = vec![
        dependency("a", 1, Policy::Required, &[]),
        dependency("b", 2, Policy::Required, &["a"]),
    ];
    let mut patient = chain.clone();
    patient[0].checks.startup_deadline = None;
    let began = Instant::now();
    let mut rig = start(patient, |servers| {
        servers.at(1).set(Mode::Fails(ErrorKind::Refused));
        servers.at(2).set(Mode::Hangs);
    });
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert!(
        !rig.running.is_finished(),
        "b waits for a and its clock stands"
    );
    rig.servers.at(1).set(Mode::Up);
    rig.until("a", Status::Ok).await;
    let fatal = rig.running.await.unwrap().unwrap_err();
    assert!(began.elapsed() >= Duration::from_secs(150));
    assert!(matches!(fatal, Fatal::StartupDeadline { health, .. } if health.name.as_str() == "b"));

    let mut rig = start(chain, |_| {});
    rig.until("b", Status::Ok).await;
    rig.servers.at(1).kill();
    rig.until("a", Status::Error).await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert!(
        !rig.running.is_finished(),
        "after the gate opened there is no deadline"
    );
}

#[tokio::test(start_paused = true)]
async fn a_broken_monitor_is_replaced_and_too_many_end_the_process() {
    let mut rig = start(
        vec![
            dependency("a", 1, Policy::Optional, &[]),
            dependency("b", 2, Policy::Optional, &[]),
        ],
        |_| {},
    );
    rig.until("a", Status::Ok).await;
    rig.servers.at(1).set(Mode::Panics);
    rig.until("a", Status::Failing).await;
    rig.servers.at(1).set(Mode::Up);
    rig.until("a", Status::Ok).await;
    assert_eq!(rig.status("b"), Status::Ok);

    rig.servers.at(1).set(Mode::Panics);
    let fatal = rig.running.await.unwrap().unwrap_err();
    let text = fatal.to_string();
    assert!(text.contains("monitor of a was replaced 5 times"), "{text}");
    assert!(text.contains("it panicked: scripted"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_hints_makes_one_look_each_fast_interval() {
    let mut rig = start(vec![dependency("a", 1, Policy::Required, &[])], |_| {});
    let a = rig.until("a", Status::Ok).await.name.clone();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let attempts =
        |published: &Published| published.snapshot.dependencies.get("a").unwrap().attempts;
    let (before, attempted) = (
        rig.servers.at(1).connects(),
        attempts(&rig.health.current()),
    );
    for _ in 0..1_000 {
        rig.handle.hint(&a);
    }
    let looked = rig
        .health
        .wait_for(|published| attempts(published) > attempted);
    assert_eq!(attempts(&looked.await.unwrap()), attempted + 1);
    assert_eq!(
        rig.servers.at(1).connects(),
        before + 1,
        "over a new session"
    );
}

#[tokio::test(start_paused = true)]
async fn hints_never_hurry_what_is_down_but_people_do() {
    let mut rig = start(vec![dependency("a", 1, Policy::Optional, &[])], |servers| {
        servers.at(1).set(Mode::Fails(ErrorKind::Auth));
    });
    let a = rig.until("a", Status::Error).await.name.clone();
    let before = rig.servers.at(1).connects();
    let began = Instant::now();
    rig.handle.hint(&a);
    rig.health.changed().await.unwrap();
    assert!(
        began.elapsed() > Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );

    let began = Instant::now();
    rig.handle.check_now(Some(a));
    rig.health.changed().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(rig.servers.at(1).connects(), before + 2);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_renewed_each_minute_and_a_failed_renewal_is_a_note() {
    let mut rig = start(vec![dependency("a", 1, Policy::Required, &[])], |_| {});
    rig.until("a", Status::Ok).await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    let renewed = rig.servers.at(1).connects();
    assert!(
        (6..=9).contains(&renewed),
        "{renewed} sessions in 5 minutes"
    );

    rig.servers.at(1).set(Mode::Full);
    tokio::time::sleep(Duration::from_mins(1)).await;
    let noted = rig.until("a", Status::Ok).await;
    assert_eq!(
        noted.note.as_deref(),
        Some("a fresh session failed: too many clients")
    );
    assert_eq!(noted.failures, 0);

    rig.servers.at(1).set(Mode::Up);
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(rig.until("a", Status::Ok).await.note, None);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_renewed_in_time_whatever_the_interval() {
    for interval in [20, 25, 35, 45, 59] {
        let mut patient = dependency("a", 1, Policy::Required, &[]);
        patient.checks.interval = Duration::from_secs(interval);
        let mut rig = start(vec![patient], |_| {});
        rig.until("a", Status::Ok).await;
        for minute in 1..=20 {
            let before = rig.servers.at(1).connects();
            tokio::time::sleep(Duration::from_mins(1)).await;
            let after = rig.servers.at(1).connects();
            assert!(after > before, "every {interval} s: minute {minute}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_is_unchanged_and_swaps_what_is_up() {
    let old = vec![
        dependency("a", 1, Policy::Required, &[]),
        dependency("b", 2, Policy::Optional, &[]),
        dependency("gone", 3, Policy::Optional, &[]),
    ];
    let mut rig = start(old, |_| {});
    rig.health
        .wait_for(|published| published.verdict.all_up)
        .await
        .unwrap();
    let since = rig.until("a", Status::Ok).await.since;

    let mut new = vec![
        dependency("a", 1, Policy::Required, &[]),
        dependency("b", 4, Policy::Required, &["a"]),
        dependency("c", 5, Policy::Optional, &["b"]),
    ];
    new[0].checks.interval = Duration::from_secs(1);
    rig.servers.at(4).set(Mode::Hangs);
    let reload = rig.reload(new);
    tokio::pin!(reload);
    tokio::select! {
        outcome = &mut reload => panic!("swapped too early: {outcome:?}"),
        () = tokio::time::sleep(Duration::from_secs(10)) => {}
    }
    let during = rig.health.current();
    assert!(during.verdict.all_up && during.snapshot.dependencies.get("gone").is_some());

    rig.servers.at(4).set(Mode::Up);
    let applied = reload.await.unwrap();
    let names = |names: &[Name]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&applied.added), ["c"]);
    assert_eq!(names(&applied.changed), ["a", "b"]);
    assert_eq!(names(&applied.removed), ["gone"]);
    let after = rig
        .health
        .wait_for(|published| published.snapshot.dependencies.get("c").is_some())
        .await
        .unwrap();
    assert!(after.verdict.all_up);
    assert_eq!(
        after.snapshot.dependencies.get("a").unwrap().since,
        since,
        "its session went on"
    );
    assert_eq!(rig.servers.at(1).connects(), 1);
    assert!(after.snapshot.dependencies.get("gone").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_does_not_come_up_leaves_everything() {
    let old = vec![
        dependency("a", 1, Policy::Required, &[]),
        dependency("b", 2, Policy::Optional, &[]),
    ];
    let mut rig = start(old.clone(), |servers| {
        servers.at(2).set(Mode::Fails(ErrorKind::Refused));
    });
    rig.until("b", Status::Error).await;

    let mut wrong = old.clone();
    wrong[0] = dependency("a", 9, Policy::Required, &[]);
    rig.servers.at(9).set(Mode::Fails(ErrorKind::Auth));
    let began = Instant::now();
    let refused = rig.reload(wrong).await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(30));
    assert_eq!(
        refused.0,
        ["a (tcp://scripted:9) was not up within 30s: auth"]
    );
    assert_eq!(rig.status("a"), Status::Ok);

    let mut newly_required = old.clone();
    newly_required[1].policy = Policy::Required;
    let refused = rig.reload(newly_required.clone()).await.unwrap_err();
    assert!(
        refused.0[0].starts_with("b (tcp://scripted:2)"),
        "{refused}"
    );

    rig.servers.at(2).set(Mode::Up);
    rig.reload(newly_required).await.unwrap();
    let after = rig.health.current();
    assert_eq!(
        after.snapshot.dependencies.get("b").unwrap().policy,
        Policy::Required
    );
}

#[tokio::test(start_paused = true)]
async fn a_reload_ends_even_where_a_start_would_wait_for_ever() {
    let old = vec![dependency("a", 1, Policy::Required, &[])];
    let mut rig = start(old.clone(), |_| {});
    rig.until("a", Status::Ok).await;
    let mut unreachable = dependency("a", 9, Policy::Required, &[]);
    unreachable.checks.startup_deadline = None;
    rig.servers.at(9).set(Mode::Hangs);
    let reload = timeout(Duration::from_mins(10), rig.reload(vec![unreachable])).await;
    assert!(reload.expect("it ends").is_err());
    rig.reload(old).await.unwrap();
    assert_eq!(rig.status("a"), Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_need_that_is_down_is_waited_for_before_an_edge_is_drawn() {
    let old = vec![
        dependency("a", 1, Policy::Required, &[]),
        dependency("b", 2, Policy::Optional, &[]),
    ];
    let mut rig = start(old.clone(), |servers| {
        servers.at(2).set(Mode::Fails(ErrorKind::Refused));
    });
    rig.until("b", Status::Error).await;
    rig.until("a", Status::Ok).await;
    let mut new = old;
    new[0].policy = Policy::Optional;
    new[0].needs = vec!["b".parse().unwrap()];
    let refused = rig.reload(new).await.unwrap_err();
    assert!(refused.0[0].starts_with("b "), "{refused}");
    assert_eq!(rig.status("a"), Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn stopping_closes_everything_even_in_the_middle_of_a_check() {
    let mut rig = start(
        vec![
            dependency("a", 1, Policy::Required, &[]),
            dependency("b", 2, Policy::Optional, &["a"]),
            dependency("c", 3, Policy::Optional, &[]),
        ],
        |servers| servers.at(3).set(Mode::Hangs),
    );
    rig.until("b", Status::Ok).await;
    let began = Instant::now();
    rig.stop.cancel();
    rig.running.await.unwrap().unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(
        rig.health.changed().await.is_err(),
        "readers learn that nobody writes any more"
    );
}
