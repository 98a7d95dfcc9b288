//! Constant load of reads and writes over connections that are kept, and what
//! became of each request.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, Version};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::caller::{Caller, below};
use crate::support::within;

const WORKERS: u16 = 8;

/// When something that requests need was down: begin and end.
#[derive(Debug, Default)]
pub(super) struct Outages(Vec<(Instant, Instant)>);

impl Outages {
    pub(super) fn add(&mut self, since: Instant) {
        self.0.push((since, Instant::now()));
    }

    fn excuse(&self, request: &Done) -> bool {
        let touches =
            |(begin, end): &(Instant, Instant)| request.began <= *end && *begin <= request.ended;
        request.outcome == Ok(503) && self.0.iter().any(touches)
    }
}

/// A request that has ended one way or another.
#[derive(Debug)]
struct Done {
    what: String,
    began: Instant,
    ended: Instant,
    /// Its code, or how the connection failed.
    outcome: Result<u16, String>,
    /// What was answered when it did not work.
    body: String,
}

/// Requests that run until they are asked for.
#[derive(Debug)]
pub(super) struct Load {
    stop: CancellationToken,
    workers: JoinSet<Worker>,
    done: Arc<Mutex<Vec<Done>>>,
}

impl Load {
    pub(super) async fn start(planner: &Caller, port: u16) -> Self {
        let stop = CancellationToken::new();
        let done = Arc::<Mutex<Vec<_>>>::default();
        let mut workers = JoinSet::new();
        for number in 0..WORKERS {
            let version = planner
                .create(&format!("Budget {number}"), 2026 + number)
                .await;
            let mut worker = Worker {
                number,
                planner: planner.clone(),
                port,
                version,
                connection: None,
                driver: JoinSet::new(),
                done: done.clone(),
                written: 0,
            };
            let stop = stop.clone();
            workers.spawn(async move {
                while !stop.is_cancelled() {
                    worker.turn().await;
                }
                worker
            });
        }
        Self {
            stop,
            workers,
            done,
        }
    }

    /// How many requests have ended.
    pub(super) fn count(&self) -> usize {
        self.done.lock().unwrap().len()
    }

    /// Ends the load and judges it.
    pub(super) async fn finish(mut self, outages: &Outages, planner: &Caller) {
        self.stop.cancel();
        while let Some(worker) = within("a worker ends", self.workers.join_next()).await {
            let worker = worker.unwrap();
            // What was said to be written was written, and once.
            let lines = planner.get(&below(&worker.version, "/lines")).await;
            assert_eq!(
                lines.json()["total"],
                worker.written,
                "worker {}",
                worker.number
            );
        }
        let done = self.done.lock().unwrap();
        let mut failed = String::new();
        let mut excused = 0;
        for request in done.iter() {
            match request.outcome {
                Ok(200..300) => {}
                _ if outages.excuse(request) => excused += 1,
                _ => {
                    let Done {
                        what,
                        outcome,
                        body,
                        ..
                    } = request;
                    writeln!(failed, "{what}: {outcome:?} {body}").unwrap();
                }
            }
        }
        assert!(
            failed.is_empty(),
            "of {} requests failed:\n{failed}",
            done.len()
        );
        assert!(excused > 0, "the outage of the database was not seen");
        assert!(done.len() > excused);
    }
}

struct Worker {
    number: u16,
    planner: Caller,
    port: u16,
    version: Value,
    connection: Option<SendRequest<Full<Bytes>>>,
    /// Carries the connection.
    driver: JoinSet<()>,
    done: Arc<Mutex<Vec<Done>>>,
    /// Lines that were answered 201.
    written: u64,
}

impl Worker {
    /// Reads, a write with a key, until it has worked, and one that may simply
    /// be sent again.
    async fn turn(&mut self) {
        let lines = below(&self.version, "/lines");
        let summary = format!(
            "/consolidation/{}/summary",
            self.version["id"].as_str().unwrap()
        );
        for path in ["/budget-versions", &summary, &lines] {
            self.exchange(Method::GET, path, "", None).await;
        }
        let key = format!("{}-{}", self.number, self.written);
        let line = json!({
            "account_code": format!("7{:05}", self.written), "account_name": "Compte",
            "category": "revenue_fees", "period": "p1", "amount_sar": "1.00"
        });
        let created = loop {
            let (code, body) = self
                .exchange(Method::POST, &lines, &line.to_string(), Some(&key))
                .await;
            match code {
                Some(201) => break body,
                // As a client would, though without its patience.
                Some(503) => tokio::task::yield_now().await,
                // It is told as a failure.
                _ => return,
            }
        };
        self.written += 1;
        let created: Value = serde_json::from_str(&created).unwrap();
        let line = below(
            &self.version,
            &format!("/lines/{}", created["id"].as_str().unwrap()),
        );
        let change = json!({"amount_sar": "2.00"}).to_string();
        self.exchange(Method::PUT, &line, &change, None).await;
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: &str,
        key: Option<&str>,
    ) -> (Option<u16>, String) {
        let mut request = Request::builder()
            .method(&method)
            .uri(format!("/api/v1{path}"))
            .version(Version::HTTP_11)
            .header("host", "budgetd")
            .header("content-type", "application/json");
        for (name, value) in self.planner.headers() {
            request = request.header(name, value);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .unwrap();
        let began = Instant::now();
        let what = format!("{method} {path}");
        let answered = within(&what, self.send(request)).await;
        let (outcome, body) = match answered {
            Ok((code, body)) => (Ok(code), body),
            Err(error) => {
                self.connection = None;
                (Err(error), String::new())
            }
        };
        let code = outcome.as_ref().ok().copied();
        self.done.lock().unwrap().push(Done {
            what,
            began,
            ended: Instant::now(),
            body: if outcome.as_ref().is_ok_and(|code| *code < 300) {
                String::new()
            } else {
                body.clone()
            },
            outcome,
        });
        (code, body)
    }

    /// Sends over the connection that is kept, or over a new one when it was
    /// closed between requests.
    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<(u16, String), String> {
        let mut sender = match self.connection.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self
                .connect()
                .await
                .map_err(|error| format!("connect: {error}"))?,
        };
        let text = |error: hyper::Error| format!("{error:?}");
        sender.ready().await.map_err(text)?;
        let response = sender.send_request(request).await.map_err(text)?;
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(text)?;
        self.connection = Some(sender);
        Ok((code, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    }

    async fn connect(&mut self) -> std::io::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(std::io::Error::other)?;
        self.driver = JoinSet::new();
        // How it ends is told to the request.
        self.driver.spawn(connection.map(drop));
        Ok(sender)
    }
}
