use std::os::unix::net::UnixListener as StdUnixListener;

use super::*;

fn loopback(port: u16) -> Listen {
    Listen {
        host: "127.0.0.1".into(),
        port,
    }
}

fn unix(path: impl Into<PathBuf>) -> AdminListen {
    AdminListen::Unix(path.into())
}

#[tokio::test]
async fn a_taken_address_is_found_at_the_latest_when_listening() {
    let first = BoundListener::bind(&loopback(0), "api.listen")
        .await
        .unwrap();
    let port = first.address().port();
    let second = BoundListener::bind(&loopback(port), "api.listen").await;
    let _listening = first.listen().unwrap();
    let error = second.and_then(BoundListener::listen).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on 127.0.0.1:{port}: another process listens there; \
             `ss -ltnp 'sport = :{port}'` shows it: stop it, or change `api.listen`"
        )
    );
    let third = BoundListener::bind(&loopback(port), "api.listen").await;
    assert!(third.unwrap_err().to_string().starts_with("cannot bind"));
}

#[tokio::test]
async fn a_foreign_address_is_refused_with_advice() {
    let listen = Listen {
        host: "192.0.2.1".into(),
        port: 0,
    };
    let error = BoundListener::bind(&listen, "api.listen")
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("no interface of this machine"),
        "{error}"
    );
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    drop(StdUnixListener::bind(&path).unwrap());
    assert!(path.exists(), "std leaves the file behind");

    let first = AdminListener::open(&unix(&path)).await.unwrap().unwrap();
    let error = AdminListener::open(&unix(&path))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("another process listens there"), "{error}");
    assert!(path.exists());
    drop(first);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_another_process_put_there_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let ours = AdminListener::open(&unix(&path)).await.unwrap();
    std::fs::rename(&path, folder.path().join("moved")).unwrap();
    let _theirs = StdUnixListener::bind(&path).unwrap();
    drop(ours);
    assert!(path.exists());
}

#[tokio::test]
async fn impossible_paths_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    for (path, expected) in [
        (file.clone(), "a file that is no socket is there"),
        (
            folder.path().join("missing/admin.sock"),
            "RuntimeDirectory=",
        ),
        (folder.path().join("x".repeat(120)), "too long for a socket"),
        (file.join("admin.sock"), "Not a directory"),
    ] {
        let error = AdminListener::open(&unix(path))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("cannot listen on unix:"), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    assert!(
        AdminListener::open(&AdminListen::None)
            .await
            .unwrap()
            .is_none()
    );
}
