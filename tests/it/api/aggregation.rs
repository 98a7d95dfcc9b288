//! What the database adds up is what the lines add up to: random budgets,
//! loaded as files, against sums made line by line.

use std::fmt::Write;

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::json;

use self::naive::{Budget, CATEGORIES, Line, PERIODS, sar};
use super::Rig;
use super::lines::HEADER;
use crate::support::caller::{Caller, below};

mod naive;

const BUDGETS: u16 = 40;

/// Few enough that many lines share one. In the order of bytes they stand
/// neither as numbers do nor as the words of a language.
const CODES: [&str; 6] = ["64", "641", "6411", "70", "701", "21"];
const NAMES: [&str; 6] = ["Divers", "divers", "Écolage", "a, \"b\"", "É", "zone B"];

impl Line {
    fn random(chance: &mut SmallRng) -> Self {
        Self {
            code: CODES[chance.random_range(0..CODES.len())],
            name: NAMES[chance.random_range(0..NAMES.len())],
            category: chance.random_range(0..CATEGORIES.len()),
            period: PERIODS[chance.random_range(0..PERIODS.len())],
            amount: match chance.random_range(0..4) {
                0 => 999_999_999_999_999,
                1 => chance.random_range(-999_999_999_999_999..=999_999_999_999_999),
                _ => chance.random_range(-20_000..=20_000),
            },
        }
    }
}

impl Budget {
    async fn load(planner: &Caller, year: u16, chance: &mut SmallRng) -> Self {
        let version = planner.create(&format!("Budget {year}"), year).await;
        // The smallest ones have lines in few sections, or none at all.
        let size = [0, 1, 3, 30, 300][chance.random_range(0..5)];
        let lines: Vec<Line> = (0..size).map(|_| Line::random(chance)).collect();
        let mut csv = HEADER.to_owned();
        for line in &lines {
            let (category, amount) = (CATEGORIES[line.category], sar(line.amount));
            let name = line.name.replace('"', "\"\"");
            let (code, period) = (line.code, line.period);
            writeln!(csv, "{code},\"{name}\",{category},{period},{amount},").unwrap();
        }
        if size > 0 {
            let loaded = planner.post_csv(&below(&version, "/lines"), &csv).await;
            assert_eq!(loaded.code, 201, "{}", loaded.body);
        }
        Self { version, lines }
    }
}

#[tokio::test]
async fn views_of_random_budgets_are_the_sums_of_their_lines() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut chance = SmallRng::seed_from_u64(seed);
    let rig = Rig::start().await;
    // Names are in the order of bytes also where the database would rather put
    // them in the order of a language.
    let french = "ALTER TABLE budgetd.budget_lines \
                  ALTER account_name TYPE text COLLATE \"fr-x-icu\"";
    rig.database.execute(french).await;
    let planner = rig.caller("planner");
    let view = async |path: &str| {
        let read = planner.get(path).await;
        assert_eq!(read.code, 200, "{path}: {}", read.body);
        read.json()
    };
    let mut before: Option<Budget> = None;
    for year in 2030..2030 + BUDGETS {
        let budget = Budget::load(&planner, year, &mut chance).await;
        let root = format!("/consolidation/{}", budget.id());
        assert_eq!(view(&root).await, budget.consolidation());
        let summary = view(&format!("{root}/summary")).await;
        assert_eq!(summary, budget.summary());
        let periods = ["p1", "summer", "p2", "annual"].map(|period| budget.period(period));
        let root = format!("{root}/statements");
        assert_eq!(view(&format!("{root}/periods")).await, json!(periods));
        for statement in &periods {
            let period = statement["period"].as_str().unwrap();
            let read = view(&format!("{root}/periods/{period}")).await;
            assert_eq!(read, *statement);
        }
        assert_eq!(view(&format!("{root}/income")).await, budget.income());
        let base = before.as_ref().unwrap_or(&budget);
        let path = format!("/analysis/compare?base={}&other={}", base.id(), budget.id());
        assert_eq!(view(&path).await, base.compared(&budget));
        before = Some(budget);
    }
}
