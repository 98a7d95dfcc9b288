use std::path::PathBuf;

use super::*;
use crate::config::ServerAccess;

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
