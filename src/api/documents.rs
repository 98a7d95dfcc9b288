//! The description of the API, which `/openapi.json` serves as it stands in
//! `docs/openapi.json`. It takes megabytes to put together, so that is not done
//! in the daemon.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, OpenApi, RefOr};
use utoipa::{IntoParams, IntoResponses, OpenApi as _, ToSchema};

use super::{lines, versions, views};
use crate::budget::Problem;
use crate::http;

/// An error.
#[derive(ToSchema)]
#[allow(dead_code, reason = "carries a description")]
pub(super) struct Detail {
    detail: String,
}

/// Everything that is wrong with an input.
#[derive(ToSchema)]
#[allow(dead_code, reason = "carries a description")]
pub(super) struct Invalid {
    detail: Vec<Problem>,
}

/// An input that is invalid, or a state in which that is not done.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "carries a description")]
pub(super) enum Unprocessable {
    Invalid(Invalid),
    WrongState(Detail),
}

/// Too many requests.
#[derive(ToSchema)]
#[allow(dead_code, reason = "carries a description")]
pub(super) struct RateExceeded {
    detail: String,
    /// Seconds.
    retry_after: u64,
    limit: u32,
    /// Seconds.
    window: u64,
}

/// What every request may be answered.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "carries a description")]
pub(super) enum Always {
    #[response(status = 401, description = "The token is missing or no good.")]
    Unauthorized(Detail),
    #[response(
        status = 413,
        description = "The body is too large, or there should be none."
    )]
    TooLarge(Detail),
    #[response(
        status = 422,
        description = "The request is invalid, or the version is not in a state for it."
    )]
    Unprocessable(Unprocessable),
    #[response(status = 429, description = "Too many requests in a minute.")]
    RateExceeded(RateExceeded),
    #[response(
        status = 500,
        description = "A fault of the server, which its log tells of."
    )]
    Broken(Detail),
    #[response(
        status = 503,
        description = "Not available now; `Retry-After` says when to come back."
    )]
    Unavailable(Detail),
}

/// What is about a version, or something below it.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "carries a description")]
pub(super) enum OfVersion {
    #[response(status = 404, description = "There is no such version, or line.")]
    NotFound(Detail),
}

/// A read of what carries a tag.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "carries a description")]
pub(super) enum Tagged {
    #[response(status = 304, description = "The client has it: `If-None-Match`.")]
    NotModified,
}

/// A write.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "carries a description")]
pub(super) enum Writing {
    #[response(status = 403, description = "The role does not allow it.")]
    Forbidden(Detail),
}

/// A body.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "carries a description")]
pub(super) enum Sending {
    #[response(status = 408, description = "The body did not come in time.")]
    Late(Detail),
    #[response(
        status = 415,
        description = "The body is of another content type, or compressed."
    )]
    ContentType(Detail),
}

/// A write that may be guarded against a lost race.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "carries a description")]
pub(super) enum Guarded {
    #[response(status = 412, description = "It has changed since: `If-Match`.")]
    Changed(Detail),
}

/// Makes a write safe to send again.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "carries a description")]
pub(super) struct IdempotencyKey {
    /// Within 24 hours the same request with the same key is done once, and
    /// gets the first answer again.
    #[param(
        rename = "Idempotency-Key",
        required = false,
        min_length = 1,
        max_length = 255
    )]
    key: String,
}

/// Guards a write against a lost race.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "carries a description")]
pub(super) struct IfMatch {
    /// The `ETag` that was read.
    #[param(rename = "If-Match", required = false)]
    tag: String,
}

/// Spares a client what it has already.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "carries a description")]
pub(super) struct IfNoneMatch {
    /// The `ETag` that was read.
    #[param(rename = "If-None-Match", required = false)]
    tag: String,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        versions::list,
        versions::create,
        versions::read,
        versions::change,
        versions::delete,
        versions::submit,
        versions::approve,
        versions::supersede,
        versions::clone,
        lines::list,
        lines::add,
        lines::change,
        lines::delete,
        views::consolidation,
        views::summary,
        views::periods,
        views::period,
        views::income,
        views::compare,
    ),
    components(schemas(Detail, Invalid, Unprocessable, RateExceeded, Problem))
)]
struct Budget;

/// Describes every path of the API listener.
pub fn openapi() -> OpenApi {
    let mut budget = Budget::openapi();
    complete(&mut budget);
    // Handlers are told the paths without the prefix, clients see it.
    http::openapi().nest("/api/v1", budget)
}

/// Says that every path needs a token, and what `OpenAPI` asks for and handlers
/// do not say.
fn complete(documents: &mut OpenApi) {
    const NAME: &str = "bearer";

    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = documents.components.get_or_insert_with(Components::new);
    components.add_security_scheme(NAME, scheme);
    for item in documents.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            let needs = SecurityRequirement::new(NAME, Vec::<String>::new());
            operation.security = Some(vec![needs]);
            round_off(operation);
        }
    }
}

fn round_off(operation: &mut Operation) {
    // Handlers of several tags have the same name.
    let tag = operation.tags.iter().flatten().next();
    if let (Some(tag), Some(id)) = (tag, &mut operation.operation_id) {
        *id = format!("{tag}_{id}");
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let description = match status.as_str() {
                "201" => "It was created.",
                "204" => "It was removed.",
                _ => "Here it is.",
            };
            description.clone_into(&mut response.description);
        }
    }
}
