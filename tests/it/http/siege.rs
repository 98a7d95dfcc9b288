//! Thousands of connections of ill will at once, each of them as patient as
//! the server lets it be, and the honest ones among them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{codes, sample};
use crate::support::caller::{Caller, claims, sign};
use crate::support::{Daemon, DaemonOptions, PATIENCE, Postgres, wait};

/// Connections of ill will that are open at once.
const HOSTILE: usize = 5_000;

/// A number that is counted as a fraction is above it when all are open.
const ALL: f64 = 4_999.5;

/// Readiness is asked for so often at least while they are.
const POLLS: usize = 400;

/// No poll may take longer once the crowd is there, on a machine that does
/// nothing else.
const BOUND: Duration = Duration::from_millis(50);

/// What the process may hold resident at any time, in KiB.
const MEMORY: u64 = 150 * 1024;

/// How someone is a nuisance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Connects, and says nothing.
    Silent,
    /// A head that never ends.
    SlowHead,
    /// The same of almost the largest size.
    LargeHead,
    /// A token that is good, and a body of almost the largest size, or a chunk
    /// of that size, that comes byte by byte.
    SlowBody,
    /// Asks for the largest pages there are, and reads nothing.
    SlowReader,
    /// Was answered once, and stays.
    Lingering,
}

/// A crowd of all kinds: one in ten is allowed to write, as many as fifty
/// stolen tokens let send bodies at once.
const MIXED: [Manner; 10] = [
    Manner::Silent,
    Manner::SlowHead,
    Manner::SlowReader,
    Manner::Lingering,
    Manner::LargeHead,
    Manner::SlowHead,
    Manner::SlowReader,
    Manner::Lingering,
    Manner::SlowHead,
    Manner::SlowBody,
];

impl Manner {
    /// What is said first, by the one with this number.
    fn opening(self, number: usize) -> Vec<u8> {
        let token = || {
            // Each is someone else: no rate of one user limits them.
            let user = format!("00000000-0000-4000-8000-{number:012x}");
            sign(&claims(&user, "planner"))
        };
        let post = "POST /api/v1/budget-versions HTTP/1.1\r\nhost: t\r\n";
        match self {
            Self::Silent => String::new(),
            Self::SlowHead => format!("GET / HTTP/1.1\r\nhost: t\r\nx: {}", "y".repeat(1_000)),
            Self::LargeHead => {
                let line = format!("x: {}\r\n", "y".repeat(1_000));
                format!("GET / HTTP/1.1\r\nhost: t\r\n{}z: ", line.repeat(29))
            }
            Self::SlowBody => {
                let body = if number % 20 < 10 {
                    "content-length: 1000000\r\n\r\n{"
                } else {
                    "transfer-encoding: chunked\r\n\r\nfff00\r\n{"
                };
                format!("{post}authorization: Bearer {}\r\n{body}", token())
            }
            Self::SlowReader => {
                let page = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: t\r\n\r\n";
                page.repeat(20)
            }
            Self::Lingering => "GET /health HTTP/1.1\r\nhost: t\r\n\r\n".to_owned(),
        }
        .into_bytes()
    }

    /// Whether one byte more changes nothing but that it has come.
    fn trickles(self) -> bool {
        matches!(self, Self::SlowHead | Self::LargeHead | Self::SlowBody)
    }
}

/// Someone of ill will.
struct Nuisance {
    manner: Manner,
    stream: TcpStream,
}

impl Nuisance {
    async fn begin(port: u16, manner: Manner, number: usize) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if manner == Manner::SlowReader {
            socket.set_recv_buffer_size(2_048).unwrap();
        }
        let address = ([127, 0, 0, 1], port).into();
        let mut stream = socket.connect(address).await.unwrap();
        // Whoever is refused at once has had his answer.
        let _ = stream.write_all(&manner.opening(number)).await;
        Self { manner, stream }
    }
}

async fn besiege(port: u16, manners: &[Manner]) -> Vec<Nuisance> {
    let mut besiegers = Vec::with_capacity(HOSTILE);
    let mut numbers = 0..HOSTILE;
    loop {
        let batch: JoinSet<Nuisance> = numbers
            .by_ref()
            .take(100)
            .map(|number| Nuisance::begin(port, manners[number % manners.len()], number))
            .collect();
        if batch.is_empty() {
            return besiegers;
        }
        besiegers.extend(batch.join_all().await);
    }
}

/// The most that was resident at any time, in KiB.
fn highest_memory(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let height = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = height.unwrap().split_whitespace().next().unwrap();
    number.parse().unwrap()
}

/// How readiness is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// One connection that stays.
    Kept,
    /// A new connection for each poll.
    New,
}

/// How long each poll of readiness took, in order: as many as there were until
/// all was `done`, but at `least` so many. Each must be a 200.
async fn poll(daemon: &Daemon, over: Over, least: usize, done: &AtomicBool) -> Vec<Duration> {
    const REQUEST: &[u8] = b"GET /health/ready HTTP/1.1\r\nhost: t\r\n\r\n";

    let mut kept = TcpStream::connect(("127.0.0.1", daemon.api()))
        .await
        .unwrap();
    let mut took = Vec::with_capacity(POLLS);
    while took.len() < least || !done.load(Relaxed) {
        let began = Instant::now();
        if over == Over::New {
            let answer = daemon.get("/health/ready").await.unwrap();
            assert_eq!(answer.code, 200, "{}", answer.body);
        } else {
            let mut answer = vec![0; 4096];
            kept.write_all(REQUEST).await.unwrap();
            let length = kept.read(&mut answer).await.unwrap();
            let text = String::from_utf8_lossy(&answer[..length]);
            assert_eq!(codes(&text), ["200"], "{text}");
        }
        took.push(began.elapsed());
        sleep(Duration::from_millis(2)).await;
    }
    took.sort();
    took
}

/// What a siege has come to.
#[derive(Debug)]
struct Report {
    /// How long polls of readiness took while the crowd was coming, over a
    /// connection that was there before and over new ones.
    kept: Vec<Duration>,
    new: Vec<Duration>,
    /// The same once it was there, of both together.
    polls: Vec<Duration>,
    /// Resident memory at its height, in KiB.
    highest: u64,
    /// How many connections were open at the end of it.
    open: f64,
}

/// Of times in order.
fn median(polls: &[Duration]) -> Duration {
    polls[polls.len() / 2]
}

/// The same.
fn longest(polls: &[Duration]) -> Duration {
    polls[polls.len() - 1]
}

impl Report {
    /// What is kept on a machine that is busy with other things, too: there,
    /// the longest poll says little. While the crowd comes, each poll is
    /// answered; how soon is only told.
    fn assert_nobody_is_stopped(&self) {
        assert!(median(&self.polls) < BOUND, "{self}");
        assert!(self.highest < MEMORY, "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} connections open; readiness: ", self.open)?;
        let phases = [
            ("over the old connection while they came", &self.kept),
            ("over new ones", &self.new),
            ("then", &self.polls),
        ];
        for (when, polls) in phases {
            let (count, median, longest) = (polls.len(), median(polls), longest(polls));
            write!(
                f,
                "{when} {count} times, median {median:?}, longest {longest:?}; "
            )?;
        }
        write!(f, "resident at most {} KiB", self.highest)
    }
}

async fn seats(daemon: &Daemon) -> f64 {
    let metrics = daemon.ask("/metrics").await.body;
    sample(&metrics, "budgetd_http_connections{listener=\"api\"}")
}

/// Lays siege to a daemon, and tells what became of the honest meanwhile.
async fn siege(manners: &[Manner]) -> Report {
    // Both ends of each connection are files of this machine.
    budgetd::http::file_limit::raise(HOSTILE).expect("enough files for a siege");
    let database = Postgres::start().await;
    let mut daemon = DaemonOptions::default()
        .database(&database.url())
        .tokens()
        // With all the patience that can be had, nobody is cut before the end,
        // and a database on a busy machine is not lost.
        .config(
            "[api]\nheader_timeout = '5m'\nrequest_timeout = '10m'\nbody_idle_timeout = '10m'\n\
             keep_alive_timeout = '10m'\n\
             [checks]\nconnect_timeout = '30s'\ntimeout = '30s'",
        )
        .serve()
        .await;
    let all_came = AtomicBool::new(false);
    let kept = poll(&daemon, Over::Kept, 1, &all_came);
    let new = poll(&daemon, Over::New, 1, &all_came);
    let (kept, new, mut besiegers) = tokio::join!(kept, new, async {
        let besiegers = besiege(daemon.api(), manners).await;
        // Those that the kernel keeps waiting have no seat yet.
        let mut last = 0.0;
        wait::until("all who get a seat have it", PATIENCE, async || {
            sleep(Duration::from_millis(100)).await;
            let now = seats(&daemon).await;
            // Whoever polls comes and goes.
            let settled = now > 0.0 && (now - last).abs() < 1.5;
            last = now;
            settled.then_some(())
        })
        .await;
        all_came.store(true, Relaxed);
        besiegers
    });

    let honest = async {
        let planner = Caller::new(&daemon, "planner");
        for year in 2026..2046 {
            planner.create("Budget", year).await;
            assert_eq!(planner.get("/budget-versions").await.code, 200);
        }
    };
    let trickle = async {
        loop {
            for (number, besieger) in besiegers.iter_mut().enumerate() {
                if besieger.manner.trickles() {
                    // Whoever has been cut is counted at the end.
                    let _ = besieger.stream.write_all(b"x").await;
                }
                if number % 50 == 0 {
                    sleep(Duration::from_millis(5)).await;
                }
            }
        }
    };
    let polls = tokio::select! {
        (kept, new, ()) = async {
            let kept = poll(&daemon, Over::Kept, POLLS / 2, &all_came);
            let new = poll(&daemon, Over::New, POLLS / 2, &all_came);
            tokio::join!(kept, new, honest)
        } => [kept, new],
        () = trickle => unreachable!("it goes on and on"),
    };
    let mut polls = polls.concat();
    polls.sort();
    let open = seats(&daemon).await;
    let highest = highest_memory(&daemon);

    drop(besiegers);
    wait::until("the siege is over", PATIENCE, async || {
        (seats(&daemon).await < 1.5).then_some(())
    })
    .await;
    daemon.signal(rustix::process::Signal::INT);
    assert_eq!(daemon.exit().await, 0);
    Report {
        kept,
        new,
        polls,
        highest,
        open,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_hostile_connections_stop_nobody() {
    let report = siege(&MIXED).await;
    println!("{report}");
    report.assert_nobody_is_stopped();
    assert!(report.open > ALL, "some were cut: {report}");
}

/// On a machine that does nothing else, where the longest poll says something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures time: needs a quiet machine"]
async fn five_thousand_hostile_connections_delay_nobody() {
    let report = siege(&MIXED).await;
    println!("{report}");
    report.assert_nobody_is_stopped();
    assert!(longest(&report.polls) < BOUND, "{report}");
    assert!(report.open > ALL, "some were cut: {report}");
}

/// No head is larger than what is allowed, but all of them together are:
/// those beyond what there is for them are refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_large_heads_are_too_many() {
    let report = siege(&[Manner::LargeHead]).await;
    println!("{report}");
    report.assert_nobody_is_stopped();
    assert!((500.0..1_500.0).contains(&report.open), "{report}");
}

/// The same of bodies, each sent by someone who may send it: half of the
/// places where bodies are waited for can be taken by slow ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_slow_bodies_are_too_many() {
    let report = siege(&[Manner::SlowBody]).await;
    println!("{report}");
    report.assert_nobody_is_stopped();
    assert!((500.0..1_500.0).contains(&report.open), "{report}");
}
