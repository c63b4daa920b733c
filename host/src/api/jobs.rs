//! Jobs: queued provisionings, and those of all subjects.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::InCo;
use super::page::{Page, page_limit};
use super::problem::{Kind, Problem};
use super::records::CoPath;
use super::request::NoQuery;
use crate::host::Host;
use crate::jobs;
use crate::provisioning::{Job, JobKind, JobLine, JobStatus, RegisteredJob};
use crate::registry::record::{RecordKind, SubjectKey};
use crate::store::JobFilter;

/// Which jobs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct JobsQuery {
    /// Only those of this target.
    target: Option<String>,
    /// Only those of this record: its kind. Needs `id`.
    #[param(inline)]
    kind: Option<RecordKind>,
    /// Only those of this record: its id. Needs `kind`.
    id: Option<String>,
    /// Only those that stand so.
    #[param(inline)]
    status: Option<JobStatus>,
    /// Only those that do this.
    #[param(inline)]
    job_kind: Option<JobKind>,
    /// `true`: only those that failed and are not tried again, as long as nothing succeeded since.
    #[serde(default)]
    gave_up: bool,
    /// `false`: without those that a waiting job superseded.
    #[serde(default = "yes")]
    #[param(default = true)]
    superseded: bool,
    /// `next` of the page before.
    before: Option<i64>,
    /// Most jobs of the answer.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

fn yes() -> bool {
    true
}

/// A job in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct JobPath {
    /// `id` of the collaboration.
    #[serde(rename = "co")]
    _co: String,
    /// `id` of the job.
    id: i64,
}

/// A job with what happened to it.
#[derive(Serialize, ToSchema)]
struct JobWithHistory {
    #[serde(flatten)]
    job: Job,
    /// Subjects in a second, of a job for all subjects that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    records_per_second: Option<f64>,
    /// Until it ends, if it goes on so.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<u64>,
    /// In order.
    history: Vec<JobLine>,
}

/// The job that a provisioning was registered as.
#[derive(Serialize, ToSchema)]
pub(super) struct QueuedJob {
    /// `id` of the job that provisions: the new one, or the one that waits already.
    pub(super) job: i64,
    pub(super) target: String,
    pub(super) subject: SubjectKey,
}

impl From<RegisteredJob> for QueuedJob {
    fn from(registered: RegisteredJob) -> Self {
        let RegisteredJob { id, target, subject, superseded_by, .. } = registered;
        Self { job: superseded_by.unwrap_or(id), target, subject }
    }
}

/// The jobs, newest first.
#[utoipa::path(
    get, path = "/cos/{co}/jobs", tag = "jobs", operation_id = "list_jobs",
    params(CoPath, JobsQuery),
    responses((status = 200, body = Page<Job>)),
)]
async fn list(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Query(query): Query<JobsQuery>,
) -> Result<Json<Page<Job>>, Problem> {
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
    let filter = JobFilter {
        target: query.target,
        subject,
        status: query.status,
        kind: query.job_kind,
        gave_up: query.gave_up,
        without_superseded: !query.superseded,
    };
    let jobs = host.store.jobs(&caller.co, &filter, query.before, limit + 1).await?;
    Ok(Json(Page::of(jobs, limit, |job| job.id.to_string())))
}

/// One job with its history.
#[utoipa::path(
    get, path = "/cos/{co}/jobs/{id}", tag = "jobs", operation_id = "get_job",
    params(JobPath),
    responses((status = 200, body = JobWithHistory)),
)]
async fn get(
    State(host): State<Arc<Host>>,
    caller: InCo,
    _: NoQuery,
    Path(path): Path<JobPath>,
) -> Result<Json<JobWithHistory>, Problem> {
    let job = host.store.job(&caller.co, path.id).await?;
    let job = job.ok_or_else(|| Problem::not_found("job", &path.id.to_string()))?;
    let history = jobs::history(&host.store, &caller.co, &job).await?;
    let pace = job.pace(host.clock().now());
    let (records_per_second, seconds_left) = (pace.map(|pace| pace.0), pace.map(|pace| pace.1));
    Ok(Json(JobWithHistory { job, records_per_second, seconds_left, history }))
}

/// Ends a job: one that waits at once and with it all its retries; one that runs is not tried again, and one for all
/// subjects ends before its next subject.
#[utoipa::path(
    post, path = "/cos/{co}/jobs/{id}/cancel", tag = "jobs", operation_id = "cancel_job",
    params(JobPath),
    responses((status = 200, body = Job)),
)]
async fn cancel(
    State(host): State<Arc<Host>>,
    caller: InCo,
    _: NoQuery,
    Path(path): Path<JobPath>,
) -> Result<Json<Job>, Problem> {
    let (actor, now) = (&caller.caller.actor, host.clock().now());
    Ok(Json(jobs::cancel(&host.store, &caller.co, path.id, actor, now).await?))
}

/// Queues a job anew that failed or was canceled, with all its retries.
#[utoipa::path(
    post, path = "/cos/{co}/jobs/{id}/requeue", tag = "jobs", operation_id = "requeue_job",
    params(JobPath),
    responses((status = 200, body = QueuedJob)),
)]
async fn requeue(
    State(host): State<Arc<Host>>,
    caller: InCo,
    _: NoQuery,
    Path(path): Path<JobPath>,
) -> Result<Json<QueuedJob>, Problem> {
    let (actor, now) = (&caller.caller.actor, host.clock().now());
    let registered = jobs::requeue(&host.store, &caller.co, path.id, actor, now).await?;
    host.jobs.wake();
    Ok(Json(registered.into()))
}

/// Which jobs are queued anew.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RequeueQuery {
    /// Only those of this target.
    target: Option<String>,
}

/// Queues all provisionings anew that gave up.
#[utoipa::path(
    post, path = "/cos/{co}/jobs/requeue", tag = "jobs", operation_id = "requeue_jobs",
    params(CoPath, RequeueQuery),
    responses((status = 200, body = Page<QueuedJob>)),
)]
async fn requeue_all(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Query(query): Query<RequeueQuery>,
) -> Result<Json<Page<QueuedJob>>, Problem> {
    let (actor, now) = (&caller.caller.actor, host.clock().now());
    let target = query.target.as_deref();
    let requeued = jobs::requeue_all(&host.store, &caller.co, target, actor, now).await?;
    host.jobs.wake();
    Ok(Json(Page::whole(requeued.jobs.into_iter().map(QueuedJob::from).collect())))
}

/// Begins to provision all email lists, groups, people and services to a target, also those that are not active, which are
/// removed there. One at a time for each target.
#[utoipa::path(
    post, path = "/cos/{co}/targets/{id}/reprovision-all", tag = "jobs", operation_id = "reprovision_all",
    params(TargetPath),
    responses((status = 202, description = "begun", body = Job)),
)]
async fn reprovision_all(
    State(host): State<Arc<Host>>,
    caller: InCo,
    Path(path): Path<TargetPath>,
    _: NoQuery,
) -> Result<(StatusCode, Json<Job>), Problem> {
    let (actor, now) = (&caller.caller.actor, host.clock().now());
    let job = jobs::reprovision_all(&host.store, &caller.co, &path.id, actor, now).await?;
    host.jobs.wake();
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// A target in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct TargetPath {
    /// `id` of the collaboration.
    #[serde(rename = "co")]
    _co: String,
    /// `id` of the target.
    id: String,
}

pub(super) fn router() -> OpenApiRouter<Arc<Host>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(cancel))
        .routes(routes!(requeue))
        .routes(routes!(requeue_all))
        .routes(routes!(reprovision_all))
}
