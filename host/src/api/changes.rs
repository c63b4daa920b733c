//! The change history of a collaboration.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::InCo;
use super::page::{Page, page_limit};
use super::problem::Problem;
use super::records::CoPath;
use crate::host::Host;
use crate::registry::history::Change;

/// Which part of the history.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ChangesQuery {
    /// The `sequence` of the last change that is known already; 0 for all.
    after: Option<i64>,
    /// Most changes of the answer.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// What was written to records, in the order it was committed. Whoever asks again with the last `sequence` misses
/// nothing.
#[utoipa::path(
    get, path = "/cos/{co}/changes", tag = "changes", operation_id = "list_changes",
    params(CoPath, ChangesQuery),
    responses((status = 200, body = Page<Change>)),
)]
async fn list(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Query(query): Query<ChangesQuery>,
) -> Result<Json<Page<Change>>, Problem> {
    let limit = page_limit(query.limit)?;
    let changes = host.store.changes(&caller.co, query.after.unwrap_or(0), limit + 1).await?;
    Ok(Json(Page::of(changes, limit, |change| change.sequence.to_string())))
}

pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
    OpenApiRouter::new().routes(routes!(list))
}
