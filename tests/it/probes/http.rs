use budgetd::config::{HttpTarget, Target};
use budgetd::dependency::ErrorKind;
use budgetd::probe::for_target;
use futures_util::FutureExt;

use super::{check, failure, kind, open, stays_pending};
use crate::support::{Answer, AuthApi, FaultProxy, Mode, Port, Talker, within};

fn plain(api: &AuthApi) -> Target {
    Target::Http(api.target())
}

#[tokio::test]
async fn the_status_alone_decides() {
    let api = AuthApi::start().await;
    assert_eq!(check(&plain(&api)).await.unwrap().note, None);

    api.set(Answer::Unauthorized);
    let note = check(&plain(&api)).await.unwrap().note;
    assert_eq!(note.as_deref(), Some("Service reachable (requires auth)"));

    for code in [204, 301, 403, 404, 429, 500, 502, 503, 504] {
        api.set(Answer::Status(code));
        let unexpected = failure(&plain(&api)).await;
        assert_eq!(unexpected.kind, ErrorKind::NotReady);
        assert_eq!(unexpected.message, format!("unexpected status {code}"));
    }

    let not_accepted = HttpTarget {
        accept: vec![200],
        ..api.target()
    };
    api.set(Answer::Unauthorized);
    assert_eq!(kind(&Target::Http(not_accepted)).await, ErrorKind::NotReady);
}

#[tokio::test]
async fn a_check_is_one_get_with_our_headers() {
    let api = AuthApi::start().await;
    let target = Target::Http(HttpTarget {
        path_and_query: "/auth/v1/health?verbose=1".into(),
        headers: vec![("apikey".into(), "anon".into())],
        credentials: Some(("ali".into(), "sesame".into())),
        ..api.target()
    });
    check(&target).await.unwrap();
    let requests = api.requests();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!(request.method, "GET");
    assert_eq!(request.path, "/auth/v1/health?verbose=1");
    assert_eq!(request.header("apikey"), Some("anon"));
    assert_eq!(
        request.header("authorization"),
        Some("Basic YWxpOnNlc2FtZQ==")
    );
    let host = format!("localhost:{}", api.port());
    assert_eq!(request.header("host"), Some(host.as_str()));
    assert!(
        request
            .header("user-agent")
            .unwrap()
            .starts_with("budgetd/")
    );
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let api = AuthApi::start().await;
    let elsewhere = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}/login\r\nContent-Length: 0\r\n\r\n",
        api.url()
    );
    api.set(Answer::Bytes(elsewhere.into_bytes()));
    assert_eq!(failure(&plain(&api)).await.message, "unexpected status 302");
    assert_eq!(api.requests().len(), 1);
}

#[tokio::test]
async fn a_kept_connection_is_used_again_and_its_loss_is_noticed() {
    let api = AuthApi::start().await;
    let mut session = open(&plain(&api)).await;
    for _ in 0..3 {
        within("a check", session.check()).await.unwrap();
    }
    assert!(api.requests().iter().all(|request| request.connection == 1));
    assert!(session.lost().now_or_never().is_none());
    api.cut();
    within("the loss", session.lost()).await;
    within("the loss, asked again", session.lost()).await;
    within("a check", session.check()).await.unwrap();
    assert_eq!(api.requests().last().unwrap().connection, 2);
}

#[tokio::test]
async fn a_kept_connection_that_ends_in_the_moment_of_a_check_is_no_failure() {
    let api = AuthApi::start().await;
    let mut session = open(&plain(&api)).await;
    for _ in 0..10 {
        within("a check", session.check()).await.unwrap();
        api.cut();
        // The end may come before the next check, or in the midst of it.
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn servers_that_close_after_each_answer_are_up_and_lose_nothing() {
    for answer in [Answer::CloseAfterEach, Answer::CloseUnannounced] {
        let api = AuthApi::start().await;
        api.set(answer.clone());
        let probe = for_target(&plain(&api));
        for round in 1..=2 {
            let mut session = within("a session", probe.connect()).await.unwrap();
            for _ in 0..3 {
                within("a check", session.check()).await.unwrap();
                assert!(stays_pending(session.lost()).await, "{answer:?}");
            }
            assert_eq!(api.requests().last().unwrap().connection, round * 3);
        }
    }
}

#[tokio::test]
async fn a_body_beyond_bounds_costs_the_connection_and_nothing_else() {
    let api = AuthApi::start().await;
    let mut huge = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n".to_vec();
    huge.resize(huge.len() + 1_000_000, b'x');
    api.set(Answer::Bytes(huge));
    let mut session = open(&plain(&api)).await;
    for connection in 1..=2 {
        within("a check", session.check()).await.unwrap();
        assert_eq!(api.requests().last().unwrap().connection, connection);
    }
    // A body that ends too early says nothing about the status.
    let short = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n";
    api.set(Answer::Bytes(short.to_vec()));
    within("a check", session.check()).await.unwrap();
}

#[tokio::test]
async fn silence_stays_pending_and_cuts_are_told() {
    let api = AuthApi::start().await;
    api.set(Answer::Silence);
    assert!(stays_pending(check(&plain(&api))).await);
    api.set(Answer::Cut);
    assert_eq!(kind(&plain(&api)).await, ErrorKind::Closed);
    let leaving = Talker::says_and_leaves(b"").await;
    let target = HttpTarget {
        port: leaving.port(),
        ..api.target()
    };
    assert_eq!(kind(&Target::Http(target)).await, ErrorKind::Closed);
}

#[tokio::test]
async fn other_protocols_and_bad_lines_are_told() {
    let api = AuthApi::start().await;
    let at = |port| {
        Target::Http(HttpTarget {
            port,
            ..api.target()
        })
    };
    for words in [
        "-ERR unknown command\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\u{0}\u{1}\u{2}",
    ] {
        let peer = Talker::says(words.as_bytes()).await;
        assert_eq!(
            kind(&at(peer.port())).await,
            ErrorKind::Protocol,
            "{words:?}"
        );
    }
    let free = Port::reserve();
    assert_eq!(kind(&at(free.number())).await, ErrorKind::Refused);

    let proxy = FaultProxy::in_front_of(api.port()).await;
    proxy.set(Mode::OneByte).await;
    check(&at(proxy.port())).await.unwrap();
    proxy.set(Mode::Garble).await;
    assert_eq!(kind(&at(proxy.port())).await, ErrorKind::Protocol);

    let unencrypted = Talker::says(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let encrypted = Target::Http(HttpTarget {
        tls: true,
        port: unencrypted.port(),
        ..api.target()
    });
    assert_eq!(kind(&encrypted).await, ErrorKind::Protocol);
}

#[tokio::test]
async fn checks_that_were_dropped_do_no_harm() {
    let api = AuthApi::start().await;
    let mut session = open(&plain(&api)).await;
    for _ in 0..20 {
        assert!(session.check().now_or_never().is_none());
        assert!(session.lost().now_or_never().is_none());
    }
    within("a check", session.check()).await.unwrap();
}
