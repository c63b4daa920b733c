//! Runs of plugins: how they ended, and what they did.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::InCo;
use super::page::{Page, page_limit};
use super::problem::{Kind, Problem};
use super::records::CoPath;
use super::request::NoQuery;
use crate::host::Host;
use crate::pipeline::{Recording, Replayed};
use crate::provisioning::CodedInvocation;
use crate::registry::record::{RecordKind, SubjectKey};
use crate::store::InvocationFilter;

/// Which invocations.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct InvocationsQuery {
    /// Only those of this target.
    target: Option<String>,
    /// Only those of this record: its kind. Needs `id`.
    #[param(inline)]
    kind: Option<RecordKind>,
    /// Only those of this record: its id. Needs `kind`.
    id: Option<String>,
    /// `true`: only those that failed.
    #[serde(default)]
    failed: bool,
    /// `next` of the page before.
    before: Option<Uuid>,
    /// Most invocations of the answer.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// An invocation in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct InvocationPath {
    /// `id` of the collaboration.
    #[serde(rename = "co")]
    _co: String,
    /// `id` of the invocation.
    id: Uuid,
}

/// An invocation with what its plugins did.
#[derive(Serialize, ToSchema)]
struct InvocationWithTranscript {
    #[serde(flatten)]
    invocation: CodedInvocation,
    /// What the run depended on, and what each plugin did. Null as long as it is under way, and when no plugin was
    /// called.
    #[schema(required = true, value_type = Option<Recording>)]
    transcript: Option<Box<RawValue>>,
}

/// The invocations, newest first.
#[utoipa::path(
    get, path = "/cos/{co}/invocations", tag = "invocations", operation_id = "list_invocations",
    params(CoPath, InvocationsQuery),
    responses((status = 200, body = Page<CodedInvocation>)),
)]
async fn list(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Query(query): Query<InvocationsQuery>,
) -> Result<Json<Page<CodedInvocation>>, Problem> {
    let limit = page_limit(query.limit)?;
    let subject = match (query.kind, query.id) {
        (Some(kind), Some(id)) => Some(SubjectKey { kind, id }),
        (None, None) => None,
        _ => {
            return Err(Problem::new(
                Kind::InvalidRequest,
                "`kind` and `id` name a record together; give both",
            ));
        }
    };
    let filter = InvocationFilter { target: query.target, subject, failed_only: query.failed };
    let invocations = host.store.invocations(&caller.co, &filter, query.before, limit + 1).await?;
    let page = Page::of(invocations, limit, |invocation| invocation.id.to_string());
    Ok(Json(Page { items: page.items.into_iter().map(Into::into).collect(), next: page.next }))
}

/// One invocation with its transcript.
#[utoipa::path(
    get, path = "/cos/{co}/invocations/{id}", tag = "invocations", operation_id = "get_invocation",
    params(InvocationPath),
    responses((status = 200, body = InvocationWithTranscript)),
)]
async fn get(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<InvocationPath>,
    _: NoQuery,
) -> Result<Json<InvocationWithTranscript>, Problem> {
    let invocation = host.store.invocation(&caller.co, path.id).await?;
    let invocation = invocation.ok_or_else(|| Problem::not_found("invocation", &path.id.to_string()))?;
    let transcript = host.store.transcript(&caller.co, path.id).await?;
    let transcript =
        transcript.map(RawValue::from_string).transpose().map_err(|error| Problem::internal(&error))?;
    Ok(Json(InvocationWithTranscript { invocation: invocation.into(), transcript }))
}

/// Runs a finished invocation again from its record, and compares: each effect is answered as it was, nothing outside is
/// reached and nothing is stored.
#[utoipa::path(
    post, path = "/cos/{co}/invocations/{id}/replay", tag = "invocations", operation_id = "replay_invocation",
    params(InvocationPath),
    responses((status = 200, body = Replayed)),
)]
async fn replay(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<InvocationPath>,
    _: NoQuery,
) -> Result<Json<Replayed>, Problem> {
    Ok(Json(host.pipeline.replay(&caller.co, path.id).await?))
}

pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get)).routes(routes!(replay))
}
