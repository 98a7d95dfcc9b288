//! The consolidated view and everything read off it.

use serde_json::{Value, json};

use super::Rig;
use crate::support::caller::{Caller, below};

/// A version with a little of everything.
async fn furnished(planner: &Caller, year: u16) -> Value {
    let version = planner.create(&format!("Budget {year}"), year).await;
    let lines: Vec<Value> = [
        ("7011", "Scolarité", "revenue_tuition", "p1", "1000.00"),
        ("7011", "Scolarité", "revenue_tuition", "p2", "500.50"),
        ("7061", "Cantine", "revenue_fees", "summer", "20.00"),
        ("6411", "Salaires", "personnel_teaching", "p1", "600.25"),
        ("6061", "Fournitures", "operating_supplies", "p2", "100.00"),
        ("2183", "Ordinateurs", "capex_it", "summer", "300.00"),
    ]
    .map(|(code, name, category, period, amount)| {
        json!({"account_code": code, "account_name": name, "category": category, "period": period, "amount_sar": amount})
    })
    .to_vec();
    let created = planner.post(&below(&version, "/lines"), json!(lines)).await;
    assert_eq!(created.code, 201, "{}", created.body);
    version
}

#[tokio::test]
async fn lines_add_up_by_account_and_section() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = furnished(&planner, 2026).await;
    let id = version["id"].as_str().unwrap();
    let read = planner.get(&format!("/consolidation/{id}")).await;
    assert_eq!(read.code, 200, "{}", read.body);
    let view = read.json();
    assert_eq!(view["budget_version_id"], id);
    assert_eq!(view["budget_version_name"], "Budget 2026");
    assert_eq!(
        (&view["fiscal_year"], &view["status"]),
        (&json!(2026), &json!("working"))
    );
    assert_eq!(
        view["revenue_items"],
        json!([
            {"account_code": "7011", "account_name": "Scolarité", "consolidation_category": "revenue_tuition",
             "is_revenue": true, "amount_sar": "1500.50", "source_count": 2},
            {"account_code": "7061", "account_name": "Cantine", "consolidation_category": "revenue_fees",
             "is_revenue": true, "amount_sar": "20.00", "source_count": 1}
        ])
    );
    for (items, amount) in [
        ("personnel_items", "600.25"),
        ("operating_items", "100.00"),
        ("capex_items", "300.00"),
    ] {
        assert_eq!(view[items].as_array().unwrap().len(), 1, "{view}");
        assert_eq!(view[items][0]["amount_sar"], amount);
        assert_eq!(view[items][0]["is_revenue"], false);
    }
    let totals = [
        ("total_revenue", "1520.50"),
        ("total_personnel_costs", "600.25"),
        ("total_operating_costs", "100.00"),
        ("total_capex", "300.00"),
        ("operating_result", "820.25"),
        ("net_result", "820.25"),
    ];
    let summary = planner
        .get(&format!("/consolidation/{id}/summary"))
        .await
        .json();
    for (name, amount) in totals {
        assert_eq!(view[name], amount, "{name}");
        assert_eq!(summary[name], amount, "{name}");
    }
    assert!(summary.get("revenue_items").is_none());
}

#[tokio::test]
async fn periods_add_up_to_the_year() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = furnished(&planner, 2026).await;
    let id = version["id"].as_str().unwrap();
    let one = async |period: &str| {
        let read = planner
            .get(&format!("/consolidation/{id}/statements/periods/{period}"))
            .await;
        assert_eq!(read.code, 200, "{}", read.body);
        read.json()
    };
    for (period, revenue, expenses, result) in [
        ("p1", "1000.00", "600.25", "399.75"),
        ("summer", "20.00", "0.00", "20.00"),
        ("p2", "500.50", "100.00", "400.50"),
        ("annual", "1520.50", "700.25", "820.25"),
    ] {
        let statement = one(period).await;
        assert_eq!(statement["total_revenue"], revenue, "{period}");
        assert_eq!(statement["total_expenses"], expenses, "{period}");
        assert_eq!(statement["operating_result"], result, "{period}");
        assert_eq!(statement["net_result"], result, "{period}");
    }
    let all = planner
        .get(&format!("/consolidation/{id}/statements/periods"))
        .await;
    assert_eq!(all.code, 200);
    for period in ["p1", "summer", "p2", "annual"] {
        assert!(all.body.contains(&format!("\"{period}\"")), "{}", all.body);
    }
    let unknown = planner
        .get(&format!("/consolidation/{id}/statements/periods/p3"))
        .await;
    assert_eq!(unknown.code, 422, "{}", unknown.body);
}

#[tokio::test]
async fn the_income_statement_is_read_from_top_to_bottom() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = furnished(&planner, 2026).await;
    let id = version["id"].as_str().unwrap();
    let read = planner
        .get(&format!("/consolidation/{id}/statements/income"))
        .await;
    assert_eq!(read.code, 200, "{}", read.body);
    let lines = read.json()["lines"].as_array().unwrap().clone();
    let of = |kind: &str| {
        lines
            .iter()
            .filter(|line| line["line_type"] == kind)
            .count()
    };
    assert!(of("section_header") >= 3, "{}", read.body);
    // Capital expenditure is no expense of the year.
    assert_eq!(of("account_line"), 4);
    assert!(of("subtotal") >= 3 && of("total") >= 1);
    assert_eq!(lines[0]["line_type"], "section_header");
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["line_type"], &last["amount_sar"]),
        (&json!("total"), &json!("820.25"))
    );
}

#[tokio::test]
async fn two_versions_are_compared_account_by_account() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let (base, other) = (
        furnished(&planner, 2026).await,
        furnished(&planner, 2027).await,
    );
    let more = json!([
        {"account_code": "7011", "account_name": "Scolarité", "category": "revenue_tuition", "period": "p1", "amount_sar": "150.05"},
        {"account_code": "6999", "account_name": "Nouveau", "category": "operating_other", "period": "p1", "amount_sar": "5.00"}
    ]);
    assert_eq!(planner.post(&below(&other, "/lines"), more).await.code, 201);
    let path = |base: &Value, other: &Value| {
        format!(
            "/analysis/compare?base={}&other={}",
            base["id"].as_str().unwrap(),
            other["id"].as_str().unwrap()
        )
    };
    let read = planner.get(&path(&base, &other)).await;
    assert_eq!(read.code, 200, "{}", read.body);
    let compared = read.json();
    let text = read.body.clone();
    let account = |code: &str| {
        let items = compared["items"].as_array().unwrap();
        items
            .iter()
            .find(|item| item["account_code"] == code)
            .unwrap_or_else(|| panic!("{code} in {text}"))
            .clone()
    };
    let tuition = account("7011");
    assert_eq!(
        (&tuition["variance"], &tuition["variance_pct"]),
        (&json!("150.05"), &json!("10.00"))
    );
    let new = account("6999");
    assert_eq!(
        (&new["variance"], &new["variance_pct"]),
        (&json!("5.00"), &Value::Null)
    );
    let same = account("6411");
    assert_eq!(
        (&same["variance"], &same["variance_pct"]),
        (&json!("0.00"), &json!("0.00"))
    );

    // Its tag stands for both sides.
    let tag = read.header("etag").unwrap().to_owned();
    assert_eq!(
        planner
            .with("if-none-match", &tag)
            .get(&path(&base, &other))
            .await
            .code,
        304
    );
    assert_ne!(
        planner.get(&path(&other, &base)).await.header("etag"),
        Some(tag.as_str())
    );
    for version in [&base, &other] {
        let tag = planner
            .get(&path(&base, &other))
            .await
            .header("etag")
            .unwrap()
            .to_owned();
        assert_eq!(
            planner
                .put(&below(version, ""), json!({"name": "x"}))
                .await
                .code,
            200
        );
        assert_eq!(
            planner
                .with("if-none-match", &tag)
                .get(&path(&base, &other))
                .await
                .code,
            200
        );
    }
    assert_eq!(planner.get("/analysis/compare").await.code, 422);
    let nowhere = json!({"id": "00000000-0000-4000-8000-000000000000"});
    assert_eq!(planner.get(&path(&base, &nowhere)).await.code, 404);
}
