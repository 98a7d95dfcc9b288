use std::path::Path;

use super::super::{PostgresTarget, RedisTarget, SslMode, Target};
use super::*;

#[track_caller]
fn pg(url: &str) -> PostgresTarget {
    postgres(url).unwrap().target
}

#[track_caller]
fn cache(url: &str) -> RedisTarget {
    redis(url).unwrap().target
}

fn tcp_address(host: &str, port: u16) -> Address {
    Address::Tcp {
        host: host.to_owned(),
        port,
    }
}

#[test]
fn all_schemes_of_postgres_are_the_same() {
    let expected = pg("postgres://u:p@host:6000/d");
    for scheme in [
        "postgresql",
        "postgresql+asyncpg",
        "postgres+psycopg2",
        "POSTGRES",
    ] {
        assert_eq!(pg(&format!("{scheme}://u:p@host:6000/d")), expected);
    }
    assert_eq!(expected.address, tcp_address("host", 6000));
    assert_eq!(expected.user, "u");
    assert_eq!(expected.password, Some(Secret::from("p")));
    assert_eq!(expected.ssl_mode, SslMode::Prefer);
}

#[test]
fn names_and_passwords_are_decoded() {
    let target = pg("postgres://us%40er:p%40%2F%3F%23+%25@host/my%20db");
    assert_eq!(target.user, "us@er");
    assert_eq!(target.password, Some(Secret::from("p@/?#+%")));
    assert_eq!(target.database, "my db");
    assert_eq!(
        pg("postgres://u:a@b@host/").password,
        Some(Secret::from("a@b"))
    );
}

#[test]
fn what_a_postgres_url_leaves_out_has_a_default() {
    let target = pg("postgres://host");
    assert_eq!(target.address, tcp_address("host", 5432));
    assert_eq!(
        (target.user.as_str(), target.database.as_str()),
        ("postgres", "postgres")
    );
    assert_eq!(pg("postgres://me@host").database, "me");
    assert_eq!(pg("postgres://me:@host").password, None);
}

#[test]
fn postgres_is_reached_over_a_socket() {
    let socket = |url: &str| match pg(url).address {
        Address::Unix(path) => path,
        Address::Tcp { .. } => panic!("{url} names a folder"),
    };
    let expected = Path::new("/run/postgresql/.s.PGSQL.5433");
    assert_eq!(
        socket("postgres:///db?host=/run/postgresql&port=5433"),
        expected
    );
    assert_eq!(
        socket("postgres://me@/db?host=/run/postgresql/&port=5433"),
        expected
    );
    assert_eq!(
        socket("postgres://me@%2Frun%2Fpostgresql:5433/db"),
        expected
    );
    let shown = Target::Postgres(pg("postgres:///db?host=/run/postgresql")).to_string();
    assert_eq!(shown, "postgres:///db?host=/run/postgresql&port=5432");
    assert_eq!(pg(&shown), pg("postgres:///db?host=/run/postgresql"));
}

#[test]
fn parameters_of_postgres_are_honoured_or_named() {
    let parsed = postgres(
        "postgres://h/d?sslmode=verify-full&sslrootcert=/etc/ca.pem&pgbouncer=true&schema=public",
    )
    .unwrap();
    assert_eq!(parsed.target.ssl_mode, SslMode::VerifyFull);
    assert_eq!(
        parsed.target.ssl_root_cert.as_deref(),
        Some(Path::new("/etc/ca.pem"))
    );
    assert_eq!(
        parsed.ignored,
        [
            "the URL's parameter `pgbouncer` is ignored",
            "the URL's parameter `schema` is ignored"
        ]
    );
    let parameters = pg("postgres:///?host=::1&user=u&password=p&dbname=d&port=1&ssl=true");
    assert_eq!(parameters.address, tcp_address("::1", 1));
    assert_eq!(parameters.password, Some(Secret::from("p")));
    assert_eq!(parameters.ssl_mode, SslMode::Require);
    assert_eq!(pg("postgres://h?ssl=disable").ssl_mode, SslMode::Disable);
    assert_eq!(
        pg("postgres://h?sslrootcert=system").ssl_mode,
        SslMode::VerifyFull
    );
}

#[test]
fn redis_urls_name_server_and_database() {
    let target = cache("rediss://me:p%40@[::1]:6380/3?protocol=resp3");
    assert_eq!(target.address, tcp_address("::1", 6380));
    assert!(target.tls);
    assert_eq!(target.user.as_deref(), Some("me"));
    assert_eq!(target.password, Some(Secret::from("p@")));
    assert_eq!(target.database, 3);
    let target = cache("redis://:p@cache");
    assert_eq!(target.address, tcp_address("cache", 6379));
    assert_eq!((target.user, target.database), (None, 0));
    assert_eq!(cache("redis://cache/?db=4").database, 4);
}

#[test]
fn redis_is_reached_over_a_socket() {
    for url in [
        "unix:///run/redis.sock?db=2",
        "redis+unix:///run/redis.sock?db=2",
    ] {
        let target = cache(url);
        assert_eq!(target.address, Address::Unix("/run/redis.sock".into()));
        assert_eq!(target.database, 2);
    }
    let target = cache("unix://u:p@/run/redis.sock");
    assert_eq!(target.password, Some(Secret::from("p")));
    assert_eq!(
        Target::Redis(target).to_string(),
        "redis+unix:///run/redis.sock?db=0"
    );
}

#[test]
fn web_urls_keep_path_and_query() {
    let target = http("https://u:p%3A@Api.Example/a/../b%20c?key=1")
        .unwrap()
        .target;
    assert_eq!((target.host.as_str(), target.port), ("api.example", 443));
    assert_eq!(target.path_and_query, "/b%20c?key=1");
    assert_eq!(
        target.credentials,
        Some(("u".to_owned(), Secret::from("p:")))
    );
    assert_eq!(
        Target::Http(target).to_string(),
        "https://api.example:443/b%20c"
    );
    let target = http("http://[::1]:81").unwrap().target;
    assert_eq!((target.host.as_str(), target.port), ("::1", 81));
    assert_eq!(target.path_and_query, "/");
}

#[test]
fn tcp_urls_are_host_and_port() {
    assert_eq!(
        tcp("tcp://mail:25").unwrap().target,
        tcp_address("mail", 25)
    );
    for url in [
        "tcp://mail",
        "tcp://mail:25/x",
        "tcp://u@mail:25",
        "tcp://mail:25?x=1",
        "udp://mail:25",
    ] {
        let message = tcp(url).unwrap_err();
        assert!(message.contains("tcp://host:port is expected"), "{message}");
    }
}

#[test]
fn what_cannot_be_reached_is_refused_with_reason() {
    let refused = |url: &str, part: &str| {
        let message = match url.split(':').next() {
            Some("redis" | "unix") => redis(url).unwrap_err(),
            Some("http") => http(url).unwrap_err(),
            _ => postgres(url).unwrap_err(),
        };
        assert!(message.contains(part), "{url}: {message}");
    };
    refused("localhost/db", "a URL is expected");
    refused("mysql://h/d", "postgres://user");
    refused("postgres://", "a host is expected");
    refused("postgres://a,b/db", "one server");
    refused("postgres://a:1,b:2/db", "one server");
    refused("postgres:///db?host=a,b", "one server");
    refused("postgres://u:p/w@h/db", "percent-encoding");
    refused("postgres://u:p#w@h/db", "percent-encoding");
    refused("postgres://u:p w@h/db", "percent-encoding");
    refused("postgres://h:0/db", "a port from 1");
    refused("postgres://h:+5/db", "a port from 1");
    refused("postgres://[::1/db", "bracket");
    refused("postgres://[host]/db", "an IPv6 address");
    refused("postgres://h%ff/db", "not UTF-8");
    refused("postgres://h%00/db", "control character");
    refused("postgres://h/a/b", "one database");
    refused("postgres://h/?sslmode=maybe", "sslmode is one of");
    refused("postgres://a%20b/db", "neither a name nor an address");
    refused("redis://h/one", "number of a database");
    refused("redis://h/99999999999", "number of a database");
    refused("unix://run/redis.sock", "three slashes");
    refused("unix://", "three slashes");
    refused("http:///path", "a host is expected");
    refused("http://a%3Ab:p@h/", "colon");
}
