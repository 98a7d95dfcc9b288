//! The health paths as `/openapi.json` tells them. The functions only carry
//! the description: these paths are answered before the router is asked.

use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Budget API", description = "Opens only when everything it needs is up."),
    paths(health, live, ready, startup, cache),
    tags((name = "health", description = "Answered from memory, without asking a dependency."))
)]
struct Health;

/// Describes the health paths.
pub fn openapi() -> OpenApi {
    Health::openapi()
}

macro_rules! documented {
    ($(#[$attribute:meta])* $name:ident) => {
        $(#[$attribute])*
        #[allow(dead_code, reason = "carries the description of a path")]
        fn $name() {}
    };
}

documented! {
    /// Whether the service answers at all.
    #[utoipa::path(
        get, path = "/health", tag = "health",
        responses((status = 200, description = "It answers.",
            example = json!({"status": "healthy", "service": "EFIR Budget Planning API"})))
    )]
    health
}

documented! {
    /// Whether the process itself works; it never looks at a dependency.
    #[utoipa::path(
        get, path = "/health/live", tag = "health",
        responses(
            (status = 200, description = "It works.",
                example = json!({"status": "ok", "service": "efir-budget-api"})),
            (status = 503, description = "It must be restarted.")
        )
    )]
    live
}

documented! {
    /// Whether requests should be sent here.
    #[utoipa::path(
        get, path = "/health/ready", tag = "health",
        params(
            ("name" = Option<Vec<String>>, Query, description = "Only these dependencies; repeated or separated by commas."),
            ("verbose" = Option<bool>, Query, description = "All dependencies, also with more than 100.")
        ),
        responses(
            (status = 200, description = "`ok` or `degraded`.", example = json!({
                "status": "ok",
                "checks": {"database": {
                    "status": "ok", "policy": "required", "latency_ms": 0.41, "since": "2026-01-01T00:00:00.000Z"
                }},
                "timestamp": "2026-01-01T00:00:00.000Z", "version": "0.1.0", "uptime_seconds": 12.3
            })),
            (status = 404, description = "No dependency has that name."),
            (status = 503, description = "`starting`, `unavailable` or `draining`.")
        )
    )]
    ready
}

documented! {
    /// Whether the API has opened since the process started.
    #[utoipa::path(
        get, path = "/health/startup", tag = "health",
        responses(
            (status = 200, description = "It has."),
            (status = 503, description = "Not yet.")
        )
    )]
    startup
}

documented! {
    /// Statistics of the cache.
    #[utoipa::path(
        get, path = "/health/cache", tag = "health",
        responses((status = 200, description = "`status` is `enabled`, `disabled` or `error`."))
    )]
    cache
}
