//! Data filters.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::InCo;
use super::page::Page;
use super::problem::Problem;
use super::records::CoPath;
use super::request::{JsonBody, NoQuery};
use super::servers::{ItemPath, stored};
use crate::administration::{FilterInput, StoredFilter};
use crate::host::Host;
use crate::provisioning::Filter;

/// The filters in ascending order of `id`.
#[utoipa::path(
    get, path = "/cos/{co}/filters", tag = "filters", operation_id = "list_filters",
    params(CoPath),
    responses((status = 200, body = Page<Filter>)),
)]
async fn list(
    State(host): State<Arc<Host>>,
    caller: InCo,
    _: NoQuery,
) -> Result<Json<Page<Filter>>, Problem> {
    Ok(Json(Page::whole(host.administration.filters(&caller.co).await?)))
}

/// One filter.
#[utoipa::path(
    get, path = "/cos/{co}/filters/{id}", tag = "filters", operation_id = "get_filter",
    params(ItemPath),
    responses((status = 200, body = Filter)),
)]
async fn get(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    _: NoQuery,
) -> Result<Json<Filter>, Problem> {
    Ok(Json(host.administration.filter(&caller.co, &path.id).await?))
}

/// Creates or replaces a filter. Its configuration is checked against the schema of its plugin.
#[utoipa::path(
    put, path = "/cos/{co}/filters/{id}", tag = "filters", operation_id = "put_filter", request_body = FilterInput,
    params(ItemPath),
    responses(
        (status = 200, description = "replaced", body = StoredFilter),
        (status = 201, description = "created", body = StoredFilter),
    ),
)]
async fn put(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    _: NoQuery,
    JsonBody(input): JsonBody<FilterInput>,
) -> Result<Response, Problem> {
    let filter = host.administration.put_filter(&caller.co, &path.id, input).await?;
    Ok(stored(filter, &caller.co, "filters", &path.id))
}

/// Removes a filter that no target uses.
#[utoipa::path(
    delete, path = "/cos/{co}/filters/{id}", tag = "filters", operation_id = "delete_filter",
    params(ItemPath),
    responses((status = 204, description = "removed")),
)]
async fn delete(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    host.administration.delete_filter(&caller.co, &path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, put, delete))
}
