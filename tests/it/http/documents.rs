//! `/docs`, which must work without the internet.

use std::collections::BTreeSet;

use flate2::read::GzDecoder;

use crate::support::DaemonOptions;
use crate::support::client::Response;

/// The text of a page, which may come compressed.
fn text(response: &Response) -> String {
    match response.header("content-encoding") {
        Some("gzip") => std::io::read_to_string(GzDecoder::new(&*response.bytes)).unwrap(),
        coding => {
            assert_eq!(coding, None);
            response.body.clone()
        }
    }
}

/// What a page refers to by `src=` and `href=`.
fn references(page: &str) -> BTreeSet<String> {
    ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| page.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next().map(ToOwned::to_owned))
        .collect()
}

#[tokio::test]
async fn everything_the_page_needs_is_served_here() {
    let daemon = DaemonOptions::default().serve().await;
    let redirect = daemon.get("/docs").await.unwrap();
    assert_eq!(redirect.header("location"), Some("/docs/"));
    let page = daemon.get("/docs/").await.unwrap();
    assert_eq!(page.code, 200);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );

    let mut assets = references(&text(&page));
    // Spares the browser from asking for an icon.
    assert!(assets.remove("data:,"));
    assert!(assets.len() >= 3, "{assets:?}");
    for asset in &assets {
        assert!(!asset.contains("//"), "{asset} is elsewhere");
        let path = format!("/docs/{}", asset.trim_start_matches("./"));
        let answer = daemon.get(&path).await.unwrap();
        assert_eq!(answer.code, 200, "{path}");
        let kind = answer.header("content-type").unwrap();
        let extension = path.rsplit('.').next();
        let expected = match extension {
            Some("js") => "javascript",
            Some("css") => "css",
            _ => panic!("{path} is something else"),
        };
        assert!(kind.contains(expected), "{path} is {kind}");
        // Style sheets load fonts and images, the initializer the document.
        if extension == Some("css") || path.ends_with("initializer.js") {
            for word in ["url(http", "url(//", "@import", "https://", "http://"] {
                let own = text(&answer).replace("http://www.w3.org/2000/svg", "");
                assert!(!own.contains(word), "{word} in {path}");
            }
        }
        if path.ends_with("initializer.js") {
            assert!(text(&answer).contains("\"/openapi.json\""));
        }
    }
    let document = daemon.get("/openapi.json").await.unwrap();
    assert_eq!(document.code, 200);
    assert_eq!(document.header("content-type"), Some("application/json"));
    assert!(document.json()["paths"]["/health/ready"]["get"].is_object());
}
