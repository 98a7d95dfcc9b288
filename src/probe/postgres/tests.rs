use std::path::PathBuf;

use super::*;

fn target(ssl_mode: SslMode, root: Option<&str>) -> PostgresTarget {
    PostgresTarget {
        address: Address::Tcp {
            host: "localhost".into(),
            port: 1,
        },
        user: "user".into(),
        password: None,
        database: "database".into(),
        ssl_mode,
        ssl_root_cert: root.map(PathBuf::from),
        access: ServerAccess::Primary,
    }
}

#[test]
fn sslmode_means_what_libpq_means_by_it() {
    let file = || Roots::File(PathBuf::from("root.crt"));
    let table = [
        (SslMode::Prefer, None, Verify::Nothing),
        (SslMode::Prefer, Some("root.crt"), Verify::Nothing),
        (SslMode::Require, None, Verify::Nothing),
        (SslMode::Require, Some("root.crt"), Verify::Chain(file())),
        (SslMode::VerifyCa, None, Verify::Chain(Roots::System)),
        (SslMode::VerifyCa, Some("root.crt"), Verify::Chain(file())),
        (SslMode::VerifyFull, None, Verify::Name(Roots::System)),
        (
            SslMode::VerifyFull,
            Some("system"),
            Verify::Name(Roots::System),
        ),
        (SslMode::VerifyFull, Some("root.crt"), Verify::Name(file())),
    ];
    for (mode, root, expected) in table {
        assert_eq!(verify(&target(mode, root)), expected, "{mode:?} {root:?}");
    }
}

#[test]
fn a_server_in_recovery_is_ready_only_where_any_will_do() {
    let error = observe(ServerAccess::Primary, true, true).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotReady);

    let note =
        |access, in_recovery, read_only| observe(access, in_recovery, read_only).unwrap().note;
    assert!(
        note(ServerAccess::Any, true, true)
            .unwrap()
            .contains("recovery")
    );
    assert!(
        note(ServerAccess::Primary, false, true)
            .unwrap()
            .contains("read-only")
    );
    assert_eq!(note(ServerAccess::Primary, false, false), None);
}
