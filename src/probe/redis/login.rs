//! The first words to Redis, before the client library takes over.
//!
//! The library reports every refusal of a log-in as a wrong password. Here it
//! is told from a server that is full, loading or locked.

use redis::{Cmd, RedisError};

use super::classify;
use super::dialogue::Dialogue;
use crate::config::RedisTarget;
use crate::dependency::{ErrorKind, Failure};

/// Logs in, selects the database and tells the server our name.
pub(super) async fn log_in(dialogue: &mut Dialogue, target: &RedisTarget) -> Result<(), Failure> {
    if let Some(auth) = auth(target) {
        let answer = dialogue.ask(&auth).await?;
        answer.map_err(|error| refused_auth(&error))?;
    }
    if target.database != 0 {
        let select = redis::cmd("SELECT").arg(target.database).to_owned();
        let answer = dialogue.ask(&select).await?;
        answer.map_err(|error| refused_select(&error, target.database))?;
    }
    let name = redis::cmd("CLIENT")
        .arg("SETNAME")
        .arg("budgetd")
        .to_owned();
    match dialogue.ask(&name).await? {
        Err(error) if !is_about_the_name(&error) => Err(classify::failure(&error)),
        Ok(_) | Err(_) => Ok(()),
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
