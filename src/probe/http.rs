//! HTTP: the status of an answered GET, and for others its body.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::body::Bytes;

use super::habit::Habit;
use super::{Probe, Session};
use crate::config::{Address, HttpTarget, Target};
use crate::dependency::{ErrorKind, Failure, Observation};
use crate::net::tls::{Roots, Verify};
use crate::net::{self, Stream};

mod connection;
mod request;

use connection::Connection;

/// Checks an HTTP server.
#[derive(Debug)]
pub struct HttpProbe {
    target: HttpTarget,
    habit: Arc<Habit>,
}

impl HttpProbe {
    pub fn new(target: HttpTarget) -> Self {
        Self {
            target,
            habit: Arc::default(),
        }
    }
}

impl Probe for HttpProbe {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Session>, Failure>> {
        async move {
            let request = request::build(&self.target)?;
            let stream = transport(&self.target).await?;
            let connection = Connection::open(stream).await?;
            Ok(Box::new(HttpSession {
                target: self.target.clone(),
                request,
                habit: self.habit.clone(),
                link: Link::Open {
                    connection,
                    answers: 0,
                },
            }) as Box<dyn Session>)
        }
        .boxed()
    }
}

#[derive(Debug)]
struct HttpSession {
    target: HttpTarget,
    request: Request<Empty<Bytes>>,
    habit: Arc<Habit>,
    link: Link,
}

/// The connection between checks.
#[derive(Debug)]
enum Link {
    Open {
        connection: Connection,
        answers: u64,
    },
    /// The server closed it after an answer, as servers may.
    Closed,
    /// The server closed one that it used to keep.
    Lost,
}

impl Session for HttpSession {
    fn check(&mut self) -> BoxFuture<'_, Result<Observation, Failure>> {
        async move {
            let status = self.ask().await?;
            judge(status, &self.target.accept)
        }
        .boxed()
    }

    fn lost(&mut self) -> BoxFuture<'_, ()> {
        async move {
            if let Link::Open { connection, .. } = &mut self.link {
                connection.ended().await;
                self.link = if self.habit.ended() {
                    Link::Lost
                } else {
                    Link::Closed
                };
            }
            if !matches!(self.link, Link::Lost) {
                std::future::pending::<()>().await;
            }
        }
        .boxed()
    }
}

impl HttpSession {
    /// Asks once. A kept connection that ends before the answer begins proves
    /// nothing: a server may close one in the moment it is used again, and a
    /// GET may then be sent anew over a new connection (RFC 9112, section 9.3.1).
    async fn ask(&mut self) -> Result<StatusCode, Failure> {
        // While this runs, and when it is dropped half-way, there is no link.
        let link = std::mem::replace(&mut self.link, Link::Closed);
        if let Link::Open {
            mut connection,
            answers,
        } = link
        {
            match connection.ask(self.request()).await {
                Ok(answer) => {
                    if answers > 0 {
                        self.habit.kept();
                    }
                    self.keep(connection, answers + 1);
                    return Ok(answer.status);
                }
                Err(failure) if failure.kind == ErrorKind::Closed && answers > 0 => {}
                Err(failure) => return Err(failure),
            }
        }
        let mut connection = Connection::open(transport(&self.target).await?).await?;
        let answer = connection.ask(self.request()).await?;
        self.keep(connection, 1);
        Ok(answer.status)
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        request::traced(self.request.clone())
    }

    fn keep(&mut self, connection: Connection, answers: u64) {
        if connection.is_reusable() {
            self.link = Link::Open {
                connection,
                answers,
            };
        }
    }
}

/// Asks once, over a connection of its own, and answers with status and body.
/// The caller owns the deadline.
///
/// # Errors
///
/// Of transport; and `protocol` for a body that is cut short or longer than
/// 64 KiB.
pub async fn get(target: &HttpTarget) -> Result<(StatusCode, Bytes), Failure> {
    let answer = async {
        let request = request::traced(request::build(target)?);
        let mut connection = Connection::open(transport(target).await?).await?;
        let answer = connection.ask(request).await?;
        let body = answer.body.ok_or_else(|| {
            Failure::new(
                ErrorKind::Protocol,
                "the answer is cut short or longer than 64 KiB",
            )
        })?;
        Ok((answer.status, body))
    };
    let answer: Result<_, Failure> = answer.await;
    answer.map_err(|failure| failure.without(Target::Http(target.clone()).secrets()))
}

/// What a status means: the body is never asked.
fn judge(status: StatusCode, accept: &[u16]) -> Result<Observation, Failure> {
    if !accept.contains(&status.as_u16()) {
        return Err(Failure::new(
            ErrorKind::NotReady,
            format!("unexpected status {}", status.as_u16()),
        ));
    }
    let note = (status == StatusCode::UNAUTHORIZED)
        .then(|| "Service reachable (requires auth)".to_owned());
    Ok(Observation { note })
}

async fn transport(target: &HttpTarget) -> Result<Stream, Failure> {
    let address = Address::Tcp {
        host: target.host.clone(),
        port: target.port,
    };
    let stream = net::connect(&address).await?;
    if !target.tls {
        return Ok(stream);
    }
    let config = net::tls::client_config(&Verify::Name(Roots::System)).await?;
    net::tls::handshake(stream, &target.host, config).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_alone_decides() {
        let accept = [200, 401];
        let judged = |code: u16| judge(StatusCode::from_u16(code).unwrap(), &accept);
        assert_eq!(judged(200), Ok(Observation::default()));
        assert_eq!(
            judged(401).unwrap().note.as_deref(),
            Some("Service reachable (requires auth)")
        );
        for code in [204, 301, 403, 404, 500, 503] {
            let failure = judged(code).unwrap_err();
            assert_eq!(failure.kind, ErrorKind::NotReady);
            assert_eq!(failure.message, format!("unexpected status {code}"));
        }
    }
}
