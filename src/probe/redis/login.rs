//! The first words to Redis, before the client library takes over.
//!
//! The library reports every refusal of a log-in as a wrong password. Here it
//! is told from a server that is full, loading or locked.

use redis::{Cmd, RedisError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::classify;
use crate::config::RedisTarget;
use crate::dependency::{ErrorKind, Failure};
use crate::net::{self, Stream};

/// The longest answer to a log-in that is listened to, in bytes. All of them
/// are one line.
const MAX_ANSWER: usize = 4 * 1024;

/// Logs in, selects the database and tells the server our name.
pub(super) async fn log_in(stream: &mut Stream, target: &RedisTarget) -> Result<(), Failure> {
    if let Some(auth) = auth(target) {
        ask(stream, &auth)
            .await?
            .map_err(|error| refused_auth(&error))?;
    }
    if target.database != 0 {
        let select = redis::cmd("SELECT").arg(target.database).to_owned();
        ask(stream, &select)
            .await?
            .map_err(|error| refused_select(&error, target.database))?;
    }
    let name = redis::cmd("CLIENT")
        .arg("SETNAME")
        .arg("budgetd")
        .to_owned();
    match ask(stream, &name).await? {
        Err(error) if !is_about_the_name(&error) => Err(classify::failure(&error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn auth(target: &RedisTarget) -> Option<Cmd> {
    let user = target.user.as_deref().filter(|user| !user.is_empty());
    let password = target.password.as_ref().map(crate::config::Secret::expose);
    if user.is_none() && password.is_none() {
        return None;
    }
    let mut auth = redis::cmd("AUTH");
    if let Some(user) = user {
        auth.arg(user);
    }
    auth.arg(password.unwrap_or_default());
    Some(auth)
}

/// A name is a courtesy: a server that does not know the command, or does not
/// allow it to this user, is as good as any.
fn is_about_the_name(error: &RedisError) -> bool {
    match error.code() {
        Some("ERR") => !classify::is_full(error),
        Some("NOPERM") => true,
        _ => false,
    }
}

/// An error without a code of its own may quote the command, and with it the
/// password: its words are never repeated.
fn refused_auth(error: &RedisError) -> Failure {
    if error.code() == Some("ERR") && !classify::is_full(error) {
        return Failure::new(
            ErrorKind::Auth,
            "the server refused AUTH: the password is wrong, or the server has none",
        );
    }
    classify::failure(error)
}

fn refused_select(error: &RedisError, database: u32) -> Failure {
    if error.code() == Some("ERR") && !classify::is_full(error) {
        return Failure::new(
            ErrorKind::Config,
            format!("the server has no database {database}"),
        );
    }
    classify::failure(error)
}

/// One command and its answer: done, or refused.
async fn ask(stream: &mut Stream, command: &Cmd) -> Result<Result<(), RedisError>, Failure> {
    // A server that turns us away says why and closes, so that writing fails
    // while the reason waits to be read: what is read decides.
    let written = stream.write_all(&command.get_packed_command()).await;
    let answer = match (read_line(stream).await, written) {
        (Ok(answer), _) => answer,
        (Err(_), Err(error)) => return Err(net::failure(&error)),
        (Err(failure), Ok(())) => return Err(failure),
    };
    match redis::parse_redis_value(&answer) {
        Ok(value) => Ok(value.extract_error().map(|_done| ())),
        Err(error) => Err(classify::failure(&error)),
    }
}

/// Reads one line, or as much of something else as it takes to know it.
async fn read_line(stream: &mut Stream) -> Result<Vec<u8>, Failure> {
    let other = || {
        Failure::new(
            ErrorKind::Protocol,
            "the peer does not speak the Redis protocol",
        )
    };
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let byte = stream.read_u8().await.map_err(|e| net::failure(&e))?;
        line.push(byte);
        let answers = matches!(line.first(), Some(b'+' | b'-' | b':' | b'$' | b'_'));
        if !answers || line.len() > MAX_ANSWER {
            return Err(other());
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Address, Secret};

    fn said(line: &str) -> RedisError {
        redis::parse_redis_value(format!("-{line}\r\n").as_bytes())
            .unwrap()
            .extract_error()
            .unwrap_err()
    }

    #[test]
    fn a_server_that_quotes_the_command_is_not_quoted() {
        let error = said("ERR unknown command 'AUTH', with args beginning with: 'sesame'");
        let failure = refused_auth(&error);
        assert_eq!(failure.kind, ErrorKind::Auth);
        assert!(!failure.message.contains("sesame"));
    }

    #[test]
    fn a_full_server_is_not_ready_whatever_was_asked() {
        let full = said("ERR max number of clients reached");
        assert_eq!(refused_auth(&full).kind, ErrorKind::NotReady);
        assert_eq!(refused_select(&full, 3).kind, ErrorKind::NotReady);
        assert!(!is_about_the_name(&full));
    }

    #[test]
    fn auth_takes_what_the_url_gave() {
        let words = |user: Option<&str>, password: Option<&str>| {
            let target = RedisTarget {
                address: Address::Tcp {
                    host: "localhost".into(),
                    port: 1,
                },
                tls: false,
                user: user.map(ToOwned::to_owned),
                password: password.map(Secret::from),
                database: 0,
            };
            auth(&target).map(|command| command.args_iter().count())
        };
        assert_eq!(words(None, None), None);
        assert_eq!(words(Some(""), None), None);
        assert_eq!(words(None, Some("sesame")), Some(2));
        assert_eq!(words(Some("ali"), Some("sesame")), Some(3));
        assert_eq!(words(Some("ali"), None), Some(3));
    }
}
