//! Where a request ends: whoever can make a proxy and this server disagree
//! about it can put a request into somebody else's connection (RFC 9112,
//! section 11.2). So what can be read in two ways is refused, or is the last
//! that its connection says.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::codes;
use crate::support::{DaemonOptions, client};

/// What is hidden in a body; an answer to it gives the smuggler away.
const HIDDEN: &str = "GET /health HTTP/1.1\r\nhost: hidden\r\n\r\n";

const POST: &str = "POST /nowhere HTTP/1.1\r\nhost: t\r\n";

#[tokio::test]
async fn what_has_two_ends_is_the_last_of_its_connection() {
    let daemon = DaemonOptions::default().serve().await;
    let chunked = "transfer-encoding: chunked\r\n";
    let length = |length: usize| format!("content-length: {length}\r\n");
    for (headers, body, allowed) in [
        // CL.TE and TE.CL: the chunks count, and nothing behind them does.
        (format!("{}{chunked}", length(5)), "0\r\n\r\n", "404"),
        (format!("{chunked}{}", length(5)), "0\r\n\r\n", "404"),
        // TE.TE, one of which somebody may not understand.
        (
            format!("{chunked}transfer-encoding: x\r\n"),
            "0\r\n\r\n",
            "400",
        ),
        (
            "transfer-encoding: xchunked\r\n".to_owned(),
            "0\r\n\r\n",
            "400",
        ),
        (
            "transfer-encoding: chunked, x\r\n".to_owned(),
            "0\r\n\r\n",
            "400",
        ),
        (
            "transfer-encoding : chunked\r\n".to_owned(),
            "0\r\n\r\n",
            "400",
        ),
        (
            "transfer-encoding:\r\n chunked\r\n".to_owned(),
            "0\r\n\r\n",
            "400",
        ),
        (
            "x: y\r\n transfer-encoding: chunked\r\n".to_owned(),
            "0\r\n\r\n",
            "400",
        ),
        // Codings that nobody here knows, in front of the one that counts.
        (
            format!("transfer-encoding: 1.1\r\n{chunked}"),
            "0\r\n\r\n",
            "501",
        ),
        (
            "transfer-encoding: gzip, chunked\r\n".to_owned(),
            "0\r\n\r\n",
            "501",
        ),
        (format!("{chunked}{chunked}"), "0\r\n\r\n", "501"),
        ("host: other\r\n".to_owned(), "", "400"),
        // CL.CL, and lengths that are no numbers to everyone.
        (format!("{}{}", length(3), length(4)), "abc", "400"),
        ("content-length: 3, 4\r\n".to_owned(), "abc", "400"),
        ("content-length: +3\r\n".to_owned(), "abc", "400"),
        ("content-length: 0x3\r\n".to_owned(), "abc", "400"),
        ("content-length: 3 3\r\n".to_owned(), "abc", "400"),
        (
            "content-length: 18446744073709551619\r\n".to_owned(),
            "abc",
            "400",
        ),
        // A bare CR, and a zero byte, in places where lines may end to some.
        (format!("x: y\r{}\r\n", length(3).trim_end()), "abc", "400"),
        ("x: y\0z\r\n".to_owned(), "", "400"),
    ] {
        for port in [daemon.api(), daemon.admin()] {
            let request = format!("{POST}{headers}\r\n{body}{HIDDEN}");
            let answer = client::raw(port, &request).await;
            assert_eq!(codes(&answer), [allowed], "{headers:?}: {answer}");
        }
    }
    assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
}

#[tokio::test]
async fn a_broken_chunk_ends_its_connection() {
    let daemon = DaemonOptions::default().serve().await;
    for chunk in [
        "0x3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        "3 3\r\nabc\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "3\rabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "2\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "zz\r\n\r\n",
    ] {
        let request = format!("{POST}transfer-encoding: chunked\r\n\r\n{chunk}{HIDDEN}{HIDDEN}");
        let answer = client::raw(daemon.api(), &request).await;
        let codes = codes(&answer);
        assert!(codes == ["404"] || codes == ["400"], "{chunk:?}: {answer}");
    }
    assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
}

/// RFC 9112, section 3.2. Checks of balancers speak HTTP/1.0 and name none.
#[tokio::test]
async fn a_request_names_one_host_and_a_legal_one() {
    let daemon = DaemonOptions::default().serve().await;
    let again = "GET /health HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n";
    for (version, hosts, status) in [
        ("HTTP/1.1", "", "400"),
        ("HTTP/1.1", "host: a b\r\n", "400"),
        ("HTTP/1.1", "host: user@a\r\n", "400"),
        ("HTTP/1.1", "host: a\r\nhost: a\r\n", "400"),
        ("HTTP/1.0", "host: a b\r\n", "400"),
        ("HTTP/1.1", "host:\r\n", "200"),
        ("HTTP/1.1", "host: [::1]:8000\r\n", "200"),
        ("HTTP/1.0", "", "200"),
    ] {
        for port in [daemon.api(), daemon.admin()] {
            for method in ["GET", "OPTIONS"] {
                // The first closes when it is refused, and always in HTTP/1.0.
                let request = format!("{method} /health/ready {version}\r\n{hosts}\r\n{again}");
                let answer = client::raw(port, &request).await;
                let answer = answer.replace("HTTP/1.0 ", "HTTP/1.1 ");
                let told = codes(&answer);
                let is_first = told[0] == status || (method == "OPTIONS" && status == "200");
                let goes_on = version == "HTTP/1.1" && status == "200";
                assert!(
                    is_first && told.len() == 1 + usize::from(goes_on),
                    "{method} {version} {hosts:?}: {answer}"
                );
            }
        }
    }
}

/// A body that nobody wants is no request, whether it is skipped or cut.
#[tokio::test]
async fn what_is_hidden_in_a_body_is_never_answered() {
    let daemon = DaemonOptions::default().serve().await;
    let length = HIDDEN.len();
    let bodies = [
        format!("content-length: {length}\r\n\r\n{HIDDEN}"),
        format!("transfer-encoding: chunked\r\n\r\n{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
        format!(
            "transfer-encoding: chunked\r\n\r\n{length:x};{}\r\n{HIDDEN}\r\n0\r\n\r\n",
            "e".repeat(100)
        ),
        "transfer-encoding: chunked\r\n\r\n0\r\nx: y\r\nhost: hidden\r\n\r\n".to_owned(),
    ];
    for method in ["POST", "GET", "DELETE", "HEAD"] {
        for path in ["/health", "/", "/nowhere", "/api/v1/budget-versions"] {
            for body in &bodies {
                let request = format!(
                    "{method} {path} HTTP/1.1\r\nhost: t\r\n{body}\
                     GET /health/live HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n"
                );
                let mut stream = TcpStream::connect(("127.0.0.1", daemon.api()))
                    .await
                    .unwrap();
                // The head alone first, as it comes from a proxy.
                let head = request.find("\r\n\r\n").unwrap() + 4;
                stream.write_all(&request.as_bytes()[..head]).await.unwrap();
                let _ = stream.write_all(&request.as_bytes()[head..]).await;
                let answer = client::rest(&mut stream).await;
                let codes = codes(&answer);
                let followed = codes.len() == 2 && codes[1] == "200";
                assert!(
                    codes.len() == 1 || followed,
                    "{method} {path} {body:?}: {answer}"
                );
                assert!(
                    !answer.contains("\"healthy\"") || path == "/health",
                    "{answer}"
                );
            }
        }
    }
}

#[tokio::test]
async fn text_that_is_no_utf_8_harms_nobody() {
    let mut daemon = DaemonOptions::default().serve().await;
    for (request, expected) in [
        (
            &b"GET /caf\xe9 HTTP/1.1\r\nhost: t\r\n\r\n"[..],
            &["400", "404"][..],
        ),
        (b"GET /%ff%fe HTTP/1.1\r\nhost: t\r\n\r\n", &["404"]),
        (
            b"GET /health/ready?name=%ff HTTP/1.1\r\nhost: t\r\n\r\n",
            &["404"],
        ),
        (
            b"GET /nowhere HTTP/1.1\r\nhost: t\r\nx: \xff\xfe\r\n\r\n",
            &["404"],
        ),
        (
            b"GET /nowhere HTTP/1.1\r\nhost: t\r\nx-correlation-id: \xff\r\n\r\n",
            &["404"],
        ),
        (
            b"GET /nowhere HTTP/1.1\r\nhost: t\r\norigin: \xff\r\n\r\n",
            &["404"],
        ),
        (
            b"GET /nowhere HTTP/1.1\r\nhost: t\r\nx-forwarded-for: \xff\r\n\r\n",
            &["404"],
        ),
        (
            b"GET /nowhere HTTP/1.1\r\nhost: t\r\ntraceparent: \xff\r\n\r\n",
            &["404"],
        ),
        (b"GET /nowhere HTTP/1.1\r\nhost: \xff\r\n\r\n", &["400"]),
        (b"GET /nowhere HTTP/1.1\r\n\xff: t\r\n\r\n", &["400"]),
        (b"G\xc9T / HTTP/1.1\r\nhost: t\r\n\r\n", &["400"]),
        (
            b"POST /nowhere HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\n\r\n\xff\xfe",
            &["404"],
        ),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", daemon.api()))
            .await
            .unwrap();
        stream.write_all(request).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = client::rest(&mut stream).await;
        let shown = String::from_utf8_lossy(request);
        let codes = codes(&answer);
        assert!(
            codes.len() == 1 && expected.contains(&codes[0]),
            "{shown:?}: {answer}"
        );
    }
    // Each line of the log is still JSON.
    daemon.event("request_completed").await;
    assert!(!daemon.lines().is_empty());
}
