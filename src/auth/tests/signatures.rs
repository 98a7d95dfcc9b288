use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;

const SIGNED: [(Algorithm, &str); 3] = [
    (Algorithm::RS256, "rsa"),
    (Algorithm::ES256, "elliptic"),
    (Algorithm::EdDSA, "edwards"),
];

#[track_caller]
fn assert_refused(result: &Result<Identity, Rejection>, refusal: Refusal) {
    assert_eq!(*result, Err(Rejection::Token(refusal)));
}

#[tokio::test]
async fn each_algorithm_is_verified_with_its_key() {
    let (verifier, _) = usual();
    for (algorithm, kid) in SIGNED {
        for kid in [Some(kid), None] {
            let token = sign(&header(algorithm, kid), &good(json!({})));
            assert_eq!(
                verify(&verifier, &token).await,
                Ok(viewer()),
                "{algorithm:?}"
            );
        }
    }
    assert_eq!(
        verify(&verifier, &shared(&good(json!({})))).await,
        Ok(viewer())
    );
}

#[tokio::test]
async fn a_shared_secret_judges_alone_whatever_key_is_named() {
    let (verifier, publisher) = verifier(&configured(), Answer::Silence);
    for kid in [None, Some("elliptic"), Some("never heard of")] {
        let token = sign(&header(Algorithm::HS256, kid), &good(json!({})));
        assert_eq!(verify(&verifier, &token).await, Ok(viewer()));
    }
    assert!(publisher.asked() <= 1, "nobody but the keeper asked");
}

/// RFC 7515, section 5.2: what was signed is what counts.
#[tokio::test]
async fn what_was_changed_after_signing_is_refused() {
    let (verifier, _) = usual();
    let mut tokens = vec![shared(&good(json!({})))];
    for (algorithm, kid) in SIGNED {
        tokens.push(sign(&header(algorithm, Some(kid)), &good(json!({}))));
    }
    let other = shared(&good(json!({ "role": "else" })));
    for token in tokens {
        let parts: Vec<&str> = token.split('.').collect();
        let foreign = other.split('.').nth(1).unwrap();
        let swapped = format!("{}.{foreign}.{}", parts[0], parts[2]);
        assert_refused(&verify(&verifier, &swapped).await, Refusal::Signature);
        let cut = &token[..token.len() - 4];
        assert_refused(&verify(&verifier, cut).await, Refusal::Signature);
        let bare = format!("{}.{}.", parts[0], parts[1]);
        assert_refused(&verify(&verifier, &bare).await, Refusal::Signature);
    }
}

#[tokio::test]
async fn a_remembered_signature_vouches_for_its_token_alone() {
    let (verifier, _) = usual();
    let token = elliptic("elliptic");
    for _ in 0..2 {
        assert_eq!(verify(&verifier, &token).await, Ok(viewer()));
    }
    // Another signature of the same is another token.
    let (message, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{message}.{}", "A".repeat(86));
    assert_refused(&verify(&verifier, &forged).await, Refusal::Signature);
    // A good signature makes no claim good.
    let mut config = configured();
    config.auth.audience = "else".to_owned();
    verifier.reconfigure(&config);
    assert_refused(&verify(&verifier, &token).await, Refusal::Audience);
}

#[tokio::test]
async fn another_key_of_the_kind_is_refused() {
    let mut set = published();
    // The base point of the curve is a legal key, and not ours.
    set["keys"][1]["x"] = "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY".into();
    set["keys"][1]["y"] = "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU".into();
    let (verifier, _) = verifier(&configured(), Answer::Keys(set));
    assert_refused(
        &verify(&verifier, &elliptic("elliptic")).await,
        Refusal::Signature,
    );
}

#[tokio::test]
async fn a_key_is_used_with_its_own_algorithm_alone() {
    let (verifier, publisher) = usual();
    for (algorithm, kid) in [
        (Algorithm::RS512, "rsa"),
        (Algorithm::ES256, "rsa"),
        (Algorithm::EdDSA, "elliptic"),
        (Algorithm::RS256, "edwards"),
    ] {
        let token = sign(&header(algorithm, Some(kid)), &good(json!({})));
        assert_refused(&verify(&verifier, &token).await, Refusal::Algorithm);
    }
    assert_eq!(publisher.asked(), 1, "a newer set would not help");

    let mut set = published();
    set["keys"][0]["alg"] = "RS512".into();
    publisher.answers(Answer::Keys(set.clone()));
    let (verifier, _) = super::verifier(&configured(), Answer::Keys(set));
    let token = sign(&header(Algorithm::RS512, Some("rsa")), &good(json!({})));
    assert_eq!(verify(&verifier, &token).await, Ok(viewer()));
}

/// The public key of the RSA key as tools write it, of which the last part is
/// what PKCS #1 says.
const RSA_PEM: &str = include_str!("../../../tests/keys/rs256.public.pem");
const RSA_DER: &[u8] = include_bytes!("../../../tests/keys/rs256.public.der");
const PKCS1: usize = 24;

#[test]
fn the_forms_of_the_public_key_are_one_key() {
    let text: String = RSA_PEM
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    assert_eq!(STANDARD.decode(text).unwrap(), RSA_DER);
    let set = published();
    let n = set["keys"][0]["n"].as_str().unwrap();
    let n = URL_SAFE_NO_PAD.decode(n).unwrap();
    assert!(RSA_DER[PKCS1..].windows(n.len()).any(|part| part == n));
    // A sequence of so many bytes.
    let length = RSA_DER.len() - PKCS1 - 4;
    assert_eq!(RSA_DER[PKCS1..PKCS1 + 2], [0x30, 0x82]);
    assert_eq!(
        RSA_DER[PKCS1 + 2..PKCS1 + 4],
        u16::try_from(length).unwrap().to_be_bytes()
    );
}

/// The classic: the public key, which everyone knows, as the shared secret.
#[tokio::test]
async fn a_public_key_is_no_secret() {
    install_crypto();
    let set = published();
    let key = &set["keys"][0];
    let (pem, der, jwk) = (RSA_PEM, RSA_DER, key.to_string());
    let n = key["n"].as_str().unwrap();
    let secrets: [&[u8]; 7] = [
        pem.as_bytes(),
        pem.trim_end().as_bytes(),
        der,
        &der[PKCS1..],
        n.as_bytes(),
        jwk.as_bytes(),
        b"",
    ];
    let without_secret = {
        let mut config = configured();
        config.auth.jwt_secret = Secret::default();
        verifier(&config, Answer::Keys(published())).0
    };
    for secret in secrets {
        let secret = EncodingKey::from_secret(secret);
        let header = header(Algorithm::HS256, Some("rsa"));
        let token = encode(&header, &good(json!({})), &secret).unwrap();
        assert_refused(&verify(&usual().0, &token).await, Refusal::Signature);
        assert_refused(&verify(&without_secret, &token).await, Refusal::NoSecret);
    }
}

#[tokio::test]
async fn a_shared_secret_in_the_key_set_is_never_used() {
    let set =
        json!({ "keys": [{ "kty": "oct", "kid": "shared", "alg": "HS256", "k": "c2VjcmV0" }] });
    let mut config = configured();
    config.auth.jwt_secret = Secret::default();
    let (verifier, _) = verifier(&config, Answer::Keys(set));
    install_crypto();
    let header = header(Algorithm::HS256, Some("shared"));
    let secret = EncodingKey::from_secret(b"secret");
    let token = encode(&header, &good(json!({})), &secret).unwrap();
    assert_refused(&verify(&verifier, &token).await, Refusal::NoSecret);
}

#[tokio::test]
async fn headers_decide_nothing_but_algorithm_and_key() {
    let (verifier, publisher) = usual();
    let good = good(json!({}));
    let token = shared(&good);
    let (_, rest) = token.split_once('.').unwrap();
    for text in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None","kid":"new"}"#,
        r#"{"alg":"","kid":"new"}"#,
        r#"{"alg":null,"kid":"new"}"#,
        r#"{"kid":"new"}"#,
        r#"{"alg":"HS384"}"#,
        r#"{"alg":"PS256","kid":"rsa"}"#,
        r#"{"alg":"ES384","kid":"new"}"#,
        r#"{"alg":"ES512","kid":"new"}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
        r#"{"alg":"HS256","kid":"a","kid":"b"}"#,
        r#"{"alg":["HS256"]}"#,
        r#"["HS256"]"#,
        "",
    ] {
        let forged = format!("{}.{rest}", base64url(text.as_bytes()));
        assert_refused(&verify(&verifier, &forged).await, Refusal::Header);
    }
    let mut critical = header(Algorithm::HS256, None);
    critical.crit = Some(vec!["exp".to_owned()]);
    assert_refused(
        &verify(&verifier, &sign(&critical, &good)).await,
        Refusal::Critical,
    );

    // A token may bring a key along, which proves nothing.
    let own = published()["keys"][1].clone();
    let mut bringing = header(Algorithm::ES256, Some("mine"));
    bringing.jwk = Some(serde_json::from_value(own).unwrap());
    bringing.jku = Some("https://elsewhere.example/keys".to_owned());
    assert_refused(
        &verify(&verifier, &sign(&bringing, &good)).await,
        Refusal::UnknownKey,
    );
    assert_eq!(publisher.asked(), 2, "only that one had a reason to ask");
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let (verifier, publisher) = usual();
    let token = shared(&good(json!({})));
    for text in [
        "a",
        ".",
        "..",
        "a.b.c",
        "....",
        &format!("{token}."),
        &format!(".{token}"),
        &token.replace('.', ""),
        &format!("{token}="),
        &format!("a.b.{token}"),
    ] {
        let result = verify(&verifier, text).await;
        assert!(
            matches!(result, Err(Rejection::Token(_))),
            "{text}: {result:?}"
        );
    }
    let long = shared(&good(json!({ "x": "x".repeat(8 * 1024) })));
    assert_refused(&verify(&verifier, &long).await, Refusal::TooLong);
    assert!(publisher.asked() <= 1);
}

#[tokio::test]
async fn without_a_secret_and_without_keys_every_token_is_refused() {
    let (verifier, publisher) = verifier(&Config::builtin(), Answer::Keys(published()));
    assert_refused(
        &verify(&verifier, &shared(&good(json!({})))).await,
        Refusal::NoSecret,
    );
    assert_refused(
        &verify(&verifier, &elliptic("elliptic")).await,
        Refusal::UnknownKey,
    );
    assert_eq!(publisher.asked(), 0);
}

/// RFC 4648, section 5, without padding.
pub(super) fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let group = u32::from_be_bytes(group);
        for place in 0..=chunk.len() {
            let six_bits = (group >> (18 - 6 * place)) & 0x3f;
            text.push(char::from(ALPHABET[six_bits as usize]));
        }
    }
    text
}
