//! What a client was promised about the lines of one version, held against
//! what the database holds of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use hyper::Method;
use rand::RngExt;
use rand::rngs::SmallRng;
use serde_json::{Value, json};

use super::caller::Caller;
use super::client::Response;

mod check;

/// New lines have smaller amounts.
const AMOUNTS: u64 = 1_000;

/// With so many lines that it can delete it deletes one: whoever writes for an
/// hour shall not fill the database.
const FULL: usize = 300;

/// Amounts by account. Each account of a ledger has a name of its own and one
/// line.
type Amounts = BTreeMap<String, u64>;

/// A client that writes to a version of its own, one write after the other,
/// and keeps book of what was acknowledged.
#[derive(Debug)]
pub(crate) struct Ledger {
    caller: Caller,
    version: String,
    amounts: Amounts,
    /// The ids of lines that were told one.
    ids: BTreeMap<String, String>,
    /// The revision after the last acknowledged write, where its answer told.
    token: Option<String>,
    /// The write whose outcome is unknown: no answer came, or one that leaves
    /// it open.
    doubt: Option<Sent>,
    begun: u64,
    /// Acknowledged writes that were sent with a key.
    keys: i64,
    acknowledged: usize,
}

/// A write as it is sent, and sent again.
#[derive(Debug, Clone)]
struct Sent {
    what: What,
    key: String,
}

#[derive(Debug, Clone)]
enum What {
    /// Some lines as JSON.
    Add(Amounts),
    /// Many lines as CSV.
    Import(Amounts),
    Change {
        account: String,
        id: String,
        amount: u64,
    },
    Delete {
        account: String,
        id: String,
    },
}

impl What {
    fn apply(&self, amounts: &mut Amounts) {
        match self {
            Self::Add(new) | Self::Import(new) => amounts.extend(new.clone()),
            Self::Change {
                account, amount, ..
            } => {
                amounts.insert(account.clone(), *amount);
            }
            Self::Delete { account, .. } => {
                amounts.remove(account);
            }
        }
    }

    /// Whether the server remembers its answer.
    fn has_key(&self) -> bool {
        matches!(self, Self::Add(_) | Self::Import(_))
    }
}

impl Ledger {
    /// Creates the version of a year, which must be acknowledged.
    pub(crate) async fn open(planner: &Caller, year: u16) -> Self {
        let body = json!({"name": "Ledger", "fiscal_year": year});
        let created = planner.post("/budget-versions", body).await;
        assert_eq!(created.code, 201, "{}", created.body);
        Self {
            caller: planner.clone(),
            version: text(&created.json()["id"]),
            amounts: Amounts::new(),
            ids: BTreeMap::new(),
            token: token(&created),
            doubt: None,
            begun: 0,
            keys: 0,
            acknowledged: 0,
        }
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// How many writes were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// Whether the outcome of the last write is unknown.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// Writes once, or sends again what is in doubt; answers with the code of
    /// the answer, if one came. Imports have `rows` rows, and are the more
    /// frequent the larger `share` is.
    pub(crate) async fn write(
        &mut self,
        chance: &mut SmallRng,
        rows: usize,
        share: f64,
    ) -> Option<u16> {
        let again = self.doubt.take();
        let is_again = again.is_some();
        let sent = again.unwrap_or_else(|| self.next(chance, rows, share));
        let Ok(answer) = self.send(&sent).await else {
            self.doubt = Some(sent);
            return None;
        };
        match (answer.code, &sent.what) {
            (200..=299, _) => self.acknowledge(&sent, &answer),
            // It was done the first time.
            (404, What::Delete { .. }) if is_again => self.acknowledge(&sent, &answer),
            (500..=599, _) => self.doubt = Some(sent),
            (code, _) => panic!("{sent:?} was answered {code}: {}", answer.body),
        }
        Some(answer.code)
    }

    fn next(&mut self, chance: &mut SmallRng, rows: usize, share: f64) -> Sent {
        self.begun += 1;
        let number = self.begun;
        let key = format!("{}-{number}", self.version);
        let is_import = chance.random_bool(share);
        let kind = chance.random_range(0..4);
        let place = chance.random_range(0..self.ids.len().max(1));
        let is_full = self.ids.len() >= FULL;
        let known = self.ids.iter().nth(place);
        let known = known.map(|(account, id)| (account.clone(), id.clone()));
        let mut new = |count: usize| -> Amounts {
            let accounts = (0..count).map(|row| format!("w{number}-{row}"));
            accounts
                .map(|account| (account, chance.random_range(1..AMOUNTS)))
                .collect()
        };
        let what = match (known, kind) {
            _ if is_import => What::Import(new(rows)),
            (Some((account, id)), _) if is_full => What::Delete { account, id },
            (Some((account, id)), 0) => What::Change {
                account,
                id,
                // No line had it before.
                amount: AMOUNTS + number,
            },
            (Some((account, id)), 1) => What::Delete { account, id },
            (_, 2) => What::Add(new(3)),
            _ => What::Add(new(1)),
        };
        Sent { what, key }
    }

    async fn send(&self, sent: &Sent) -> io::Result<Response> {
        let lines = format!("/budget-versions/{}/lines", self.version);
        let line = |id: &str| format!("{lines}/{id}");
        let json = self.caller.with("content-type", "application/json");
        let keyed = |caller: &Caller| caller.with("idempotency-key", &sent.key);
        match &sent.what {
            What::Add(new) => {
                let new: Vec<Value> = new.iter().map(as_json).collect();
                let body = Value::from(new).to_string();
                keyed(&json).try_send(Method::POST, &lines, &body).await
            }
            What::Import(new) => {
                let csv = self.caller.with("content-type", "text/csv");
                keyed(&csv)
                    .try_send(Method::POST, &lines, &as_csv(new))
                    .await
            }
            What::Change { id, amount, .. } => {
                let body = json!({"amount_sar": format!("{amount}.00")}).to_string();
                json.try_send(Method::PUT, &line(id), &body).await
            }
            What::Delete { id, .. } => self.caller.try_send(Method::DELETE, &line(id), "").await,
        }
    }

    fn acknowledge(&mut self, sent: &Sent, answer: &Response) {
        sent.what.apply(&mut self.amounts);
        match &sent.what {
            What::Add(_) => {
                let lines = answer.json();
                for line in lines.as_array().expect("it is a list") {
                    self.ids
                        .insert(text(&line["account_name"]), text(&line["id"]));
                }
            }
            What::Delete { account, .. } => drop(self.ids.remove(account)),
            What::Import(_) | What::Change { .. } => {}
        }
        self.keys += i64::from(sent.what.has_key());
        self.token = token(answer);
        self.acknowledged += 1;
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("it is a text").to_owned()
}

/// The revision that an answer tells of.
fn token(answer: &Response) -> Option<String> {
    let tag = answer.header("etag")?;
    Some(tag.trim_matches('"').to_owned())
}

fn as_json((account, amount): (&String, &u64)) -> Value {
    json!({
        "account_code": "7011", "account_name": account, "category": "revenue_fees",
        "period": "p1", "amount_sar": format!("{amount}.00")
    })
}

fn as_csv(lines: &Amounts) -> String {
    let mut csv = "account_code,account_name,category,period,amount_sar\n".to_owned();
    for (account, amount) in lines {
        writeln!(csv, "7011,{account},revenue_fees,p1,{amount}.00").expect("memory takes it");
    }
    csv
}
