//! Who is let in.

use hyper::Method;
use serde_json::{Value, json};

use super::Rig;
use crate::support::caller::{Caller, USER, claims, now};
use crate::support::client;

#[tokio::test]
async fn a_request_without_a_good_token_is_401_in_the_words_clients_know() {
    let mut rig = Rig::start().await;
    let anonymous = Caller::anonymous(&rig.daemon);
    let sent = |value: &str| anonymous.with("authorization", value);
    let with = |change: fn(&mut Value)| {
        let mut claims = claims(USER, "admin");
        change(&mut claims);
        Caller::with_claims(&rig.daemon, &claims)
    };
    let format = "Invalid authorization header format. Expected: Bearer <token>";
    let invalid = "Invalid or expired token";
    let cases = [
        (anonymous.clone(), "Authorization header missing"),
        (sent("Basic abc"), format),
        (sent("Bearer"), format),
        (sent("Bearer a b"), format),
        (
            rig.caller("admin").with("authorization", "Basic abc"),
            format,
        ),
        (sent("Bearer abc"), invalid),
        (sent("Bearer eyJhbGciOiJub25lIn0.e30."), invalid),
        (with(|claims| claims["exp"] = json!(now() - 3600)), invalid),
        (
            with(|claims| drop(claims.as_object_mut().unwrap().remove("exp"))),
            invalid,
        ),
        (
            with(|claims| claims["aud"] = json!("somebody else")),
            invalid,
        ),
        (
            with(|claims| drop(claims.as_object_mut().unwrap().remove("aud"))),
            invalid,
        ),
        (
            with(|claims| drop(claims.as_object_mut().unwrap().remove("sub"))),
            "JWT token missing user ID",
        ),
        (
            with(|claims| claims["sub"] = json!("me")),
            "Invalid user ID format: me",
        ),
    ];
    let sent = cases.len() - 1;
    for (caller, detail) in cases {
        let answer = caller
            .with("origin", "http://localhost:5173")
            .get("/budget-versions")
            .await;
        assert_eq!(answer.code, 401, "{detail}: {}", answer.body);
        assert_eq!(answer.json(), json!({"detail": detail}));
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("Bearer")
        );
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("http://localhost:5173")
        );
    }
    // Operators are told what clients are not, of every token that was sent.
    rig.daemon.nth_event("token_refused", sent - 1).await;
    let told = rig.daemon.lines_of("token_refused");
    assert_eq!(told.len(), sent);
    for fault in [
        "it has expired, or does not say when it does",
        "it is not meant for auth.audience",
        "Invalid user ID format: me",
    ] {
        let line = told.iter().find(|line| line["error"] == fault);
        let line = line.unwrap_or_else(|| panic!("no {fault:?} in {told:?}"));
        assert_eq!(line["level"], "info");
        assert!(line["correlation_id"].is_string());
    }
    let mut listed = claims(USER, "viewer");
    listed["aud"] = json!(["x", "authenticated"]);
    let accepted = Caller::with_claims(&rig.daemon, &listed)
        .get("/budget-versions")
        .await;
    assert_eq!(accepted.code, 200, "{}", accepted.body);
}

#[tokio::test]
async fn a_preflight_needs_no_token() {
    let rig = Rig::start().await;
    let answer = client::request(
        rig.daemon.api(),
        Method::OPTIONS,
        "/api/v1/budget-versions",
        &[
            ("origin", "http://localhost:5173"),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "authorization,content-type,idempotency-key",
            ),
        ],
    )
    .await
    .unwrap();
    assert_eq!(answer.code, 200, "{}", answer.body);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("http://localhost:5173")
    );
}

#[tokio::test]
async fn a_role_may_do_what_it_may_and_users_cannot_give_themselves_one() {
    let rig = Rig::start().await;
    let version = rig.caller("planner").create("Budget", 2026).await;
    let body = json!({"name": "Another", "fiscal_year": 2027});
    let mut own_words = claims(USER, "viewer");
    own_words["app_metadata"] = json!({});
    own_words["user_metadata"] = json!({"role": "admin", "user_role": "admin"});
    let mut top_level = own_words.clone();
    top_level["user_role"] = json!("planner");
    for (caller, code) in [
        (rig.caller("viewer"), 403),
        (rig.caller("no such role"), 403),
        (Caller::with_claims(&rig.daemon, &own_words), 403),
        (Caller::with_claims(&rig.daemon, &top_level), 201),
    ] {
        let answer = caller.post("/budget-versions", body.clone()).await;
        assert_eq!(answer.code, code, "{}", answer.body);
        assert_eq!(caller.get("/budget-versions").await.code, 200);
    }
    let id = version["id"].as_str().unwrap();
    let denied = rig
        .caller("viewer")
        .delete(&format!("/budget-versions/{id}"))
        .await;
    assert_eq!(denied.code, 403);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_in_json() {
    let rig = Rig::start().await;
    let caller = rig.caller("admin");
    let unknown = caller.get("/nothing").await;
    assert_eq!(
        (unknown.code, unknown.json()),
        (404, json!({"detail": "Not Found"}))
    );
    let method = caller.delete("/budget-versions").await;
    assert_eq!(
        (method.code, method.json()),
        (405, json!({"detail": "Method Not Allowed"}))
    );
    assert!(method.header("allow").is_some());
}
