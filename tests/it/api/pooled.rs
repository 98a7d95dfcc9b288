//! Everything that the API does, behind a pooler that lends its connections to
//! someone else between two transactions.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};

use super::operations;
use crate::support::caller::Caller;
use crate::support::client::Response;
use crate::support::{DaemonOptions, PgBouncer, Postgres};

/// Enough at once to share the few connections of the pooler.
const WALKERS: u16 = 12;
const CSV: &str = "account_code,account_name,category,period,amount_sar\n\
                   6411,Salaires,personnel_teaching,p1,600.25\n\
                   2183,Ordinateurs,capex_it,summer,300.00\n";

/// Goes every way that there is, and remembers which.
struct Walker {
    caller: Caller,
    ways: BTreeSet<(String, String)>,
}

impl Walker {
    /// Sends a request to an operation of the documentation; `ids` stand for
    /// the parts of its path that are in braces.
    async fn go(
        &mut self,
        (method, path): (Method, &str),
        ids: &[&Value],
        rest: &str,
        body: &str,
        expected: u16,
    ) -> Response {
        self.ways.insert((method.to_string(), path.to_owned()));
        let mut parts = path.split(&['{', '}'][..]);
        let mut full = parts.next().unwrap_or_default().to_owned();
        for (number, part) in parts.enumerate() {
            match number % 2 {
                0 => full.push_str(ids[number / 2].as_str().unwrap()),
                _ => full.push_str(part),
            }
        }
        full.push_str(rest);
        let answer = self
            .caller
            .try_send(method.clone(), &full, body)
            .await
            .unwrap();
        assert_eq!(answer.code, expected, "{method} {full}: {}", answer.body);
        answer
    }

    async fn walk(&mut self, year: u16) {
        const VERSIONS: &str = "/budget-versions";
        const VERSION: &str = "/budget-versions/{id}";
        const LINES: &str = "/budget-versions/{id}/lines";
        const LINE: &str = "/budget-versions/{id}/lines/{line_id}";
        let (get, post) = (Method::GET, Method::POST);
        let (put, delete) = (Method::PUT, Method::DELETE);
        let json = |value: Value| value.to_string();

        let new = json(json!({"name": "Budget", "fiscal_year": year}));
        let plain = self.caller.clone();
        self.caller = plain.with("idempotency-key", &format!("{year}"));
        let created = self.go((post.clone(), VERSIONS), &[], "", &new, 201).await;
        let again = self.go((post.clone(), VERSIONS), &[], "", &new, 201).await;
        assert_eq!(created.body, again.body, "a retry gets the first answer");
        self.caller = plain.clone();
        self.go((post.clone(), VERSIONS), &[], "", &new, 409).await;
        let id = &created.json()["id"];
        let query = format!("?fiscal_year={year}");
        let listed = self.go((get.clone(), VERSIONS), &[], &query, "", 200).await;
        assert_eq!(listed.json()["total"], 1);
        let notes = json(json!({"notes": "pooled"}));
        self.go((put.clone(), VERSION), &[id], "", &notes, 200)
            .await;
        let read = self.go((get.clone(), VERSION), &[id], "", "", 200).await;
        assert_eq!(read.json()["notes"], "pooled");

        let line = json(json!({
            "account_code": "7011", "account_name": "Scolarité", "category": "revenue_tuition",
            "period": "p1", "amount_sar": "1000.00"
        }));
        let added = self.go((post.clone(), LINES), &[id], "", &line, 201).await;
        let added = &added.json()["id"];
        self.caller = plain.with("content-type", "text/csv");
        self.go((post.clone(), LINES), &[id], "", CSV, 201).await;
        self.caller = plain.with("accept", "text/csv");
        let exported = self.go((get.clone(), LINES), &[id], "", "", 200).await;
        assert_eq!(exported.body.lines().count(), 4);
        self.caller = plain;
        let amount = json(json!({"amount_sar": "1500.50"}));
        self.go((put.clone(), LINE), &[id, added], "", &amount, 200)
            .await;
        let listed = self.go((get.clone(), LINES), &[id], "", "", 200).await;
        assert_eq!(listed.json()["total"], 3);

        let copy = json(json!({"name": "Copy", "fiscal_year": year + 40}));
        let clone = (post, "/budget-versions/{id}/clone");
        let copied = self.go(clone, &[id], "", &copy, 201).await;
        let copy = &copied.json()["id"];
        self.views(id, copy).await;
        self.go((delete.clone(), LINE), &[id, added], "", "", 204)
            .await;
        for step in ["submit", "approve", "supersede"] {
            let path = format!("/budget-versions/{{id}}/{step}");
            self.go((put.clone(), &path), &[id], "", "", 200).await;
        }
        self.go((delete, VERSION), &[copy], "", "", 204).await;
    }

    async fn views(&mut self, id: &Value, copy: &Value) {
        for (path, member, expected) in [
            ("/consolidation/{id}", "total_revenue", "1500.50"),
            ("/consolidation/{id}/summary", "operating_result", "900.25"),
        ] {
            let view = self.go((Method::GET, path), &[id], "", "", 200).await;
            assert_eq!(view.json()[member], expected, "{path}");
        }
        let periods = "/consolidation/{id}/statements/periods";
        self.go((Method::GET, periods), &[id], "", "", 200).await;
        let period = "/consolidation/{id}/statements/periods/{period}";
        let annual = self
            .go((Method::GET, period), &[id, &json!("annual")], "", "", 200)
            .await;
        assert_eq!(annual.json()["net_result"], "900.25");
        let income = "/consolidation/{id}/statements/income";
        self.go((Method::GET, income), &[id], "", "", 200).await;
        let ids = [id, copy].map(|id| id.as_str().unwrap());
        let query = format!("?base={}&other={}", ids[0], ids[1]);
        let compare = (Method::GET, "/analysis/compare");
        let compared = self.go(compare, &[], &query, "", 200).await;
        assert_eq!(compared.json()["items"].as_array().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn every_path_works_behind_a_transaction_pooler() {
    let database = Postgres::start().await;
    let pooler = PgBouncer::start(&database).await;
    let daemon = DaemonOptions::default()
        .brisk()
        .database(&pooler.url())
        .variable("DIRECT_URL", &database.url())
        .variable("BUDGETD__LIMITS__READS_PER_MINUTE", "100000")
        .variable("BUDGETD__LIMITS__WRITES_PER_MINUTE", "100000")
        .tokens()
        .serve()
        .await;
    let walks = (0..WALKERS).map(|number| {
        let caller = Caller::new(&daemon, "manager");
        async move {
            let ways = BTreeSet::new();
            let mut walker = Walker { caller, ways };
            walker.walk(2030 + number).await;
            walker.ways
        }
    });
    let ways = join_all(walks).await.swap_remove(0);
    assert_eq!(ways, operations(&daemon).await);
}
