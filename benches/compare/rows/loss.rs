//! From a dependency's death to whoever watches it, and from its return.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep};

use crate::Effort;
use crate::clients::{self, PAUSE, chance, postgres_answers, redis_answers};
use crate::goal::Goal;
use crate::peers::{Beat, Check, Haproxy, Monit, Watcher, moment_of};
use crate::plot::Plot;
use crate::section::Section;
use crate::support::{Daemon, Postgres, Redis, client};
use crate::table::Table;
use crate::unit::{Unit, millis};

const CACHE: &str = "cache";
const DATABASE: &str = "database";
const BOTH: [&str; 2] = [CACHE, DATABASE];

const OURS: &str = "budgetd";
const BRISK: &str = "HAProxy, `inter 100ms`";
const DEFAULTS: &str = "HAProxy, its defaults";
const MONIT: &str = "monit, a cycle a second";
const LOOP: &str = "a loop that asks every second";
const NAMES: [&str; 5] = [OURS, BRISK, DEFAULTS, MONIT, LOOP];

/// Whoever takes seconds takes part in one of so many tries.
const SELDOM: usize = 10;

/// For each contestant, for each of both dependencies.
type Tries = [[Vec<f64>; 2]; 5];

/// Everyone watches the same two servers, which are killed and started again.
pub(crate) async fn measure(effort: Effort) -> Section {
    let mut redis = Redis::start().await;
    let mut database = Postgres::start().await;
    let slow = Slow::start(&redis, &database).await;
    let brisk = Haproxy::watching(watched(&redis, &database), "inter 100ms").await;
    let (mut lost, mut back) = (Tries::default(), Tries::default());
    for number in 0..effort.of(200, 2) {
        let slow = (number % SELDOM == 0).then_some(&slow);
        // One that has seen no loss yet: who closes session after session is
        // looked at less and less often.
        let daemon = clients::in_front_of(&database, &redis).serve().await;
        everyone(&daemon, &brisk, slow, true).await;
        chance().await;
        // Not in step with those who look once a second, or every other one.
        if slow.is_some() {
            sleep(Duration::from_millis(rand::random_range(0..2_000))).await;
        }
        let began = Instant::now();
        let (seen, (), ()) = tokio::join!(
            everyone(&daemon, &brisk, slow, false),
            redis.kill(),
            database.kill(),
        );
        note(&mut lost, seen, [began, began]);
        chance().await;
        let (redis_port, database_port) = (redis.port(), database.port());
        let (seen, up_redis, up_database, (), ()) = tokio::join!(
            everyone(&daemon, &brisk, slow, true),
            redis_answers(redis_port),
            postgres_answers(database_port),
            redis.restart_same_port(),
            database.restart_same_port(),
        );
        note(&mut back, seen, [up_redis, up_database]);
    }
    section(&lost, &back)
}

fn watched<'a>(redis: &Redis, database: &Postgres) -> [(&'a str, Check, u16); 2] {
    [
        (CACHE, Check::Redis, redis.port()),
        (DATABASE, Check::Postgres, database.port()),
    ]
}

/// Those who take seconds.
struct Slow {
    defaults: Haproxy,
    monit: Monit,
    beat: Beat,
}

impl Slow {
    async fn start(redis: &Redis, database: &Postgres) -> Self {
        let names = [
            (CACHE, "redis", redis.port()),
            (DATABASE, "pgsql", database.port()),
        ];
        Self {
            defaults: Haproxy::watching(watched(redis, database), "").await,
            monit: Monit::watching(&names).await,
            beat: Beat::default()
                .redis(CACHE, redis.port())
                .postgres(DATABASE, database.port()),
        }
    }
}

/// When each contestant says so of both; `None`: it takes no part.
type Seen = [Option<[Instant; 2]>; 5];

async fn everyone(daemon: &Daemon, brisk: &Haproxy, slow: Option<&Slow>, up: bool) -> Seen {
    let seldom = async {
        let slow = slow?;
        let pause = Duration::from_millis(10);
        Some(tokio::join!(
            both(&slow.defaults, pause, up),
            both(&slow.monit, pause, up),
            both(&slow.beat, pause, up),
        ))
    };
    let (ours, brisk, slow) =
        tokio::join!(both(daemon, PAUSE, up), both(brisk, PAUSE * 5, up), seldom,);
    let [defaults, monit, beat] = match slow {
        Some((defaults, monit, beat)) => [defaults, monit, beat].map(Some),
        None => [None; 3],
    };
    [Some(ours), Some(brisk), defaults, monit, beat]
}

async fn both(watcher: &impl Watcher, pause: Duration, up: bool) -> [Instant; 2] {
    let [cache, database] = BOTH.map(|name| moment_of(watcher, pause, name, up).boxed_local());
    tokio::join!(cache, database).into()
}

fn note(tries: &mut Tries, seen: Seen, since: [Instant; 2]) {
    for (tries, seen) in tries.iter_mut().zip(seen) {
        for ((tries, seen), since) in tries.iter_mut().zip(seen.into_iter().flatten()).zip(since) {
            tries.push(millis(seen.saturating_duration_since(since)));
        }
    }
}

impl Watcher for Daemon {
    /// As readiness tells it, over the admin listener.
    async fn says(&self, dependency: &str, up: bool) -> bool {
        let Ok(answer) = client::get(self.admin(), "/health/ready").await else {
            return false;
        };
        let status = &answer.json()["checks"][dependency]["status"];
        // `failing` still counts as up, and everything is new again only with
        // `ok`.
        if up {
            status == "ok"
        } else {
            status == "error"
        }
    }
}

fn section(lost: &Tries, back: &Tries) -> Section {
    let table = |what: &str, tries: &Tries, which: usize| {
        NAMES
            .into_iter()
            .zip(tries)
            .fold(Table::new(what, Unit::Milliseconds), |table, (name, of)| {
                table.with(name, of[which].iter().copied())
            })
    };
    let lost = [
        table("idle Redis killed → seen", lost, 0),
        table("idle Postgres killed → seen", lost, 1),
    ];
    let back = [
        table("killed Redis answers again → seen", back, 0),
        table("killed Postgres answers again → seen", back, 1),
    ];
    let mut goals = Vec::new();
    for (table, name) in lost.iter().zip(["Redis", "Postgres"]) {
        let p99 = table.ours().percentile(99);
        goals.push(Goal::below(
            format!("{name} lost: p99"),
            p99,
            250.0,
            Unit::Milliseconds,
        ));
        let times = table.of(DEFAULTS).median() / table.ours().median();
        let what = format!("{name} lost: median of HAProxy's defaults ÷ ours");
        goals.push(Goal::at_least(what, times, 10.0, Unit::Times));
    }
    for (table, name) in back.iter().zip(["Redis", "Postgres"]) {
        let p99 = table.ours().percentile(99);
        goals.push(Goal::below(
            format!("{name} back: p99"),
            p99,
            300.0,
            Unit::Milliseconds,
        ));
    }
    let [lost_redis, lost_database] = lost;
    let [back_redis, back_database] = back;
    Section {
        about: format!(
            "All contestants watch the same Redis and the same Postgres, which are killed with \
             SIGKILL at the same time and started again; default settings everywhere, if nothing \
             else is said. HAProxy speaks with both (`tcp-check` with PING, `pgsql-check`), so does \
             monit. A budgetd is new for every try: it holds back from a server that closes one \
             session after the other within a usual interval, as kills in such quick succession \
             make it seem. The others live through all tries. A loss counts from the signal, a return from the first answer that a client \
             gets that asks every millisecond. Whoever takes seconds takes part in every {SELDOM}th \
             try."
        ),
        goals,
        plots: vec![
            Plot::bars("loss", &lost_database),
            Plot::bars("return", &back_database),
        ],
        tables: vec![lost_redis, lost_database, back_redis, back_database],
        ..Section::default()
    }
}
