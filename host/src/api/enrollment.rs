//! The end of an enrollment, which whoever carries out enrollments tells the host.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::InCo;
use super::problem::Problem;
use super::records::RecordPath;
use super::request::{NoQuery, PreferHeader, Preferences, WriteQuery};
use super::write::{Write, WriteAnswer};
use crate::host::Host;
use crate::registry::record::Person;

/// Provisions a person whose enrollment has come to its end, and each of the person's groups, once.
///
/// Nothing is stored by it. Targets in mode enrollment are called for nothing else.
#[utoipa::path(
    post, path = "/cos/{co}/people/{id}/enrollment-finalized", tag = "people",
    operation_id = "finalize_enrollment",
    params(RecordPath, PreferHeader),
    responses(
        (status = 200, description = "provisioned", body = WriteAnswer<Person>),
        (status = 202, description = "provisioning goes on", body = WriteAnswer<Person>),
    ),
)]
async fn finalized(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<RecordPath>,
    _: NoQuery,
    preferences: Preferences,
) -> Result<Response, Problem> {
    let finalize = |host: Arc<Host>, co: String, options| async move {
        host.registry.finalize_enrollment(&co, &path.id, &options).await
    };
    Write::new(host, caller, &WriteQuery::default(), preferences)
        .answer(finalize, None, |_| None::<Person>)
        .await
}

pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
    OpenApiRouter::new().routes(routes!(finalized))
}
