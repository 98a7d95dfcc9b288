use super::support::{Builder, Client};
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn the_admin_socket_serves_its_paths_and_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let mut server = Builder::default().start_admin(&path).await;
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);

    let mut client = Client::unix(&path).await;
    assert!(client.get("/").await.body.contains("GET /metrics"));
    assert_eq!(client.get("/health/ready").await.json()["status"], "ok");
    let metrics = client.get("/metrics").await;
    assert_eq!(metrics.body, "budgetd_up 1\n");
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );

    let status = client.get("/status").await.json();
    assert_eq!(status["status"], "ok");
    assert_eq!(status["phase"], "serving");
    assert_eq!(status["gate_opened"], true);
    assert_eq!(status["pid"], std::process::id());
    let database = &status["dependencies"][0];
    assert_eq!(database["name"], "database");
    assert_eq!(database["url"], "tcp://database:1");
    assert!(database["error"].is_null());

    for (name, code) in [("database", 202), ("off", 409), ("nobody", 404)] {
        client
            .send(format!("POST /check/{name} HTTP/1.1\r\nhost: t\r\n\r\n"))
            .await;
        assert_eq!(client.answer().await.status, code, "{name}");
    }
    // What the path extractor refuses by itself.
    client
        .send("POST /check/%ff HTTP/1.1\r\nhost: t\r\n\r\n")
        .await;
    let refused = client.answer().await;
    assert_eq!(refused.status, 400);
    assert!(refused.detail().contains("UTF-8"), "{refused:?}");
    assert_eq!(client.get("/check/database").await.status, 405);
    assert_eq!(client.get("/docs").await.status, 404);

    server.stop.cut.cancel();
    server.ended().await;
    assert!(!path.exists());
}
