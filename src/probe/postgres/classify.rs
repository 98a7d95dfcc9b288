//! What the errors of Postgres and of PgBouncer mean.

use std::error::Error as _;
use std::io;

use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use crate::dependency::{ErrorKind, Failure};
use crate::net;

/// What an error over an open session means.
pub fn failure(error: &Error) -> Failure {
    if error.is_closed() {
        return net::closed();
    }
    let Some(cause) = error.source() else {
        return unexpected(error);
    };
    if let Some(error) = cause.downcast_ref::<DbError>() {
        let kind = kind_of(error.code().code(), error.message());
        Failure::new(kind, error.message())
    } else if let Some(error) = cause.downcast_ref::<io::Error>() {
        if ends_in_a_message(error) {
            return net::closed();
        }
        net::failure(error)
    } else {
        unexpected(error)
    }
}

/// What an error while logging in means: there, what is neither the server's
/// word nor the network's is about the method of authentication.
pub(super) fn at_login(error: &Error) -> Failure {
    match error.source() {
        Some(cause) if !cause.is::<DbError>() && !cause.is::<io::Error>() => {
            Failure::new(ErrorKind::Auth, cause.to_string())
        }
        _ => failure(error),
    }
}

/// A connection that ends between two messages is told as closed; for an end in
/// the middle of one the library has neither a kind nor a code, and it comes
/// from no system call.
fn ends_in_a_message(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other && error.raw_os_error().is_none()
}

fn unexpected(error: &Error) -> Failure {
    Failure::new(ErrorKind::Protocol, error.to_string())
}

/// The classes of <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn kind_of(code: &str, message: &str) -> ErrorKind {
    match code {
        // The only code of PgBouncer, whether the client erred or its server.
        "08P01" => of_pooler(message),
        // A database whose CONNECT privilege the user lacks.
        "42501" => ErrorKind::Auth,
        "3D000" => ErrorKind::Config,
        // A statement_timeout of the role or the database.
        "57014" => ErrorKind::Timeout,
        // idle_session_timeout.
        "57P05" => ErrorKind::Closed,
        _ if code.starts_with("28") => ErrorKind::Auth,
        // The functions and settings that are asked for are not there:
        // something that only resembles Postgres.
        _ if code.starts_with("42") => ErrorKind::Protocol,
        // It answers, in its own protocol, with an error: starting, stopping,
        // full, out of resources, broken.
        _ => ErrorKind::NotReady,
    }
}

/// PgBouncer's words, which are all that tells its errors apart.
fn of_pooler(message: &str) -> ErrorKind {
    let message = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["auth", "password", "no such user", "login rejected"]) {
        ErrorKind::Auth
    } else if says(&[
        "no such database",
        // Where it asks nobody for a password (`auth_type = any`), that is all
        // it says of a database that it does not know.
        "config error",
        "unsupported startup parameter",
    ]) {
        ErrorKind::Config
    } else {
        ErrorKind::NotReady
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_kind() {
        let table = [
            ("28P01", ErrorKind::Auth),
            ("28000", ErrorKind::Auth),
            ("42501", ErrorKind::Auth),
            ("3D000", ErrorKind::Config),
            ("57P03", ErrorKind::NotReady),
            ("57P01", ErrorKind::NotReady),
            ("57P02", ErrorKind::NotReady),
            ("53300", ErrorKind::NotReady),
            ("55000", ErrorKind::NotReady),
            ("XX000", ErrorKind::NotReady),
            ("57014", ErrorKind::Timeout),
            ("57P05", ErrorKind::Closed),
            ("42883", ErrorKind::Protocol),
        ];
        for (code, kind) in table {
            assert_eq!(kind_of(code, "words"), kind, "{code}");
        }
    }

    #[test]
    fn the_poolers_words_decide_about_its_one_code() {
        let table = [
            ("password authentication failed", ErrorKind::Auth),
            ("SASL authentication failed", ErrorKind::Auth),
            ("no such user: alice", ErrorKind::Auth),
            ("no such database: budget", ErrorKind::Config),
            ("bouncer config error", ErrorKind::Config),
            ("server conn crashed?", ErrorKind::NotReady),
            ("query_wait_timeout", ErrorKind::NotReady),
            (
                "server login has been failing, try again later (server_login_retry)",
                ErrorKind::NotReady,
            ),
            (
                "no more connections allowed (max_client_conn)",
                ErrorKind::NotReady,
            ),
        ];
        for (message, kind) in table {
            assert_eq!(kind_of("08P01", message), kind, "{message}");
        }
    }
}
