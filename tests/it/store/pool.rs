//! What the pool promises.

use budgetd::health::Status;
use budgetd::store::{Access, Store, StoreError};

use super::{BRIEF, Stand, config};
use crate::support::{FaultProxy, Mode, PATIENCE, Postgres, PostgresOptions, wait, within};

async fn answer(store: &Store) -> Result<i32, StoreError> {
    let read = store.read(async |transaction| {
        let row = transaction.row("SELECT 1", &[]).await?;
        Ok(row.get(0))
    });
    within("an answer", read).await
}

fn through(proxy: &FaultProxy) -> String {
    format!("postgres://postgres@localhost:{}/postgres", proxy.port())
}

#[tokio::test]
async fn nothing_connects_before_it_is_used_and_connections_are_kept() {
    let postgres = Postgres::start().await;
    let proxy = FaultProxy::in_front_of(postgres.port()).await;
    let stand = Stand::new(&through(&proxy));
    assert_eq!(proxy.accepted(), 0);
    for _ in 0..5 {
        assert_eq!(answer(&stand.store).await, Ok(1));
    }
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn an_exhausted_pool_is_busy_and_recovers() {
    let postgres = Postgres::start().await;
    let settings = [
        ("BUDGETD__DATABASE__POOL_SIZE", "1"),
        ("BUDGETD__DATABASE__POOL_TIMEOUT", "100ms"),
    ];
    let stand = Stand::with(&postgres.url(), &settings);
    let taken = stand.store.begin(Access::Write).await.unwrap();
    let refused = answer(&stand.store).await;
    assert!(matches!(refused, Err(StoreError::Busy(_))), "{refused:?}");
    assert_eq!(stand.hints(), 0, "a full pool says nothing of the server");
    drop(taken);
    assert_eq!(answer(&stand.store).await, Ok(1));
}

#[tokio::test]
async fn a_database_that_is_down_is_not_asked_and_met_afresh_afterwards() {
    let postgres = Postgres::start().await;
    let proxy = FaultProxy::in_front_of(postgres.port()).await;
    let mut stand = Stand::new(&through(&proxy));
    assert_eq!(answer(&stand.store).await, Ok(1));
    assert_eq!(proxy.open(), 1);

    // Its idle connections would be the ones that nobody answers any more.
    proxy.set(Mode::Stall).await;
    stand.conclude(Status::Error);
    let refused = answer(&stand.store).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(stand.hints(), 0, "what is known needs no hint");
    proxy.set(Mode::Pass).await;
    wait::until("idle connections are closed", PATIENCE, async || {
        (proxy.open() == 0).then_some(())
    })
    .await;
    stand.conclude(Status::Ok);
    assert_eq!(answer(&stand.store).await, Ok(1));
    assert_eq!(proxy.accepted(), 2);
}

/// Whether a timer of keepalive runs on each connection to `port` (the fields
/// of `/proc/net/tcp` are told by `proc_net_tcp.rst` of the kernel).
fn are_kept_alive(port: u16) -> Vec<bool> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(std::fs::read_to_string);
    let tables = tables.map(|table| table.expect("a table of connections"));
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    let fields = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let established = fields.filter(|fields| fields[3] == "01");
    let ours = established.filter(|fields| fields[2].ends_with(&format!(":{port:04X}")));
    ours.map(|fields| fields[5].starts_with("02:")).collect()
}

#[tokio::test]
async fn connections_are_kept_alive() {
    let postgres = Postgres::start().await;
    let url = format!("postgres://postgres@localhost:{}/postgres", postgres.port());
    let stand = Stand::new(&url);
    assert_eq!(answer(&stand.store).await, Ok(1));
    assert_eq!(are_kept_alive(postgres.port()), [true]);
}

#[tokio::test]
async fn errors_that_say_something_about_the_server_are_hints() {
    let stand = Stand::new("postgres://localhost:1/nowhere");
    let refused = answer(&stand.store).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(stand.hints(), 1);
}

#[tokio::test]
async fn no_error_tells_the_password() {
    let postgres = PostgresOptions::default().password("sesame").start().await;
    let url = format!(
        "postgres://postgres:wrong-4711@localhost:{}/postgres",
        postgres.port()
    );
    let stand = Stand::new(&url);
    let refused = answer(&stand.store).await.unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("wrong-4711"));
}

#[tokio::test]
async fn connections_past_their_lifetime_are_replaced() {
    let postgres = Postgres::start().await;
    let proxy = FaultProxy::in_front_of(postgres.port()).await;
    let settings = [("BUDGETD__DATABASE__MAX_LIFETIME", "1s")];
    let stand = Stand::with(&through(&proxy), &settings);
    wait::until("a second connection", PATIENCE, async || {
        assert_eq!(answer(&stand.store).await, Ok(1));
        (proxy.accepted() > 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_reload_moves_to_another_server_and_lets_transactions_end() {
    let (old, new) = (Postgres::start().await, Postgres::start().await);
    let stand = Stand::new(&old.url());
    let port = |store: Store| async move {
        let read = store.read(async |transaction| {
            let row = transaction.row("SHOW port", &[]).await?;
            Ok::<String, StoreError>(row.get(0))
        });
        within("the port", read).await.unwrap()
    };
    assert_eq!(port(stand.store.clone()).await, old.port().to_string());
    let open = stand.store.begin(Access::Write).await.unwrap();
    stand.store.reconfigure(&config(&new.url(), &[]));
    assert_eq!(port(stand.store.clone()).await, new.port().to_string());
    let row = open.row("SHOW port", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), old.port().to_string());
    open.commit().await.unwrap();
}

#[tokio::test]
async fn closing_closes_every_connection_and_cuts_what_does_not_end() {
    let postgres = Postgres::start().await;
    let proxy = FaultProxy::in_front_of(postgres.port()).await;
    let stand = Stand::new(&through(&proxy));
    assert_eq!(answer(&stand.store).await, Ok(1));
    let open = stand.store.begin(Access::Write).await.unwrap();
    assert_eq!(answer(&stand.store).await, Ok(1));
    within("the end", stand.store.close(BRIEF)).await;
    wait::until("nothing is open", PATIENCE, async || {
        (proxy.open() == 0).then_some(())
    })
    .await;
    assert!(open.commit().await.is_err());
    assert!(answer(&stand.store).await.is_err());
}
