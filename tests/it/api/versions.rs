//! Versions: their life from creation to approval.

use serde_json::{Value, json};

use super::Rig;
use crate::support::caller::{Caller, USER, below, claims};

/// The places that a 422 complains about.
pub(super) fn complaints(body: &Value) -> Vec<String> {
    let detail = body["detail"].as_array();
    let detail = detail.unwrap_or_else(|| panic!("no list in {body}"));
    let place = |problem: &Value| {
        assert!(problem["msg"].is_string() && problem["type"].is_string());
        let loc = problem["loc"].as_array().unwrap();
        let loc: Vec<String> = loc
            .iter()
            .map(|part| part.as_str().map_or(part.to_string(), ToOwned::to_owned))
            .collect();
        loc.join(".")
    };
    detail.iter().map(place).collect()
}

#[tokio::test]
async fn a_version_is_created_read_changed_and_deleted() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let created = planner
        .post(
            "/budget-versions",
            json!({"name": "Budget 2026", "fiscal_year": 2026, "academic_year": "2025-2026", "notes": "été"}),
        )
        .await;
    assert_eq!(created.code, 201, "{}", created.body);
    let version = created.json();
    assert_eq!(version["name"], "Budget 2026");
    assert_eq!(version["fiscal_year"], 2026);
    assert_eq!(version["academic_year"], "2025-2026");
    assert_eq!(version["notes"], "été");
    assert_eq!(version["status"], "working");
    assert_eq!(version["is_baseline"], false);
    for absent in [
        "parent_version_id",
        "submitted_at",
        "submitted_by_id",
        "approved_at",
        "approved_by_id",
    ] {
        assert!(version[absent].is_null(), "{absent}: {version}");
    }
    for present in ["id", "organization_id", "created_at", "updated_at"] {
        assert!(version[present].is_string(), "{present}: {version}");
    }

    let read = planner.get(&below(&version, "")).await;
    assert_eq!((read.code, read.json()), (200, version.clone()));
    let tag = read.header("etag").unwrap().to_owned();
    assert_eq!(created.header("etag"), Some(tag.as_str()));

    let (renamed, words) = (json!("Budget révisé"), json!("été 2026"));
    for (change, name, notes) in [
        (json!({"name": renamed}), &renamed, &json!("été")),
        (json!({"notes": words}), &renamed, &words),
        (
            json!({"name": "Budget", "notes": null}),
            &json!("Budget"),
            &Value::Null,
        ),
        (json!({}), &json!("Budget"), &Value::Null),
    ] {
        let changed = planner.put(&below(&version, ""), change).await;
        assert_eq!(changed.code, 200, "{}", changed.body);
        assert_ne!(changed.header("etag"), Some(tag.as_str()));
        let changed = changed.json();
        assert_eq!((&changed["name"], &changed["notes"]), (name, notes));
        assert_eq!(planner.get(&below(&version, "")).await.json(), changed);
    }

    let deleted = planner.delete(&below(&version, "")).await;
    assert_eq!((deleted.code, deleted.body.as_str()), (204, ""));
    for gone in [
        planner.get(&below(&version, "")).await,
        planner.delete(&below(&version, "")).await,
        planner
            .put(&below(&version, ""), json!({"name": "x"}))
            .await,
        planner.step(&below(&version, "/submit")).await,
    ] {
        assert_eq!(gone.code, 404, "{}", gone.body);
        assert!(gone.json()["detail"].is_string());
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_told_all_at_once() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let wrong = planner
        .post(
            "/budget-versions",
            json!({"name": "", "fiscal_year": 2019, "academic_year": "x".repeat(21), "colour": "red"}),
        )
        .await;
    assert_eq!(wrong.code, 422, "{}", wrong.body);
    let mut places = complaints(&wrong.json());
    places.sort();
    assert_eq!(
        places,
        [
            "body.academic_year",
            "body.colour",
            "body.fiscal_year",
            "body.name"
        ]
    );
    let missing = planner.post("/budget-versions", json!({})).await;
    assert_eq!(missing.code, 422);
    assert!(complaints(&missing.json()).contains(&"body.name".to_owned()));

    for (body, why) in [
        ("{", "cut"),
        ("[]", "an array"),
        ("", "nothing"),
        ("\u{0}", "no JSON"),
        (r#"{"name":"a","fiscal_year":2026.5}"#, "no whole number"),
        (r#"{"name":"a","fiscal_year":"x"}"#, "no number"),
        (
            r#"{"name":"a\u0000","fiscal_year":2026}"#,
            "a null character",
        ),
    ] {
        let caller = planner.with("content-type", "application/json");
        let answer = caller
            .try_send(hyper::Method::POST, "/budget-versions", body)
            .await
            .unwrap();
        assert_eq!(answer.code, 422, "{why}: {}", answer.body);
        complaints(&answer.json());
    }
    for query in [
        "page=0",
        "page_size=101",
        "page_size=x",
        "fiscal_year=1",
        "status=x",
        "colour=red",
        "organization_id=1",
    ] {
        let answer = planner.get(&format!("/budget-versions?{query}")).await;
        assert_eq!(answer.code, 422, "{query}: {}", answer.body);
        let name = query.split('=').next().unwrap();
        assert_eq!(complaints(&answer.json()), [format!("query.{name}")]);
    }
    let answer = planner.get("/budget-versions/not-a-uuid").await;
    assert_eq!(answer.code, 422, "{}", answer.body);
    let total = planner.get("/budget-versions").await.json();
    assert_eq!(total["total"], 0, "nothing of it was kept");
}

#[tokio::test]
async fn versions_are_listed_newest_first_in_pages() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    for year in 2026..2031 {
        planner.create(&format!("Budget {year}"), year).await;
    }
    let first = planner.get("/budget-versions?page_size=2").await.json();
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        let name = |item: &Value| item["name"].as_str().unwrap().to_owned();
        items.iter().map(name).collect()
    };
    assert_eq!(names(&first), ["Budget 2030", "Budget 2029"]);
    assert_eq!(
        (
            &first["total"],
            &first["page"],
            &first["page_size"],
            &first["total_pages"]
        ),
        (&json!(5), &json!(1), &json!(2), &json!(3))
    );
    let last = planner
        .get("/budget-versions?page_size=2&page=3")
        .await
        .json();
    assert_eq!(names(&last), ["Budget 2026"]);
    let beyond = planner.get("/budget-versions?page=9").await.json();
    assert_eq!((names(&beyond).len(), &beyond["total"]), (0, &json!(5)));
    assert_eq!(beyond["page_size"], 50);
    let of_a_year = planner
        .get("/budget-versions?fiscal_year=2028&status=working")
        .await
        .json();
    assert_eq!(names(&of_a_year), ["Budget 2028"]);
    let none = planner.get("/budget-versions?status=approved").await.json();
    assert_eq!(
        (&none["total"], &none["total_pages"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn a_version_goes_its_way_to_approval_and_no_other() {
    let rig = Rig::start().await;
    let (viewer, planner, manager) = (
        rig.caller("viewer"),
        rig.caller("planner"),
        rig.caller("manager"),
    );
    let version = planner.create("Budget", 2026).await;
    let path = |step: &str| below(&version, step);

    let early = manager.step(&path("/approve")).await;
    assert_eq!(early.code, 422);
    assert!(
        early.json()["detail"].as_str().unwrap().contains("working"),
        "{}",
        early.body
    );
    assert_eq!(viewer.step(&path("/submit")).await.code, 403);
    let submitted = planner.step(&path("/submit")).await;
    assert_eq!(submitted.code, 200, "{}", submitted.body);
    let submitted = submitted.json();
    assert_eq!(
        (&submitted["status"], &submitted["submitted_by_id"]),
        (&json!("submitted"), &json!(USER))
    );
    assert!(submitted["submitted_at"].is_string());
    assert_eq!(planner.step(&path("/submit")).await.code, 422);
    assert_eq!(planner.put(&path(""), json!({"name": "x"})).await.code, 422);

    assert_eq!(planner.step(&path("/approve")).await.code, 403);
    let approved = manager.step(&path("/approve")).await.json();
    assert_eq!(
        (&approved["status"], &approved["approved_by_id"]),
        (&json!("approved"), &json!(USER))
    );
    let refused = manager.delete(&path("")).await;
    assert_eq!(refused.code, 422);
    assert!(refused.json()["detail"].is_string());
    assert_eq!(planner.step(&path("/supersede")).await.code, 403);
    let superseded = manager.step(&path("/supersede")).await;
    assert_eq!(
        (superseded.code, &superseded.json()["status"]),
        (200, &json!("superseded"))
    );
    assert_eq!(manager.step(&path("/supersede")).await.code, 422);
    assert_eq!(manager.delete(&path("")).await.code, 422, "it was approved");

    // What was never approved is the planners' own.
    let draft = planner.create("Draft", 2027).await;
    assert_eq!(planner.step(&below(&draft, "/supersede")).await.code, 200);
    assert_eq!(planner.delete(&below(&draft, "")).await.code, 204);
}

#[tokio::test]
async fn a_year_has_one_working_version() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let body = json!({"name": "Another", "fiscal_year": 2026});
    let second = planner.post("/budget-versions", body.clone()).await;
    assert_eq!(second.code, 409, "{}", second.body);
    assert!(second.json()["detail"].is_string());
    planner.create("Another year", 2027).await;
    assert_eq!(planner.step(&below(&version, "/submit")).await.code, 200);
    assert_eq!(
        planner.post("/budget-versions", body.clone()).await.code,
        201
    );

    // However many try at once, one of them has it.
    let attempts = (0..8).map(|_| {
        planner.post(
            "/budget-versions",
            json!({"name": "Race", "fiscal_year": 2030}),
        )
    });
    let mut codes: Vec<u16> = futures_util::future::join_all(attempts)
        .await
        .iter()
        .map(|answer| answer.code)
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn a_version_says_what_it_is_and_comes_from() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let parent = planner.create("Budget", 2026).await;
    let body = json!({
        "name": "Révision", "fiscal_year": 2027,
        "is_baseline": true, "parent_version_id": parent["id"]
    });
    let created = planner.post("/budget-versions", body).await;
    assert_eq!(created.code, 201, "{}", created.body);
    let version = created.json();
    assert_eq!(version["is_baseline"], true);
    assert_eq!(version["parent_version_id"], parent["id"]);
    let read = planner.get(&below(&version, "")).await;
    assert_eq!(read.json(), version);
}

/// The lines of a version, without what each copy of them has of its own.
async fn copied(caller: &Caller, version: &Value) -> Vec<Value> {
    let listed = caller.get(&below(version, "/lines")).await;
    let mut lines = listed.json()["items"].as_array().unwrap().clone();
    for line in &mut lines {
        let line = line.as_object_mut().unwrap();
        assert_eq!(line.remove("budget_version_id").as_ref(), version.get("id"));
        for own in ["id", "created_at", "updated_at"] {
            assert!(line.remove(own).unwrap().is_string(), "{own}");
        }
    }
    lines
}

#[tokio::test]
async fn a_clone_takes_the_lines_along() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let body = json!({"name": "Budget", "fiscal_year": 2026, "notes": "à revoir"});
    let version = planner.post("/budget-versions", body).await.json();
    let lines = json!([
        {"account_code": "2183", "account_name": "Ordinateurs", "category": "capex_it", "period": "summer", "amount_sar": "-300.00", "notes": null},
        {"account_code": "6411", "account_name": "Salaires", "category": "personnel_teaching", "period": "p2", "amount_sar": "40.50", "notes": "dix postes"},
        {"account_code": "7011", "account_name": "Scolarité", "category": "revenue_tuition", "period": "p1", "amount_sar": "100.00", "notes": null}
    ]);
    assert_eq!(
        planner
            .post(&below(&version, "/lines"), lines.clone())
            .await
            .code,
        201
    );
    let taken = planner
        .post(&below(&version, "/clone"), json!({"name": "Copy"}))
        .await;
    assert_eq!(
        taken.code, 409,
        "the same year has a working version: {}",
        taken.body
    );
    // Whoever clones is the author of the copy.
    let author = "00000000-0000-4000-8000-00000000beef";
    let cloning = Caller::with_claims(&rig.daemon, &claims(author, "planner"));
    let cloned = cloning
        .post(
            &below(&version, "/clone"),
            json!({"name": "Next", "fiscal_year": 2027, "academic_year": "26/27"}),
        )
        .await;
    assert_eq!(cloned.code, 201, "{}", cloned.body);
    let cloned = cloned.json();
    for (member, expected) in [
        ("name", json!("Next")),
        ("fiscal_year", json!(2027)),
        ("academic_year", json!("26/27")),
        ("notes", json!("à revoir")),
        ("status", json!("working")),
        ("is_baseline", json!(false)),
        ("parent_version_id", version["id"].clone()),
        ("organization_id", version["organization_id"].clone()),
    ] {
        assert_eq!(cloned[member], expected, "{member}");
    }
    assert_eq!(planner.get(&below(&cloned, "")).await.json(), cloned);
    for (version, author) in [(&version, USER), (&cloned, author)] {
        let mut expected = lines.as_array().unwrap().clone();
        for line in &mut expected {
            line["created_by_id"] = json!(author);
        }
        assert_eq!(copied(&planner, version).await, expected);
    }

    // The years of a copy follow its source, or the fiscal year that it is given.
    assert_eq!(planner.step(&below(&version, "/submit")).await.code, 200);
    for (asked, year, academic) in [
        (json!({"name": "Same"}), 2026, "2025-2026"),
        (
            json!({"name": "Later", "fiscal_year": 2029}),
            2029,
            "2028-2029",
        ),
    ] {
        let copy = planner.post(&below(&version, "/clone"), asked).await;
        let copy = copy.json();
        assert_eq!(copy["fiscal_year"], year, "{copy}");
        assert_eq!(copy["academic_year"], academic, "{copy}");
        assert_eq!(
            copied(&planner, &copy).await,
            copied(&planner, &version).await
        );
    }

    let empty = planner
        .post(
            &below(&version, "/clone"),
            json!({"name": "Bare", "fiscal_year": 2028, "clone_configuration": false}),
        )
        .await;
    assert_eq!(empty.code, 201, "{}", empty.body);
    assert_eq!(
        planner.get(&below(&empty.json(), "/lines")).await.json()["total"],
        0
    );
}
