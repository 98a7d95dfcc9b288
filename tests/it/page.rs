//! The status page of the admin listener: what it is told, and what people see
//! of it in a real browser.

mod access;
mod sight;
mod stream;

use crate::support::{Daemon, DaemonOptions, Redis};

/// A daemon with a `cache` that two others need, one by way of the other, and
/// with a required `ledger` that none of them has to do with.
struct Stage {
    daemon: Daemon,
    cache: Redis,
    ledger: Redis,
}

impl Stage {
    async fn start() -> Self {
        Self::with(DaemonOptions::default()).await
    }

    async fn with(options: DaemonOptions) -> Self {
        let (cache, ledger) = (Redis::start().await, Redis::start().await);
        let (url, ledger_url) = (cache.url(), ledger.url());
        let daemon = options
            .brisk()
            .cache(&url)
            .config(&format!(
                r#"
                [dependencies.ledger]
                kind = "redis"
                url = "{ledger_url}"
                policy = "required"
                # Only a lost session makes it look: else it has nothing to tell.
                interval = "1h"

                [dependencies.search]
                kind = "redis"
                url = "{ledger_url}"
                policy = "optional"
                needs = ["cache"]

                [dependencies.reports]
                kind = "redis"
                url = "{ledger_url}"
                policy = "optional"
                needs = ["search"]
                "#
            ))
            .serve()
            .await;
        daemon.until_overall("ok").await;
        Self {
            daemon,
            cache,
            ledger,
        }
    }
}
