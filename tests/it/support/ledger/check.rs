//! Holding what was promised against what is there.

use rand::rngs::SmallRng;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::{Amounts, Ledger};

impl Ledger {
    /// Holds what was promised against the database: every acknowledged write
    /// is there, the one in doubt as a whole or not at all, and the revision
    /// and the answer that is kept for its key are of the same mind.
    pub(crate) async fn check(&self, database: &Client) {
        let (held, token) = self.held(database).await;
        let mut applied = false;
        if let Some(sent) = &self.doubt {
            let mut with_it = self.amounts.clone();
            sent.what.apply(&mut with_it);
            applied = held == with_it;
        }
        if !applied && held != self.amounts {
            self.panic_over(&held);
        }
        if let Some(known) = &self.token {
            assert_eq!(
                *known != token,
                applied,
                "the revision and the lines disagree about {:?}",
                self.doubt
            );
        }
        let kept = "SELECT count(*) FILTER (WHERE status BETWEEN 200 AND 299 AND body IS NOT NULL), \
                    count(*) FROM budgetd.idempotency_keys WHERE key LIKE $1 || '-%'";
        let version = [(&self.version as _, Type::TEXT)];
        let row = database.query_typed_one(kept, &version).await;
        let row = row.expect("the database answers");
        let in_doubt = self.doubt.as_ref().is_some_and(|sent| sent.what.has_key());
        let expected = self.keys + i64::from(applied && in_doubt);
        assert_eq!(
            (row.get::<_, i64>(0), row.get::<_, i64>(1)),
            (expected, expected),
            "an answer is kept for each write that was done, and for no other"
        );
    }

    /// What the database holds, with its revision.
    async fn held(&self, database: &Client) -> (Amounts, String) {
        let lines = "SELECT account_name, amount_sar::bigint FROM budgetd.budget_lines \
                     WHERE budget_version_id = $1::text::uuid";
        let version = [(&self.version as _, Type::TEXT)];
        let rows = database.query_typed(lines, &version).await;
        let held = rows.expect("the database answers");
        let held = held.iter().map(|row| {
            let amount: i64 = row.get(1);
            (row.get(0), amount.unsigned_abs())
        });
        let held = held.collect();
        let token = "SELECT revision_token::text FROM budgetd.budget_versions \
                     WHERE id = $1::text::uuid";
        let token = database.query_typed_one(token, &version).await;
        (held, token.expect("the version is there").get(0))
    }

    /// Whatever the API reads is what the database holds.
    pub(crate) async fn check_reads(&self, database: &Client) {
        let (held, token) = self.held(database).await;
        let version = format!("/budget-versions/{}", self.version);
        let read = self.caller.get(&version).await;
        assert_eq!(super::token(&read), Some(token), "{}", read.body);
        let lines = format!("{version}/lines?page_size=1");
        let lines = self.caller.get(&lines).await.json();
        assert_eq!(lines["total"], held.len());
        let summary = format!("/consolidation/{}/summary", self.version);
        let summary = self.caller.get(&summary).await.json();
        let total: u64 = held.values().sum();
        assert_eq!(summary["total_revenue"], format!("{total}.00"));
    }

    /// What a client does that got no answer: it sends the write again, which
    /// is then done, and done once.
    pub(crate) async fn settle(&mut self, database: &Client, chance: &mut SmallRng) {
        if self.doubt.is_some() {
            let code = self.write(chance, 0, 0.0).await;
            assert!(self.doubt.is_none(), "sent again, it was answered {code:?}");
        }
        self.check(database).await;
    }

    fn panic_over(&self, held: &Amounts) -> ! {
        let differs = |(account, amount): &(&String, &u64), other: &Amounts| {
            other.get(*account) != Some(*amount)
        };
        let lost: Vec<_> = self
            .amounts
            .iter()
            .filter(|line| differs(line, held))
            .collect();
        let found: Vec<_> = held
            .iter()
            .filter(|line| differs(line, &self.amounts))
            .collect();
        let few = |lines: &[(&String, &u64)]| {
            let listed = lines.iter().take(5).map(|line| format!("{line:?}"));
            format!(
                "{} ({})",
                lines.len(),
                listed.collect::<Vec<_>>().join(", ")
            )
        };
        panic!(
            "promised and not held: {}; held and not promised: {}; in doubt: {:.300}",
            few(&lost),
            few(&found),
            format!("{:?}", self.doubt)
        );
    }
}
