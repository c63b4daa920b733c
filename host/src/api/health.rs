//! Whether the process lives, and whether it can serve. Open to everybody: they tell nothing of what is stored.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::request::NoQuery;
use crate::host::Host;

#[derive(Serialize, ToSchema)]
struct Health {
    #[schema(example = "ok")]
    #[schema(value_type = String)]
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
struct Readiness {
    /// Whether requests can be served.
    ready: bool,
    /// Whether the store answers.
    store: bool,
    /// Whether this process runs what is planned. It does not while its lease in the store has ended; others do.
    worker: bool,
}

/// Whether the process lives.
#[utoipa::path(
    get, path = "/healthz", tag = "health", operation_id = "health", security(()),
    responses((status = 200, body = Health)),
)]
async fn health(_: NoQuery) -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether requests can be served.
#[utoipa::path(
    get, path = "/readyz", tag = "health", operation_id = "readiness", security(()),
    responses((status = 200, body = Readiness), (status = 503, description = "not ready", body = Readiness)),
)]
async fn readiness(State(host): State<Arc<Host>>, _: NoQuery) -> (StatusCode, Json<Readiness>) {
    // Any read will do; keys are few.
    let store = host.store.api_keys().await.is_ok();
    let worker = host.executes();
    let status = if store { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready: store, store, worker }))
}

pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(readiness))
}
