//! The command line.
//!
//! `run` prints nothing but its log. The other commands print for people and
//! scripts, and the only module that does so is `output`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::config::{Config, DEFAULT_FILE, Loaded, Sources};
use crate::exit::Exit;
use crate::graph::Graph;

mod output;

mod check;

mod graph;

mod migrate;

mod run;

mod status;

mod wait;

/// How long the process waits for threads that hang in the system's resolver.
const RUNTIME_SHUTDOWN: Duration = Duration::from_millis(100);

/// Watches a graph of dependencies and opens its API only when everything it
/// needs is up.
#[derive(Debug, Parser)]
#[command(name = "budgetd", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    clean stop, or success
  1    `status`: the daemon answers and is not ready
  2    wrong usage
  69   a required dependency was not up by its deadline; `status`: no daemon
       answers; `migrate`: the database cannot be reached
  70   internal fault: a monitor or the supervisor keeps breaking; `migrate`: a
       migration failed, and nothing was changed
  71   the operating system refused something, such as an address in use
  78   invalid configuration, or a database whose schema needs a newer budgetd
  130, 143   stopped at once by a second SIGINT or SIGTERM
";

#[derive(Debug, Args)]
struct Global {
    /// Read this configuration file, too; a later one wins
    /// [default: /etc/budgetd/budgetd.toml, if it exists]
    #[arg(long, value_name = "FILE", global = true)]
    config: Vec<PathBuf>,
    /// Read variables from this file; the environment itself wins
    #[arg(long, value_name = "FILE", global = true)]
    env_file: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon (the default)
    Run,
    /// Validate the configuration; print it resolved, without secrets, and the start order
    Check {
        /// Print nothing unless something is wrong
        #[arg(long, short)]
        quiet: bool,
    },
    /// Check dependencies until they are up; exit 69 at the timeout
    Wait {
        /// The dependencies to wait for [default: all that are enabled]
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// How long to wait, such as 500ms, 30s or 2m
        #[arg(long, default_value = "30s", value_parser = parse_timeout)]
        timeout: Duration,
    },
    /// Ask the running daemon how it is; exit 0 when it is ready, 1 when not
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Print it again each second, until interrupted
        #[arg(long)]
        watch: bool,
    },
    /// Print the dependency graph
    Graph {
        #[arg(long, value_enum, default_value_t = GraphFormat::Text)]
        format: GraphFormat,
    },
    /// Bring the schema of the database to what this version needs, and exit
    Migrate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GraphFormat {
    /// A line for each dependency, in start order
    Text,
    /// A Mermaid flowchart
    Mermaid,
    /// Graphviz
    Dot,
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it like 500ms, 30s or 2m"))
}

/// The command line as clap knows it, for manual pages and completions.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the program with the arguments and environment of the process.
pub fn main() -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are asked for: they go to stdout and succeed.
            let asked = !error.use_stderr();
            let _ = error.print();
            return if asked { Exit::Success } else { Exit::Usage };
        }
    };
    let sources = sources(&arguments.global, std::env::vars_os().collect());
    match arguments.command.unwrap_or(Command::Run) {
        Command::Run => run::run(sources),
        Command::Check { quiet } => check::check(&sources, quiet),
        Command::Wait { names, timeout } => wait::wait(&sources, &names, timeout),
        Command::Status { json, watch } => status::status(&sources, json, watch),
        Command::Graph { format } => graph::graph(&sources, format),
        Command::Migrate => migrate::migrate(&sources),
    }
}

fn sources(global: &Global, environment: Vec<(OsString, OsString)>) -> Sources {
    Sources {
        default_file: Some(DEFAULT_FILE.into()),
        files: global.config.clone(),
        env_files: global.env_file.clone(),
        environment,
    }
}

/// A configuration whose graph is legal.
struct Plan {
    loaded: Loaded,
    graph: Graph,
}

impl Plan {
    fn config(&self) -> &Config {
        &self.loaded.config
    }
}

/// Loads and validates everything, or prints every problem.
fn plan(sources: &Sources) -> Result<Plan, Exit> {
    crate::daemon::plan(sources)
        .map(|(loaded, graph)| Plan { loaded, graph })
        .map_err(|problems| {
            output::problems(&problems);
            Exit::Configuration
        })
}

/// Runs a command's future to its end on a small runtime.
fn block_on<T>(
    runtime: std::io::Result<tokio::runtime::Runtime>,
    work: impl Future<Output = T>,
) -> Result<T, Exit> {
    let runtime = runtime.map_err(|error| {
        output::error(&format!("cannot start the asynchronous runtime: {error}"));
        Exit::OperatingSystem
    })?;
    let result = runtime.block_on(work);
    // A look-up that hangs in the system's resolver cannot be cancelled.
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
    Ok(result)
}

fn small_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
