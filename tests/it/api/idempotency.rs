//! A request that is sent again gets the first answer and does nothing twice.

use futures_util::future::join_all;
use hyper::Method;
use serde_json::json;

use super::Rig;
use crate::support::caller::{Caller, below, claims};

#[tokio::test]
async fn a_retry_gets_the_first_answer() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let keyed = planner.with("idempotency-key", "key-1");
    let body = json!({"name": "Budget", "fiscal_year": 2026});
    let first = keyed.post("/budget-versions", body.clone()).await;
    assert_eq!(first.code, 201, "{}", first.body);
    let again = keyed.post("/budget-versions", body.clone()).await;
    assert_eq!((again.code, &again.body), (201, &first.body));
    // Without the key it is another request.
    assert_eq!(
        planner.post("/budget-versions", body.clone()).await.code,
        409
    );
    assert_eq!(planner.get("/budget-versions").await.json()["total"], 1);

    let another = keyed
        .post(
            "/budget-versions",
            json!({"name": "Other", "fiscal_year": 2027}),
        )
        .await;
    assert_eq!(another.code, 422, "{}", another.body);
    assert!(
        another.json()["detail"]
            .as_str()
            .unwrap()
            .contains("Idempotency-Key")
    );

    // Keys are the user's own, and of one path.
    let mut claims = claims("00000000-0000-4000-8000-00000000beef", "planner");
    claims["email"] = json!("someone@example.org");
    let neighbour = Caller::with_claims(&rig.daemon, &claims).with("idempotency-key", "key-1");
    let theirs = neighbour
        .post(
            "/budget-versions",
            json!({"name": "Theirs", "fiscal_year": 2028}),
        )
        .await;
    assert_eq!(theirs.code, 201, "{}", theirs.body);
    let version = first.json();
    let line = json!({"account_code": "7011", "account_name": "a", "category": "revenue_fees", "period": "p1", "amount_sar": "1.00"});
    for _ in 0..3 {
        let created = keyed.post(&below(&version, "/lines"), line.clone()).await;
        assert_eq!(created.code, 201, "{}", created.body);
    }
    let csv = "account_code,account_name,category,period,amount_sar\n7012,b,revenue_fees,p1,1.00\n";
    let keyed = planner.with("idempotency-key", "key-2");
    for _ in 0..2 {
        assert_eq!(
            keyed.post_csv(&below(&version, "/lines"), csv).await.code,
            201
        );
    }
    let cloning = planner.with("idempotency-key", "key-3");
    let first = cloning
        .post(
            &below(&version, "/clone"),
            json!({"name": "Next", "fiscal_year": 2029}),
        )
        .await;
    let again = cloning
        .post(
            &below(&version, "/clone"),
            json!({"name": "Next", "fiscal_year": 2029}),
        )
        .await;
    assert_eq!((first.code, &first.body), (again.code, &again.body));
    assert_eq!(
        planner.get(&below(&version, "/lines")).await.json()["total"],
        2
    );
}

#[tokio::test]
async fn a_failure_is_no_answer_to_keep() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let keyed = planner.with("idempotency-key", "k");
    let body = json!({"name": "Budget", "fiscal_year": 2026});
    assert_eq!(keyed.post("/budget-versions", body.clone()).await.code, 409);
    assert_eq!(planner.step(&below(&version, "/submit")).await.code, 200);
    assert_eq!(
        keyed.post("/budget-versions", body).await.code,
        201,
        "nothing was done the first time"
    );
}

#[tokio::test]
async fn duplicates_at_once_do_the_work_once() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let keyed = planner.with("idempotency-key", "storm");
    let line = json!({"account_code": "7011", "account_name": "a", "category": "revenue_fees", "period": "p1", "amount_sar": "1.00"});
    let path = below(&version, "/lines");
    let answers = join_all((0..10).map(|_| keyed.post(&path, line.clone()))).await;
    for answer in &answers {
        assert_eq!((answer.code, &answer.body), (201, &answers[0].body));
    }
    assert_eq!(
        planner.get(&below(&version, "/lines")).await.json()["total"],
        1
    );
}

#[tokio::test]
async fn a_key_is_known_for_a_day() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let path = below(&version, "/lines");
    let line = json!({"account_code": "7011", "account_name": "a", "category": "revenue_fees", "period": "p1", "amount_sar": "1.00"});
    let other = json!({"account_code": "7012", "account_name": "b", "category": "revenue_fees", "period": "p1", "amount_sar": "2.00"});
    let keyed = planner.with("idempotency-key", "k");
    let first = keyed.post(&path, line.clone()).await;
    assert_eq!(first.code, 201, "{}", first.body);
    let age = async |interval: &str| {
        let sql = format!(
            "UPDATE budgetd.idempotency_keys SET created_at = created_at - interval '{interval}'"
        );
        rig.database.execute(&sql).await;
    };
    age("23 hours 50 minutes").await;
    assert_eq!(keyed.post(&path, line.clone()).await.body, first.body);
    assert_eq!(keyed.post(&path, other.clone()).await.code, 422);
    age("20 minutes").await;
    let another = keyed.post(&path, other.clone()).await;
    assert_eq!(another.code, 201, "{}", another.body);
    assert_eq!(another.json()["account_code"], "7012");
    assert_eq!(keyed.post(&path, other).await.body, another.body);
    assert_eq!(planner.get(&path).await.json()["total"], 2);
}

/// Neither by the answer of then nor by its absence.
#[tokio::test]
async fn an_answer_is_told_again_only_to_who_may_see_what_it_is_about() {
    const OURS: &str = "11111111-1111-4111-8111-111111111111";
    const THEIRS: &str = "22222222-2222-4222-8222-222222222222";
    let rig =
        Rig::with(|options| options.config("[auth]\norganization_claim = \"organizations\"")).await;
    // One and the same user, whose tokens differ.
    let member = |organization: &str| {
        let mut claims = claims("00000000-0000-4000-8000-00000000beef", "planner");
        claims["app_metadata"]["organizations"] = json!(organization);
        Caller::with_claims(&rig.daemon, &claims).with("idempotency-key", "k")
    };
    let (us, them) = (member(OURS), member(THEIRS));
    let new = json!({"name": "Budget", "fiscal_year": 2026});
    let created = us.post("/budget-versions", new.clone()).await;
    assert_eq!(created.code, 201, "{}", created.body);
    let misused = them.post("/budget-versions", new.clone()).await;
    assert_eq!(misused.code, 422, "{}", misused.body);
    assert!(!misused.body.contains(OURS), "{}", misused.body);

    let line = json!({"account_code": "7011", "account_name": "a", "category": "revenue_fees", "period": "p1", "amount_sar": "1.00"});
    let copy = json!({"name": "Copy", "fiscal_year": 2027});
    let version = created.json();
    for (path, body) in [("/lines", line), ("/clone", copy)] {
        let path = below(&version, path);
        let first = us.post(&path, body.clone()).await;
        assert_eq!(first.code, 201, "{}", first.body);
        assert_eq!(them.post(&path, body.clone()).await.code, 404);
        let again = us.post(&path, body).await;
        assert_eq!((again.code, again.body), (201, first.body));
    }
}

#[tokio::test]
async fn a_key_is_bounded() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    for key in ["", &"k".repeat(256)] {
        let answer = planner
            .with("idempotency-key", key)
            .with("content-type", "application/json")
            .try_send(
                Method::POST,
                "/budget-versions",
                r#"{"name":"a","fiscal_year":2026}"#,
            )
            .await
            .unwrap();
        assert_eq!(answer.code, 422, "{}", answer.body);
    }
    let twice = planner
        .with("idempotency-key", "one")
        .with("idempotency-key", "two");
    let body = json!({"name": "a", "fiscal_year": 2026});
    let answer = twice.post("/budget-versions", body).await;
    assert_eq!(answer.code, 422, "{}", answer.body);
}
