use std::io::ErrorKind as Io;
use std::net::Ipv4Addr;

use super::*;

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn the_families_take_turns_beginning_with_the_resolvers_choice() {
    let resolved = addresses(&[
        "[2001:db8::1]:1",
        "[2001:db8::2]:1",
        "1.1.1.1:1",
        "2.2.2.2:1",
    ]);
    assert_eq!(
        alternate_families(resolved),
        addresses(&[
            "[2001:db8::1]:1",
            "1.1.1.1:1",
            "[2001:db8::2]:1",
            "2.2.2.2:1"
        ]),
    );
    let one_family = addresses(&["1.1.1.1:1", "2.2.2.2:1"]);
    assert_eq!(alternate_families(one_family.clone()), one_family);
}

/// A socket whose backlog is full drops further SYN packets: a connect to it
/// stays pending, as with a dead machine.
async fn silent_address() -> (SocketAddr, Vec<TcpStream>, tokio::net::TcpListener) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    loop {
        let attempt = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address));
        match attempt.await {
            Ok(connected) => held.push(connected.unwrap()),
            Err(_silent) => return (address, held, listener),
        }
    }
}

#[tokio::test]
async fn a_dead_address_does_not_hide_a_living_one() {
    let (dead, _held, _listener) = silent_address().await;
    let living = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let living = living.local_addr().map(|address| (living, address));
    let (_living, address) = living.unwrap();

    let begin = tokio::time::Instant::now();
    let stream = connect_any(vec![dead, address]).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), address);
    assert!(begin.elapsed() >= ATTEMPT_DELAY);
}

#[tokio::test]
async fn a_refused_address_gives_way_at_once_and_is_told_when_all_fail() {
    // A socket that is bound and does not listen refuses, and keeps its port.
    let refusing = || {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        socket
    };
    let sockets = [refusing(), refusing()];
    let addresses = sockets.iter().map(|socket| socket.local_addr().unwrap());
    let error = connect_any(addresses.collect()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert_eq!(error.message, "connection refused");
}

#[test]
fn an_answer_tells_more_than_silence() {
    let refused = || Failure::new(ErrorKind::Refused, "connection refused");
    let unreachable = || Failure::new(ErrorKind::Timeout, "the network is unreachable");
    assert_eq!(more_telling(Some(unreachable()), refused()), refused());
    assert_eq!(more_telling(Some(refused()), unreachable()), refused());
}

#[tokio::test]
async fn a_name_that_cannot_exist_is_a_dns_failure() {
    // RFC 6761 reserves `invalid` for names that never resolve.
    let address = Address::Tcp {
        host: "budgetd.invalid".into(),
        port: 1,
    };
    let error = connect(&address).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Dns);
    assert!(
        error
            .message
            .starts_with("cannot resolve budgetd.invalid: ")
    );
}

#[tokio::test]
async fn a_missing_socket_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Unix(folder.path().join("absent.sock"));
    assert_eq!(
        connect(&address).await.unwrap_err().kind,
        ErrorKind::Refused
    );
}

#[tokio::test]
async fn roots_that_cannot_be_loaded_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    for content in [None, Some("no certificate")] {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let verify = tls::Verify::Name(tls::Roots::File(path.clone()));
        let error = tls::client_config(&verify).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Tls);
        assert!(error.message.contains("roots.pem"), "{error}");
    }
}

#[test]
fn what_the_network_says_has_a_kind_and_what_is_unknown_deserves_patience() {
    let kind = |error: Io| failure(&error.into()).kind;
    for (error, expected) in [
        (Io::ConnectionRefused, ErrorKind::Refused),
        (Io::TimedOut, ErrorKind::Timeout),
        (Io::HostUnreachable, ErrorKind::Timeout),
        (Io::NetworkUnreachable, ErrorKind::Timeout),
        (Io::PermissionDenied, ErrorKind::Auth),
        (Io::UnexpectedEof, ErrorKind::Closed),
        (Io::ConnectionReset, ErrorKind::Closed),
        (Io::ConnectionAborted, ErrorKind::Closed),
        (Io::BrokenPipe, ErrorKind::Closed),
        (Io::NotConnected, ErrorKind::Closed),
        (Io::WriteZero, ErrorKind::Closed),
        (Io::InvalidData, ErrorKind::Protocol),
        (Io::InvalidInput, ErrorKind::Protocol),
        (Io::OutOfMemory, ErrorKind::Timeout),
    ] {
        assert_eq!(kind(error), expected, "{error}");
    }
}
