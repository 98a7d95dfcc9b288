//! `budgetd status`: asks the running daemon how it is.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::{block_on, output, plan, small_runtime};
use crate::config::{AdminListen, Listen, Sources};
use crate::exit::Exit;

/// How long the daemon may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// How often `--watch` asks.
const PERIOD: Duration = Duration::from_secs(1);
/// Clears the terminal and puts the cursor into its corner.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// What an answer means that is none of ours.
const ANOTHER: &str = "another program may listen there";

/// The part of the answer that people are shown.
#[derive(Debug, Deserialize)]
struct Answer {
    status: String,
    phase: String,
    version: String,
    uptime_seconds: f64,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: String,
    policy: String,
    status: String,
    since: String,
    latency_ms: Option<f64>,
    blocked_by: Option<String>,
    note: Option<String>,
    error: Option<String>,
    hint: Option<String>,
}

pub(super) fn status(sources: &Sources, json: bool, watch: bool) -> Exit {
    let admin = match plan(sources) {
        Ok(plan) => plan.config().admin.listen.clone(),
        Err(exit) => return exit,
    };
    let work = async {
        loop {
            let (exit, is_read) = show(&admin, json, watch).await;
            if !watch || !is_read {
                return exit;
            }
            tokio::time::sleep(PERIOD).await;
        }
    };
    block_on(small_runtime(), work).unwrap_or_else(|exit| exit)
}

/// Asks and prints once; also answers whether anyone reads what is printed.
async fn show(admin: &AdminListen, json: bool, watch: bool) -> (Exit, bool) {
    let asked = tokio::time::timeout(DEADLINE, ask(admin)).await;
    let answer =
        asked.unwrap_or_else(|_| Err(format!("no answer within {} s", DEADLINE.as_secs())));
    let clear = if watch && output::coloured() {
        CLEAR
    } else {
        ""
    };
    match answer {
        Ok((value, answer)) => {
            let page = if json {
                format!("{value}\n")
            } else {
                page(&answer, output::coloured())
            };
            let is_read = output::text(&format!("{clear}{page}"));
            let exit = match answer.status.as_str() {
                "ok" | "degraded" => Exit::Success,
                _ => Exit::NotReady,
            };
            (exit, is_read)
        }
        Err(error) => {
            let is_read = output::text(clear);
            let place = place(admin);
            output::error(&format!("cannot ask the daemon at {place}: {error}"));
            (Exit::Unavailable, is_read)
        }
    }
}

fn place(admin: &AdminListen) -> String {
    match admin {
        AdminListen::None => "its admin listener".to_owned(),
        AdminListen::Tcp(listen) => listen.to_string(),
        AdminListen::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// The answer as it is, and as people are shown it.
async fn ask(admin: &AdminListen) -> Result<(Value, Answer), String> {
    let refused = |error: std::io::Error| format!("{error}; is it running?");
    match admin {
        AdminListen::None => Err("the configuration has none (admin.listen is empty)".to_owned()),
        AdminListen::Tcp(Listen { host, port }) => {
            let stream = TcpStream::connect((host.as_str(), *port))
                .await
                .map_err(refused)?;
            get(stream).await
        }
        AdminListen::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(refused)?;
            get(stream).await
        }
    }
}

async fn get(stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(Value, Answer), String> {
    let say = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(say)?;
    let request = Request::get("/status")
        .header("host", "budgetd")
        .body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(say)?;
        let code = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(say)?
            .to_bytes();
        if !code.is_success() {
            return Err(format!("it answers {code}; {ANOTHER}"));
        }
        let value: Value = serde_json::from_slice(&body)
            .map_err(|error| format!("its answer is no JSON: {error}; {ANOTHER}"))?;
        let answer = Answer::deserialize(&value)
            .map_err(|error| format!("its answer is not a status: {error}; {ANOTHER}"))?;
        Ok((value, answer))
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        _ = connection => exchange.await,
    }
}

/// The page for people: a headline and a table.
fn page(answer: &Answer, coloured: bool) -> String {
    let uptime = Duration::from_secs_f64(answer.uptime_seconds.max(0.0).trunc());
    let mut headline = table(coloured);
    headline.add_row([
        Cell::new(format!("budgetd {}", answer.version)),
        painted(&answer.status),
        Cell::new(&answer.phase),
        Cell::new(format!("up {}", humantime::format_duration(uptime))),
    ]);
    let mut dependencies = table(coloured);
    dependencies.set_header([
        "NAME", "STATUS", "POLICY", "KIND", "LATENCY", "SINCE", "DETAIL",
    ]);
    for dependency in &answer.dependencies {
        let up = matches!(dependency.status.as_str(), "ok" | "failing");
        let latency = dependency.latency_ms.filter(|_| up);
        let latency = latency.map(|latency| format!("{latency} ms"));
        dependencies.add_row([
            Cell::new(&dependency.name),
            painted(&dependency.status),
            Cell::new(&dependency.policy),
            Cell::new(&dependency.kind),
            Cell::new(latency.unwrap_or_default()),
            Cell::new(&dependency.since),
            Cell::new(detail(dependency)),
        ]);
    }
    let mut page = String::new();
    for line in headline
        .lines()
        .chain([String::new()])
        .chain(dependencies.lines())
    {
        let _ = writeln!(page, "{}", line.trim_end());
    }
    page
}

fn table(coloured: bool) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if coloured {
        table.enforce_styling();
        // A serial console or a container may have a terminal without a width.
        if table.width().is_some_and(|columns| columns > 0) {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
    } else {
        // Whoever reads this through a pipe wants a dependency a line.
        table.force_no_tty();
    }
    table
}

fn detail(dependency: &Dependency) -> String {
    let blocked = dependency
        .blocked_by
        .as_ref()
        .map(|need| format!("needs {need}"));
    let error = dependency
        .error
        .as_ref()
        .map(|error| match &dependency.hint {
            Some(hint) => format!("{error}: {hint}"),
            None => error.clone(),
        });
    blocked
        .or(error)
        .or_else(|| dependency.note.clone())
        .unwrap_or_default()
}

/// Green is up, yellow is worth a look, red is down.
fn painted(status: &str) -> Cell {
    Cell::new(status).fg(match status {
        "ok" => Color::Green,
        "failing" | "starting" | "blocked" | "degraded" | "draining" => Color::Yellow,
        "error" | "unavailable" => Color::Red,
        _ => Color::DarkGrey,
    })
}
