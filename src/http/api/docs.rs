//! `/docs`: Swagger UI over `/openapi.json`, all of it out of the program.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::super::front::Context;

/// Written by the example `openapi`.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");
const PAGE: &str = include_str!("docs/index.html");
const INITIALIZER: &str = include_str!("docs/initializer.js");
const BUNDLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz"));
const STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz"));

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

/// The page and the document that it shows.
pub(super) fn router() -> Router<Context> {
    Router::new()
        .route("/openapi.json", get(document))
        .route("/docs", get(async || Redirect::to("/docs/")))
        .route("/docs/", get(async || ([(CONTENT_TYPE, HTML)], PAGE)))
        .route(
            "/docs/initializer.js",
            get(async || ([(CONTENT_TYPE, JAVASCRIPT)], INITIALIZER)),
        )
        .route(
            "/docs/swagger-ui-bundle.js",
            get(async || packed(JAVASCRIPT, BUNDLE)),
        )
        .route("/docs/swagger-ui.css", get(async || packed(CSS, STYLE)))
}

async fn document(State(context): State<Context>) -> Json<Value> {
    let document = serde_json::from_str(DOCUMENT);
    let mut document: Value = document.expect("it was written as JSON");
    document["info"]["title"] = json!(context.settings.load().title);
    Json(document)
}

fn packed(content_type: &'static str, bytes: &'static [u8]) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, content_type), (CONTENT_ENCODING, "gzip")],
        Bytes::from_static(bytes),
    )
}
