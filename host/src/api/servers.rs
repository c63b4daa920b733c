//! Servers: configured connections to counterparts. Secrets go in and never come out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::InCo;
use super::page::Page;
use super::problem::Problem;
use super::records::CoPath;
use super::request::{JsonBody, NoQuery};
use crate::administration::{Server, ServerInput};
use crate::host::Host;

/// A server, filter or target in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ItemPath {
    /// `id` of the collaboration.
    #[serde(rename = "co")]
    _co: String,
    /// Chosen by who creates it.
    pub(super) id: String,
}

/// What a check found.
#[derive(Serialize, ToSchema)]
pub(super) struct Findings {
    /// Lines for the operator.
    pub(super) findings: Vec<String>,
}

/// Answers a write of a configured thing: 201 with its place when it is new.
pub(super) fn stored<T: Serialize>(
    (item, created): (T, bool),
    co: &str,
    collection: &str,
    id: &str,
) -> Response {
    let location = format!("/api/v1/cos/{co}/{collection}/{id}");
    match created {
        true => (StatusCode::CREATED, [(header::LOCATION, location)], Json(item)).into_response(),
        false => Json(item).into_response(),
    }
}

/// The servers in ascending order of `id`, without their secrets.
#[utoipa::path(
    get, path = "/cos/{co}/servers", tag = "servers", operation_id = "list_servers",
    params(CoPath),
    responses((status = 200, body = Page<Server>)),
)]
async fn list(
    State(host): State<Arc<Host>>,
    caller: InCo,
    _: NoQuery,
) -> Result<Json<Page<Server>>, Problem> {
    Ok(Json(Page::whole(host.administration.servers(&caller.co).await?)))
}

/// One server, without its secrets.
#[utoipa::path(
    get, path = "/cos/{co}/servers/{id}", tag = "servers", operation_id = "get_server",
    params(ItemPath),
    responses((status = 200, body = Server)),
)]
async fn get(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    _: NoQuery,
) -> Result<Json<Server>, Problem> {
    Ok(Json(host.administration.server(&caller.co, &path.id).await?))
}

/// Creates or replaces a server. A secret that is left out stays as it is, as long as base URL and user name stay too.
///
/// A server that reaches into the host's own surroundings, so a directory, a private address or a secret
/// that is read from a file, needs a platform key.
#[utoipa::path(
    put, path = "/cos/{co}/servers/{id}", tag = "servers", operation_id = "put_server", request_body = ServerInput,
    params(ItemPath),
    responses(
        (status = 200, description = "replaced", body = Server),
        (status = 201, description = "created", body = Server),
    ),
)]
async fn put(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    _: NoQuery,
    JsonBody(input): JsonBody<ServerInput>,
) -> Result<Response, Problem> {
    if let Some(what) = input.configuration.reaches_into_host() {
        caller.caller.on_platform(what)?;
    }
    let stored_server = host.administration.put_server(&caller.co, &path.id, input).await?;
    Ok(stored(stored_server, &caller.co, "servers", &path.id))
}

/// Removes a server that no target uses.
#[utoipa::path(
    delete, path = "/cos/{co}/servers/{id}", tag = "servers", operation_id = "delete_server",
    params(ItemPath),
    responses((status = 204, description = "removed")),
)]
async fn delete(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    host.administration.delete_server(&caller.co, &path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Connects to the server and tells what it found there.
#[utoipa::path(
    post, path = "/cos/{co}/servers/{id}/check", tag = "servers", operation_id = "check_server",
    params(ItemPath),
    responses((status = 200, body = Findings)),
)]
async fn check(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    _: NoQuery,
) -> Result<Json<Findings>, Problem> {
    Ok(Json(Findings { findings: host.administration.check_server(&caller.co, &path.id).await? }))
}

pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, put, delete)).routes(routes!(check))
}
