//! Clients of every manner, also of bad ones.

use std::collections::BTreeMap;

use hyper::Method;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::rig::Rig;
use crate::support::caller::Caller;
use crate::support::visitor::Visitor;

const VISITORS: usize = 8;
const YEAR: u16 = 2026;

/// How often each code was answered; 0 where the client did not wait.
pub(super) type Codes = BTreeMap<u16, usize>;

/// So many requests, of all visitors together, and the same each time: what
/// each visitor asks for follows from its number alone.
pub(super) async fn run(rig: &Rig, count: usize) -> Codes {
    let planner = Caller::new(&rig.daemon, "planner");
    let scene = Scene::of(&planner).await;
    let mut visiting = JoinSet::new();
    for number in 0..VISITORS {
        let guest = Guest {
            port: rig.daemon.api(),
            visitor: Visitor::of(rig.daemon.api()),
            planner: planner.clone(),
            scene: scene.clone(),
            tag: String::new(),
            chance: SmallRng::seed_from_u64(u64::try_from(number).unwrap()),
        };
        visiting.spawn(guest.stay(count / VISITORS));
    }
    let mut codes = Codes::new();
    for stay in visiting.join_all().await {
        for (code, times) in stay {
            *codes.entry(code).or_default() += times;
        }
    }
    // On a machine with too much to do a deadline may pass: 503.
    let expected = [0, 200, 201, 304, 401, 404, 422, 503];
    let strange: Vec<_> = codes
        .keys()
        .filter(|code| !expected.contains(code))
        .collect();
    assert!(strange.is_empty(), "{codes:?}");
    codes
}

/// What is asked for.
#[derive(Debug, Clone)]
struct Scene {
    version: String,
    line: String,
}

impl Scene {
    /// The same each time: what is there already is found.
    async fn of(planner: &Caller) -> Self {
        let path = format!("/budget-versions?fiscal_year={YEAR}");
        let known = planner.get(&path).await.json();
        let version = match &known["items"][0] {
            Value::Null => planner.create("Scene", YEAR).await,
            version => version.clone(),
        };
        let version = version["id"].as_str().unwrap().to_owned();
        let lines = format!("/budget-versions/{version}/lines");
        let new: Vec<Value> = (0..200)
            .map(|number| {
                json!({
                    "account_code": "7011", "account_name": format!("account {number}"),
                    "category": "revenue_fees", "period": "p1", "amount_sar": "1.00"
                })
            })
            .collect();
        let known = planner.get(&lines).await.json();
        let line = match &known["items"][0] {
            Value::Null => planner.post(&lines, Value::from(new)).await.json()[0].clone(),
            line => line.clone(),
        };
        let line = line["id"].as_str().unwrap().to_owned();
        Self { version, line }
    }
}

struct Guest {
    port: u16,
    visitor: Visitor,
    planner: Caller,
    scene: Scene,
    /// Of the last answer that had one.
    tag: String,
    chance: SmallRng,
}

impl Guest {
    async fn stay(mut self, count: usize) -> Codes {
        let mut codes = Codes::new();
        for _ in 0..count {
            let code = self.ask().await;
            *codes.entry(code).or_default() += 1;
        }
        codes
    }

    async fn ask(&mut self) -> u16 {
        let Scene { version, line } = self.scene.clone();
        let version = format!("/api/v1/budget-versions/{version}");
        let summary = format!("/api/v1/consolidation/{}/summary", self.scene.version);
        let amount = self.chance.random_range(1..1_000);
        match self.chance.random_range(0..1_000) {
            0..500 => self.open("/health/ready").await,
            500..700 => self.known(&summary, "").await,
            700..850 => {
                let tag = self.tag.clone();
                self.known(&summary, &tag).await
            }
            850..900 => self.known(&format!("{version}/lines"), "").await,
            900..930 => self.open("/nowhere").await,
            930..960 => {
                let token = [("authorization", "Bearer e30.e30.e30")];
                self.send(Method::GET, &summary, &token, "").await
            }
            960..970 => self.open("/health/cache").await,
            970..975 => {
                let body = json!({"amount_sar": format!("{amount}.00")}).to_string();
                let path = format!("{version}/lines/{line}");
                self.write(Method::PUT, &path, &body).await
            }
            975..980 => {
                let path = format!("{version}/lines");
                self.write(Method::POST, &path, "{}").await
            }
            980..990 => {
                self.visitor.leave();
                self.open("/health").await
            }
            990..995 => {
                let line = format!("GET {version}/lines");
                self.leave_early(&line, "accept: text/csv\r\n").await
            }
            _ => {
                let line = format!("POST {version}/lines");
                self.leave_early(&line, "content-length: 1000\r\n").await
            }
        }
    }

    async fn open(&mut self, path: &str) -> u16 {
        self.send(Method::GET, path, &[], "").await
    }

    /// Asks for what it may have already.
    async fn known(&mut self, path: &str, tag: &str) -> u16 {
        let known = [("if-none-match", tag)];
        let known = if tag.is_empty() { &[][..] } else { &known };
        self.with_token(Method::GET, path, known, "").await
    }

    async fn write(&mut self, method: Method, path: &str, body: &str) -> u16 {
        self.with_token(method, path, &[("content-type", "application/json")], body)
            .await
    }

    /// Waits for the first byte of an answer at most, and is gone.
    async fn leave_early(&mut self, line: &str, header: &str) -> u16 {
        let (_, token) = &self.planner.headers()[0];
        let head =
            format!("{line} HTTP/1.1\r\nhost: localhost\r\nauthorization: {token}\r\n{header}\r\n");
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        if header.starts_with("accept") {
            let _ = stream.read_u8().await;
        }
        0
    }

    async fn with_token(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> u16 {
        let planner = self.planner.clone();
        let token = planner.headers().iter();
        let mut all: Vec<(&str, &str)> = token
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        all.extend_from_slice(headers);
        self.send(method, path, &all, body).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> u16 {
        let answer = self.visitor.send(method, path, headers, body).await;
        let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
        if path.ends_with("/summary") {
            self.tag = answer.tag.unwrap_or_default();
        }
        answer.code
    }
}
