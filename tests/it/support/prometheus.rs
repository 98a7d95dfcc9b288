//! A private Prometheus with the configuration that is shipped.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::process::{self, Process};
use super::shipped::{shipped, write};
use super::{Port, client};

/// A running Prometheus.
#[derive(Debug)]
pub(crate) struct Prometheus {
    process: Process,
    port: Port,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Scrapes the admin listeners at these ports in place of the shipped
    /// ones, and far more often: a test waits for what it finds.
    pub(crate) async fn scraping(admin: [u16; 2]) -> Self {
        let (folder, port) = (process::folder(), Port::reserve());
        let configuration = shipped(
            "prometheus/prometheus.yml",
            &[
                ("127.0.0.1:18001", format!("127.0.0.1:{}", admin[0])),
                ("127.0.0.1:18002", format!("127.0.0.1:{}", admin[1])),
                ("_interval: 15s", "_interval: 100ms".to_owned()),
            ],
        );
        let configuration = write(folder.path(), "prometheus.yml", &configuration);
        let rules = shipped("prometheus/rules.yml", &[]);
        write(folder.path(), "rules.yml", &rules);
        let arguments = [
            format!("--config.file={configuration}"),
            format!("--storage.tsdb.path={}/data", folder.path().display()),
            format!("--web.listen-address=127.0.0.1:{}", port.number()),
        ];
        let program = process::find("prometheus", "prometheus");
        let mut prometheus = Self {
            process: Process::start("prometheus", &program, folder.path(), &arguments),
            port,
            _folder: folder,
        };
        let asked = prometheus.port.number();
        prometheus
            .process
            .wait_until_it_answers(async || {
                let answer = client::get(asked, "/-/ready").await;
                answer.is_ok_and(|answer| answer.code == 200)
            })
            .await;
        prometheus
    }

    /// `data` of what the HTTP API answers.
    ///
    /// # Panics
    ///
    /// When it refuses the question.
    pub(crate) async fn ask(&self, path: &str) -> Value {
        let answer = client::get(self.port.number(), &format!("/api/v1/{path}")).await;
        let answer = answer.expect("Prometheus answers").json();
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }

    /// The series that a query finds now.
    pub(crate) async fn query(&self, expression: &str) -> Vec<Series> {
        let expression = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let data = self.ask(&format!("query?query={expression}")).await;
        let series = data["result"].as_array().expect("a vector is a list");
        series.iter().map(Series::read).collect()
    }
}

/// The labels of a series and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) labels: Value,
    pub(crate) value: f64,
}

impl Series {
    fn read(found: &Value) -> Self {
        let value = found["value"][1].as_str().expect("values are texts");
        Self {
            labels: found["metric"].clone(),
            value: value.parse().expect("values are numbers"),
        }
    }
}
