//! Answers health and key set requests as the auth API (GoTrue) behind its
//! gateway does, for `etc/try`.
//!
//! ```text
//! auth_stand_in 127.0.0.1:9999 API-KEY
//! ```
//!
//! `GET /auth/v1/health` is 200 with the right `apikey` header and 401 without
//! it; the key set is open and empty, as it is for a project that signs with a
//! shared secret; HEAD is not served.

use std::convert::Infallible;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(key), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        anyhow::bail!("usage: auth_stand_in ADDRESS API-KEY");
    };
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    serve(&listener, &key).await
}

async fn serve(listener: &TcpListener, key: &str) -> anyhow::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        let key = key.to_owned();
        let service = service_fn(move |request: Request<Incoming>| {
            let response = answer(&request, &key);
            async move { Ok::<_, Infallible>(response) }
        });
        connections.spawn(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service),
        );
        // Connections that have ended need not be remembered.
        while connections.try_join_next().is_some() {}
    }
}

fn answer(request: &Request<Incoming>, key: &str) -> Response<Full<Bytes>> {
    let health = match request.uri().path() {
        "/auth/v1/health" => true,
        "/auth/v1/.well-known/jwks.json" => false,
        _ => return json(StatusCode::NOT_FOUND, r#"{"message":"no Route matched"}"#),
    };
    if health
        && request
            .headers()
            .get("apikey")
            .is_none_or(|sent| sent != key)
    {
        return json(
            StatusCode::UNAUTHORIZED,
            r#"{"message":"No API key found in request"}"#,
        );
    }
    if request.method() != Method::GET {
        let mut response = json(StatusCode::METHOD_NOT_ALLOWED, "");
        let get = http::HeaderValue::from_static("GET");
        response.headers_mut().insert(ALLOW, get);
        return response;
    }
    if health {
        return json(
            StatusCode::OK,
            r#"{"version":"stand-in","name":"GoTrue","description":"GoTrue is a user registration and authentication API"}"#,
        );
    }
    let mut response = json(StatusCode::OK, r#"{"keys":[]}"#);
    let ten_minutes = http::HeaderValue::from_static("public, max-age=600");
    response.headers_mut().insert(CACHE_CONTROL, ten_minutes);
    response
}

fn json(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
