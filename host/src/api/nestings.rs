//! Groups nested in groups.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::InCo;
use super::members::{GroupPath, known_group};
use super::page::{Page, PageQuery, page_limit};
use super::problem::Problem;
use super::request::{JsonBytes, PreferHeader, Preferences, WriteQuery, as_in_path, json};
use super::write::{Write, WriteAnswer};
use crate::host::Host;
use crate::registry::record::GroupNesting;

/// A nesting in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct NestingPath {
    /// `id` of the collaboration.
    #[serde(rename = "co")]
    _co: String,
    /// `id` of the group that the other is nested in.
    group: String,
    /// `id` of the nested group.
    source: String,
}

/// The groups nested in a group, in ascending order of their `id`.
#[utoipa::path(
    get, path = "/cos/{co}/groups/{group}/nested", tag = "groups", operation_id = "list_nested_groups",
    params(GroupPath, PageQuery),
    responses((status = 200, body = Page<GroupNesting>)),
)]
async fn list(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<GroupPath>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<GroupNesting>>, Problem> {
    let limit = page_limit(query.limit)?;
    known_group(&host, &caller.co, &path.group).await?;
    let after = query.after.as_deref();
    let nested = host.store.nestings_of_group(&caller.co, &path.group, after, limit + 1).await?;
    Ok(Json(Page::of(nested, limit, |nesting| nesting.source.clone())))
}

/// Nests a group in another: its members become members there, or, with `negate`, are kept out; provisions them.
///
/// Whether one or all of the nested groups are needed is said by `nesting_mode` of the group. `group` and `source` of the
/// body may be left out; `{}` nests.
#[utoipa::path(
    put, path = "/cos/{co}/groups/{group}/nested/{source}", tag = "groups", operation_id = "nest_group",
    request_body = GroupNesting,
    params(NestingPath, WriteQuery, PreferHeader),
    responses(
        (status = 200, description = "changed", body = WriteAnswer<GroupNesting>),
        (status = 201, description = "nested", body = WriteAnswer<GroupNesting>),
        (status = 202, description = "stored; provisioning goes on", body = WriteAnswer<GroupNesting>),
    ),
)]
async fn put(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<NestingPath>,
    Query(query): Query<WriteQuery>,
    preferences: Preferences,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let nesting = nesting(path, &body)?;
    let put = |host: Arc<Host>, co: String, options| async move {
        host.registry.nest(&co, nesting, &options).await
    };
    Write::new(host, caller, &query, preferences).answer(put, None, |written| written.nesting.take()).await
}

fn nesting(path: NestingPath, body: &Bytes) -> Result<GroupNesting, Problem> {
    let mut nesting: GroupNesting = json(body)?;
    as_in_path("group", &mut nesting.group, path.group)?;
    as_in_path("source", &mut nesting.source, path.source)?;
    Ok(nesting)
}

/// Takes a group out of another; memberships that came from it go, unless another nested group gives them.
#[utoipa::path(
    delete, path = "/cos/{co}/groups/{group}/nested/{source}", tag = "groups", operation_id = "unnest_group",
    params(NestingPath, WriteQuery, PreferHeader),
    responses(
        (status = 200, description = "removed", body = WriteAnswer<GroupNesting>),
        (status = 202, description = "removed; provisioning goes on", body = WriteAnswer<GroupNesting>),
    ),
)]
async fn delete(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<NestingPath>,
    Query(query): Query<WriteQuery>,
    preferences: Preferences,
) -> Result<Response, Problem> {
    let delete = |host: Arc<Host>, co: String, options| async move {
        host.registry.unnest(&co, &path.group, &path.source, &options).await
    };
    Write::new(host, caller, &query, preferences).answer(delete, None, |written| written.nesting.take()).await
}

pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, delete))
}
