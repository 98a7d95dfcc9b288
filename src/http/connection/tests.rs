//! Deadlines to the millisecond, on paused time and an in-memory pipe.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io::Write;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Mutex;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::io::{DuplexStream, duplex};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::*;
use crate::http::admission::Seat;
use crate::http::body::{BodyLimit, GuardedBody};
use crate::http::exchange::ResponseBody;
use crate::http::memory::Share;
use crate::http::service::ConnectionService;
use crate::http::tests::support::{Builder, Client};

const DEADLINES: Deadlines = Deadlines {
    idle: Duration::from_secs(75),
    head: Duration::from_secs(5),
    write: Duration::from_secs(20),
};

/// Serves one end of a pipe that holds `capacity` bytes; every request is
/// answered with `body` at once. Returns how and when it ended.
async fn run<F: Future<Output = ()>>(
    capacity: usize,
    body: &'static str,
    stop: CancellationToken,
    client: impl FnOnce(Client<DuplexStream>) -> F,
) -> (Ended, Duration) {
    let (ours, theirs) = duplex(capacity);
    run_over(ours, body, stop, client(Client::new(theirs))).await
}

/// The same over a socket, where a connection can rest.
async fn run_at_rest<F: Future<Output = ()>>(
    stop: CancellationToken,
    client: impl FnOnce(Client<UnixStream>) -> F,
) -> (Ended, Duration) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut theirs = Client::new(theirs);
    let client = async {
        theirs.send(REQUEST).await;
        assert_eq!(theirs.answer().await.status, 200);
        sleep(2 * REST_AFTER).await;
        client(theirs).await;
    };
    let (ended, after) = run_over(ours, "x", stop, client).await;
    (ended, after.checked_sub(2 * REST_AFTER).unwrap())
}

async fn run_over<T: Transport>(
    transport: T,
    body: &'static str,
    stop: CancellationToken,
    client: impl Future<Output = ()>,
) -> (Ended, Duration) {
    let activity = Arc::new(Activity::default());
    let watched = activity.clone();
    let service = service_fn(move |_request| {
        watched.request_began();
        answer(body, &watched)
    });
    run_with(transport, activity, service, stop, client).await
}

/// A front as it is, with a route that answers late and does not read the body
/// that it has until then.
async fn run_front<F: Future<Output = ()>>(
    stop: CancellationToken,
    client: impl FnOnce(Client<DuplexStream>) -> F,
) -> (Ended, Duration) {
    let late = post(async |request: axum::extract::Request| {
        sleep(LATE).await;
        drop(request);
    });
    let builder = Builder {
        v1: Router::new().route("/late", late),
        ..Builder::default()
    };
    let (front, _keep) = builder.front();
    let activity = Arc::new(Activity::default());
    let service = ConnectionService {
        front,
        activity: activity.clone(),
        peer: None,
        seat: Seat::Full,
    };
    let (ours, theirs) = duplex(4096);
    let began = Instant::now();
    // A task of its own: what wakes the client does not wake this.
    let mut served = JoinSet::new();
    served.spawn(async move {
        let ended = serve(ours, activity, service, DEADLINES, stop).await;
        (ended, began.elapsed())
    });
    client(Client::new(theirs)).await;
    served.join_next().await.unwrap().unwrap()
}

fn answer(
    body: &'static str,
    activity: &Arc<Activity>,
) -> Ready<Result<Response<ResponseBody>, Infallible>> {
    activity.response_began();
    let body = ResponseBody::ready(Bytes::from_static(body.as_bytes()), activity.clone());
    ready(Ok(Response::new(body)))
}

async fn run_with<T: Transport, S: Answer>(
    transport: T,
    activity: Arc<Activity>,
    service: S,
    stop: CancellationToken,
    client: impl Future<Output = ()>,
) -> (Ended, Duration) {
    let began = Instant::now();
    let served = async {
        let ended = serve(transport, activity, service, DEADLINES, stop).await;
        (ended, began.elapsed())
    };
    tokio::join!(served, client).0
}

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: t\r\n\r\n";

/// How long the route that answers late takes.
const LATE: Duration = Duration::from_millis(20);

#[tokio::test(start_paused = true)]
async fn an_idle_connection_lives_as_long_as_keep_alive_says() {
    let (ended, after) = run(4096, "x", CancellationToken::new(), async |mut client| {
        client.send(REQUEST).await;
        assert_eq!(client.answer().await.status, 200);
        // Longer than a head may take.
        sleep(Duration::from_secs(70)).await;
        client.send(REQUEST).await;
        assert_eq!(client.answer().await.status, 200);
        client.send("\r\n\r\n").await;
        client.closed_after(Duration::from_mins(3)).await;
    })
    .await;
    assert_eq!(ended, Ended::Idle);
    assert_eq!(after.as_secs(), 70 + 75, "empty lines begin nothing");
}

#[tokio::test(start_paused = true)]
async fn a_head_has_its_time_from_its_first_byte() {
    let (ended, after) = run(4096, "x", CancellationToken::new(), async |mut client| {
        client.send(REQUEST).await;
        assert_eq!(client.answer().await.status, 200);
        sleep(Duration::from_mins(1)).await;
        // A byte a second keeps nothing alive.
        for byte in ["G", "E", "T", " "] {
            client.send(byte).await;
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(client.answer().await.status, 408);
        client.closed().await;
    })
    .await;
    assert_eq!(ended, Ended::SlowHead);
    assert_eq!(after.as_secs(), 60 + 5);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_came_with_the_request_before_it_is_kept_and_has_its_time() {
    let (ended, after) = run(4096, "x", CancellationToken::new(), async |mut client| {
        let (begin, end) = REQUEST.split_at(7);
        client.send(&[REQUEST, begin].concat()).await;
        assert_eq!(client.answer().await.status, 200);
        sleep(Duration::from_secs(1)).await;
        client.send(&[end, begin].concat()).await;
        assert_eq!(client.answer().await.status, 200);
        assert_eq!(client.answer().await.status, 408);
        client.closed().await;
    })
    .await;
    assert_eq!(ended, Ended::SlowHead);
    assert_eq!(after, Duration::from_secs(1 + 5) + REST_AFTER);
}

#[tokio::test(start_paused = true)]
async fn a_head_behind_a_body_that_nobody_read_has_its_time() {
    for line in ["POST /nowhere", "GET /health"] {
        let (ended, after) = run_front(CancellationToken::new(), async |mut client| {
            let head = format!("{line} HTTP/1.1\r\nhost: t\r\ncontent-length: 3\r\n\r\n");
            client.send([&head, "abc", "GET / HT"].concat()).await;
            client.answer().await;
            assert_eq!(client.answer().await.status, 408, "{line}");
            client.closed().await;
        })
        .await;
        assert_eq!(ended, Ended::SlowHead);
        assert_eq!(after, DEADLINES.head + REST_AFTER, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_after_a_body_that_nobody_read_begins_at_once() {
    for line in ["POST /nowhere", "GET /health"] {
        let (ended, after) = run_front(CancellationToken::new(), async |mut client| {
            let head = format!("{line} HTTP/1.1\r\nhost: t\r\ncontent-length: 3\r\n\r\n");
            client.send([&head, "abc"].concat()).await;
            client.answer().await;
            sleep(REST_AFTER / 2).await;
            client.send("GET / HT").await;
            assert_eq!(client.answer().await.status, 408, "{line}");
            client.closed().await;
        })
        .await;
        assert_eq!(ended, Ended::SlowHead);
        assert_eq!(after, REST_AFTER / 2 + DEADLINES.head, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_read_away_begins_no_head() {
    let (ended, after) = run_front(CancellationToken::new(), async |mut client| {
        client
            .send("POST /api/v1/late HTTP/1.1\r\nhost: t\r\ncontent-length: 6\r\n\r\n")
            .await;
        // hyper reads one piece in advance, and the other behind the answer.
        for piece in ["abc", "def"] {
            sleep(LATE / 4).await;
            client.send(piece).await;
        }
        assert_eq!(client.answer().await.status, 200);
        sleep(DEADLINES.idle * 4 / 5).await;
        client.closed().await;
    })
    .await;
    assert_eq!((ended, after), (Ended::Idle, DEADLINES.idle + LATE));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_read_away_does_not_hold_up_a_stop() {
    for line in ["POST /nowhere", "GET /health"] {
        let stop = CancellationToken::new();
        let order = stop.clone();
        let (ended, after) = run_front(stop, async |mut client| {
            let head = format!("{line} HTTP/1.1\r\nhost: t\r\ncontent-length: 3\r\n\r\n");
            client.send([&head, "abc"].concat()).await;
            client.answer().await;
            sleep(REST_AFTER / 2).await;
            order.cancel();
            client.closed().await;
            // A client that keeps its half open is not waited for.
            sleep(LINGER).await;
        })
        .await;
        assert_eq!((ended, after), (Ended::Closed, REST_AFTER / 2), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_somebody_holds_is_no_request() {
    let activity = Arc::new(Activity::default());
    let (watched, held) = (activity.clone(), Mutex::new(Vec::new()));
    let service = service_fn(move |request: Request<Incoming>| {
        watched.request_began();
        watched.set_body_unread(true);
        let limit = BodyLimit::new(usize::MAX, usize::MAX, Share::default());
        let places = Arc::new(Semaphore::new(1));
        let (body, activity) = (request.into_body(), watched.clone());
        let body = GuardedBody::new(body, limit, Duration::MAX, places, activity);
        held.lock().unwrap().push(body);
        answer("x", &watched)
    });
    let (ours, theirs) = duplex(4096);
    let mut client = Client::new(theirs);
    let stop = CancellationToken::new();
    let (ended, after) = run_with(ours, activity, service, stop, async {
        let length = 3 + REQUEST.len();
        let head = format!("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n\r\n");
        client.send([&head, "abc"].concat()).await;
        assert_eq!(client.answer().await.status, 200);
        // There is no room for a second piece until the first is read.
        client.send(REQUEST).await;
        sleep(DEADLINES.idle * 4 / 5).await;
        client.closed().await;
        drop(client);
    })
    .await;
    assert_eq!((ended, after), (Ended::Idle, DEADLINES.idle));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_cut_and_one_that_takes_a_little_is_not() {
    let large = "x".repeat(4000).leak();
    let (ended, after) = run(100, large, CancellationToken::new(), async |mut client| {
        client.send(REQUEST).await;
        for _ in 0..5 {
            sleep(Duration::from_secs(15)).await;
            client.take(100).await;
        }
        client.closed_after(Duration::from_mins(3)).await;
    })
    .await;
    assert_eq!(ended, Ended::SlowReader);
    assert_eq!(after.as_secs(), 5 * 15 + 20);
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_a_new_client_a_second_to_speak() {
    let stop = CancellationToken::new();
    stop.cancel();
    let (ended, after) = run(4096, "x", stop.clone(), async |mut client| {
        client.closed_after(Duration::from_mins(3)).await;
    })
    .await;
    assert_eq!((ended, after), (Ended::Closed, FIRST_BYTE_GRACE));

    let (ended, after) = run(4096, "x", stop, async |mut client| {
        client.send(REQUEST).await;
        assert_eq!(client.answer().await.status, 200);
        client.closed().await;
    })
    .await;
    assert_eq!((ended, after), (Ended::Closed, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn the_second_of_a_new_client_begins_when_it_connects() {
    let stop = CancellationToken::new();
    let order = stop.clone();
    let (ended, after) = run(4096, "x", stop, async |mut client| {
        sleep(FIRST_BYTE_GRACE / 2).await;
        order.cancel();
        client.closed().await;
    })
    .await;
    assert_eq!((ended, after), (Ended::Closed, FIRST_BYTE_GRACE));
}

#[tokio::test(start_paused = true)]
async fn an_empty_line_too_many_does_not_hold_up_a_stop() {
    let stop = CancellationToken::new();
    let order = stop.clone();
    let (ended, after) = run(4096, "x", stop, async |mut client| {
        client.send(&[REQUEST, "\r\n"].concat()).await;
        assert_eq!(client.answer().await.status, 200);
        sleep(Duration::from_secs(1)).await;
        order.cancel();
        client.closed().await;
    })
    .await;
    assert_eq!((ended, after), (Ended::Idle, Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn one_at_rest_ends_at_once_with_either_side() {
    let stop = CancellationToken::new();
    let order = stop.clone();
    let stopped = run_at_rest(stop, async |mut client| {
        order.cancel();
        client.closed().await;
    });
    assert_eq!(stopped.await, (Ended::Closed, Duration::ZERO));
    let left = run_at_rest(CancellationToken::new(), async |client| drop(client));
    assert_eq!(left.await, (Ended::Closed, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn one_at_rest_answers_what_has_arrived_before_a_stop() {
    let stop = CancellationToken::new();
    let order = stop.clone();
    let (ended, after) = run_at_rest(stop, async |mut client| {
        client.send(REQUEST).await;
        order.cancel();
        assert_eq!(client.answer().await.status, 200);
        client.closed().await;
    })
    .await;
    assert_eq!((ended, after), (Ended::Closed, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn one_at_rest_has_the_deadlines_of_all() {
    let (ended, after) = run_at_rest(CancellationToken::new(), async |mut client| {
        sleep(Duration::from_mins(1)).await;
        client.send("GET / HT").await;
        assert_eq!(client.answer().await.status, 408);
        client.closed().await;
    })
    .await;
    assert_eq!((ended, after.as_secs()), (Ended::SlowHead, 60 + 5));
    let (ended, after) = run_at_rest(CancellationToken::new(), async |mut client| {
        client.closed_after(Duration::from_mins(3)).await;
    })
    .await;
    assert_eq!(ended, Ended::Idle);
    assert_eq!(after + 2 * REST_AFTER, DEADLINES.idle);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_read_although_nothing_was_asked() {
    let (ours, theirs) = duplex(4096);
    let refusal = error::raw(StatusCode::SERVICE_UNAVAILABLE, "too many connections");
    let mut client = Client::new(theirs);
    let began = Instant::now();
    tokio::join!(refuse(ours, &refusal), async {
        client.send(REQUEST).await;
        assert_eq!(client.answer().await.status, 503);
    });
    assert_eq!(began.elapsed(), LINGER, "it waits no longer for a close");
}

#[tokio::test]
async fn a_request_behind_the_last_resets_nothing() {
    let (ours, theirs) = StdUnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    ours.set_nonblocking(true).unwrap();
    let activity = Arc::new(Activity::default());
    let (watched, also_theirs) = (activity.clone(), theirs.try_clone().unwrap());
    let service = service_fn(move |_request| {
        watched.request_began();
        // hyper has read the last request and reads no more.
        (&also_theirs).write_all(REQUEST.as_bytes()).unwrap();
        let mut answer = answer("x", &watched).into_inner();
        if let Ok(response) = &mut answer {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        ready(answer)
    });
    let ours = UnixStream::from_std(ours).unwrap();
    let mut theirs = UnixStream::from_std(theirs).unwrap();
    let stop = CancellationToken::new();
    run_with(ours, activity, service, stop, async {
        theirs.write_all(REQUEST.as_bytes()).await.unwrap();
        let mut read = String::new();
        theirs.read_to_string(&mut read).await.unwrap();
        assert!(read.starts_with("HTTP/1.1 200"), "{read}");
        drop(theirs);
    })
    .await;
}
