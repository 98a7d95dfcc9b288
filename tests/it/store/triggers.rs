//! What the database itself holds true.

use budgetd::store::StoreError;
use budgetd::store::schema::apply;
use bytes::Bytes;
use futures_util::stream;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::Stand;
use crate::support::{Postgres, within};

struct Budget {
    stand: Stand,
    _postgres: Postgres,
}

impl Budget {
    async fn start() -> Self {
        let postgres = Postgres::start().await;
        within("the schema", apply(&postgres.target()))
            .await
            .expect("it can be applied");
        Self {
            stand: Stand::new(&postgres.url()),
            _postgres: postgres,
        }
    }

    async fn write(&self, sql: &str) -> Result<u64, StoreError> {
        let write = self
            .stand
            .store
            .write(async |transaction| transaction.execute(sql, &[]).await);
        within(sql, write).await
    }

    async fn version(&self, name: &str, year: i32, status: &str) -> Result<Uuid, StoreError> {
        let sql = "INSERT INTO budgetd.budget_versions \
                   (organization_id, name, fiscal_year, academic_year, status) \
                   VALUES ($1, $2, $3, '2025-2026', $4) RETURNING id";
        let write = self.stand.store.write(async |transaction| {
            let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[
                (&Uuid::nil(), Type::UUID),
                (&name, Type::TEXT),
                (&year, Type::INT4),
                (&status, Type::TEXT),
            ];
            Ok(transaction.row(sql, parameters).await?.get(0))
        });
        within("a version", write).await
    }

    async fn token(&self, version: Uuid) -> Uuid {
        let sql = "SELECT revision_token FROM budgetd.budget_versions WHERE id = $1";
        let read = self.stand.store.read(async |transaction| {
            let row = transaction.row(sql, &[(&version, Type::UUID)]).await?;
            Ok::<Uuid, StoreError>(row.get(0))
        });
        within("a token", read).await.expect("the version exists")
    }

    async fn copy(&self, version: Uuid, lines: usize) -> Result<u64, StoreError> {
        let rows = (0..lines).map(move |line| {
            let code = 10 + line % 90;
            Bytes::from(format!("{version}\t{code}\tA\toperating_other\tp1\t1.50\n"))
        });
        let sql = "COPY budgetd.budget_lines (budget_version_id, account_code, account_name, \
                   category, period, amount_sar) FROM STDIN";
        let write = self
            .stand
            .store
            .write(async |transaction| transaction.copy_in(sql, stream::iter(rows)).await);
        within("a copy", write).await
    }
}

fn broken_rule<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Conflict { constraint }) => constraint,
        other => panic!("no rule was broken: {other:?}"),
    }
}

#[tokio::test]
async fn every_write_to_a_version_or_its_lines_renews_its_token_and_no_other() {
    let budget = Budget::start().await;
    let (mine, other) = (
        budget.version("mine", 2026, "working").await.unwrap(),
        budget.version("other", 2027, "working").await.unwrap(),
    );
    budget.copy(mine, 3).await.unwrap();
    budget.copy(other, 3).await.unwrap();
    let untouched = budget.token(other).await;
    let mut seen = vec![budget.token(mine).await];
    let of_mine = format!("budget_version_id = '{mine}'");
    let statements = [
        format!("UPDATE budgetd.budget_versions SET name = name WHERE id = '{mine}'"),
        format!("UPDATE budgetd.budget_lines SET amount_sar = 2 WHERE {of_mine}"),
        format!(
            "DELETE FROM budgetd.budget_lines WHERE id = \
             (SELECT id FROM budgetd.budget_lines WHERE {of_mine} LIMIT 1)"
        ),
        format!(
            "INSERT INTO budgetd.budget_lines (budget_version_id, account_code, account_name, \
             category, period, amount_sar) SELECT budget_version_id, account_code, account_name, \
             category, period, amount_sar FROM budgetd.budget_lines WHERE {of_mine}"
        ),
        // Whoever gives a token gets another one.
        format!(
            "UPDATE budgetd.budget_versions SET revision_token = '{}' WHERE id = '{mine}'",
            seen[0]
        ),
    ];
    for sql in statements {
        assert!(budget.write(&sql).await.unwrap() > 0, "{sql}");
        let token = budget.token(mine).await;
        assert!(!seen.contains(&token), "{sql}");
        seen.push(token);
    }
    let last = seen[seen.len() - 1];
    let idle = [
        format!("DELETE FROM budgetd.budget_lines WHERE {of_mine} AND amount_sar = 77"),
        "INSERT INTO budgetd.idempotency_keys (user_id, method, path, key, request_hash) \
         VALUES (gen_random_uuid(), 'POST', '/', 'a', '')"
            .to_owned(),
    ];
    for sql in idle {
        budget.write(&sql).await.unwrap();
        assert_eq!(budget.token(mine).await, last, "{sql}");
    }
    assert_eq!(budget.token(other).await, untouched);
    budget.write("TRUNCATE budgetd.budget_lines").await.unwrap();
    assert_ne!(budget.token(other).await, untouched);
}

#[tokio::test]
async fn a_load_of_many_lines_renews_one_token_once() {
    let budget = Budget::start().await;
    let version = budget.version("big", 2026, "working").await.unwrap();
    let count_updates = [
        "CREATE TABLE renewals (at int)",
        "CREATE FUNCTION count_renewal() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN INSERT INTO renewals VALUES (1); RETURN NULL; END'",
        "CREATE TRIGGER count_renewal AFTER UPDATE ON budgetd.budget_versions \
         FOR EACH ROW EXECUTE FUNCTION count_renewal()",
    ];
    for sql in count_updates {
        budget.write(sql).await.unwrap();
    }
    assert_eq!(budget.copy(version, 20_000).await, Ok(20_000));
    assert_eq!(budget.write("DELETE FROM renewals").await, Ok(1));
}

#[tokio::test]
async fn one_version_of_a_year_is_worked_on() {
    let budget = Budget::start().await;
    let first = budget.version("a", 2026, "working").await.unwrap();
    let second = budget.version("b", 2026, "working").await;
    assert_eq!(broken_rule(second), "budget_versions_one_working");
    budget.version("c", 2027, "working").await.unwrap();
    budget.version("d", 2026, "forecast").await.unwrap();
    let submit = "UPDATE budgetd.budget_versions SET status = 'submitted' WHERE id = ";
    budget.write(&format!("{submit} '{first}'")).await.unwrap();
    budget.version("b", 2026, "working").await.unwrap();
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let budget = Budget::start().await;
    let long = "x".repeat(101);
    let versions = [
        (("", 2026, "working"), "budget_versions_name"),
        ((long.as_str(), 2026, "working"), "budget_versions_name"),
        (("a", 2019, "working"), "budget_versions_fiscal_year"),
        (("a", 2101, "working"), "budget_versions_fiscal_year"),
        (("a", 2026, "draft"), "budget_versions_status"),
    ];
    for ((name, year, status), rule) in versions {
        assert_eq!(broken_rule(budget.version(name, year, status).await), rule);
    }
    let version = budget.version("a", 2026, "working").await.unwrap();
    let lines = [
        ("'6', 'A', 'capex_it', 'p1', 1", "budget_lines_account_code"),
        (
            "'6x', 'A', 'capex_it', 'p1', 1",
            "budget_lines_account_code",
        ),
        ("'61', '', 'capex_it', 'p1', 1", "budget_lines_account_name"),
        ("'61', 'A', 'capex', 'p1', 1", "budget_lines_category"),
        ("'61', 'A', 'capex_it', 'p3', 1", "budget_lines_period"),
        ("'61', 'A', 'capex_it', 'p1', 'NaN'", "budget_lines_amount"),
    ];
    let line = |version: Uuid, values: &str| {
        format!(
            "INSERT INTO budgetd.budget_lines (budget_version_id, account_code, account_name, \
             category, period, amount_sar) VALUES ('{version}', {values})"
        )
    };
    for (values, rule) in lines {
        assert_eq!(
            broken_rule(budget.write(&line(version, values)).await),
            rule
        );
    }
    let good = "'61', 'A', 'capex_it', 'p1', 1";
    let lost = budget.write(&line(Uuid::nil(), good)).await;
    assert_eq!(broken_rule(lost), "budget_lines_version");
    let other = budget.version("b", 2027, "working").await.unwrap();
    budget.write(&line(version, good)).await.unwrap();
    let moved = format!("UPDATE budgetd.budget_lines SET budget_version_id = '{other}'");
    assert!(budget.write(&moved).await.is_err());
}

#[tokio::test]
async fn a_deleted_version_takes_its_lines_along_and_frees_its_children() {
    let budget = Budget::start().await;
    let parent = budget.version("parent", 2026, "working").await.unwrap();
    let child = budget.version("child", 2027, "working").await.unwrap();
    let link = "UPDATE budgetd.budget_versions SET parent_version_id =";
    budget
        .write(&format!("{link} '{parent}' WHERE id = '{child}'"))
        .await
        .unwrap();
    budget.copy(parent, 3).await.unwrap();
    let before = budget.token(child).await;
    let delete = "DELETE FROM budgetd.budget_versions WHERE id =";
    budget.write(&format!("{delete} '{parent}'")).await.unwrap();
    assert_eq!(
        budget.write("DELETE FROM budgetd.budget_lines").await,
        Ok(0)
    );
    assert_ne!(budget.token(child).await, before, "its parent is gone");
}
