//! The handler as one writes it down first: axum, tokio-postgres, and a map of
//! what was computed. Nobody is asked for a token, nothing has a limit, and
//! nothing is watched.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use rust_decimal::Decimal;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// As many as budgetd's pool has by default.
pub(crate) const CONNECTIONS: usize = 16;

struct Plain {
    clients: Vec<Client>,
    next: AtomicUsize,
    /// By revision.
    known: RwLock<HashMap<Uuid, Bytes>>,
}

pub(super) async fn serve(port: u16, database: &str) {
    let mut connections = JoinSet::new();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let connected = tokio_postgres::connect(database, NoTls).await;
        let (client, connection) = connected.expect("the database is up");
        connections.spawn(connection);
        clients.push(client);
    }
    let plain = Arc::new(Plain {
        clients,
        next: AtomicUsize::new(0),
        known: RwLock::default(),
    });
    let router = Router::new()
        .route("/api/v1/consolidation/{id}/summary", get(summary))
        .with_state(plain);
    super::serve(port, router).await;
}

async fn summary(State(plain): State<Arc<Plain>>, Path(id): Path<Uuid>) -> Response {
    match plain.summary(id).await {
        Ok(Some((outcome, body))) => {
            let headers = [
                (CONTENT_TYPE.as_str(), "application/json"),
                ("x-cache", outcome),
            ];
            (headers, body).into_response()
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

impl Plain {
    fn client(&self) -> &Client {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        &self.clients[next % self.clients.len()]
    }

    /// The statements are those of budgetd.
    async fn summary(
        &self,
        id: Uuid,
    ) -> Result<Option<(&'static str, Bytes)>, tokio_postgres::Error> {
        let rows = self
            .client()
            .query_typed(
                "SELECT id, organization_id, revision_token \
                 FROM budgetd.budget_versions WHERE id = ANY ($1)",
                &[(&vec![id], Type::UUID_ARRAY)],
            )
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let revision: Uuid = row.try_get(2)?;
        let known = self
            .known
            .read()
            .expect("nobody panicked")
            .get(&revision)
            .cloned();
        if let Some(body) = known {
            return Ok(Some(("hit", body)));
        }
        let rows = self
            .client()
            .query_typed(
                "SELECT category, period, sum(amount_sar) AS sum \
                 FROM budgetd.budget_lines WHERE budget_version_id = $1 GROUP BY category, period",
                &[(&id, Type::UUID)],
            )
            .await?;
        let mut sums = Vec::new();
        for row in rows {
            let (category, period): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let sum: Decimal = row.try_get(2)?;
            sums.push(json!({"category": category, "period": period, "sum": sum.to_string()}));
        }
        let body = Bytes::from(json!({"id": id, "sums": sums}).to_string());
        self.known
            .write()
            .expect("nobody panicked")
            .insert(revision, body.clone());
        Ok(Some(("miss", body)))
    }
}
