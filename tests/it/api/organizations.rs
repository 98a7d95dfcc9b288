//! Whose versions are whose: who has a token of one organization is not even
//! told that those of another exist.

use hyper::Method;
use serde_json::{Value, json};

use super::versions::complaints;
use super::{Rig, operations};
use crate::support::caller::{Caller, USER, below, claims};

const OURS: &str = "11111111-1111-4111-8111-111111111111";
const THEIRS: &str = "22222222-2222-4222-8222-222222222222";

/// A daemon that is told by a token whose versions it is for.
async fn shared() -> Rig {
    Rig::with(|options| options.config("[auth]\norganization_claim = \"organizations\"")).await
}

/// Who may do everything, there.
fn member(rig: &Rig, organizations: Value) -> Caller {
    let mut claims = claims(USER, "admin");
    claims["app_metadata"]["organizations"] = organizations;
    Caller::with_claims(&rig.daemon, &claims)
}

/// A request of an operation, without the path.
#[derive(Clone)]
struct Ask {
    query: String,
    header: (&'static str, &'static str),
    body: String,
}

/// How an operation is asked for something of `version`; `own` is a version of
/// whoever asks. A way that needs nothing beyond its path needs no line here.
fn asks(method: &str, path: &str, year: usize, [version, own]: [&str; 2]) -> Vec<Ask> {
    const LINES: &str = "/budget-versions/{id}/lines";
    const CSV: &str = "account_code,account_name,category,period,amount_sar\n\
                       6411,Salaires,personnel_teaching,p1,600.25\n";
    let plain = Ask {
        query: String::new(),
        header: ("accept", "application/json"),
        body: String::new(),
    };
    let with = |header, body: String| Ask {
        header,
        body,
        ..plain.clone()
    };
    let json = |body: Value| with(("content-type", "application/json"), body.to_string());
    match (method, path) {
        ("PUT", "/budget-versions/{id}") => vec![json(json!({"name": "Changed"}))],
        ("POST", "/budget-versions/{id}/clone") => {
            vec![json(json!({"name": "Copy", "fiscal_year": year + 40}))]
        }
        ("GET", LINES) => vec![plain.clone(), with(("accept", "text/csv"), String::new())],
        ("POST", LINES) => vec![
            json(line()),
            with(("content-type", "text/csv"), CSV.to_owned()),
        ],
        ("PUT", "/budget-versions/{id}/lines/{line_id}") => {
            vec![json(json!({"amount_sar": "2.00"}))]
        }
        ("GET", "/analysis/compare") => [(version, own), (own, version), (version, version)]
            .map(|(base, other)| Ask {
                query: format!("?base={base}&other={other}"),
                ..plain.clone()
            })
            .to_vec(),
        _ => vec![plain],
    }
}

fn line() -> Value {
    json!({
        "account_code": "7011", "account_name": "Scolarité", "category": "revenue_tuition",
        "period": "p1", "amount_sar": "1000.00"
    })
}

#[tokio::test]
async fn whatever_is_asked_of_a_version_of_others_is_404() {
    let rig = shared().await;
    let (us, them) = (member(&rig, json!(OURS)), member(&rig, json!([THEIRS])));
    let both = member(&rig, json!([OURS, THEIRS]));
    let own = them.create("Own", 2100).await;
    let own = own["id"].as_str().unwrap();
    let (mut ways, mut year) = (operations(&rig.daemon).await, 2020);
    // What is asked of no version in particular.
    for method in ["GET", "POST"] {
        assert!(ways.remove(&(method.to_owned(), "/budget-versions".to_owned())));
    }
    assert!(!ways.is_empty());
    for (method, path) in ways {
        for number in 0..asks(&method, &path, year, [own; 2]).len() {
            year += 1;
            let version = us.create("Ours", year.try_into().unwrap()).await;
            let added = us.post(&below(&version, "/lines"), line()).await.json();
            if path.ends_with("/approve") {
                assert_eq!(us.step(&below(&version, "/submit")).await.code, 200);
            }
            let id = version["id"].as_str().unwrap();
            let ask = asks(&method, &path, year, [id, own]).swap_remove(number);
            let full = path
                .replace("{id}", id)
                .replace("{line_id}", added["id"].as_str().unwrap())
                .replace("{period}", "annual");
            let full = full + ask.query.as_str();
            let send = async |caller: &Caller| {
                let (caller, method) = (caller.with(ask.header.0, ask.header.1), &method);
                let method = Method::try_from(method.as_str()).unwrap();
                caller.try_send(method, &full, &ask.body).await.unwrap()
            };
            let before = us.get(&below(&version, "")).await;
            // Conditions are no way to find out either.
            for them in [
                them.clone(),
                them.with("if-none-match", "*"),
                them.with("if-match", "\"another\""),
            ] {
                let answer = send(&them).await;
                let told = (answer.code, answer.body.as_str());
                assert_eq!(told, (404, r#"{"detail":"Not Found"}"#), "{method} {full}");
                assert_eq!(answer.header("etag"), None, "{method} {full}");
            }
            assert_eq!(us.get(&below(&version, "")).await.body, before.body);
            // Who may see both gets what was asked for: it was the right question.
            let answer = send(&both).await;
            let done = (200..300).contains(&answer.code);
            assert!(done, "{method} {full}: {} {}", answer.code, answer.body);
        }
    }
    let seen = them.get("/budget-versions?page_size=100").await.json();
    let seen = seen["items"].as_array().unwrap();
    let ids: Vec<&Value> = seen.iter().map(|version| &version["id"]).collect();
    assert_eq!(ids, [own]);
}

#[tokio::test]
async fn versions_are_listed_and_created_where_the_token_says() {
    let rig = shared().await;
    let (us, them) = (member(&rig, json!(OURS)), member(&rig, json!([THEIRS])));
    let both = member(&rig, json!([OURS, THEIRS]));
    let ours = us.create("Ours", 2026).await;
    assert_eq!(ours["organization_id"], OURS);
    let theirs = them.create("Theirs", 2026).await;
    assert_eq!(theirs["organization_id"], THEIRS);
    let names = async |caller: &Caller, query: &str| -> Vec<String> {
        let listed = caller.get(&format!("/budget-versions{query}")).await;
        let listed = listed.json();
        let items = listed["items"].as_array().unwrap();
        assert_eq!(listed["total"], items.len());
        let name = |item: &Value| item["name"].as_str().unwrap().to_owned();
        items.iter().map(name).collect()
    };
    let (of_ours, of_theirs) = (
        format!("?organization_id={OURS}"),
        format!("?organization_id={THEIRS}"),
    );
    assert_eq!(names(&us, "").await, ["Ours"]);
    assert_eq!(names(&them, "").await, ["Theirs"]);
    assert_eq!(names(&both, "").await, ["Theirs", "Ours"]);
    assert_eq!(names(&both, &of_ours).await, ["Ours"]);
    assert!(names(&us, &of_theirs).await.is_empty());
    let nobody = rig.caller("admin");
    assert!(names(&nobody, "").await.is_empty());

    let create = async |caller: &Caller, more: Value| {
        let mut body = json!({"name": "x", "fiscal_year": 2027});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        caller.post("/budget-versions", body).await
    };
    let unclear = create(&both, json!({})).await;
    assert_eq!(unclear.code, 422);
    assert_eq!(complaints(&unclear.json()), ["body.organization_id"]);
    let chosen = create(&both, json!({"organization_id": THEIRS})).await;
    assert_eq!(chosen.code, 201);
    assert_eq!(chosen.json()["organization_id"], THEIRS);
    let foreign = create(&us, json!({"organization_id": THEIRS})).await;
    assert_eq!(foreign.code, 404, "{}", foreign.body);
    // A parent of others is told just as one that never was.
    let nowhere = json!("33333333-3333-4333-8333-333333333333");
    let [hidden, absent] = [&theirs["id"], &nowhere].map(|parent| {
        let caller = us.clone();
        let body = json!({"name": "x", "fiscal_year": 2027, "parent_version_id": parent});
        async move { caller.post("/budget-versions", body).await }
    });
    let (hidden, absent) = (hidden.await, absent.await);
    assert_eq!((hidden.code, &hidden.body), (422, &absent.body));
    assert_eq!(complaints(&hidden.json()), ["body.parent_version_id"]);
}
