//! One token of a request, signed with the shared secret.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use tokio::runtime::Builder;

use budgetd::auth::{Verifier, install_crypto};
use budgetd::config::{Sources, load};

const SECRET: &str = "a-secret-of-the-count-with-enough-characters";

pub(crate) fn walk(times: u32) {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("the system provides a runtime");
    runtime.block_on(async {
        let sources = Sources {
            environment: vec![("SUPABASE_JWT_SECRET".into(), SECRET.into())],
            ..Sources::default()
        };
        let config = load(&sources).expect("it is valid").config;
        let verifier = Verifier::new(&config, Arc::new(|| {}));
        verifier.reconfigure(&config);
        let headers = headers();
        for _ in 0..times {
            let identity = verifier.verify(&headers).await;
            identity.expect("the token is good");
        }
    });
}

/// The claims that Supabase issues, more or less.
fn headers() -> HeaderMap {
    install_crypto();
    let user = "00000000-0000-4000-8000-00000000cafe";
    let claims = json!({
        "sub": user, "aud": "authenticated", "exp": 4_000_000_000_u64, "iat": 1_700_000_000,
        "email": "someone@example.org", "role": "authenticated", "session_id": user,
        "app_metadata": {"provider": "email", "role": "planner"},
        "user_metadata": {"name": "Someone"}, "is_anonymous": false, "aal": "aal1"
    });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&Header::default(), &claims, &key);
    let value = format!("Bearer {}", token.expect("claims can be signed"));
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&value).expect("tokens are text");
    headers.insert(AUTHORIZATION, value);
    headers
}
