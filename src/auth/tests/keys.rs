use futures_util::future::join_all;
use tokio::time::{Instant, advance};

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

#[track_caller]
fn assert_unknown(result: &Result<Identity, Rejection>) {
    assert_eq!(*result, Err(Rejection::Token(Refusal::UnknownKey)));
}

/// Verifies, and tells how long that took.
async fn timed(verifier: &Verifier, token: &str) -> (Result<Identity, Rejection>, Duration) {
    let began = Instant::now();
    let result = verify(verifier, token).await;
    (result, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn keys_are_kept_ten_minutes_and_renewed_without_delay_to_anyone() {
    let (verifier, publisher) = usual();
    let token = elliptic("elliptic");
    let limit = Instant::now() + 10 * MINUTE;
    while Instant::now() < limit - MINUTE {
        assert!(verify(&verifier, &token).await.is_ok());
        sleep(MINUTE).await;
    }
    assert_eq!(publisher.asked(), 1);
    publisher.answers(Answer::Slow(Duration::from_secs(1), published()));
    sleep(MINUTE + Duration::from_millis(500)).await;
    assert_eq!(publisher.asked(), 2);
    let (result, took) = timed(&verifier, &token).await;
    assert_eq!((result, took), (Ok(viewer()), Duration::ZERO));
    sleep(9 * MINUTE).await;
    assert_eq!(publisher.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_published_no_more_is_refused() {
    let (verifier, publisher) = usual();
    assert!(verify(&verifier, &elliptic("elliptic")).await.is_ok());
    publisher.answers(Answer::Keys(published_as("rsa", "rsa")));
    sleep(11 * MINUTE).await;
    assert_unknown(&verify(&verifier, &elliptic("elliptic")).await);
}

#[tokio::test(start_paused = true)]
async fn an_empty_set_is_normal() {
    let (verifier, publisher) = verifier(&configured(), Answer::Keys(json!({ "keys": [] })));
    assert_unknown(&verify(&verifier, &elliptic("elliptic")).await);
    assert!(verify(&verifier, &shared(&good(json!({})))).await.is_ok());
    assert_eq!(publisher.hints(), 0);
}

/// Twenty tokens with keys that were never published, again and again.
async fn storm(verifier: &Verifier, rounds: usize) {
    let tokens: Vec<String> = (0..20).map(|kid| elliptic(&kid.to_string())).collect();
    for _ in 0..rounds {
        let all = tokens.iter().map(|token| verify(verifier, token));
        for result in join_all(all).await {
            assert_unknown(&result);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_unknown_keys_asks_every_other_second() {
    let (verifier, publisher) = usual();
    assert!(verify(&verifier, &elliptic("elliptic")).await.is_ok());
    publisher.answers(Answer::Slow(Duration::from_millis(500), published()));
    let began = Instant::now();
    storm(&verifier, 30).await;
    let took = began.elapsed().as_secs();
    assert!(
        (58..=90).contains(&took),
        "each waits for its turn: {took} s"
    );
    let most = 2 + usize::try_from(took / 2).unwrap();
    assert!(
        (30..=most).contains(&publisher.asked()),
        "{}",
        publisher.asked()
    );
}

#[tokio::test(start_paused = true)]
async fn who_has_a_new_key_does_not_pay_for_those_who_invent_some() {
    let (verifier, publisher) = usual();
    assert!(verify(&verifier, &elliptic("elliptic")).await.is_ok());
    let rotation = async {
        for number in 0..20 {
            sleep(Duration::from_millis(1_370)).await;
            let name = format!("new-{number}");
            publisher.answers(Answer::Keys(published_as("elliptic", &name)));
            let (result, took) = timed(&verifier, &elliptic(&name)).await;
            assert_eq!(result, Ok(viewer()), "{name}");
            assert!(took <= Duration::from_secs(2), "{took:?}");
        }
    };
    tokio::select! {
        () = rotation => {}
        () = storm(&verifier, usize::MAX) => unreachable!(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_found_by_the_first_token_that_names_it() {
    let (verifier, publisher) = usual();
    assert!(verify(&verifier, &elliptic("elliptic")).await.is_ok());
    publisher.answers(Answer::Keys(published_as("elliptic", "new")));
    assert_eq!(verify(&verifier, &elliptic("new")).await, Ok(viewer()));
    assert_eq!(publisher.asked(), 2);
    // The old one is gone with the set that it stood in.
    assert_unknown(&verify(&verifier, &elliptic("elliptic")).await);
    assert_eq!(publisher.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_new_since_a_fetch_began_is_found_by_the_next() {
    let (verifier, publisher) = usual();
    assert!(verify(&verifier, &elliptic("elliptic")).await.is_ok());
    publisher.answers(Answer::Slow(Duration::from_secs(1), published()));
    sleep(10 * MINUTE + Duration::from_millis(500)).await;
    assert_eq!(publisher.asked(), 2, "a fetch runs");
    publisher.answers(Answer::Keys(published_as("elliptic", "new")));
    assert_eq!(verify(&verifier, &elliptic("new")).await, Ok(viewer()));
    assert_eq!(publisher.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_early_takes_no_fetch_along() {
    let (verifier, publisher) = usual();
    assert!(verify(&verifier, &elliptic("elliptic")).await.is_ok());
    let new = published_as("elliptic", "new");
    publisher.answers(Answer::Slow(Duration::from_secs(1), new));
    let token = elliptic("new");
    let impatient = tokio::time::timeout(Duration::from_millis(10), verify(&verifier, &token));
    impatient.await.unwrap_err();
    assert_eq!(verify(&verifier, &token).await, Ok(viewer()));
    assert_eq!(publisher.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn silence_costs_one_deadline_and_then_nothing() {
    let config = configured();
    let deadline = config.dependency(SUPABASE_AUTH).unwrap().checks.timeout;
    let (verifier, publisher) = verifier(&config, Answer::Silence);
    let (result, took) = timed(&verifier, &elliptic("elliptic")).await;
    assert_eq!(result, Err(Rejection::KeysUnavailable));
    assert!(took <= deadline + Duration::from_millis(2), "{took:?}");
    assert_eq!(publisher.hints(), 1);
    let (result, took) = timed(&verifier, &elliptic("elliptic")).await;
    assert_eq!(result, Err(Rejection::KeysUnavailable));
    assert_eq!(took, Duration::ZERO);
    // A shared secret needs nobody.
    assert!(verify(&verifier, &shared(&good(json!({})))).await.is_ok());

    publisher.answers(Answer::Keys(published()));
    sleep(Duration::from_secs(10)).await;
    assert!(verify(&verifier, &elliptic("elliptic")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn old_keys_are_used_on_while_the_auth_api_is_down() {
    let (verifier, publisher) = usual();
    assert!(verify(&verifier, &elliptic("elliptic")).await.is_ok());
    for down in [
        Answer::Refused,
        Answer::Silence,
        Answer::Other(StatusCode::BAD_GATEWAY, ""),
        Answer::Other(StatusCode::OK, "<html>"),
        Answer::Other(StatusCode::OK, r#"{"keys":{}}"#),
    ] {
        publisher.answers(down.clone());
        for _ in 0..20 {
            sleep(MINUTE).await;
            let (result, took) = timed(&verifier, &elliptic("elliptic")).await;
            assert_eq!((result, took), (Ok(viewer()), Duration::ZERO), "{down:?}");
        }
        let (result, took) = timed(&verifier, &elliptic("new")).await;
        assert_eq!(result, Err(Rejection::KeysUnavailable), "{down:?}");
        assert_eq!(took, Duration::ZERO);
    }
    publisher.answers(Answer::Keys(published()));
    sleep(Duration::from_secs(10)).await;
    assert_unknown(&verify(&verifier, &elliptic("new")).await);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_while_the_auth_api_goes_down_is_nobodys_fault() {
    let (verifier, publisher) = usual();
    assert!(verify(&verifier, &elliptic("elliptic")).await.is_ok());
    publisher.answers(Answer::Refused);
    let result = verify(&verifier, &elliptic("new")).await;
    assert_eq!(result, Err(Rejection::KeysUnavailable));
    assert_eq!((publisher.asked(), publisher.hints()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_key_set_is_no_hint_about_the_transport() {
    let (verifier, publisher) = verifier(&configured(), Answer::Other(StatusCode::NOT_FOUND, ""));
    let result = verify(&verifier, &elliptic("elliptic")).await;
    assert_eq!(result, Err(Rejection::KeysUnavailable));
    assert_eq!(publisher.hints(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_without_a_key_needs_a_set_in_which_one_fits() {
    let mut set = published();
    let mut second = set["keys"][1].clone();
    second["kid"] = "second".into();
    set["keys"].as_array_mut().unwrap().push(second);
    let (verifier, _) = verifier(&configured(), Answer::Keys(set));
    let without = |algorithm| sign(&header(algorithm, None), &good(json!({})));
    let ambiguous = verify(&verifier, &without(Algorithm::ES256)).await;
    assert_eq!(ambiguous, Err(Refusal::AmbiguousKey.into()));
    assert!(verify(&verifier, &without(Algorithm::EdDSA)).await.is_ok());
    assert!(verify(&verifier, &elliptic("second")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn keys_for_other_purposes_are_left_out_and_spoil_nothing() {
    let key = published()["keys"][1].clone();
    let with = |name: &str, value: Value| {
        let mut key = key.clone();
        key["kid"] = "odd".into();
        key[name] = value;
        key
    };
    let odd = [
        with("use", json!("enc")),
        with("key_ops", json!(["sign"])),
        with("alg", json!("RS256")),
        with("alg", json!("ES512")),
        with("crv", json!("P-384")),
        with("crv", json!("secp256k1")),
        with("kty", json!("new")),
        with("x", json!("not base64")),
        with("x", Value::Null),
        json!(7),
        json!({}),
    ];
    for odd in odd {
        let set = json!({ "keys": [odd, key] });
        let (verifier, _) = verifier(&configured(), Answer::Keys(set));
        assert!(
            verify(&verifier, &elliptic("elliptic")).await.is_ok(),
            "{odd}"
        );
        assert_unknown(&verify(&verifier, &elliptic("odd")).await);
    }
    let mut plain = key.clone();
    for name in ["use", "key_ops", "alg"] {
        plain.as_object_mut().unwrap().remove(name);
    }
    let (verifier, _) = verifier(&configured(), Answer::Keys(json!({ "keys": [plain] })));
    assert!(verify(&verifier, &elliptic("elliptic")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_reload_follows_the_settings_and_keeps_the_keys_of_the_same_address() {
    let (verifier, publisher) = usual();
    assert!(verify(&verifier, &elliptic("elliptic")).await.is_ok());

    let mut config = configured();
    config.auth.audience = "else".to_owned();
    config.auth.jwt_secret = "another secret, which is long enough, too".into();
    publisher.answers(Answer::Silence);
    verifier.reconfigure(&config);
    let (result, took) = timed(&verifier, &elliptic("elliptic")).await;
    assert_eq!(
        (result, took),
        (Err(Refusal::Audience.into()), Duration::ZERO)
    );
    let old = verify(&verifier, &shared(&good(json!({})))).await;
    assert_eq!(old, Err(Refusal::Signature.into()));

    // Another address is another project, whose keys are not known.
    let mut config = configured();
    config.auth.key_set = Some(target("other.example"));
    verifier.reconfigure(&config);
    let result = verify(&verifier, &elliptic("elliptic")).await;
    assert_eq!(result, Err(Rejection::KeysUnavailable));
    publisher.answers(Answer::Keys(published_as("elliptic", "other")));
    advance(Duration::from_secs(2)).await;
    sleep(Duration::from_secs(10)).await;
    assert_unknown(&verify(&verifier, &elliptic("elliptic")).await);
    assert!(verify(&verifier, &elliptic("other")).await.is_ok());

    config.auth.key_set = None;
    verifier.reconfigure(&config);
    assert_unknown(&verify(&verifier, &elliptic("other")).await);
    let asked = publisher.asked();
    sleep(60 * MINUTE).await;
    assert_eq!(publisher.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_reload_during_a_fetch_leaves_nobody_waiting() {
    let (verifier, publisher) = usual();
    assert!(verify(&verifier, &elliptic("elliptic")).await.is_ok());
    publisher.answers(Answer::Silence);
    let mut config = configured();
    for dependency in &mut config.dependencies {
        dependency.checks.timeout = Duration::from_millis(100);
    }
    let reload = async {
        sleep(Duration::from_millis(10)).await;
        assert_eq!(publisher.asked(), 2, "a fetch runs");
        publisher.answers(Answer::Keys(published_as("elliptic", "new")));
        verifier.reconfigure(&config);
    };
    let token = elliptic("new");
    let (result, ()) = tokio::join!(timed(&verifier, &token), reload);
    assert_eq!(result, (Ok(viewer()), Duration::from_millis(10)));
}
