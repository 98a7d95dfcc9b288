//! Two instances behind real load balancers, with the configuration files that
//! are shipped.

#![allow(clippy::unwrap_used, reason = "whatever is missing fails the test")]

use crate::support::caller::Caller;
use crate::support::{AuthApi, Balancer, Daemon, DaemonOptions, FaultProxy, Postgres, Redis};

mod load;

mod rolling;

mod unready;

/// Two instances that share a database and a cache, behind a balancer.
struct Rig<B> {
    balancer: B,
    instances: [Daemon; 2],
    database: Postgres,
    cache: Redis,
    /// What stands between the instances and the auth API.
    auth: FaultProxy,
    _auth_api: AuthApi,
}

impl<B: Balancer> Rig<B> {
    async fn start() -> Self {
        let (database, cache) = (Postgres::start().await, Redis::start().await);
        let auth_api = AuthApi::start().await;
        let auth = FaultProxy::in_front_of(auth_api.port()).await;
        let instance = || {
            DaemonOptions::default()
                .brisk()
                .database(&database.url())
                .cache(&cache.url())
                .tokens()
                .variable("SUPABASE_URL", &format!("http://localhost:{}", auth.port()))
                .variable("ALLOWED_ORIGINS", "https://planner.example")
                // Longer than HAProxy needs to see it, and than nginx keeps an
                // idle connection: what the files ask for.
                .variable("BUDGETD__LIFECYCLE__DRAIN_DELAY", "3s")
                // What is limited is tested where it is the point.
                .variable("BUDGETD__LIMITS__READS_PER_MINUTE", "1000000")
                .variable("BUDGETD__LIMITS__WRITES_PER_MINUTE", "1000000")
        };
        let instances = [instance().serve().await, instance().serve().await];
        let balancer = B::in_front_of([&instances[0], &instances[1]]).await;
        balancer.until_ready([true, true]).await;
        Self {
            balancer,
            instances,
            database,
            cache,
            auth,
            _auth_api: auth_api,
        }
    }

    /// Someone who knows the balancer only.
    fn planner(&self) -> Caller {
        // Claims name an issuer when there is one to expect.
        let mut claims = crate::support::caller::claims(crate::support::caller::USER, "planner");
        let issuer = format!("http://localhost:{}/auth/v1", self.auth.port());
        claims["iss"] = issuer.into();
        Caller::with_claims(&self.instances[0], &claims).through(self.balancer.port())
    }

    /// Waits until both instances say so of a dependency.
    async fn until_status(&self, dependency: &str, status: &str) {
        for instance in &self.instances {
            instance.until_status(dependency, status).await;
        }
    }
}
