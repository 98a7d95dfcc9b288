//! The status page: one document without outside resources. Its parts are
//! files of their own and become one when the program is built.

use std::sync::LazyLock;

use axum::response::{Html, IntoResponse};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use sha2::{Digest, Sha256};

use crate::http::health::NO_STORE;

macro_rules! style {
    () => {
        include_str!("page/style.css")
    };
}

/// One module: what a part declares, those after it may use.
macro_rules! script {
    () => {
        concat!(
            include_str!("page/words.js"),
            include_str!("page/document.js"),
            include_str!("page/layout.js"),
            include_str!("page/graph.js"),
            include_str!("page/sparkline.js"),
            include_str!("page/verdict.js"),
            include_str!("page/trouble.js"),
            include_str!("page/table.js"),
            include_str!("page/timeline.js"),
            include_str!("page/stream.js"),
        )
    };
}

const PAGE: &str = concat!(
    include_str!("page/head.html"),
    "<style>",
    style!(),
    "</style>\n",
    include_str!("page/body.html"),
    "<script type=\"module\">",
    script!(),
    "</script>\n</body>\n</html>\n",
);

/// Nothing but what stands in the page may run, style it, or be asked for.
/// Peers put words into errors: none of them can become markup.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(script!()),
        hash(style!()),
    )
});

const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (CACHE_CONTROL, NO_STORE),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

pub(super) async fn page() -> impl IntoResponse {
    let policy = [(CONTENT_SECURITY_POLICY, POLICY.as_str())];
    (HEADERS, policy, Html(PAGE))
}
