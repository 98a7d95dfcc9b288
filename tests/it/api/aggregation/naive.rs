//! Every view of a budget, made from its lines one by one. Amounts are in
//! hundredths.

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub(super) const PERIODS: [&str; 3] = ["p1", "summer", "p2"];
const SECTIONS: [&str; 4] = ["revenue", "personnel", "operating", "capex"];

/// In the order in which an account that has several of them is shown.
pub(super) const CATEGORIES: [&str; 17] = [
    "revenue_tuition",
    "revenue_fees",
    "revenue_other",
    "personnel_teaching",
    "personnel_admin",
    "personnel_support",
    "personnel_social",
    "operating_supplies",
    "operating_utilities",
    "operating_maintenance",
    "operating_insurance",
    "operating_other",
    "capex_equipment",
    "capex_it",
    "capex_furniture",
    "capex_building",
    "capex_software",
];

const TOTALS: [&str; 6] = [
    "total_revenue",
    "total_personnel_costs",
    "total_operating_costs",
    "total_capex",
    "operating_result",
    "net_result",
];

/// A line as it is loaded; amounts are in hundredths.
pub(super) struct Line {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) category: usize,
    pub(super) period: &'static str,
    pub(super) amount: i128,
}

impl Line {
    fn is_of(&self, section: &str) -> bool {
        CATEGORIES[self.category].starts_with(section)
    }
}

/// A budget of the test, and the version that it was loaded into.
pub(super) struct Budget {
    pub(super) version: Value,
    pub(super) lines: Vec<Line>,
}

/// An account within a section, by the numbers of section and category.
type Account = (usize, &'static str, usize);

impl Budget {
    pub(super) fn id(&self) -> &str {
        self.version["id"].as_str().unwrap()
    }

    fn sum(&self, is_counted: impl Fn(&Line) -> bool) -> i128 {
        let counted = self.lines.iter().filter(|line| is_counted(line));
        counted.map(|line| line.amount).sum()
    }

    /// Of each section, of the operating result, and of the net result.
    fn totals(&self, is_counted: impl Fn(&Line) -> bool) -> [i128; 6] {
        let [revenue, personnel, operating, capex] =
            SECTIONS.map(|section| self.sum(|line| line.is_of(section) && is_counted(line)));
        let result = revenue - personnel - operating;
        [revenue, personnel, operating, capex, result, result]
    }

    /// Name, amount and number of lines of each account.
    fn accounts(&self) -> BTreeMap<Account, (&'static str, i128, usize)> {
        let mut accounts = BTreeMap::new();
        for line in &self.lines {
            let section = SECTIONS.iter().position(|section| line.is_of(section));
            let key = (section.unwrap(), line.code, line.category);
            let (name, amount, count) = accounts.entry(key).or_insert((line.name, 0, 0));
            *name = line.name.min(*name);
            *amount += line.amount;
            *count += 1;
        }
        accounts
    }

    fn head(&self) -> Value {
        let version = &self.version;
        json!({
            "budget_version_id": version["id"], "budget_version_name": version["name"],
            "fiscal_year": version["fiscal_year"], "academic_year": version["academic_year"],
            "status": version["status"]
        })
    }

    pub(super) fn summary(&self) -> Value {
        let mut summary = self.head();
        for (name, total) in TOTALS.iter().zip(self.totals(|_| true)) {
            summary[name] = json!(sar(total));
        }
        summary
    }

    pub(super) fn consolidation(&self) -> Value {
        let mut view = self.summary();
        for (number, section) in SECTIONS.iter().enumerate() {
            let accounts = self.accounts();
            let accounts = accounts.iter().filter(|(account, _)| account.0 == number);
            let item = |(account, (name, amount, count)): (&Account, &(&str, i128, usize))| {
                let mut item = described(*account, name);
                item["amount_sar"] = json!(sar(*amount));
                item["source_count"] = json!(count);
                item
            };
            view[format!("{section}_items")] = accounts.map(item).collect();
        }
        view
    }

    pub(super) fn period(&self, period: &str) -> Value {
        let covers = |line: &Line| period == "annual" || line.period == period;
        let [revenue, personnel, operating, _, result, net] = self.totals(covers);
        json!({
            "budget_version_id": self.version["id"], "period": period,
            "total_revenue": sar(revenue), "total_expenses": sar(personnel + operating),
            "operating_result": sar(result), "net_result": sar(net)
        })
    }

    pub(super) fn income(&self) -> Value {
        let [revenue, personnel, operating, _, result, net] = self.totals(|_| true);
        let mut lines: Vec<Value> = Vec::new();
        let mut add = |kind: &str, code: Option<&str>, text: &str, amount: Option<i128>| {
            lines.push(json!({
                "line_number": lines.len() + 1, "line_type": kind,
                "indent_level": i32::from(code.is_some()), "line_code": code,
                "line_description": text, "amount_sar": amount.map(sar)
            }));
        };
        for (number, (title, sum)) in [
            ("Revenue", revenue),
            ("Personnel costs", personnel),
            ("Operating costs", operating),
        ]
        .into_iter()
        .enumerate()
        {
            add("section_header", None, title, None);
            for ((section, code, _), (name, amount, _)) in self.accounts() {
                if section == number {
                    add("account_line", Some(code), name, Some(amount));
                }
            }
            let label = format!("Total {}", title.to_lowercase());
            add("subtotal", None, &label, Some(sum));
        }
        let expenses = personnel + operating;
        add("subtotal", None, "Total expenses", Some(expenses));
        add("total", None, "Operating result", Some(result));
        add("total", None, "Net result", Some(net));
        let mut statement = self.head();
        statement["lines"] = json!(lines);
        statement
    }

    pub(super) fn compared(&self, other: &Self) -> Value {
        let (ours, theirs) = (self.accounts(), other.accounts());
        let mut items = BTreeMap::new();
        for account in ours.keys().chain(theirs.keys()) {
            let (base, other) = (ours.get(account), theirs.get(account));
            let name = base.or(other).unwrap().0;
            let amount = |side: Option<&(_, i128, _)>| side.map_or(0, |side| side.1);
            let mut item = described(*account, name);
            let difference = difference(amount(base), amount(other));
            for (name, value) in difference.as_object().unwrap() {
                item[name] = value.clone();
            }
            items.insert(account, item);
        }
        let mut totals = json!({});
        let sides = self
            .totals(|_| true)
            .into_iter()
            .zip(other.totals(|_| true));
        for (name, (base, other)) in TOTALS.iter().zip(sides) {
            totals[name] = difference(base, other);
        }
        json!({
            "base": self.head(), "other": other.head(),
            "items": items.into_values().collect::<Vec<_>>(), "totals": totals
        })
    }
}

fn described((section, code, category): Account, name: &str) -> Value {
    json!({
        "account_code": code, "account_name": name,
        "consolidation_category": CATEGORIES[category], "is_revenue": section == 0
    })
}

fn difference(base: i128, other: i128) -> Value {
    let variance = other - base;
    // In hundredths of a percent, a half being rounded away from zero.
    let percent = (base != 0).then(|| {
        let (part, whole) = (variance.abs() * 10_000, base.abs());
        (part * 2 + whole) / (whole * 2) * variance.signum()
    });
    json!({
        "base_amount": sar(base), "other_amount": sar(other),
        "variance": sar(variance), "variance_pct": percent.map(sar)
    })
}

/// Hundredths as they are written.
pub(super) fn sar(amount: i128) -> String {
    let (sign, size) = (if amount < 0 { "-" } else { "" }, amount.abs());
    format!("{sign}{}.{:02}", size / 100, size % 100)
}
