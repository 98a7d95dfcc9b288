use super::*;

async fn with(changes: Value) -> Result<Identity, Rejection> {
    verify(&usual().0, &shared(&good(changes))).await
}

async fn refusal(changes: Value) -> Option<Refusal> {
    match with(changes).await {
        Err(Rejection::Token(refusal)) => Some(refusal),
        Ok(_) => None,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_token_is_good_for_its_time_and_half_a_minute_around_it() {
    let now = now();
    assert_eq!(refusal(json!({ "exp": now - 25.0 })).await, None);
    assert_eq!(refusal(json!({ "nbf": now + 25.0 })).await, None);
    assert_eq!(refusal(json!({ "nbf": now.floor() - 9.0 })).await, None);
    for exp in [
        json!(now - 31.0),
        json!(0),
        json!(-1),
        json!("9999999999"),
        json!(null),
        json!([]),
    ] {
        assert_eq!(
            refusal(json!({ "exp": exp })).await,
            Some(Refusal::Expired),
            "{exp}"
        );
    }
    for nbf in [json!(now + 40.0), json!("1"), json!(true), json!(1e300)] {
        assert_eq!(
            refusal(json!({ "nbf": nbf })).await,
            Some(Refusal::NotYet),
            "{nbf}"
        );
    }
}

/// Whoever issues tokens says with `exp` and `nbf` when they are good; when
/// they were made is no condition, and clocks go wrong.
#[tokio::test]
async fn when_it_was_issued_decides_nothing() {
    for iat in [
        json!(0),
        json!(now() + 1e6),
        json!(-1),
        json!("x"),
        json!(1e300),
        json!([]),
    ] {
        assert_eq!(refusal(json!({ "iat": iat })).await, None, "{iat}");
        let expired = json!({ "iat": iat, "exp": now() - 31.0 });
        assert_eq!(refusal(expired).await, Some(Refusal::Expired), "{iat}");
    }
}

#[tokio::test]
async fn claims_may_be_as_many_as_a_token_holds() {
    let many: Vec<String> = (0..130)
        .map(|n| format!("{n:08x}-0000-4000-8000-000000000000"))
        .collect();
    assert_eq!(refusal(json!({ "x": many })).await, None);
    // Numbers that no number holds, and objects that nobody would nest so.
    for exp in [
        "1e400",
        "-1e400",
        "1e99999999999",
        "NaN",
        "Infinity",
        "0x7fffffff",
        "99999999999999999999999999999999999999999",
    ] {
        let claims = good(json!({ "exp": 1 }))
            .to_string()
            .replace("\"exp\":1", &format!("\"exp\":{exp}"));
        let Ok(claims) = RawValue::from_string(claims) else {
            continue;
        };
        let token = sign(&header(Algorithm::HS256, None), &claims);
        let result = verify(&usual().0, &token).await;
        let huge = exp.starts_with('9');
        assert_eq!(result.is_ok(), huge, "{exp}: {result:?}");
    }
    for depth in [100, 126, 127, 128, 2_000] {
        let nested = format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        let claims = good(json!({}))
            .to_string()
            .replacen('{', &format!(r#"{{"x":{nested},"#), 1);
        let token = [r#"{"alg":"HS256"}"#, &claims]
            .map(|part| super::signatures::base64url(part.as_bytes()));
        let message = token.join(".");
        let signature = jsonwebtoken::crypto::sign(
            message.as_bytes(),
            &signing_key(Algorithm::HS256),
            Algorithm::HS256,
        );
        let token = format!("{message}.{}", signature.unwrap());
        let result = verify(&usual().0, &token).await;
        assert!(
            result.is_ok() || matches!(result, Err(Rejection::Token(_))),
            "{depth}: {result:?}"
        );
        assert!(depth > 100 || result.is_ok(), "{depth}: {result:?}");
    }
}

#[test]
fn the_leeway_ends_to_the_second() {
    let json = good(json!({ "exp": 1_000, "nbf": 500 })).to_string();
    let claims = Claims::parse(&json).unwrap();
    let at = |now| claims.check(&configured().auth, now);
    assert_eq!(at(469.9), Err(Refusal::NotYet));
    assert_eq!(at(470.0), Ok(()));
    assert_eq!(at(1_029.9), Ok(()));
    assert_eq!(at(1_030.0), Err(Refusal::Expired));
}

#[tokio::test]
async fn a_token_is_meant_for_us() {
    for aud in [json!("authenticated"), json!(["else", "authenticated"])] {
        assert_eq!(refusal(json!({ "aud": aud })).await, None);
    }
    for aud in [
        json!(null),
        json!(""),
        json!("anon"),
        json!("Authenticated"),
        json!([]),
        json!(["anon"]),
        json!([["authenticated"]]),
        json!({ "authenticated": true }),
        json!(7),
    ] {
        assert_eq!(
            refusal(json!({ "aud": aud })).await,
            Some(Refusal::Audience),
            "{aud}"
        );
    }
}

#[tokio::test]
async fn an_issuer_that_stands_there_is_the_right_one() {
    assert_eq!(
        refusal(json!({ "iss": null })).await,
        None,
        "it was only derived"
    );
    for iss in [json!("supabase"), json!(""), json!(7), json!([ISSUER])] {
        assert_eq!(
            refusal(json!({ "iss": iss })).await,
            Some(Refusal::Issuer),
            "{iss}"
        );
    }
    let mut config = configured();
    config.auth.issuer_required = true;
    let (verifier, _) = verifier(&config, Answer::Silence);
    assert!(verify(&verifier, &shared(&good(json!({})))).await.is_ok());
    let without = shared(&good(json!({ "iss": null })));
    assert_eq!(
        verify(&verifier, &without).await,
        Err(Refusal::Issuer.into())
    );
}

#[tokio::test]
async fn a_user_is_named_by_a_uuid() {
    for sub in [json!(null), json!("")] {
        assert_eq!(
            with(json!({ "sub": sub })).await,
            Err(Rejection::UserMissing)
        );
    }
    let said = |result: Result<Identity, Rejection>| result.unwrap_err().to_string();
    assert_eq!(
        said(with(json!({ "sub": "service\u{7}\r\n" })).await),
        "Invalid user ID format: service\u{fffd}\u{fffd}\u{fffd}"
    );
    let long = said(with(json!({ "sub": "x".repeat(2_000) })).await);
    assert_eq!(long, format!("Invalid user ID format: {}…", "x".repeat(64)));
    assert_eq!(refusal(json!({ "sub": 7 })).await, Some(Refusal::Subject));
    // Whoever has no good token learns nothing about what it says.
    let expired = json!({ "sub": "service", "exp": 1 });
    assert_eq!(refusal(expired).await, Some(Refusal::Expired));
}

#[tokio::test]
async fn no_claim_stands_twice() {
    let (verifier, _) = usual();
    let good = good(json!({ "app_metadata": { "role": "viewer" } })).to_string();
    for (one, two) in [
        (r#""exp":"#, r#""exp":1,"exp":"#),
        (r#""sub":"#, r#""sub":"a","sub":"#),
        (r#""aud":"#, r#""aud":"a","aud":"#),
        (r#""role":"viewer""#, r#""role":"viewer","role":"admin""#),
        (
            r#""app_metadata":"#,
            r#""app_metadata":{"role":"admin"},"app_metadata":"#,
        ),
        (
            r#""app_metadata":"#,
            r#""app_\u006detadata":{"role":"admin"},"app_metadata":"#,
        ),
    ] {
        let claims = RawValue::from_string(good.replacen(one, two, 1)).unwrap();
        assert_ne!(claims.get(), good);
        let token = sign(&header(Algorithm::HS256, None), &claims);
        assert_eq!(
            verify(&verifier, &token).await,
            Err(Refusal::Claims.into()),
            "{two}"
        );
    }
    for text in ["7", "[]", "null", "\"x\""] {
        let claims = RawValue::from_string(text.to_owned()).unwrap();
        let token = sign(&header(Algorithm::HS256, None), &claims);
        assert_eq!(
            verify(&verifier, &token).await,
            Err(Refusal::Claims.into()),
            "{text}"
        );
    }
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    let claims = RawValue::from_string(good.replacen('{', &format!("{{\"x\":{deep},"), 1));
    if let Ok(claims) = claims {
        let token = sign(&header(Algorithm::HS256, None), &claims);
        assert_eq!(verify(&verifier, &token).await, Err(Refusal::Claims.into()));
    }
}

#[tokio::test]
async fn a_role_comes_from_what_users_cannot_edit() {
    for (claims, role) in [
        (json!({}), Role::Viewer),
        (json!({ "app_metadata": { "role": "admin" } }), Role::Admin),
        (json!({ "user_role": "manager" }), Role::Manager),
        (
            json!({ "app_metadata": { "role": "planner" }, "user_role": "admin" }),
            Role::Planner,
        ),
        (
            json!({ "app_metadata": { "role": null }, "user_role": "planner" }),
            Role::Planner,
        ),
        (
            json!({ "app_metadata": {}, "user_role": "planner" }),
            Role::Planner,
        ),
        (json!({ "app_metadata": "admin" }), Role::Viewer),
        (
            json!({ "app_metadata": { "role": "root" }, "user_role": "admin" }),
            Role::Viewer,
        ),
        (
            json!({ "app_metadata": { "role": ["admin"] } }),
            Role::Viewer,
        ),
        (
            json!({ "app_metadata": { "user_role": "admin" } }),
            Role::Viewer,
        ),
        (json!({ "user_role": "Admin" }), Role::Viewer),
        (json!({ "role": "admin" }), Role::Viewer),
        (
            json!({ "user_metadata": { "role": "admin", "user_role": "admin" } }),
            Role::Viewer,
        ),
        (
            json!({ "user_metadata": { "app_metadata": { "role": "admin" } } }),
            Role::Viewer,
        ),
    ] {
        assert_eq!(with(claims.clone()).await.unwrap().role, role, "{claims}");
    }
}

#[tokio::test]
async fn a_token_sees_the_organizations_it_names_and_no_other() {
    const A: &str = "aaaaaaaa-0000-4000-8000-000000000000";
    const B: &str = "bbbbbbbb-0000-4000-8000-000000000000";
    let mut config = configured();
    config.auth.organization_claim = vec!["org".to_owned(), "ids".to_owned()];
    let (verifier, _) = verifier(&config, Answer::Silence);
    for (claims, expected) in [
        (json!({ "org": { "ids": A } }), vec![A]),
        (json!({ "org": { "ids": [A, B] } }), vec![A, B]),
        (
            json!({ "app_metadata": { "org": { "ids": [B] } } }),
            vec![B],
        ),
        (
            json!({ "org": { "ids": A }, "app_metadata": { "org": { "ids": B } } }),
            vec![A],
        ),
        (
            json!({ "org": { "ids": null }, "app_metadata": { "org": { "ids": B } } }),
            vec![B],
        ),
        (
            json!({ "org": { "ids": [A, "all", 7, "*", [B]] } }),
            vec![A],
        ),
        (json!({}), vec![]),
        (json!({ "org": A }), vec![]),
        (json!({ "org": { "ids": "" } }), vec![]),
        (json!({ "user_metadata": { "org": { "ids": A } } }), vec![]),
    ] {
        let identity = verify(&verifier, &shared(&good(claims.clone())))
            .await
            .unwrap();
        let ids: Vec<OrganizationId> = expected.iter().map(|id| id.parse().unwrap()).collect();
        let only = Organizations::Only(ids.iter().copied().collect());
        assert_eq!(identity.organizations, only, "{claims}");
        assert_eq!(identity.user, USER.parse::<UserId>().unwrap());
        assert!(ids.iter().all(|id| identity.organizations.contains(*id)));
        assert!(!identity.organizations.contains(USER.parse().unwrap()));
    }
    assert!(Organizations::All.contains(A.parse().unwrap()));
}

#[test]
fn clients_are_told_what_they_know() {
    let refused = Rejection::Token(Refusal::Signature);
    assert_eq!(refused.to_string(), "Invalid or expired token");
    assert_eq!(refused.challenge(), Some(r#"Bearer error="invalid_token""#));
    let missing = Rejection::HeaderMissing;
    assert_eq!(missing.to_string(), "Authorization header missing");
    assert_eq!(missing.challenge(), Some("Bearer"));
    assert_eq!(
        Rejection::HeaderFormat.to_string(),
        "Invalid authorization header format. Expected: Bearer <token>"
    );
    assert_eq!(
        Rejection::UserMissing.to_string(),
        "JWT token missing user ID"
    );
    assert_eq!(Rejection::KeysUnavailable.challenge(), None);
}
