//! Provisioning targets, and requests to provision.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::InCo;
use super::page::Page;
use super::problem::Problem;
use super::records::CoPath;
use super::request::{JsonBody, NoQuery};
use super::servers::{ItemPath, stored};
use crate::administration::{StoredTarget, TargetGrants, TargetInput};
use crate::host::Host;
use crate::jobs;
use crate::pipeline::{Explanation, Preview, ReEvaluation, Trial};
use crate::provisioning::{CodedInvocation, Job, Target};
use crate::registry::record::{RecordKind, SubjectKey};

/// The targets in the order they are called.
#[utoipa::path(
    get, path = "/cos/{co}/targets", tag = "targets", operation_id = "list_targets",
    params(CoPath),
    responses((status = 200, body = Page<Target>)),
)]
async fn list(
    State(host): State<Arc<Host>>,
    caller: InCo,
    _: NoQuery,
) -> Result<Json<Page<Target>>, Problem> {
    Ok(Json(Page::whole(host.administration.targets(&caller.co).await?)))
}

/// One target.
#[utoipa::path(
    get, path = "/cos/{co}/targets/{id}", tag = "targets", operation_id = "get_target",
    params(ItemPath),
    responses((status = 200, body = Target)),
)]
async fn get(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    _: NoQuery,
) -> Result<Json<Target>, Problem> {
    Ok(Json(host.administration.target(&caller.co, &path.id).await?))
}

/// Creates or replaces a target. Its configuration is checked against the schema of its plugin, its servers against
/// the slots.
#[utoipa::path(
    put, path = "/cos/{co}/targets/{id}", tag = "targets", operation_id = "put_target", request_body = TargetInput,
    params(ItemPath),
    responses(
        (status = 200, description = "replaced", body = StoredTarget),
        (status = 201, description = "created", body = StoredTarget),
    ),
)]
async fn put(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    _: NoQuery,
    JsonBody(input): JsonBody<TargetInput>,
) -> Result<Response, Problem> {
    let target = host.administration.put_target(&caller.co, &path.id, input).await?;
    Ok(stored(target, &caller.co, "targets", &path.id))
}

/// Removes a target with its plugin's state, where the records stood there, and what is planned for it. Changes nothing
/// at the counterpart.
#[utoipa::path(
    delete, path = "/cos/{co}/targets/{id}", tag = "targets", operation_id = "delete_target",
    params(ItemPath),
    responses((status = 204, description = "removed")),
)]
async fn delete(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    host.administration.delete_target(&caller.co, &path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Provisions one record to the target, whatever its mode but disabled, and answers with the outcome.
#[utoipa::path(
    post, path = "/cos/{co}/targets/{id}/provision", tag = "targets", operation_id = "provision",
    request_body = SubjectKey, params(ItemPath), responses((status = 200, body = CodedInvocation)),
)]
async fn provision(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    _: NoQuery,
    JsonBody(subject): JsonBody<SubjectKey>,
) -> Result<Json<CodedInvocation>, Problem> {
    let requester = caller.caller.described();
    let invocation = host.pipeline.provision_for(Some(&requester), &caller.co, &path.id, &subject).await?;
    Ok(Json(invocation.into()))
}

/// The record that is asked about.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SubjectQuery {
    /// Kind of the record.
    #[param(inline)]
    kind: RecordKind,
    /// `id` of the record.
    id: String,
}

/// Why a record is at the target or not: from its last change through eligibility and filters to the plugin, which is not
/// called.
#[utoipa::path(
    get, path = "/cos/{co}/targets/{id}/explain", tag = "targets", operation_id = "explain",
    params(ItemPath, SubjectQuery), responses((status = 200, body = Explanation)),
)]
async fn explain(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    Query(subject): Query<SubjectQuery>,
) -> Result<Json<Explanation>, Problem> {
    let subject = SubjectKey { kind: subject.kind, id: subject.id };
    Ok(Json(host.pipeline.explain(&caller.co, &path.id, &subject).await?))
}

/// Whether it is done, or only counted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReEvaluationQuery {
    /// `true`: nothing is sent, and the answer comes when all records were looked at.
    #[serde(default)]
    dry_run: bool,
}

/// Looks at every record of the collaboration as the target is configured now, and begins to provision those that are to be
/// added, updated or removed there; or only counts them: filters are called then, the plugin is not. One job for all records
/// at a time for each target.
#[utoipa::path(
    post, path = "/cos/{co}/targets/{id}/re-evaluate", tag = "targets", operation_id = "re_evaluate",
    params(ItemPath, ReEvaluationQuery),
    responses(
        (status = 200, description = "counted: `dry_run` is `true`", body = ReEvaluation),
        (status = 202, description = "begun", body = Job),
    ),
)]
async fn re_evaluate(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    Query(query): Query<ReEvaluationQuery>,
) -> Result<Response, Problem> {
    if query.dry_run {
        return Ok(Json(host.pipeline.re_evaluate(&caller.co, &path.id).await?).into_response());
    }
    let (actor, now) = (&caller.caller.actor, host.clock().now());
    let job = jobs::re_evaluate(&host.store, &caller.co, &path.id, actor, now).await?;
    host.jobs.wake();
    Ok((StatusCode::ACCEPTED, Json(job)).into_response())
}

/// Shows what a provisioning of one record would do at this moment: each effect at a counterpart. Reads are performed; what
/// would change something is not, and the plugin is told what it expects to be answered. Nothing is stored.
#[utoipa::path(
    post, path = "/cos/{co}/targets/{id}/preview", tag = "targets", operation_id = "preview",
    request_body = SubjectKey, params(ItemPath), responses((status = 200, body = Preview)),
)]
async fn preview(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    _: NoQuery,
    JsonBody(subject): JsonBody<SubjectKey>,
) -> Result<Json<Preview>, Problem> {
    Ok(Json(host.pipeline.preview(&caller.co, &path.id, &subject).await?))
}

/// What the plugin asks for, and what it is granted: its slots, the servers bound to them, and its limits.
#[utoipa::path(
    get, path = "/cos/{co}/targets/{id}/grants", tag = "targets", operation_id = "get_grants",
    params(ItemPath), responses((status = 200, body = TargetGrants)),
)]
async fn grants(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    _: NoQuery,
) -> Result<Json<TargetGrants>, Problem> {
    Ok(Json(host.administration.target_grants(&caller.co, &path.id).await?))
}

/// Lets the plugin test the target's configuration and its counterparts, and tells what it did there. A check is to change
/// nothing.
#[utoipa::path(
    post, path = "/cos/{co}/targets/{id}/check", tag = "targets", operation_id = "check_target",
    params(ItemPath), responses((status = 200, body = Trial)),
)]
async fn check(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    _: NoQuery,
) -> Result<Json<Trial>, Problem> {
    Ok(Json(host.pipeline.check_target(&caller.co, &path.id).await?))
}

/// Whether it is done, or only shown.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PreparationQuery {
    /// `true`: nothing is changed.
    #[serde(default)]
    preview: bool,
}

/// Lets the plugin set its counterpart up: tables, containers. May be done again at any time. Tells what was done there, or
/// would be.
#[utoipa::path(
    post, path = "/cos/{co}/targets/{id}/prepare", tag = "targets", operation_id = "prepare_target",
    params(ItemPath, PreparationQuery), responses((status = 200, body = Trial)),
)]
async fn prepare(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<ItemPath>,
    Query(query): Query<PreparationQuery>,
) -> Result<Json<Trial>, Problem> {
    Ok(Json(match query.preview {
        true => host.pipeline.preview_preparation(&caller.co, &path.id).await?,
        false => host.pipeline.prepare_target(&caller.co, &path.id).await?,
    }))
}

pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, put, delete))
        .routes(routes!(provision))
        .routes(routes!(preview))
        .routes(routes!(grants))
        .routes(routes!(explain))
        .routes(routes!(re_evaluate))
        .routes(routes!(check))
        .routes(routes!(prepare))
}
